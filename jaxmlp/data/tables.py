"""Tables in files: CSV and Parquet, read by Arrow, and cut into what is learnt, what from, and weights."""

import zlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxmlp.data.arrow import is_categorical
from jaxmlp.data.config import Data
from jaxmlp.data.inputs import column_values, values_of
from jaxmlp.data.parts import Called, Part
from jaxmlp.errors import DataError, UsageError, line_of, nearest
from jaxmlp.fields import shown
from jaxmlp.reading import expanded, open_regular
from jaxmlp.text import count

ENDS = (".csv", ".parquet")
MOST_BLOCK = 2**31 - 1  # bytes of a CSV that Arrow looks at to tell the types of its columns


class Table(NamedTuple):
    """Tables of Arrow as they were read; validation and test examples where they have files of their own."""

    train: Any
    validation: Any
    test: Any
    origin: str
    crc32: str  # of the files


def is_table(name: str) -> bool:
    """Whether a path is that of a table, by its end."""
    return name.lower().endswith(ENDS)


def load(path: Path, data: "Data") -> Table:
    """The table at `path`, and those of data.validation_file and data.test_file. Raises DataError and UsageError."""
    if not data.target:
        raise UsageError(
            f"data.target is empty; accepted is the column to learn: {_listed(read(path)[0].column_names)}"
        )
    paths: list[Path | None] = [path]
    for key in ("validation_file", "test_file"):
        name = getattr(data, key)
        if name and not is_table(name):
            raise UsageError(f"data.{key} is {shown(name)}; accepted is the path of a table ({', '.join(ENDS)})")
        paths.append(expanded(f"data.{key}", name) if name else None)
    tables: list[Any] = []
    crc32, text = 0, ()
    for file in paths:
        table, checksum = (None, 0) if file is None else read(file, text)
        tables.append(table)
        text = _text_in(tables[0])
        crc32 = zlib.crc32(checksum.to_bytes(4, "little"), crc32)
    train, validation, test = tables
    origin = f"{path} ({count(train.num_rows, 'row')}, {count(train.num_columns, 'column')})"
    return Table(train, validation, test, origin, f"{crc32:08x}")


def read(path: Path, text: Collection[str] = ()) -> tuple[Any, int]:
    """The table in a CSV or Parquet file, and the CRC-32 of its bytes. Raises DataError, in one line.

    The types of the columns of a CSV are told from its values, but for those that are `text`, whatever they look like.
    """
    import pyarrow as pa

    try:
        with open_regular(path) as file:
            content = file.read()
        table = _parquet(content, path) if path.suffix.lower() == ".parquet" else _csv(content, path, text)
        names = table.column_names  # decoded now
    except DataError:
        raise
    except IsADirectoryError:
        raise DataError(f"{path}: a folder, where a table is meant") from None
    except MemoryError as error:
        raise DataError(f"{path}: does not fit into memory; take fewer rows or columns") from error
    except (
        pa.ArrowException,
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # of a damaged file; Arrow's are OSErrors too
        raise DataError(f"{path}: cannot be read as a table ({line_of(error)})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or line_of(error)})") from None
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: has two columns {shown(twice)}; give each a name of its own")
    if not table.num_rows or not names:
        raise DataError(f"{path}: has {count(len(names), 'column')} and no rows; bring examples")
    return table, zlib.crc32(content)


def parts(table: Table, data: "Data") -> tuple[Part, Part | None, Part | None, tuple[str, ...]]:
    """Training, validation and test examples, and the names of the columns that are learnt."""
    names = _names(data.target, table.train.column_names, "data.target")
    if len(names) > 1 and len(set(names)) < len(names):
        raise UsageError(f"data.target is {shown(data.target)}, with a column twice; name each once")
    weight = _names(data.weight, table.train.column_names, "data.weight")
    if len(weight) > 1:
        raise UsageError(f"data.weight is {shown(data.weight)}; accepted is one column")
    left_out = _names(data.leave_out, table.train.column_names, "data.leave_out")
    files = (data.name, data.validation_file, data.test_file)
    train, validation, test = (
        None if one is None else _part(one, file, names, weight, left_out)
        for one, file in zip(table[:3], files, strict=True)
    )
    assert train is not None
    return train, validation, test, names


def _part(table: Any, file: str, names: Sequence[str], weight: Sequence[str], left_out: Sequence[str]) -> Part:
    for name in (*names, *weight):
        if name not in table.column_names:
            raise DataError(f"{file}: no column {shown(name)}; {nearest(name, table.column_names)}")
    called = Called(
        file, f"{file}: column{'s' * (len(names) > 1)} {_listed(names)}", f"{file}: column {_listed(weight)}"
    )
    y = values_of(table, names, file, called.y)
    weights = column_values(table.column(weight[0]), called.weights) if weight else None
    dropped = {*names, *weight, *left_out}
    return Part(table.select([name for name in table.column_names if name not in dropped]), y, weights, called)


def names_in(text: str, columns: Collection[str]) -> tuple[str, ...]:
    """The columns that a key of [data] names: one, or several with commas between them."""
    if not text:
        return ()
    return (text,) if text in columns else tuple(name.strip() for name in text.split(","))


def _names(text: str, columns: Sequence[str], key: str) -> tuple[str, ...]:
    names = names_in(text, columns)
    for name in names:
        if name not in columns:
            raise UsageError(f"{key} {shown(name)} is no column of the table; {nearest(name, columns)}")
    return names


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:10])) + (", ..." if len(names) > 10 else "")


def _text_in(table: Any) -> tuple[str, ...]:
    import pyarrow as pa

    return tuple(f.name for f in table.schema if is_categorical(f.type) and not pa.types.is_boolean(f.type))


def _csv(content: bytes, path: Path, text: Collection[str]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    if not content.strip():
        raise DataError(f"{path}: is empty; a CSV file with a line of names and a line for each row is expected")
    if b"\0" in content[:10_000]:
        raise DataError(f"{path}: no CSV file: it holds bytes that are no text; save it as CSV in UTF-8")
    names = content.partition(b"\n")[0]
    if b"," not in names and (others := [mark for mark in (b";", b"\t") if mark in names]):
        raise DataError(
            f"{path}: columns are separated by {shown(others[0].decode())}; accepted are commas: save it so"
        )
    table = csv.read_csv(
        pa.BufferReader(content),
        csv.ReadOptions(
            use_threads=False, block_size=min(len(content) + 1, MOST_BLOCK)
        ),  # with threads Arrow may abort
        convert_options=csv.ConvertOptions(strings_can_be_null=True, column_types=dict.fromkeys(text, pa.string())),
    )
    if strange := [field.name for field in table.schema if pa.types.is_binary(field.type)]:
        raise DataError(f"{path}: column {shown(strange[0])} is no text in UTF-8; save the file in UTF-8")
    return table


def _parquet(content: bytes, path: Path) -> Any:
    import psutil
    import pyarrow as pa
    from pyarrow import parquet

    if content[:4] != b"PAR1":
        raise DataError(f"{path}: no Parquet file: it starts with {content[:4].hex(' ') or 'nothing'}, not with PAR1")
    file = parquet.ParquetFile(pa.BufferReader(content))
    about = file.metadata
    size = sum(about.row_group(index).total_byte_size for index in range(about.num_row_groups))
    if max(size, 8 * about.num_rows * about.num_columns) > psutil.virtual_memory().available or size < 0:
        raise DataError(f"{path}: {about.num_rows:,} rows of {about.num_columns:,} columns do not fit into memory")
    table = file.read(use_threads=False)
    table.validate(full=True)  # such as text that is no UTF-8
    return table
