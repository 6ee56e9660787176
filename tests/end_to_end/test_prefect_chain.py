"""The deployments, as a person uses them: server, worker, deploy, run; all real."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import patient_http
import pytest
from PIL import Image
from repository import ROOT

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.store.manifest import ManifestStore

WORKER_START_SECONDS = 240  # on a machine at other work
DEPLOY_SECONDS = 120

Environment = dict[str, str]

pytestmark = pytest.mark.slow


def prefect(arguments: list[str], environment: Environment) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prefect", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@contextmanager
def worker(environment: Environment, log: Path) -> Iterator[None]:
    """`prefect worker start --pool local`, which also makes the pool."""
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "local"]
    with (
        log.open("w") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + WORKER_START_SECONDS
            while "started!" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def deploy_in_a_terminal(environment: Environment, log: Path) -> None:
    """`prefect deploy --all` with a terminal as its standard input and output, on which nobody answers."""
    terminal, far_end = pty.openpty()
    try:
        command = [sys.executable, "-m", "prefect", "deploy", "--all"]
        with (
            log.open("wb") as output,
            subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=far_end, stdout=far_end, stderr=far_end
            ) as process,
        ):
            os.close(far_end)
            deadline = time.monotonic() + DEPLOY_SECONDS
            try:
                while process.poll() is None:
                    assert time.monotonic() < deadline, f"asks: {log.read_text()[-500:]}"
                    if select.select([terminal], [], [], 0.2)[0]:
                        with contextlib.suppress(OSError):  # the other end is closed
                            output.write(os.read(terminal, 65536))
                            output.flush()
            finally:
                process.kill()
        assert process.returncode == 0, log.read_text()
    finally:
        os.close(terminal)


def run(deployment: str, environment: Environment, **parameters: object) -> str:
    """Run a deployment to its end with `prefect deployment run --watch`; the state its flow run ended in."""
    given = [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
    done = prefect(["deployment", "run", deployment, *given, "--watch"], environment)
    flow_runs = patient_http.post(
        f"{environment['PREFECT_API_URL']}/flow_runs/filter",
        json={"sort": "EXPECTED_START_TIME_DESC", "limit": 1},
    ).json()
    state = flow_runs[0]["state"]
    return state["type"] if done.returncode == 0 else f"{state['type']}: {state['message']} {done.stdout[-2000:]}"


def test_deployments_generate_publish_and_fit(
    tmp_path: Path, prefect_server: Environment, astronaut: Image.Image
) -> None:
    (tmp_path / "pictures").mkdir()
    astronaut.save(tmp_path / "pictures/astronaut.png")
    store = ManifestStore(tmp_path / "manifests")
    with worker(prefect_server, tmp_path / "worker.log"):
        deploy_in_a_terminal(prefect_server, tmp_path / "deploy.log")

        deployments = patient_http.post(f"{prefect_server['PREFECT_API_URL']}/deployments/filter", json={}).json()
        step = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        assert [deployment["pull_steps"] for deployment in deployments] == 4 * [[step]]

        state = run(
            "generate-pseudo-labels/default",
            prefect_server,
            images=tmp_path / "pictures",
            manifests=store.root,
        )
        assert state == "COMPLETED"
        manifest = store.open()
        assert manifest.counts == {"rows": 1, "pending": 1}

        accept(manifest.read(["sample_id", "mask_sha256"]).to_pylist()[0], manifest.data_root)
        assert run("publish-reviews/default", prefect_server, manifests=store.root) == "COMPLETED"
        assert store.open().counts == {"rows": 1, "accepted": 1}

        output = tmp_path / "run"
        fitted = run("fit-student/default", prefect_server, manifests=store.root, output=output, epochs=1)
        assert fitted == "COMPLETED"
        assert (output / "best.safetensors").is_file()


def accept(row: dict[str, str], data_root: Path) -> None:
    log = DecisionLog(sqlite_url(data_root))
    log.append([Decision("d" * 32, row["sample_id"], row["mask_sha256"], "accept", "somebody", datetime.now(UTC))])
    log.close()
