"""Two processes, one that labels images and one that serves their masks: start, watch, stop.

Each has a session of its own: the terminal's Ctrl-C reaches this process alone, which stops both and waits for them.
"""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO

from manifests.errors import UserError
from manifests.run.console import Console
from manifests.store.labelling_runs import LabellingRuns

STOP_SECONDS = 60.0  # after Ctrl-C: the images at work are finished first, which a slow teacher takes time for
LOOK_SECONDS = 0.2
LAST_LINES_SECONDS = 2.0

_CONCLUSIONS = ("error: ", "stopped: ")  # of a command that did not end well; printed when both have ended
_URL = re.compile(r"https?://\S+")


class Interruptions:
    """Signals that ask for the end, noted where they come and raised where the caller can bear it.

    An exception in the middle of a library's lock, tqdm's for one, would leave it broken.
    """

    def __init__(self) -> None:
        self.count = 0

    def note(self, _number: int, _frame: object) -> None:
        """Handle a signal."""
        self.count += 1

    def raise_pending(self) -> None:
        """Raise KeyboardInterrupt after a signal."""
        if self.count:
            raise KeyboardInterrupt


class Child:
    """`python -m MODULE` in a process of its own; its lines go into `lines`, as (child, line, is_error)."""

    def __init__(self, module: str, arguments: Sequence[str], lines: "SimpleQueue[tuple[Child, str, bool]]") -> None:
        self.module = module
        self.conclusion = ""  # its line that begins as one of _CONCLUSIONS
        self._lines = lines
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", module, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        pipes = ((self._process.stdout, False), (self._process.stderr, True))
        self._readers = [Thread(target=self._read, args=pipe, daemon=True) for pipe in pipes]
        for reader in self._readers:
            reader.start()

    @property
    def status(self) -> int | None:
        """The exit status, once all lines have come; None while the process runs."""
        status = self._process.poll()
        if status is not None:
            self._read_last_lines()
        return status

    def interrupt(self) -> None:
        """Ask the process to end, as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def end(self, seconds: float, is_urgent: Callable[[], bool]) -> None:
        """Wait for the process to end; kill it after `seconds`, or when it `is_urgent`."""
        deadline = time.monotonic() + seconds
        while self._process.poll() is None:
            if is_urgent() or time.monotonic() > deadline:
                self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LOOK_SECONDS)
        self._read_last_lines()

    def failure(self) -> UserError:
        """The error of a process that ended: its own line, or its exit status."""
        own = self.conclusion.removeprefix("error: ")
        return UserError(own or f"expected {self.module} to run on, found that it ended with {self.status}; see above")

    def _read_last_lines(self) -> None:
        """Wait for the readers; not for long, since a process of the process may hold the pipes."""
        for reader in self._readers:
            reader.join(LAST_LINES_SECONDS)

    def _read(self, pipe: IO[str], is_error: bool) -> None:
        with pipe:
            for line in pipe:
                text = line.rstrip("\n")
                if is_error and text.startswith(_CONCLUSIONS):
                    self.conclusion = text
                else:
                    self._lines.put((self, text, is_error))


class LabellingAndPage:
    """`pipeline.generate` and `review_ui` at work; their lines go to `console`.

    `on_open(url)` is called once, when the page answers and the labelling has accepted its arguments. The two watching
    methods raise KeyboardInterrupt after one of the `interruptions`.
    """

    def __init__(self, console: Console, interruptions: Interruptions, *, on_open: Callable[[str], object]) -> None:
        self._interruptions = interruptions
        self._lines: SimpleQueue[tuple[Child, str, bool]] = SimpleQueue()
        self._console = console
        self._on_open: Callable[[str], object] | None = on_open
        self._url = ""
        self._has_labelling_begun = self._has_result = False
        self._page: Child | None = None
        self._labelling: Child | None = None

    def start(self, labelling: Sequence[str], page: Sequence[str]) -> None:
        """Start both with these arguments."""
        self._page = Child("review_ui", page, self._lines)
        self._labelling = Child("pipeline.generate", labelling, self._lines)

    def watch_labelling(self, runs: LabellingRuns) -> None:
        """Return when all is labelled; UserError when either process fails."""
        assert self._labelling is not None, "the caller has started both"
        while (status := self._labelling.status) is None:
            self._require_page()
            self._print_lines(LOOK_SECONDS)
            self._console.show(None if self._has_result else runs.live())
        self._print_lines(0)
        self._console.show(None)
        if status:
            raise self._labelling.failure()

    def watch_page(self) -> None:
        """Print the page's lines until it fails, with a UserError."""
        while True:
            self._require_page()
            self._print_lines(LOOK_SECONDS)

    def stop(self) -> str:
        """Stop both and wait for them, at one more Ctrl-C no longer; return how the labelling ended, in a line.

        Of their last lines only results are printed: a process that still starts ends with a traceback.
        """
        children = [child for child in (self._labelling, self._page) if child]
        before = max(1, self._interruptions.count)
        for child in children:
            child.interrupt()
        for child in children:
            child.end(STOP_SECONDS, lambda: self._interruptions.count > before)
        self._console.show(None)
        while not self._lines.empty():
            _, text, is_error = self._lines.get()
            if not is_error:
                self._console.write(text)
        return self._labelling.conclusion if self._labelling else ""

    def _require_page(self) -> None:
        """Raise the page's UserError if it has ended."""
        assert self._page is not None, "the caller has started both"
        if self._page.status is not None:
            self._print_lines(0)
            raise self._page.failure()

    def _print_lines(self, seconds: float) -> None:
        """Print what has come, after a wait for a line of at most `seconds`."""
        self._interruptions.raise_pending()
        try:
            while True:
                child, text, is_error = self._lines.get(block=seconds > 0, timeout=seconds or None)
                if child is self._labelling and not is_error:
                    self._has_result = True
                    self._console.show(None)
                self._console.write(text, is_error=is_error)
                self._note(child, text)
                seconds = 0
        except Empty:
            return

    def _note(self, child: Child, text: str) -> None:
        """Open the page with the line that makes it ready."""
        if child is self._labelling:
            self._has_labelling_begun = True
        elif found := _URL.search(text):
            self._url = found[0]
        if self._url and self._has_labelling_begun and self._on_open:
            self._on_open(self._url)
            self._on_open = None
