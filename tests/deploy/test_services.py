"""What compose starts, as processes of this machine: Prefect's server and a worker, the page, on one PostgreSQL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import yaml
from free_port import free_port
from PIL import Image
from postgres_server import postgres_server
from repository import ROOT

START_SECONDS = 240  # on a machine at other work
NAME = "masks.example.org"

pytestmark = pytest.mark.slow


@contextmanager
def service(name: str, root: Path, hosts: dict[str, str], ready: str = "") -> Iterator[None]:
    """The command of a service, with its environment; `hosts` replaces what is only known among containers.

    It is up when its health check succeeds; one without any when it has printed `ready`.
    """
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    command = [replaced(word, hosts) for word in services[name]["command"]]
    environment = {key: replaced(value, hosts) for key, value in services[name]["environment"].items()}
    programs = Path(sys.executable).parent
    own = {"PATH": f"{programs}:{os.environ['PATH']}", "PREFECT_HOME": str(root / "prefect"), "DO_NOT_TRACK": "1"}
    log = root / f"{name}.log"
    _, *check = services[name].get("healthcheck", {}).get("test", ["CMD"])

    def is_up() -> bool:
        if check:
            words = [sys.executable if word == "python" else replaced(word, hosts) for word in check]
            return subprocess.run(words, capture_output=True).returncode == 0
        return ready in log.read_text()

    with (
        log.open("w") as output,
        subprocess.Popen(
            command, cwd=root / "work", env=os.environ | environment | own, stdout=output, stderr=output,
            start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            deadline = time.monotonic() + START_SECONDS
            while not is_up():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            yield
        finally:
            stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and its children."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
            return


def replaced(text: str, hosts: dict[str, str]) -> str:
    for name, address in hosts.items():
        text = text.replace(name, address)
    return text


def test_a_worker_labels_and_the_page_shows_the_masks(tmp_path: Path, astronaut: Image.Image) -> None:
    prefect_port, page_port = str(free_port()), str(free_port())
    (tmp_path / "work").mkdir()
    (tmp_path / "photographs").mkdir()
    astronaut.save(tmp_path / "photographs/astronaut.png")
    users = [sys.executable, "-m", "review_ui", "users", "add", "ann", "--role", "lead", "--password-stdin"]
    subprocess.run(users, cwd=tmp_path / "work", input="a password of ann\n", text=True, check=True)
    with postgres_server() as url:
        engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text((ROOT / "deploy/prefect.sql").read_text()))
            connection.execute(sa.text("CREATE DATABASE reviews"))
        engine.dispose()
        postgres = url.rpartition("/")[0].partition("://")[2]
        hosts = {
            "maskfoundry@postgres": postgres, "prefect:4200": f"127.0.0.1:{prefect_port}", "4200": prefect_port,
            "--port=7860": f"--port={page_port}", "0.0.0.0": "127.0.0.1", "/opt/maskfoundry": str(ROOT),
            "${REVIEW_NAME:?the name under which browsers reach the page, in deploy/.env}": NAME,
            "${POSTGRES_PASSWORD:?set it in deploy/.env}": "unused",
        }  # fmt: skip
        with (
            service("prefect", tmp_path, hosts),
            service("worker", tmp_path, hosts, "started!"),
            service("review", tmp_path, hosts, "http://"),
        ):
            environment = os.environ | {"PREFECT_API_URL": f"http://127.0.0.1:{prefect_port}/api"}
            run = [sys.executable, "-m", "prefect", "deployment", "run", "generate-pseudo-labels/default", "--watch"]
            done = subprocess.run(
                [*run, "-p", f"images={tmp_path / 'photographs'}"], env=environment, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + (tmp_path / "worker.log").read_text()
            assert (tmp_path / "work/manifests/v1.parquet").is_file()
            assert waiting(page_port) == 1


def waiting(port: str) -> int:
    """Samples that the page hands a signed-in lead, asked as Caddy asks: under its public name, over https."""
    headers = {"Host": NAME, "X-Forwarded-Proto": "https", "X-Forwarded-For": "10.0.0.7"}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
        deadline = time.monotonic() + START_SECONDS
        while client.get("/healthz").status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        signed_in = client.post("/sign-in", data={"name": "ann", "password": "a password of ann"})
        assert signed_in.status_code == 303
        cookie = signed_in.headers["Set-Cookie"].partition(";")[0]  # Secure: httpx keeps it from plain http
        return len(client.get("/api/next", params={"n": 8}, headers={"Cookie": cookie}).json()["samples"])
