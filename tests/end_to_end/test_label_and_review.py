"""`python -m manifests.run` on a terminal: a page that opens at once, masks that stream in, and Ctrl-C."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from free_port import free_port
from PIL import Image
from repository import SCRIPT_ENVIRONMENT

from manifests.store.manifest import ManifestStore

SECONDS = 240  # at most, for anything on a busy machine

pytestmark = pytest.mark.slow


class Terminal:
    """A command on a pseudo-terminal, and what it shows there."""

    def __init__(self, words: list[str], directory: Path) -> None:
        self._ours, theirs = pty.openpty()
        environment = SCRIPT_ENVIRONMENT | {"COLUMNS": "100", "LINES": "40"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=directory, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self.text = ""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until the terminal shows the pattern."""
        with self._more:
            assert self._more.wait_for(lambda: re.search(pattern, self.text), SECONDS), self.text
        found = re.search(pattern, self.text)
        assert found
        return found

    def end(self) -> int:
        """Wait for the end; the exit status."""
        status = self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        os.close(self._ours)
        return status

    @property
    def lines(self) -> list[str]:
        """What stays on the screen: each line as it was overwritten last."""
        rows = self.text.replace("\r\n", "\n").split("\n")
        return [row.rstrip("\r").rpartition("\r")[2].rstrip() for row in rows if row.strip("\r ")]

    def _read(self) -> None:
        while True:
            try:
                part = os.read(self._ours, 65536)
            except OSError:  # the command has ended
                return
            with self._more:
                self.text += part.decode(errors="replace")
                self._more.notify_all()


@contextmanager
def running(directory: Path, *options: str) -> Iterator[tuple[Terminal, str]]:
    """The command at work in a directory, and its page's address; killed in the end if a test fails before."""
    port = free_port()
    words = ["manifests.run", "--teacher", "grabcut", "--port", str(port), "--no-browser", *options]
    terminal = Terminal(words, directory)
    try:
        yield terminal, f"http://127.0.0.1:{port}"
    finally:
        if terminal.process.poll() is None:
            terminal.process.send_signal(signal.SIGINT)
            terminal.process.wait(SECONDS)


@pytest.fixture
def photographs(tmp_path: Path, astronaut: Image.Image) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for size in range(170, 230):
        astronaut.resize((size, size)).save(folder / f"{size}.png")
    return folder


def test_the_page_is_there_at_once_and_masks_come_up_while_others_are_made(tmp_path: Path, photographs: Path) -> None:
    with running(tmp_path, "--images", "photographs") as (terminal, url):
        terminal.until(r"no masks yet: the page opens with the first ones at ")
        waiting = httpx.get(url, headers={"accept": "text/html"}, timeout=SECONDS)
        assert waiting.status_code == 503
        terminal.until(r"reviewing manifests/v1\.parquet at ")
        answer = httpx.get(f"{url}/api/next?n=3", timeout=SECONDS).raise_for_status().json()
        assert answer["labelling"]["total"] == 60
        assert answer["progress"]["total"] == 16
        assert len(answer["samples"]) == 3
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert terminal.end() == 130
    last = re.fullmatch(
        r"stopped: (\d+) of 60 images are labelled and kept; run the same .* to go on", terminal.lines[-1]
    )
    assert last, terminal.lines
    assert 16 <= int(last[1]) < 60
    assert not any("labelling:" in line and "reviewing" in line for line in terminal.lines)
    assert not list((tmp_path / "manifests").glob("*.json"))

    for path in sorted(photographs.iterdir())[30:]:
        path.unlink()
    with running(tmp_path, "--images", "photographs") as (terminal, url):
        terminal.until(r"reviewing manifests/v1\.parquet at ")
        terminal.until(r"next: judge the masks on the page")
        terminal.until(r"N: the version Publish names")
        answer = httpx.get(f"{url}/api/next?n=1", timeout=SECONDS).raise_for_status().json()
        assert "labelling" not in answer
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert terminal.end() == 0
    assert ManifestStore(tmp_path / "manifests").open().counts["rows"] == 30
    assert terminal.lines[-1] == "stopped: decisions are kept; the same command opens the page again"


def test_a_folder_without_images_ends_with_one_line(tmp_path: Path) -> None:
    with running(tmp_path, "--images", "nowhere") as (terminal, _):
        assert terminal.end() == 1
    assert terminal.lines[-1].startswith("error: expected a directory of images at nowhere, found nothing there")
    assert "Traceback" not in terminal.text
