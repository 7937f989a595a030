"""What a tracker has written, in a file of its folder: a run that goes on does not write it twice."""

from pathlib import Path

FILE, END = "written.txt", "end"


class Ledger:
    """The id of the tracked run, the last epoch that is written, and the trials that are.

    Args:
        folder: Of the tracker.
        goes_on: Whether what is there counts; else it is begun anew.
    """

    def __init__(self, folder: Path, *, goes_on: bool) -> None:
        self.path, self.id, self.epoch = folder / FILE, "", 0
        self.trials: set[int] = set()
        self.has_ended = False  # and nothing came after
        folder.mkdir(parents=True, exist_ok=True)
        if not goes_on:
            self.path.unlink(missing_ok=True)
        lines, _, cut = self.path.read_text().rpartition("\n") if self.path.exists() else ("", "", "")
        if cut:  # by a kill
            self._add("")
        for line in lines.splitlines():
            self.has_ended = line == END
            kind, _, value = line.partition(" ")
            if kind == "id":
                self.id = value
            elif kind == "epoch" and value.isdigit():
                self.epoch = int(value)
            elif kind == "trial" and value.isdigit():
                self.trials.add(int(value))

    def name(self, run: str) -> None:
        """Keep the id of the tracked run."""
        self.id = run
        self._add(f"id {run}")

    def add_epoch(self, epoch: int) -> None:
        """An epoch is written."""
        self.epoch = epoch
        self._add(f"epoch {epoch}")

    def add_trial(self, trial: int) -> None:
        """A trial is written."""
        self.trials.add(trial)
        self._add(f"trial {trial}")

    def add_end(self) -> None:
        """All that there is has been written."""
        self.has_ended = True
        self._add(END)

    def _add(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line + "\n")
