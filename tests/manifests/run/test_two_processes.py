"""`python -m manifests.run` with small stand-ins for its two processes: how it ends, and what it prints last."""

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from free_port import free_port

from manifests.cli.arguments import run_command
from manifests.run import __main__ as command

UNTIL_CTRL_C = """
import os, pathlib, signal, sys, time

def until_ctrl_c(name, begin=lambda: None):
    try:
        begin()
        while True:
            time.sleep(0.02)  # a signal just before signal.pause() would wait for the next one
    except KeyboardInterrupt:
        pathlib.Path(name).touch()

def stop_the_command(number=signal.SIGINT):
    while not pathlib.Path("page-started").exists():
        pass
    os.kill(os.getppid(), number)
"""
PAGE = (
    UNTIL_CTRL_C
    + """
print("reviewing manifests/v1.parquet at http://127.0.0.1:7860  (Ctrl+C stops it)", flush=True)
until_ctrl_c("page-stopped", lambda: pathlib.Path("page-started").touch())
"""
)
WHEN_THE_PAGE_RUNS = """
while not pathlib.Path("page-started").exists():
    pass
"""
LABELS_ALL = (
    UNTIL_CTRL_C
    + WHEN_THE_PAGE_RUNS
    + """
print("labelling with a teacher", file=sys.stderr)
print("9 portrait(s)")
print("manifests/v1.parquet")
"""
)


@dataclass(frozen=True)
class Ended:
    """How the command ended: its status, what it printed, the browser windows it opened."""

    status: object
    output: list[str]
    errors: list[str]
    opened: list[str]


Run = Callable[..., Ended]


@pytest.fixture
def signals() -> Iterator[None]:
    """The handlers of a command at a terminal, also where the tests run under nohup; then those that were before."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signals: None) -> Run:
    """Run the command where `pipeline.generate` and `review_ui` are these two sources."""

    def run(labelling: str, page: str = PAGE, *options: str) -> Ended:
        (tmp_path / "pipeline").mkdir()
        (tmp_path / "pipeline/__init__.py").touch()
        (tmp_path / "pipeline/generate.py").write_text(labelling)
        (tmp_path / "review_ui.py").write_text(page)
        monkeypatch.chdir(tmp_path)
        port = free_port()
        opened: list[str] = []
        monkeypatch.setattr(command, "open_browser", lambda url: opened.append(url) or (tmp_path / "opened").touch())
        words = ["manifests.run", "--images", "photographs", "--port", str(port), *options]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            run_command(command.main)
        printed = capsys.readouterr()
        return Ended(ended.value.code, printed.out.splitlines(), printed.err.splitlines(), opened)

    return run


def test_labelling_that_fails_ends_the_page_too_and_its_error_comes_last(run: Run, tmp_path: Path) -> None:
    ended = run(UNTIL_CTRL_C + WHEN_THE_PAGE_RUNS + 'sys.exit("error: expected images in photographs, found none")')
    assert ended.status == 1
    assert ended.errors == ["error: expected images in photographs, found none"]
    assert (tmp_path / "page-stopped").exists()
    assert ended.opened == []


def test_labelling_that_is_killed_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    ended = run(UNTIL_CTRL_C + WHEN_THE_PAGE_RUNS + "os.kill(os.getpid(), signal.SIGKILL)")
    assert ended.status == 1
    assert ended.errors == ["error: expected pipeline.generate to run on, found that it ended with -9; see above"]
    assert (tmp_path / "page-stopped").exists()


def test_a_page_that_fails_ends_the_labelling_too(run: Run, tmp_path: Path) -> None:
    labelling = UNTIL_CTRL_C + 'until_ctrl_c("labelling-stopped")'
    ended = run(labelling, 'import sys; sys.exit("error: expected port 7860 to be free, found: it is taken")')
    assert ended.status == 1
    assert ended.errors == ["error: expected port 7860 to be free, found: it is taken"]


def test_ctrl_c_stops_both_and_the_last_line_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    labelling = (
        UNTIL_CTRL_C
        + """
print("labelling with a teacher", file=sys.stderr)
until_ctrl_c("labelling-stopped", stop_the_command)
sys.exit("stopped: 3 of 9 images are labelled and kept; run the same command again to go on")
"""
    )
    ended = run(labelling)
    assert ended.status == 130
    assert ended.errors[-2:] == [
        "stopping when the images at work are done; Ctrl-C again stops at once",
        "stopped: 3 of 9 images are labelled and kept; run the same command again to go on",
    ]
    assert (tmp_path / "page-stopped").exists()
    assert (tmp_path / "labelling-stopped").exists()


@pytest.mark.parametrize("number", ["SIGTERM", "SIGHUP"])
def test_a_closed_terminal_leaves_no_process_behind(run: Run, tmp_path: Path, number: str) -> None:
    labelling = UNTIL_CTRL_C + f'until_ctrl_c("labelling-stopped", lambda: stop_the_command(signal.{number}))'
    ended = run(labelling)
    assert (ended.status, ended.errors[-1]) == (
        130, "stopped before all was labelled; run the same command again to go on",
    )  # fmt: skip
    assert (tmp_path / "page-stopped").exists()
    assert (tmp_path / "labelling-stopped").exists()


def test_a_second_ctrl_c_waits_for_nothing(run: Run, tmp_path: Path) -> None:
    """The labelling answers Ctrl-C with another one, and goes on."""
    labelling = (
        UNTIL_CTRL_C
        + """
signal.signal(signal.SIGINT, lambda *_: os.kill(os.getppid(), signal.SIGINT))
until_ctrl_c("never", stop_the_command)
"""
    )
    assert run(labelling).status == 130
    assert not (tmp_path / "never").exists()


def test_after_the_labelling_ctrl_c_is_the_ordinary_end(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes with the line on the next step."""
    step = command._next_step
    monkeypatch.setattr(command, "_next_step", lambda root: signal.raise_signal(signal.SIGINT) or step(root))
    ended = run(LABELS_ALL, PAGE, "--teacher", "grabcut")
    assert ended.status == 0
    printed = [line for line in ended.output if not line.startswith("reviewing ")]
    assert printed[:2] == ["9 portrait(s)", "manifests/v1.parquet"]
    assert ended.errors[-1] == "stopped: decisions are kept; the same command opens the page again"
    assert (tmp_path / "page-stopped").exists()


def test_the_browser_opens_once_when_both_are_at_work(run: Run, tmp_path: Path) -> None:
    page = (
        UNTIL_CTRL_C
        + """
print("no masks yet: the page opens with the first ones at http://127.0.0.1:7860  (Ctrl+C stops it)", flush=True)
pathlib.Path("page-started").touch()
while not (pathlib.Path("labelled").exists() and pathlib.Path("opened").exists()):
    pass
print("reviewing manifests/v1.parquet at http://127.0.0.1:7860  (Ctrl+C stops it)", flush=True)
time.sleep(1)  # for a look at that line
sys.exit("error: the end of the test")
"""
    )
    ended = run(LABELS_ALL + 'open("labelled", "w")', page)
    assert ended.errors[-1] == "error: the end of the test"
    assert ended.opened == ["http://127.0.0.1:7860"]


def test_a_taken_port_is_known_before_images_are_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], signals: None
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(sys, "argv", ["manifests.run", "--images", "photographs", "--port", str(port)])
        with pytest.raises(SystemExit) as ended:
            run_command(command.main)
    assert ended.value.code == 1
    [error] = capsys.readouterr().err.splitlines()
    assert error.endswith(f"another port: --port {port + 1}, or make run PORT={port + 1}")
