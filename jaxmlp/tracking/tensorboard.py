"""TensorBoard: event files with scalars, pictures, and the table of its HPARAMS view; no TensorFlow is needed."""

import shutil
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from jaxmlp.tracking import values
from jaxmlp.tracking.tracker import Tracker
from jaxmlp.training.epochs import Epoch
from jaxmlp.training.events import RunBegin, RunEnd, TrialEnd

PLUGIN, VERSION = "hparams", 0
SHOWN = (
    "best_validation_loss",
    "best_validation_accuracy",
    "best_validation_r2",
    "test_loss",
    "test_accuracy",
    "test_r2",
)


class TensorBoard(Tracker):
    """Event files below a folder: the scalars of a run; a folder for each trial of a grid, and the table of HPARAMS.

    Example:
        jaxmlp.fit(spec, hyper, splits, callbacks=[jaxmlp.tracking.TensorBoard("logs/first")])  # tensorboard --logdir logs
    """

    name = "tensorboard"

    def begin(self, run: RunBegin) -> None:
        """Open the event file."""
        from tensorboardX import SummaryWriter

        self.run, self.began, self.described = run, time.time(), False
        session = f".{time.time_ns()}"  # else two sessions of one second have one file; readers go by the names
        purge = None if run.resumed else 0  # what an earlier run has left in the folder is not shown
        self.writer = SummaryWriter(str(self.folder), purge_step=purge, filename_suffix=session)
        self.writer.add_text("config", "\n".join(f"    {key} = {value}" for key, value in run.config.items()))
        self.writer.add_text("data", run.data)

    def epoch(self, epoch: Epoch) -> None:
        """Write its scalars."""
        _add(self.writer, values.of_epoch(epoch), epoch.epoch)

    def trial(self, trial: TrialEnd) -> None:
        """Write the curves of a trial into a folder of its own, as a session of the table."""
        from tensorboardX import SummaryWriter

        axes, numbers = self.run.axes or {}, values.of_trial(trial.row)
        if not self.described:
            self.described = True
            self._describe(axes, numbers)
        folder = self.folder / f"trial-{trial.row['trial']:06d}"
        if folder.exists():  # of a process that was killed while it wrote
            shutil.rmtree(folder)
        with SummaryWriter(str(folder)) as writer:
            for epoch, of_epoch in values.of_curve(trial.curve):
                _add(writer, of_epoch, epoch)
            hyper = {name: trial.row[name] for name in axes if name in trial.row}
            _write_session(writer, _typed(hyper, axes), numbers, trial.row["best_epoch"], self.began)

    def end(self, run: RunEnd) -> None:
        """Write the pictures and, of a run, its config with the final metrics as the only session of the table."""
        if run.status == "finished" and run.summary is not None and self.run.axes is None:
            axes, numbers = {key: [value] for key, value in self.run.config.items()}, values.of_summary(run.summary)
            self._describe(axes, numbers)
            _write_session(self.writer, _typed(self.run.config, axes), numbers, run.summary["best_epoch"], self.began)
        for file in values.pictures(run) if run.status == "finished" else []:
            _add_summary(self.writer, _picture(file))
        self.writer.close()

    def _describe(self, axes: Mapping[str, Any], numbers: values.Numbers) -> None:
        """Write the columns of the table."""
        api = import_module("tensorboardX.proto.api_pb2")

        infos = []
        for name, listed in axes.items():
            of_numbers = _are_numbers(listed)
            options = {str(value) for value in values.hyperparameters(dict(enumerate(listed))).values()}
            info = api.HParamInfo(name=name, type=api.DATA_TYPE_FLOAT64 if of_numbers else api.DATA_TYPE_STRING)
            if not of_numbers:
                info.domain_discrete.extend(sorted(options))
            infos.append(info)
        metrics = [
            api.MetricInfo(name=api.MetricName(tag=f"final/{name}"), display_name=name.replace("_", " "))
            for name in SHOWN
            if name in numbers
        ]
        experiment = api.Experiment(hparam_infos=infos, metric_infos=metrics, time_created_secs=self.began)
        _add_summary(self.writer, _plugin_data("experiment", experiment=experiment))


def _add(writer: Any, numbers: values.Numbers, epoch: int) -> None:
    """Scalars of an epoch as one event, in groups: train_loss is loss/train."""
    summary = import_module("tensorboardX.proto.summary_pb2").Summary
    scalars = []
    for name, number in numbers.items():
        part, _, metric = name.partition("_")
        tag = f"{metric}/{part}" if part in values.SPLITS else name
        scalars.append(summary.Value(tag=tag, simple_value=number))
    writer.file_writer.add_summary(summary(value=scalars), epoch)


def _write_session(writer: Any, hyper: Mapping[str, Any], numbers: values.Numbers, epoch: int, began: float) -> None:
    """A row of the table: hyperparameters, and the metrics of the best epoch."""
    api, plugin = import_module("tensorboardX.proto.api_pb2"), import_module("tensorboardX.proto.plugin_hparams_pb2")
    start = plugin.SessionStartInfo(start_time_secs=began)
    for name, value in hyper.items():
        if isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    _add_summary(writer, _plugin_data("session_start_info", session_start_info=start))
    _add(writer, {f"final/{name}": number for name, number in numbers.items()}, epoch)
    end = plugin.SessionEndInfo(status=api.STATUS_SUCCESS, end_time_secs=time.time())
    _add_summary(writer, _plugin_data("session_end_info", session_end_info=end))


def _add_summary(writer: Any, summary: Any) -> None:
    writer.file_writer.add_summary(summary)


def _typed(hyper: Mapping[str, Any], axes: Mapping[str, Any]) -> dict[str, str | float]:
    """Hyperparameters as their columns of the table have them: numbers where all values are, else text."""
    plain = values.hyperparameters(hyper)
    return {name: float(value) if _are_numbers(axes[name]) else str(value) for name, value in plain.items()}


def _are_numbers(listed: Any) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in listed)


def _plugin_data(tag: str, **content: Any) -> Any:
    """A summary that the HPARAMS view reads."""
    data = (
        import_module("tensorboardX.proto.plugin_hparams_pb2")
        .HParamsPluginData(version=VERSION, **content)
        .SerializeToString()
    )
    summary = import_module("tensorboardX.proto.summary_pb2")
    plugin = summary.SummaryMetadata.PluginData(plugin_name=PLUGIN, content=data)
    metadata = summary.SummaryMetadata(plugin_data=plugin)
    return summary.Summary(value=[summary.Summary.Value(tag=f"_hparams_/{tag}", metadata=metadata)])


def _picture(file: Path) -> Any:
    """A PNG file as it is, so that nothing is encoded again."""
    from PIL import Image

    Summary = import_module("tensorboardX.proto.summary_pb2").Summary
    with Image.open(file) as opened:
        width, height = opened.size
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=file.read_bytes())
    tag = f"best/{file.stem}" if file.parent.parent.name == values.BEST else file.stem
    return Summary(value=[Summary.Value(tag=f"plots/{tag}", image=image)])
