"""Inputs from outside that are damaged or hostile, and what each reader makes of them: `cases`, `outcome` and `count`.

Plain functions of a seed: the suite draws a few of them, and the battery many (battery/inputs.py).
"""

import gzip
import io
import signal
import struct
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

from jaxmlp.data import idx, npz
from jaxmlp.data.config import Data
from jaxmlp.data.preparing import prepare
from jaxmlp.data.sources import Dataset, load_data
from jaxmlp.errors import LONGEST, JaxmlpError
from jaxmlp.fields import kind_of
from jaxmlp.predict.images import read_image
from jaxmlp.reading import toml
from jaxmlp.run import config
from jaxmlp.sweep import config as sweep_config
from jaxmlp.sweep.space import KINDS
from jaxmlp.train.command import COMMAND
from jaxmlp.training.validation import NAMES

SECONDS = 10  # that a reader may take for an input of some kilobytes
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
HEADERS = [
    b"{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': '<U1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
    b"{'descr': '<U0', 'fortran_order': True, 'shape': (99999999999999,), }",
    b"{'descr': '<f16', 'fortran_order': False, 'shape': (-1, 2), }",
    b"{'descr': [('a', '<i4'), ('b', '|S3')], 'fortran_order': False, 'shape': (3,), }",
    b"{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (0, 9223372036854775807), }",
    b"{'descr': '<c16', 'fortran_order': 1, 'shape': (), }",
    b"{'descr': " + b"(" * 300 + b"}",
    b"{'descr': '\\x00', 'shape'",
    b"'''",
    b"[" * 5000,
]


def cases(kind: str, seed: int, count: int) -> Iterator[bytes]:
    """So many inputs of a kind, always the same for a seed."""
    for number in range(count):
        yield MAKERS[kind](Random(f"{kind} {seed} {number}"))


def _damaged(content: bytes, random: Random) -> bytes:
    """Bytes with a few of them changed, cut, repeated or replaced by extreme numbers."""
    changed = bytearray(content)
    for _ in range(random.choice([0, 1, 1, 2, 4, 16])):
        at, length = random.randrange(len(changed) + 1), random.choice([1, 1, 2, 4, 8, 50])
        extreme = random.choice(EXTREMES).to_bytes(8, random.choice(["little", "big"]))
        changed[at : at + length] = random.choice(
            [bytes(random.randrange(256) for _ in range(length)), extreme[:length], b"", changed[at : at + length] * 2]
        )
    return bytes(changed)


def _npz(random: Random) -> bytes:
    rng = np.random.default_rng(random.randrange(2**32))
    kind = random.choice([np.uint8, np.uint8, np.float16, np.float32, np.float64, np.longdouble, np.int64, bool])
    images = rng.integers(0, 256, (12, 2, 3)).astype(kind)
    if images.dtype.kind == "f" and random.random() < 0.3:
        images.flat[random.randrange(72)] = random.choice(
            [np.nan, np.inf, 6e4, 1e-45, -1e30][: 3 if kind is np.float16 else 5]
        )
    labels = np.arange(12) % 3
    texts = [
        labels.astype(str),
        (labels + 0x7FFFFFF0).astype(np.uint32).view("U1"),
        labels.astype("S"),
        labels.astype(np.uint64) + np.uint64(random.choice([0, 2**63])),
    ]
    named = random.choice([labels, labels.astype(np.uint8), labels - 2**62, labels.astype(float), labels > 1, *texts])
    values = dict(zip(npz.KEYS, (images, named, images[:4], named[:4]), strict=True))
    target = io.BytesIO()
    method = random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    careless = random.random() < 0.5
    with zipfile.ZipFile(target, "w", method) as archive:
        for key, array in values.items():
            plain = io.BytesIO()
            np.lib.format.write_array(plain, np.asfortranarray(array) if random.random() < 0.2 else array)
            member = plain.getvalue()
            if careless and random.random() < 0.15:
                header = random.choice(HEADERS).ljust(118) + b"\n"
                member = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + bytes(random.choice([0, 12, 300]))
            elif careless and random.random() < 0.2:
                member = _damaged(member, random)
            archive.writestr(f"{key}.npy", member)
    return _damaged(target.getvalue(), random) if random.random() < 0.5 else target.getvalue()


