"""What is known of a run beside its network: the name of its data, these data where they are at hand, its test result."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp.data.sources import Dataset, load_data
from jaxmlp.data.tables import Table
from jaxmlp.errors import JaxmlpError
from jaxmlp.run import directory, own
from jaxmlp.run.sealed import read_json


class Source(NamedTuple):
    """Of a run; of a model alone nothing."""

    name: str = ""  # as in data.name
    data: Dataset | Table | None = None
    summary: dict[str, Any] | None = None  # as in summary.json

    @classmethod
    def of_run(cls, run: Path | None, *, read: bool) -> "Source":
        """Of a run directory; nothing of None. Data that cannot be had cost a line on standard error."""
        if run is None:
            return cls()
        section, summary = own.data_keys(run), read_json(run / directory.SUMMARY, directory.identity_of(run))
        if not read:
            return cls(section.name, None, summary)
        try:
            data = load_data(section)
            own.check_begun_with(run, data)
        except JaxmlpError as error:
            line = str(error).splitlines()[0].removesuffix(". Tried:")
            print(f"no examples, and ranges by the normalisation: the data are not at hand ({line})", file=sys.stderr)
            return cls(section.name, None, summary)
        return cls(section.name, data, summary)

    @property
    def key(self) -> str:
        """The name of a set, whichever way it was found: mnist for tfds:mnist; of a path its last part."""
        return Path(self.name.removeprefix("tfds:").split(":")[0]).name

    def test_result(self, what: str) -> str:
        """The test result as a clause; empty where there is none. `what` is what an example is called."""
        test = (self.summary or {}).get("test", {})
        if "correct" in test:
            return f"{100 * test['correct'] / test['count']:.2f} % of {test['count']:,} test {what} right"
        return f"R2 {test['r2']:.3f} on test {what}" if test.get("r2") is not None else ""
