"""What tests share: the real photographs beside the checkout, and small datasets made of them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import torch
from free_port import free_port
from PIL import Image
from playwright.sync_api import Browser, Page
from portrait_datasets import commit_pending
from postgres_server import postgres_server
from repository import ROOT
from review_browser import chromium, new_page
from skimage import data
from submissions import FALLING

from manifests.decisions.log import DecisionLog, sqlite_url

SHARED = ROOT.parent / "shared"
SERVER_START_SECONDS = 120  # 7 on a quiet machine
CORE_OF_THE_PAGE = ("test_page.py", "test_views.py", "test_repair_page.py")  # their browser tests aren't slow
LONGEST = (  # files that take minutes go first: then the processes that share the tests end together
    *("test_kills", "test_shell_blocks", "test_export", "test_distributed", "test_faults"),
    *("test_stale_bases", "test_watching", "test_scale", "test_every_model_is_fitted", "test_older_code"),
    *("test_histories", "test_prefect_chain", "test_load", "test_hostile_files", "test_lead"),
    *("test_models", "test_page", "test_views", "test_repair_page", "test_teachers"),
    *("test_report",),
)
SLOW_FIXTURES = {"test_export.py": "exported", "test_web_demo.py": "site"}  # of a file: 10 s of the processor to make


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as slow that start a browser or a Prefect server, or use SLOW_FIXTURES: seconds of a core each."""
    for item in items:
        fixtures, file = set(getattr(item, "fixturenames", ())), item.path.name
        starts_a_browser = "browser" in fixtures and file not in CORE_OF_THE_PAGE
        if starts_a_browser or not fixtures.isdisjoint({"prefect_server", SLOW_FIXTURES.get(file)}):
            item.add_marker(pytest.mark.slow)
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(LONGEST)))


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    """A test of the pipeline, which takes one thread a picture, doesn't change the sums of the trainer's tests."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory `../shared`; tests that need it are skipped where it is missing."""
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real photographs in ../shared/data, which are not here")
    return SHARED


@pytest.fixture(scope="session")
def portraits(shared: Path) -> Path:
    """Portraits of 240x320 with masks: images/train_*.jpg and masks/train_*.png."""
    return shared / "data/portraits"


@pytest.fixture(scope="session")
def astronaut() -> Image.Image:
    """A real portrait that ships with scikit-image (Eileen Collins, NASA, public domain), 512x512 RGB."""
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="session")
def six_waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """A directory with six real portraits waiting, of falling doubt, to be copied."""
    root = tmp_path_factory.mktemp("six")
    commit_pending(root, portraits, FALLING)
    return root


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DecisionLog]:
    """The decision log of a dataset whose data root is tmp_path/data."""
    with closing(DecisionLog(sqlite_url(tmp_path / "data"))) as log:
        yield log


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium."""
    yield from chromium()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A tab of a browser that never saw the page before."""
    yield from new_page(browser)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a real PostgreSQL database; tests that need one are skipped where it isn't installed."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A real Prefect server of its own; the environment of processes that talk to it."""
    home = tmp_path_factory.mktemp("prefect")
    port = free_port()
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    log = home / "server.log"
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/health", server, log)
            yield environment
        finally:
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SERVER_START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    pytest.fail(f"the Prefect server did not start: {log.read_text()[-2000:]}")
