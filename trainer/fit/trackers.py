"""Experiment trackers beside a run's own files: trackio, MLflow, Weights & Biases, as loggers of Lightning Fabric.

A tracker gets the run's choices and each epoch's metrics: no image, no mask, no weights, no name of this machine.
Each takes its own settings, such as `MLFLOW_TRACKING_URI` or `WANDB_MODE=offline`, from the environment. A resumed run
goes on in the same record: its id lies in the run's directory.
"""

import logging
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lightning_fabric.loggers.logger import Logger

from manifests.files.atomic import write_replace
from trainer.inference.runtimes.packages import require

PROJECT = "maskfoundry"
ID = "tracker_id"  # file in a run's directory
LOGIN_SECONDS = 30  # for a key at a terminal: a fit must not wait for a person

logger = logging.getLogger(__name__)


class _Tracker(Logger):
    """One run's record at a tracker; opened when it is made."""

    def __init__(self, output: Path) -> None:
        self._output = output

    @property
    def name(self) -> str:
        """The run's name: that of its directory."""
        return self._output.resolve().name

    @property
    def version(self) -> str:
        """16 random hex digits, kept in the run's directory: the same when it is resumed."""
        file = self._output / ID
        if not file.is_file():
            write_replace(file, secrets.token_hex(8).encode())
        return file.read_text()


class Trackio(_Tracker):
    """A local SQLite database and dashboard, `trackio show`."""

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        self._trackio = import_module("trackio")
        self._run = self._trackio.init(
            project=PROJECT, name=f"{self.name}-{self.version[:6]}", resume="allow",
            auto_log_cpu=False, auto_log_gpu=False,
        )  # fmt: skip

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]  # Trackers alone calls it
        self._run.config.update(params)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._run.log(metrics, step=step)

    def finalize(self, status: str) -> None:
        self._run.finish()


class Mlflow(_Tracker):
    """A run of the experiment PROJECT, found again by the tag RUN_TAG."""

    RUN_TAG = "maskfoundry.run"

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        self._client = import_module("mlflow").MlflowClient()
        experiment = self._client.get_experiment_by_name(PROJECT)
        experiment_id = experiment.experiment_id if experiment else self._client.create_experiment(PROJECT)
        found = self._client.search_runs([experiment_id], f"tags.`{self.RUN_TAG}` = '{self.version}'", max_results=1)
        tags = {self.RUN_TAG: self.version}
        run = found[0] if found else self._client.create_run(experiment_id, run_name=self.name, tags=tags)
        self._run_id = run.info.run_id

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]  # Trackers alone calls it
        for name, value in params.items():
            self._client.log_param(self._run_id, name, value)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self._client.log_metric(self._run_id, name, value, step=step)

    def finalize(self, status: str) -> None:
        self._client.set_terminated(self._run_id, {"success": "FINISHED", "failed": "FAILED"}.get(status, "KILLED"))


class Wandb(_Tracker):
    """A run of the project PROJECT; its files lie in the run's directory."""

    def __init__(self, output: Path) -> None:
        super().__init__(output)
        wandb = import_module("wandb")
        settings = wandb.Settings(
            console="off", disable_code=True, disable_git=True, x_disable_meta=True, x_disable_stats=True, host="run",
            login_timeout=LOGIN_SECONDS,
        )  # fmt: skip
        self._run = wandb.init(
            project=PROJECT, name=self.name, id=self.version, resume="allow", dir=str(output), settings=settings
        )

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]  # Trackers alone calls it
        self._run.config.update(params, allow_val_change=True)

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._run.log(metrics, step=step)

    def finalize(self, status: str) -> None:
        self._run.finish(exit_code=0 if status == "success" else 1)


_NO_TELEMETRY = {  # of the packages themselves
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}
_CLASSES: dict[str, type[_Tracker]] = {"trackio": Trackio, "mlflow": Mlflow, "wandb": Wandb}


def check_installed(names: Sequence[str]) -> None:
    """UserError, which names the extra, where a tracker's package is missing."""
    for name in names:
        require(name, f"for --logger {name}")


class Trackers:
    """The trackers of a run. One that fails is left out from then on, with a warning: the run goes on without it."""

    def __init__(self, names: Sequence[str], output: Path, choices: Mapping[str, Any]) -> None:
        self._output, self._choices = output, choices
        self._waiting = list(names)  # opened with the first epoch, as the run's own files are
        self._open: dict[str, _Tracker] = {}

    def log(self, metrics: dict[str, float], epoch: int) -> None:
        """Log an epoch, counted over both stages."""
        while self._waiting:
            name = self._waiting.pop(0)
            self._guarded(name, partial(self._begin, name))
        for name, tracker in list(self._open.items()):
            self._guarded(name, partial(tracker.log_metrics, metrics, epoch))

    def close(self, status: str = "success") -> None:
        """End the records; the status is success, failed, or stopped: to be resumed."""
        for name, tracker in list(self._open.items()):
            self._guarded(name, partial(tracker.finalize, status))

    def _begin(self, name: str) -> None:
        for variable, value in _NO_TELEMETRY.items():
            os.environ.setdefault(variable, value)
        self._open[name] = tracker = _CLASSES[name](self._output)
        tracker.log_hyperparams({key: str(value) for key, value in self._choices.items()})

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # whatever a tracker's network or database raises
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            logger.warning("%s gets no more of this run (%s); metrics.csv has all of it", name, reason)
            self._open.pop(name, None)
