"""The page of a sweep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any


def write(
    path: Path, summary: dict[str, Any], rows: Sequence[dict[str, Any]], axes: Sequence[str], pictures: Sequence[str]
) -> None:
    """Write the page."""
