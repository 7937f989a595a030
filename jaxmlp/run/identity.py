"""What a run is: the keys that determine its results, and the data. Every state file carries it, or its digest.

A file that belongs to another run, copied or left there, is recognised by it, and so is a config.toml that was changed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jaxmlp.fields import flat

# where the data lie: what they are, their checksum says
PLACES = ("data.dir", "data.name", "data.validation_file", "data.test_file")


class Identity(NamedTuple):
    """What determines the results of a run; two runs of one identity have the same bits, on the same machine."""

    keys: dict[str, Any]  # the resolved experiment and its options, by dotted key
    data: str  # CRC-32 of the images and labels as they were loaded

    @classmethod
    def of(cls, tree: Mapping[str, Any], data: str, without: Iterable[str] = ()) -> "Identity":
        """The identity of an experiment as parsed TOML (`config.tree`), on data of a checksum.

        `without` are keys that may change while the run goes on, beside the place of its data.
        """
        left_out = {*PLACES, *without}
        keys = {key: value for key, value in flat(tree) if key not in left_out}
        return cls(json.loads(json.dumps(keys)), data)

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that files carry in place of all of it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def to_json(self) -> str:
        """The form in the metadata of a checkpoint, and in environment.json."""
        return json.dumps(self._asdict(), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Identity":
        """The inverse of `to_json`. Raises ValueError for a text of another form."""
        try:
            content = json.loads(text)
            return cls(dict(content["keys"]), str(content["data"]))
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"it describes no run ({error!r})") from None

    def differs(self, other: "Identity") -> str | None:
        """The first things in which another identity differs, as `key (is 1, was 2)`; None where nothing does."""
        names = sorted(self.keys.keys() | other.keys.keys())
        changed = [
            f"{name} ({_shown(self.keys, name)} here, {_shown(other.keys, name)} there)"
            for name in names
            if self.keys.get(name, ...) != other.keys.get(name, ...)
        ]
        if self.data != other.data:
            changed.append("the data")
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        return ", ".join(changed[:3]) + more if changed else None


def _shown(keys: Mapping[str, Any], name: str) -> str:
    if name not in keys:
        return "not set"
    text = json.dumps(keys[name])
    return text if len(text) <= 60 else text[:57] + "..."
