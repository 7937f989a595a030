"""What a power cut leaves of a folder.

It follows what journaling file systems promise. The bytes of a file are there up to its last fsync; what was written
later is lost, cut, or there. Renames and deletions are there once their folder is synced; of later ones, the first few
are there, any number of them. New folders are there; one that was removed may be there again, until the folder above it
is synced. So it is harsher than one ext4 image, and runs where nothing can be mounted; powercut.py mounts real images
too, where that is allowed.
"""

import os
from pathlib import Path
from random import Random


class Disk:
    """What of a folder would survive a power cut now."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.synced: dict[int, bytes] = {}  # by file
        self.names: dict[str, int] = {}  # the file at each path
        self.listings: dict[str, list[dict[str, int]]] = {}  # of each folder: what is synced, then after each change
        self.removed: set[str] = set()  # folders that come back where the folder above was not synced since
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118
                if os.path.isfile(path):  # noqa: PTH113
                    self.synced[self._new(path)] = Path(path).read_bytes()
            self.listings[folder] = [self._listing(folder)]

    def _new(self, path: str) -> int:
        self.names[path] = number = len(self.synced) + 1
        self.synced[number] = b""
        return number

    def _listing(self, folder: str) -> dict[str, int]:
        return {path: number for path, number in self.names.items() if os.path.dirname(path) == folder}  # noqa: PTH120

    def _changed(self, *paths: str) -> None:
        for folder in dict.fromkeys(os.path.dirname(path) for path in paths):  # noqa: PTH120
            self.listings.setdefault(folder, [{}]).append(self._listing(folder))

    def opened(self, path: str) -> None:
        """A file may be new."""
        if path not in self.names:
            self._new(path)
            self._changed(path)

    def synced_file(self, path: str) -> None:
        """What a file holds, or which files a folder holds, is on the disk."""
        if path in self.listings:
            self.listings[path] = [self._listing(path)]
            for folder in [folder for folder in self.removed if os.path.dirname(folder) == path]:  # noqa: PTH120
                self._forget(folder)
        elif path in self.names:
            self.synced[self.names[path]] = Path(path).read_bytes()

    def replaced(self, source: str, target: str) -> None:
        """A file has another name."""
        if source in self.names:
            self.names[target] = self.names.pop(source)
            self._changed(source, target)

    def unlinked(self, path: str) -> None:
        """A file, or an empty folder, is gone."""
        if self.names.pop(path, None) is not None:
            self._changed(path)
        elif path in self.listings:
            self.removed.add(path)

    def made(self, folder: str) -> None:
        """A folder is new; one that had its name does not come back."""
        self._forget(folder)
        self.listings[folder] = [{}]

    def _forget(self, folder: str) -> None:
        """A removed folder does not come back, nor do those below it."""
        gone = [path for path in self.listings if path == folder or path.startswith(folder + os.sep)]
        for path in gone:
            del self.listings[path]
        self.removed.difference_update(gone)

    def after_power_cut(self, random: Random) -> dict[str, bytes]:
        """The files that are there when the machine is up again, by path."""
        kept: dict[str, bytes] = {}
        written = {number: path for path, number in self.names.items()}
        for listings in self.listings.values():
            listing = listings[0] if random.random() < 0.5 else random.choice(listings)
            for path, number in listing.items():
                synced = self.synced[number]
                now = Path(written[number]).read_bytes() if number in written else synced
                grown = now[len(synced) :] if now.startswith(synced) else b""
                kept[path] = synced + grown[: random.choice([0, 0, random.randint(0, len(grown)), len(grown)])]
        return kept


def cut(disk: Disk, random: Random) -> None:
    """Leave the folder as a power cut may leave it."""
    kept = disk.after_power_cut(random)
    for folder, _, names in os.walk(disk.root):
        for name in names:
            (Path(folder) / name).unlink()
    for path, content in kept.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)  # of a folder that is there again
        Path(path).write_bytes(content)
