"""Experiment trackers, each against its own real store on this disk."""

import json
import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from manifests.errors import UserError
from trainer.fit import options, trackers
from trainer.fit.trackers import Trackers, check_installed

CHOICES = {"epochs": 2, "model": "sinet"}
WRITTEN_SECONDS = 60


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tracker keeps what it gets below tmp_path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")


def two_sittings(name: str, output: Path) -> None:
    output.mkdir(parents=True)
    for epoch, status in ((1, "stopped"), (2, "failed")):  # each with a Trackers of its own, as a run that is resumed
        run = Trackers([name], output, CHOICES)
        run.log({"miou": epoch / 10, "loss": 1.0}, epoch)
        run.close(status)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of SQLAlchemy, in MLflow's own store
def test_mlflow_has_one_run_with_the_choices_and_both_epochs(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    two_sittings("mlflow", tmp_path / "runs/first")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("maskfoundry")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status, run.data.params) == (
        "first",
        "FAILED",
        {"epochs": "2", "model": "sinet"},
    )
    assert [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, "miou")] == [(1, 0.1), (2, 0.2)]


@pytest.mark.slow
def test_trackio_has_one_run_with_both_epochs(tmp_path: Path) -> None:
    trackio = pytest.importorskip("trackio")
    two_sittings("trackio", tmp_path / "runs/first")
    (run,) = trackio.Api().runs("maskfoundry")
    assert run.name.startswith("first-")
    command = [sys.executable, "-m", "trackio.cli", "get", "metric", "--project", "maskfoundry", "--run", run.name]
    shown = subprocess.run([*command, "--metric", "miou", "--json"], capture_output=True, text=True, check=True).stdout
    assert [(entry["step"], entry["value"]) for entry in json.loads(shown)["values"]] == [(1, 0.1), (2, 0.2)]


def eventually(is_so: Callable[[], bool]) -> bool:
    """Return whether it is so within WRITTEN_SECONDS."""
    deadline = time.monotonic() + WRITTEN_SECONDS
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_so()


@pytest.mark.slow
def test_wandb_writes_both_sittings_under_one_id(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    two_sittings("wandb", tmp_path / "runs/first")
    records = list(tmp_path.glob("runs/first/wandb/offline-run-*/run-*.wandb"))
    assert len(records) == 2
    assert len({file.name for file in records}) == 1
    assert eventually(lambda: all(b"miou" in file.read_bytes() for file in records))  # wandb's own process writes them
    assert not any(socket.gethostname().encode() in file.read_bytes() for file in records)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # as above
def test_another_run_of_the_same_directory_has_a_record_of_its_own(tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    for _ in range(2):
        two_sittings("mlflow", tmp_path / "runs/first")
        shutil.rmtree(tmp_path / "runs")
    client = mlflow.MlflowClient()
    assert len(client.search_runs([client.get_experiment_by_name("maskfoundry").experiment_id])) == 2


@pytest.mark.slow
def test_a_tracker_that_is_away_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run = Trackers(["mlflow"], tmp_path, CHOICES)
    with caplog.at_level(logging.WARNING, trackers.__name__):
        run.log({"miou": 0.1}, 1)
        run.log({"miou": 0.2}, 2)
        run.close()
    (record,) = [record for record in caplog.records if record.name == trackers.__name__]
    assert record.getMessage().startswith("mlflow gets no more of this run (")
    assert record.getMessage().endswith("; metrics.csv has all of it")


def test_a_tracker_that_is_not_installed_is_refused_with_its_extra() -> None:
    with pytest.raises(UserError, match=r"expected the package absent_tracker .*make setup EXTRAS=absent_tracker"):
        check_installed(["absent_tracker"])


def test_the_option_names_every_tracker() -> None:
    assert set(options.TRACKERS) == trackers._CLASSES.keys()
