"""`python -m review_ui` in a process of its own, forked from one that has imported its libraries, which takes seconds.

Arguments, environment, directory and standard error are the caller's, as in a shell; `CommandProcess` starts the
command itself.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

# Not review_ui.__main__, which runs in the new process, and not Gradio, which the server imports when it is opened.
LIBRARIES = ["review_ui.app", "review_ui.queue.session", "review_ui.repair.smart_stroke", "manifests.web.serving"]

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(LIBRARIES)


class ForkedProcess:
    """A running server; what it prints is in `stdout`."""

    def __init__(self, arguments: Sequence[str], errors: Path | None) -> None:
        reading, writing = _forks.Pipe(duplex=False)
        given = (list(arguments), dict(os.environ), Path.cwd(), writing, errors)
        self._process = _forks.Process(target=_run, args=given)
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


def _run(
    arguments: list[str], environment: dict[str, str], directory: Path, output: Connection, errors: Path | None
) -> None:
    """Become `python -m review_ui`."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    os.dup2(output.fileno(), 1)
    output.close()
    if errors:
        os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), 2)
    sys.argv = ["review_ui", *arguments]
    runpy.run_module("review_ui", run_name="__main__", alter_sys=True)
