"""What commit 8f71f32, the last one before the modules moved, left on disk is read, resumed and published now.

The older code comes out of the repository's own history, so the fixtures are made and never kept.
"""

import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from repository import ROOT

from manifests.store.manifest import ManifestStore
from trainer.weights.checkpoint import load_checkpoint

OLDER = "8f71f32"
GENERATE = ["-m", "pipeline.generate", "--images", "photographs", "--teacher", "grabcut"]
IMPORT = ["-m", "manifests", "import", "--images", "trusted", "--masks", "masks", "--source", "trusted"]
FIT = [
    "-m", "trainer.fit", "--manifest", "manifests/v2.parquet", "--output", "run", "--epochs", "12",
    "--size", "64", "--batch-size", "8", "--device", "cpu", "--no-compile",
]  # fmt: skip
ACCEPT_ALL = """
from datetime import UTC, datetime
from pathlib import Path
from manifests.decisions import Decision, DecisionLog, sqlite_url
from manifests.store import ManifestStore

rows = ManifestStore(Path("manifests")).open().read().to_pylist()
now = datetime(2026, 3, 1, tzinfo=UTC)
DecisionLog(sqlite_url(Path("data"))).append(
    Decision(str(number), row["sample_id"], row["mask_sha256"], "accept", "ann", now)
    for number, row in enumerate(rows) if row["status"] == "pending"
)
"""

Environment = dict[str, str]

pytestmark = pytest.mark.slow


def python(arguments: list[str], directory: Path, environment: Environment, code: Path) -> str:
    """Run Python over the code in a directory; its standard output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=directory,
        env={**environment, "PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def older_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", OLDER], capture_output=True, check=False)
    if archive.returncode:
        pytest.skip(f"needs commit {OLDER}, which this checkout's history lacks")
    directory = tmp_path_factory.mktemp("older")
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(directory, filter="data")
    return directory


@pytest.fixture(scope="module")
def dataset(
    older_code: Path, portraits: Path, prefect_server: Environment, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Labelled (v1), with trusted masks (v2), accepted by a reviewer, and a fit that was killed: all by older code."""
    directory = tmp_path_factory.mktemp("dataset")
    for name in ("photographs", "trusted", "masks"):
        (directory / name).mkdir()
    for number, image in enumerate(sorted(portraits.glob("images/train_*.jpg"))[:32]):
        folder = directory / ("photographs" if number < 8 else "trusted")
        shutil.copy(image, folder)
        if number >= 8:
            shutil.copy(portraits / f"masks/{image.stem}.png", directory / "masks")
    python(GENERATE, directory, prefect_server, older_code)
    python(IMPORT, directory, prefect_server, older_code)
    python(["-c", ACCEPT_ALL], directory, prefect_server, older_code)
    environment = {**prefect_server, "PYTHONPATH": str(older_code)}
    with subprocess.Popen([sys.executable, *FIT], cwd=directory, env=environment, stdout=subprocess.DEVNULL) as process:
        while not (directory / "run/resume.safetensors").exists() and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return directory


def test_a_dataset_labelled_by_older_rules_is_known_and_stays_as_it_is(
    dataset: Path, prefect_server: Environment
) -> None:
    """Rules that changed since label anew, in shards of their own; the dataset holds the portraits already."""
    shards = sorted((dataset / "data/shards").iterdir())
    printed = python(GENERATE, dataset, prefect_server, ROOT)
    assert "8 portrait(s), 8 of them in the dataset already" in printed
    now = set((dataset / "data/shards").iterdir())
    assert set(shards) < now
    assert not (dataset / "manifests/v3.parquet").exists()
    python(GENERATE, dataset, prefect_server, ROOT)
    assert set((dataset / "data/shards").iterdir()) == now


def test_decisions_are_published_and_the_version_is_sound(dataset: Path, prefect_server: Environment) -> None:
    assert python(["-m", "manifests", "publish"], dataset, prefect_server, ROOT).splitlines()[-1].endswith("v3.parquet")
    assert ManifestStore(dataset / "manifests").open(3).counts["accepted"] == 32
    assert "every blob present and unaltered" in python(["-m", "manifests", "verify"], dataset, prefect_server, ROOT)


def test_a_run_resumes_from_its_checkpoint(dataset: Path, prefect_server: Environment) -> None:
    assert load_checkpoint(dataset / "run").info.model == "sinet"
    printed = python(FIT, dataset, prefect_server, ROOT)
    assert "resuming run after epoch" in printed
    assert load_checkpoint(dataset / "run/last.safetensors").info.epoch == 12
