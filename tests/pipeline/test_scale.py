"""Killed runs, and runs on other runners, end with the same dataset; real processes, a real Prefect server."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from manifests.store.manifest import ManifestStore

PICTURES = 14
KILLS = 3
GIVE_UP_SECONDS = 240

Environment = dict[str, str]
Dataset = tuple[list[dict[str, object]], dict[str, bytes]]  # rows, and the blobs' bytes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, astronaut: Image.Image) -> Path:
    """One portrait at several sizes, and one picture without anybody."""
    directory = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        astronaut.resize((300 + 10 * number, 320)).save(directory / f"{number:02}.jpg")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(directory / "wall.png")
    return directory


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, pictures: Path, prefect_server: Environment) -> Dataset:
    root = tmp_path_factory.mktemp("undisturbed")
    assert start(pictures, root, prefect_server).wait(GIVE_UP_SECONDS) == 0
    return dataset(root)


def start(pictures: Path, root: Path, environment: Environment, *options: str) -> subprocess.Popen[bytes]:
    """The command in a session of its own, so that everything it starts can be killed with it."""
    command = [sys.executable, "-m", "pipeline.generate", "--images", str(pictures), "--shard-size", "2", *options]
    with (root / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True)


def dataset(root: Path) -> Dataset:
    rows = ManifestStore(root / "manifests").open(1).read().to_pylist()
    blobs = {path.name: path.read_bytes() for path in (root / "data/blobs").rglob("*") if path.is_file()}
    return rows, blobs


def finished_shards(root: Path) -> dict[str, int]:
    """Name of each finished shard -> when its rows were written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (root / "data/shards").glob("*/rows.parquet")}


def test_a_run_killed_at_three_random_moments_ends_as_if_nothing_had_happened(
    tmp_path: Path, pictures: Path, prefect_server: Environment, undisturbed: Dataset
) -> None:
    chance = random.Random(0)
    finished: dict[str, int] = {}
    for kill in range(KILLS):
        process = start(pictures, tmp_path, prefect_server)
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while len(finished_shards(tmp_path)) < kill + 1 and process.poll() is None:
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.02)
        time.sleep(chance.uniform(0.0, 0.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert finished.items() <= finished_shards(tmp_path).items()  # none was written again
        finished = finished_shards(tmp_path)
    assert start(pictures, tmp_path, prefect_server).wait(GIVE_UP_SECONDS) == 0, (tmp_path / "log").read_text()
    assert finished.items() <= finished_shards(tmp_path).items()
    assert dataset(tmp_path) == undisturbed


@pytest.mark.parametrize("runner", ["dask", "ray"])
def test_other_runners_make_the_same_dataset(
    tmp_path: Path, pictures: Path, prefect_server: Environment, undisturbed: Dataset, runner: str
) -> None:
    process = start(pictures, tmp_path, prefect_server, "--runner", runner, "--workers", "2")
    assert process.wait(GIVE_UP_SECONDS) == 0, (tmp_path / "log").read_text()
    assert dataset(tmp_path) == undisturbed
    assert len(undisturbed[0]) == PICTURES
