"""`jaxmlp.fit`, until the validation accuracy is reached."""

from jaxmlp import Callbacks, Hyper, Network, Spec, Training, fit, splits_from
from jaxmlp.bench.scripts.common import raw, say, task


class Watch(Callbacks):
    """Prints the validation accuracy of every epoch, and stops at the target."""

    def __init__(self, target: float) -> None:
        self.target, self.reached = target, 0.0

    def on_epoch_end(self, epoch) -> None:
        self.reached = epoch.validation.accuracy
        say(validation_accuracy=self.reached)

    def should_stop(self) -> bool:
        return self.reached >= self.target


def main() -> None:
    """Epochs, each with its validation, until the target is reached."""
    goal = task()
    train, validation, test = raw(goal["data"])
    splits, preparation = splits_from(*train, validation=validation, test=test, normalise="per_image")
    training = Training(batch_size=goal["batch"], max_epochs=goal["epochs"])
    spec = Spec(Network(tuple(goal["hidden"])), training, splits.train.x.shape[1], len(preparation.classes))
    hyper = Hyper(goal["learning_rate"], goal["momentum"], patience=0)
    fit(spec, hyper, splits, callbacks=Watch(goal["target"]), progress=False)


if __name__ == "__main__":
    main()
