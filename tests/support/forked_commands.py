"""Commands in processes of their own, forked from one that has imported the libraries, which takes seconds.

Arguments, environment, directory and streams are the caller's, as in a shell. `CommandProcess` starts the command.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

# Not review_ui.__main__, which runs in the new process, and not Gradio, which a server imports when it is opened.
LIBRARIES = ["review_ui.app", "review_ui.queue.session", "review_ui.repair.smart_stroke", "manifests.web.serving"]
RUN_SECONDS = 120

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(LIBRARIES)


class ForkedProcess:
    """`python -m review_ui` at work; what it prints is in `stdout`."""

    def __init__(self, arguments: Sequence[str], errors: Path | None) -> None:
        reading, writing = _forks.Pipe(duplex=False)
        self._process = _forks.Process(target=_run, args=_given(arguments, Path.cwd(), (None, writing, errors)))
        self._process.start()
        writing.close()
        self.stdout: TextIO = os.fdopen(os.dup(reading.fileno()))
        reading.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def end(self, number: int, timeout_seconds: float) -> None:
        """Send a signal and wait; AssertionError for a process that goes on."""
        if self._process.is_alive():
            os.kill(self.pid, number)
        self._process.join(timeout_seconds)
        assert self._process.exitcode is not None, f"process {self.pid} ignores signal {number}"
        self.stdout.close()


class CommandProcess:
    """The same, started as a user starts it."""

    def __init__(self, arguments: Sequence[str], errors: Path | None) -> None:
        command = [sys.executable, "-m", "review_ui", *arguments]
        with errors.open("w") if errors else nullcontext() as complaints:
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True)
        assert self._process.stdout
        self.stdout: TextIO = self._process.stdout

    @property
    def pid(self) -> int:
        return self._process.pid

    def end(self, number: int, timeout_seconds: float) -> None:
        """Send a signal and wait; TimeoutExpired for a process that goes on."""
        self._process.send_signal(number)
        self._process.wait(timeout_seconds)
        self.stdout.close()


def run_review_ui(arguments: Sequence[str], *, cwd: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m review_ui` to its end; `typed` is its standard input."""
    with tempfile.TemporaryDirectory() as directory:
        given, output, errors = (Path(directory, name) for name in ("stdin", "stdout", "stderr"))
        given.write_text(typed)
        process = _forks.Process(target=_run, args=_given(arguments, cwd, (given, output, errors)))
        process.start()
        process.join(RUN_SECONDS)
        assert process.exitcode is not None, f"{arguments} goes on"
        return subprocess.CompletedProcess(
            list(arguments), process.exitcode, output.read_text(), errors.read_text()
        )  # fmt: skip


_Stream = Connection | Path | None
_Streams = tuple[_Stream, _Stream, _Stream]  # standard input, output, error; None for the caller's
_Given = tuple[list[str], dict[str, str], Path, _Streams]


def _given(arguments: Sequence[str], directory: Path, streams: _Streams) -> _Given:
    return list(arguments), dict(os.environ), directory, streams


def _run(arguments: list[str], environment: dict[str, str], directory: Path, streams: _Streams) -> None:
    """Become `python -m review_ui`."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for number, stream in enumerate(streams):
        if isinstance(stream, Path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC if number else os.O_RDONLY
            os.dup2(os.open(stream, flags, 0o644), number)
        elif stream:
            os.dup2(stream.fileno(), number)
    sys.stdin = open(0)  # noqa: SIM115 - a child of multiprocessing has none
    sys.argv = ["review_ui", *arguments]
    runpy.run_module("review_ui", run_name="__main__", alter_sys=True)