def _cell(random: Random) -> str:
    return random.choice(
        ["1", "2.5", "-3e9", "", "NA", "inf", "true", "oslo", '"a, b"', "2020-01-01", "9" * 30, "\u00e9", "'"]
    )


def _csv(random: Random) -> bytes:
    names = random.choice([["a", "b", "y"], ["a", "y"], ["y", "a"], ["a", "a", "y"], ["y"]])
    kinds = [random.choice([["1", "2.5", "7"], ["oslo", "rome"], ["true", "false"], ["1", ""]]) for _ in names]
    rows = [[random.choice(kind) for kind in kinds] for _ in range(random.choice([0, 1, 30, 30, 30]))]
    for row in rows:
        if random.random() < 0.03:
            row[random.randrange(len(row))] = _cell(random)
    end = random.choice(["\n", "\n", "\r\n"])
    content = end.join(",".join(row) for row in [names, *rows]).encode()
    return _damaged(content, random) if random.random() < 0.4 else content


def _parquet(random: Random) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    kinds = [[1, 2, 3], [0.5, float("nan"), None], ["a", "b", None], [True, False], [[1]], [b"x"], [float("inf"), 1.0]]
    columns = {name: [random.choice(kind) for _ in range(30)] for name in "aby" for kind in [random.choice(kinds)]}
    target = io.BytesIO()
    parquet.write_table(pa.table(columns), target, compression=random.choice(["none", "snappy", "zstd"]))
    return _damaged(target.getvalue(), random) if random.random() < 0.5 else target.getvalue()


def _idx(random: Random) -> bytes:
    shape = [
        random.choice([0, 1, 2, 3, 5, *EXTREMES[5:10]]) if random.random() < 0.2 else 3
        for _ in range(random.choice([1, 2, 3]))
    ]
    code = random.choice([*idx.TYPES, 0x0A])
    held = min(int(np.prod([float(n) for n in shape])), 100) * np.dtype(idx.TYPES.get(code, "u1")).itemsize
    content = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + random.randbytes(held)
    content = _damaged(content, random) if random.random() < 0.6 else content
    if random.random() < 0.5:
        content = gzip.compress(content, mtime=0)
        content = _damaged(content, random) if random.random() < 0.5 else content
    return content


