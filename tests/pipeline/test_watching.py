"""Watching a run: what Prefect's pages hold of it, over the API of a real server; and the slots of its GPUs."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import patient_http
import pytest
from bad_pictures import EXPECTED_REASON, write_bad_pictures
from PIL import Image
from repository import ROOT

from manifests.store.manifest import ManifestStore
from pipeline.run.worker import GPU_SLOT

USABLE = sum(reason is None for reason in EXPECTED_REASON.values())
KEYS = {"generate-progress": "progress", "generate-counts": "table", "generate-report": "markdown"}

START_SECONDS = 120  # of a flow, on a busy machine; 10 on a quiet one
GIVE_UP_SECONDS = 300

Environment = dict[str, str]

pytestmark = pytest.mark.slow

TWO_SHARDS_ON_ONE_GPU = """
import os, threading, httpx
from pipeline.run.worker import gpu_slot

inside, seen, both_started = [], [], threading.Barrier(2)

def shard():
    both_started.wait()
    with gpu_slot():
        inside.append(1)
        limit = httpx.get(os.environ["PREFECT_API_URL"] + "/v2/concurrency_limits/gpu").json()
        seen.append((len(inside), limit["active_slots"]))
        inside.pop()

threads = [threading.Thread(target=shard) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(seen)
"""

AN_ARTIFACT_THAT_IS_GONE = """
import uuid
from prefect import flow
from pipeline.run import artifacts

@flow
def watched():
    artifacts._show_progress(uuid.uuid4(), 50.0, "1 of 2 shards")
    return "went on"

print(watched())
"""


def python(arguments: list[str], directory: Path, environment: Environment) -> str:
    """What a Python of its own prints."""
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=GIVE_UP_SECONDS
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def artifacts_of_last_run(environment: Environment) -> dict[str, dict[str, Any]]:
    """By key, those of the flow run that was started last."""
    api = environment["PREFECT_API_URL"]
    last = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1, "flows": {"name": {"any_": ["generate-pseudo-labels"]}}}
    [run] = patient_http.post(f"{api}/flow_runs/filter", json=last).json()
    found = patient_http.post(
        f"{api}/artifacts/filter",
        json={"artifacts": {"flow_run_id": {"any_": [run["id"]]}, "key": {"any_": list(KEYS)}}},
    ).json()
    assert run["state"]["type"] == "COMPLETED"
    assert len(found) == len(KEYS)
    return {artifact["key"]: artifact for artifact in found}


def counts(found: dict[str, dict[str, Any]]) -> dict[tuple[str, str], int]:
    rows = json.loads(found["generate-counts"]["data"])
    return {(row["of"], row["which"]): row["count"] for row in rows}


def test_a_run_leaves_its_progress_counts_and_report(
    tmp_path: Path, prefect_server: Environment, astronaut: Image.Image
) -> None:
    """On Dask, whose shards finish in any order; the flow leaves the same in threads and on Ray."""
    write_bad_pictures(tmp_path / "pictures", astronaut)
    command = ["-m", "pipeline.generate", "--images", "pictures", "--shard-size", "3", "--workers", "2"]
    python([*command, "--runner", "dask"], tmp_path, prefect_server)
    found = artifacts_of_last_run(prefect_server)
    assert {key: artifact["type"] for key, artifact in found.items()} == KEYS

    shards = len(list((tmp_path / "data/shards").iterdir()))
    pictures = len(EXPECTED_REASON)
    assert shards > 1
    assert found["generate-progress"]["data"] == 100
    assert found["generate-progress"]["description"] == (
        f"{shards} of {shards} shards, {pictures} of {pictures} images"
    )

    rows = counts(found)
    assert rows["images", "all"] == pictures
    assert rows["samples by status", "pending"] == USABLE
    assert rows["images in quarantine", "no face"] == list(EXPECTED_REASON.values()).count("no face")
    assert rows["shards", "resumed: finished by an earlier run"] == 0

    text = found["generate-report"]["data"]
    [sheet] = (tmp_path / "data/reports").glob("*.jpg")
    assert str(sheet) in text
    assert str(tmp_path / "manifests/v1.parquet") in text
    assert "](data:image/jpeg;base64," in text  # the server is loopback
    uris = ManifestStore(tmp_path / "manifests").open().read(["source_uri"])["source_uri"].to_pylist()
    assert uris == sorted(uris)  # shards finish in whatever order, the version keeps the pictures'


def test_a_resumed_run_says_so(tmp_path: Path, prefect_server: Environment, astronaut: Image.Image) -> None:
    (tmp_path / "pictures").mkdir()
    astronaut.save(tmp_path / "pictures/astronaut.png")
    for _ in range(2):
        python(["-m", "pipeline.generate", "--images", "pictures"], tmp_path, prefect_server)
    found = artifacts_of_last_run(prefect_server)
    rows = counts(found)
    assert rows["shards", "resumed: finished by an earlier run"] == rows["shards", "all"] == 1
    assert rows["samples", "new in the dataset"] == 0
    assert "nothing to measure" in found["generate-report"]["data"]


def test_a_deleted_artifact_does_not_stop_the_run(tmp_path: Path, prefect_server: Environment) -> None:
    (tmp_path / "watched.py").write_text(AN_ARTIFACT_THAT_IS_GONE)
    assert python(["watched.py"], tmp_path, prefect_server).splitlines()[-1] == "went on"


@pytest.fixture
def one_gpu(prefect_server: Environment) -> Iterator[Environment]:
    """The server's environment, with a global concurrency limit of 1, made as docs/scale.md says."""
    python(["-m", "prefect", "global-concurrency-limit", "create", GPU_SLOT, "--limit", "1"], ROOT, prefect_server)
    yield prefect_server
    patient_http.delete(f"{prefect_server['PREFECT_API_URL']}/v2/concurrency_limits/{GPU_SLOT}").raise_for_status()


def test_of_two_shards_one_waits_for_the_only_gpu(tmp_path: Path, one_gpu: Environment) -> None:
    (tmp_path / "shards.py").write_text(TWO_SHARDS_ON_ONE_GPU)
    assert python(["shards.py"], tmp_path, one_gpu).splitlines()[-1] == "[(1, 1), (1, 1)]"
    limit = patient_http.get(f"{one_gpu['PREFECT_API_URL']}/v2/concurrency_limits/{GPU_SLOT}").json()
    assert limit["active_slots"] == 0


def test_ctrl_c_does_not_wait_for_the_shard_at_work(
    tmp_path: Path, prefect_server: Environment, astronaut: Image.Image
) -> None:
    (tmp_path / "pictures").mkdir()
    for size in range(400, 500):  # minutes of work, in one shard
        astronaut.resize((size, size)).save(tmp_path / f"pictures/{size}.png")
    command = [sys.executable, "-m", "pipeline.generate", "--images", "pictures"]
    with subprocess.Popen(command, cwd=tmp_path, env=prefect_server, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + START_SECONDS
        while not (tmp_path / "data/blobs").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not list(tmp_path.glob("data/shards/*/rows.parquet"))
