"""`jaxmlp.fit_grid`: all trials of the search side by side, with successive halving or to their end."""

import math

from jaxmlp import Callbacks, Hyper, Network, Spec, Training, fit_grid, splits_from
from jaxmlp.bench.scripts.common import raw, say, task


class Watch(Callbacks):
    """Prints the best validation loss whenever it is lower."""

    def __init__(self) -> None:
        self.best = math.inf

    def on_call_end(self, progress) -> None:
        if progress.best is not None:
            self.tell(progress.best["validation_loss"])

    def tell(self, loss: float) -> None:
        """Print it if it is lower."""
        if loss < self.best:
            self.best = loss
            say(validation_loss=loss)


def main() -> None:
    """The search, and its best at the end."""
    goal, watch = task(), Watch()
    train, validation, test = raw(goal["data"])
    splits, preparation = splits_from(*train, validation=validation, test=test, normalise="per_image")
    training = Training(batch_size=goal["batch"], max_epochs=goal["epochs"], gradient="delta_rule")
    spec = Spec(Network(tuple(goal["hidden"])), training, splits.train.x.shape[1], len(preparation.classes))
    axes = {"learning_rate": goal["learning_rates"], "momentum": goal["momenta"], "l2": goal["l2s"]}
    rungs = goal["rungs"] if goal["halve"] else ()
    grid = fit_grid(spec, Hyper(patience=0), splits, axes, rung_epochs=rungs, callbacks=watch, progress=False)
    watch.tell(min(loss for loss in grid.table["validation_loss"] if not math.isnan(loss)))


if __name__ == "__main__":
    main()
