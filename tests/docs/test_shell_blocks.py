"""The shell blocks of the README's two commands and of the tutorial run as written, in a copy of the checkout."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from free_port import free_port
from repository import ROOT

from review_ui.client import ReviewClient

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
PHOTOGRAPHS = 18  # more than the first version has
SERVER_SECONDS = 300  # until the page is open, at most


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of this checkout's files that git doesn't ignore, with its virtual environment."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("needs git and a checkout, to copy its files")
    if not (ROOT / ".venv/.installed").is_file():
        pytest.skip("needs the .venv of `make setup`")
    copy = tmp_path / "checkout"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():  # not deleted since
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    (copy / ".venv").symlink_to(ROOT / ".venv")
    return copy


@pytest.fixture
def home(tmp_path: Path, shared: Path) -> Path:
    """A home directory with photographs in ~/Pictures/portraits."""
    pictures = tmp_path / "home/Pictures/portraits"
    pictures.mkdir(parents=True)
    for path in sorted((shared / "data/raw_portraits").rglob("*.jpg"))[:PHOTOGRAPHS]:
        shutil.copy(path, pictures)
    return tmp_path / "home"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "heading"),
    [("README.md", "## Two commands"), ("docs/tutorial.md", "")],
    ids=["README.md", "docs/tutorial.md"],
)
def test_the_blocks_run(page: str, heading: str, checkout: Path, home: Path) -> None:
    """The fit takes two epochs instead of its 80; all else is as the page says."""
    section = (ROOT / page).read_text().partition(heading)[2] if heading else (ROOT / page).read_text()
    text = section.partition("\n## ")[0] if heading else section
    first, *others = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    assert first.startswith("make run IMAGES=")
    environment = os.environ | {"HOME": str(home), "OMP_NUM_THREADS": "2"}
    environment.pop("PYTHONPATH", None)  # the copy's own code runs
    with served(first, checkout, environment) as url, ReviewClient(url) as reviewer:
        while samples := reviewer.next():
            for sample in samples:
                reviewer.decide(sample, "accept")
        assert reviewer.publish() == 3
        done = subprocess.run(
            ["bash", "-e", "-c", "\n".join(others).replace("trainer.fit", "trainer.fit --epochs 2")],
            cwd=checkout, env=environment, capture_output=True, text=True,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert "best.safetensors" in done.stdout


@contextmanager
def served(command: str, checkout: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run `make run` until all is labelled and its page is open; its address. Ctrl-C ends it."""
    port = free_port()
    line = command.partition("#")[0].strip() + f" PORT={port}"
    log = checkout.parent / "run.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", line], cwd=checkout, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield opened(process, log)
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def opened(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that `make run` prints when its page is open, once it names the next step; it must not end before."""
    for _ in range(SERVER_SECONDS):
        url = re.search(r"^reviewing .* at (http://\S+)", log.read_text(), re.MULTILINE)
        if url and "\nnext: " in log.read_text():
            return url[1]
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
            break
    raise AssertionError(log.read_text())
