"""Commands in processes of their own, forked from one that has imported the libraries, which takes seconds.

Arguments, environment and directory are the caller's, as in a shell; a stream that is not given is that of the first
caller. They end with the tests' process, and run no `atexit` functions.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

import pytest

# Not review_ui.__main__, which runs in the new process, and not Gradio, which a server imports when it is opened.
LIBRARIES = ["pytest", "review_ui.app", "review_ui.queue.session", "review_ui.repair.smart_stroke"]
LIBRARIES += ["manifests.decisions.publish", "manifests.web.serving"]
RUN_SECONDS = 120

Program = str | Path  # a package with a __main__, or a script

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(LIBRARIES)


class ForkedCommand:
    """What `subprocess.Popen` is to `python -m PACKAGE` or `python SCRIPT`; `stdout` is a pipe, `errors` a file."""

    def __init__(self, program: Program, arguments: Sequence[str], errors: Path | None = None) -> None:
        reading, writing = _forks.Pipe(duplex=False)
        self._process = _forks.Process(
            target=_run, args=_given(program, arguments, Path.cwd(), (None, writing, errors)), daemon=True
        )
        self._process.start()
        writing.close()
        self.stdout: TextIO = os.fdopen(os.dup(reading.fileno()))
        reading.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout_seconds: float) -> int:
        """The exit status; AssertionError for a process that goes on."""
        self._process.join(timeout_seconds)
        status = self.poll()
        if status is None:
            self._process.kill()
            pytest.fail(f"process {self.pid} goes on")
        return status


def run_review_ui(arguments: Sequence[str], *, cwd: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python -m review_ui` to its end; `typed` is its standard input."""
    with tempfile.TemporaryDirectory() as directory:
        given, output, errors = (Path(directory, name) for name in ("stdin", "stdout", "stderr"))
        given.write_text(typed)
        streams = (given, output, errors)
        process = _forks.Process(target=_run, args=_given("review_ui", arguments, cwd, streams), daemon=True)
        process.start()
        process.join(RUN_SECONDS)
        if process.exitcode is None:
            process.kill()
            pytest.fail(f"{arguments} goes on: {errors.read_text()[-500:]}")
        return subprocess.CompletedProcess(list(arguments), process.exitcode, output.read_text(), errors.read_text())


_Stream = Connection | Path | None
_Streams = tuple[_Stream, _Stream, _Stream]  # standard input, output, error; None for the caller's
_Given = tuple[Program, list[str], dict[str, str], Path, _Streams]


def _given(program: Program, arguments: Sequence[str], directory: Path, streams: _Streams) -> _Given:
    return program, list(arguments), dict(os.environ), directory, streams


def _run(
    program: Program, arguments: list[str], environment: dict[str, str], directory: Path, streams: _Streams
) -> None:
    """Become the program."""
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
    sys.argv = [str(program), *arguments]
    if isinstance(program, Path):
        runpy.run_path(str(program), run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