def _image(random: Random) -> bytes:
    from PIL import Image

    mode = random.choice(["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
    image = Image.effect_noise((9, 7), 50).convert("L" if mode == "I;16" else mode)
    form = {"LA": "PNG", "RGBA": "PNG", "CMYK": "JPEG"}.get(mode) or random.choice(
        ["PNG", "PNG", "GIF", "BMP", "PPM", "TIFF", "DDS"]
    )
    target = io.BytesIO()
    image.convert({"DDS": "RGBA", "PPM": "L"}.get(form, image.mode)).save(target, form)
    return _damaged(target.getvalue(), random)


USUAL = {int: ["1", "2", "3", "5", "8"], float: ["0.5", "0.1", "0.3", "0.25", "0.001", "0.9", "0.3333333333333333"]}
HOSTILE = ["0", "-0.0", "1e400", "-1e400", "nan", "inf", "1e-46", "1e-39", "0.999999999", "0.99999997", "1e38", "+1"]
HOSTILE += [
    "3.4028235e38",
    "2147483647",
    "2147483648",
    "1_000",
    "1.0",
    "0.1000000001",
    "true",
    '"1"',
    "1979-05-27",
    "[1]",
]
HOSTILE += ["{}", "[[]]", "5e-324", "16777217", "0.30000000000000004", "-1", "9" * 30, "9" * 5000, "0x" + "f" * 5000]


def _number(random: Random, kind: type) -> str:
    return random.choice(USUAL[kind] if random.random() < 0.8 else HOSTILE)


PATHS = [
    f'"{path}"' for path in ("mnist", "digits", "a", "./a", "a/../a", ".", "", "~", "~/a", "tfds:a", "~nobody-here/a")
]


def _text(random: Random) -> str:
    letters = [
        "a",
        "\\n",
        "\\u0000",
        "é",
        "\\u202e",
        "'",
        "#",
        "=",
        "]",
        ".",
        "/",
        "~",
        " ",
        "\\\\",
        '\\"',
        "\\u001b",
        "𝔘",
    ]
    return '"' + "".join(random.choice(letters) for _ in range(random.choice([0, 1, 3, 8]))) + '"'


def _value(random: Random, key: str) -> str:
    kind = kind_of(KINDS[key])
    if random.random() < 0.03:
        return random.choice([_text(random), _number(random, float)])
    if kind is tuple:
        return "[" + ", ".join(_number(random, int) for _ in range(random.randrange(3))) + "]"
    if kind is bool:
        return random.choice(["true", "false"])
    if key in ("data.name", "data.dir") and random.random() < 0.9:
        return random.choice(PATHS)
    if kind is str:
        names = [f'"{name}"' for name in NAMES.get(key, ())]
        return random.choice(names) if names and random.random() < 0.95 else _text(random)
    return _number(random, kind)


def _config(random: Random) -> bytes:
    keys = sorted(random.sample(sorted(KINDS), random.randrange(5)))
    lines = [f"seed = {_number(random, int)}"] if random.random() < 0.3 else []
    for section in ("data", "network", "training", "hyper"):
        inside = [key for key in keys if key.startswith(section)]
        lines += [f"[{section}]", *(f"{key.split('.')[1]} = {_value(random, key)}" for key in inside)] if inside else []
    return "\n".join(lines).encode()


def _sweep(random: Random) -> bytes:
    lines = [_config(random).decode() if random.random() < 0.5 else f"seed = {_number(random, int)}", "[grid]"]
    common = [
        "hyper.learning_rate",
        "hyper.momentum",
        "hyper.l2",
        "hyper.patience",
        "network.hidden",
        "training.batch_size",
    ]
    for key in random.sample(common if random.random() < 0.8 else sorted(KINDS), random.choice([1, 1, 2, 3])):
        quoted, kind = (f'"{key}"' if random.random() < 0.8 else key), kind_of(KINDS[key])
        if kind in (int, float) and random.random() < 0.4:
            ends = ", ".join(f"{end} = {_number(random, kind)}" for end in ("low", "high"))
            scale = random.choice(["", ', scale = "log"', ', scale = "linear"'])
            lines.append(f"{quoted} = {{{ends}{scale}{random.choice(['', ', count = 3', ', count = 7'])}}}")
        else:
            lines.append(f"{quoted} = [{', '.join(_value(random, key) for _ in range(random.choice([1, 2, 3])))}]")
    lines += [f"seeds = {random.choice([1, 2, 3])}"] if random.random() < 0.5 else []
    if random.random() < 0.4:
        method = random.choice(["sobol", "latin_hypercube", "halton", "random"])
        lines += [
            "[sample]",
            f"count = {random.choice([1, 3, 8])}",
            f'method = "{method}"',
            f"seed = {_number(random, int)}",
        ]
    if random.random() < 0.2:
        lines += [
            "[prune]",
            f"rung_epochs = [{random.choice(['1', '1, 2', '2, 1', '3, 9'])}]",
            f"keep = {_number(random, float)}",
        ]
    return "\n".join(lines).encode()


def _toml(random: Random) -> bytes:
    content = random.choice([_config, _sweep])(random)
    if random.random() < 0.2:
        part = random.choice([b"[", b"a.", b"{a=", b'"', b"'", b'"""', b"#", b"\n[[a]]", b"9", b"=", b"\\"])
        return content + b"\na = " + part * random.choice([1, 40, 5000])
    return _damaged(content, random)


def _values(random: Random) -> bytes:
    words = []
    for key in random.sample(sorted(KINDS), random.choice([1, 2])):
        flag = f"--{key}".replace("_", "-")
        value = _value(random, key).strip('"[]').replace(",", " ")
        words += [f"{flag}={value}"] if random.random() < 0.3 else [flag, *value.split()]
    return "\0".join(words).encode()


def _read_npz(path: Path) -> None:
    data = Data(str(path), normalise=Random(path.stat().st_size).choice(sorted(NAMES["data.normalise"])))
    splits, _ = prepare(Dataset(*npz.read(path), "fuzzing"), data)
    assert all(np.isfinite(part.x).all() and np.isfinite(part.targets).all() for part in splits)


def _read_table(path: Path) -> None:
    named = path.with_name(f"{path.name}.{path.name.removeprefix('input-')}")
    path.replace(named)
    data = Data(str(named), target="y", stratified=False)
    splits, _ = prepare(load_data(data), data, on_message=lambda _: None)
    assert all(np.isfinite(part.x).all() for part in splits)


def _read_idx(path: Path) -> None:
    assert idx.read(path).nbytes <= 1032 * path.stat().st_size


def _read_image(path: Path) -> None:
    assert read_image(path, (4, 4), invert=False, resize=True).shape == (4, 4)


@contextmanager
def _accepted() -> Iterator[None]:
    """What was written by the program itself is never refused."""
    try:
        yield
    except JaxmlpError as error:
        raise AssertionError(f"written, and refused when read back: {error}") from error


def _read_config(path: Path) -> None:
    experiment, given = config.read(path)
    config.check(experiment, given)
    path.write_text(config.write(experiment))
    with _accepted():
        again, given = config.read(path)
        config.check(again, given)
    assert repr(config.tree(again)) == repr(config.tree(experiment)), "written and read back as something else"


def _read_sweep(path: Path) -> None:
    sweep = sweep_config.sweep_of(*sweep_config.read(path))
    path.write_text(sweep_config.write(sweep))
    with _accepted():
        again = sweep_config.sweep_of(*sweep_config.read(path))
    assert repr(sweep_config.tree(again)) == repr(sweep_config.tree(sweep)), "written and read back as something else"
    first, second = ([config.tree(trial.experiment) for trial in islice(each.trials, 20)] for each in (sweep, again))
    assert repr(first) == repr(second), "the trials are others"
    assert len(again.trials) == len(sweep.trials)


def _read_toml(path: Path) -> None:
    assert isinstance(toml(path.read_bytes().decode(errors="replace")), dict)


def _read_values(path: Path) -> None:
    from jaxmlp.cli import parsing

    parsing.read(COMMAND, path.read_bytes().decode().split("\0"))


MAKERS: dict[str, Callable[[Random], bytes]] = {
    "npz": _npz,
    "csv": _csv,
    "parquet": _parquet,
    "idx": _idx,
    "image": _image,
    "toml": _toml,
    "config": _config,
    "sweep": _sweep,
    "values": _values,
}
READERS: dict[str, Callable[[Path], None]] = {
    "npz": _read_npz,
    "csv": _read_table,
    "parquet": _read_table,
    "idx": _read_idx,
    "image": _read_image,
    "toml": _read_toml,
    "config": _read_config,
    "sweep": _read_sweep,
    "values": _read_values,
}


def outcome(kind: str, content: bytes, folder: Path) -> str:
    """What a reader makes of an input: "right" or "refused". Any other end is an exception: that is what is looked for."""
    path = folder / f"input-{kind}"
    path.write_bytes(content)
    try:
        READERS[kind](path)
    except JaxmlpError as error:
        line = str(error)
        assert 0 < len(line) <= LONGEST and len(line.splitlines()) == 1, f"no short line: {line[:300]!r}"  # noqa: PT018
        return "refused"
    return "right"


class HangError(BaseException):
    """A reader takes too long; no reader takes it for an error of its own."""


def alarm(*_: object) -> None:
    """End a reader that takes too long."""
    raise HangError


def count(kind: str, seed: int, number: int, folder: Path) -> tuple[Counter[str], list[str]]:
    """How many inputs are right, refused in one line, end in a traceback, or hang; and the first few tracebacks."""

    ends, wrong, before = Counter[str](), [], signal.signal(signal.SIGALRM, alarm)
    for index, content in enumerate(cases(kind, seed, number)):
        signal.alarm(SECONDS)
        try:
            ends[outcome(kind, content, folder)] += 1
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            ends["hang" if isinstance(error, HangError) else "traceback"] += 1
            wrong += (
                [f"{kind} {seed} {index}: {traceback.format_exc()[-700:]}\n{content[:600]!r}"] if len(wrong) < 8 else []
            )
        finally:
            signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    return ends, wrong
