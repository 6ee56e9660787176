"""Progress of the runs that label images for a directory of versions: a small JSON file per run, beside the versions.

For versions at a URL the files are in this machine's own directory (`storage.on_this_machine`): a run is seen where it
works.
A run rewrites its file every BEAT_SECONDS and deletes it after its last version. A file counts while its process lives
and keeps writing; that of a killed run is ignored, and the next run deletes it.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from typing import NamedTuple

from manifests.files.atomic import write_replace
from manifests.files.json_text import parse_json
from manifests.files.reading import regular_bytes
from manifests.files.storage import on_this_machine

BEAT_SECONDS = 2.0
SILENT_SECONDS = 20.0  # ten beats: a busy machine may skip some
PACE_SECONDS = 60.0  # the pace is that of the last minute
LEAST_PACE_SECONDS = 5.0
LOOK_SECONDS = 1.0  # between two looks at the files

_PATTERN = "labelling-*.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LabellingProgress:
    """Images labelled, unusable ones included, out of all images; `seconds_left` is None while unknown."""

    labelled: int
    total: int
    seconds_left: float | None


class Counts(NamedTuple):
    """Images labelled so far, and how many of these an earlier run had labelled, which count for no pace."""

    labelled: int
    resumed: int


class Pace:
    """Estimates the time left from the counts of the last PACE_SECONDS."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._marks: deque[tuple[float, int]] = deque()

    def seconds_left(self, counts: Counts, seconds: float) -> float | None:
        """Note the counts at this reading of a clock; None before LEAST_PACE_SECONDS, and while nothing moves."""
        new = counts.labelled - counts.resumed
        self._marks.append((seconds, new))
        while len(self._marks) > 2 and self._marks[1][0] <= seconds - PACE_SECONDS:
            self._marks.popleft()
        began, before = self._marks[0]
        if new <= before or seconds - began < LEAST_PACE_SECONDS:
            return None
        return max(0, self._total - counts.labelled) * (seconds - began) / (new - before)


@contextmanager
def announced(root: Path, total: int, counts: Callable[[], Counts]) -> Iterator[None]:
    """Keep this run's file for `root` up to date in this context; `counts()` are those of its `total` images.

    A file that can't be written is a warning: the run goes on without one.
    """
    root = on_this_machine(root)
    is_new = not root.exists()
    _delete_dead(root)
    path = root / _PATTERN.replace("*", f"{os.getpid()}-{secrets.token_hex(4)}")
    ended = threading.Event()
    writer = threading.Thread(target=_beat, args=(path, total, counts, ended), daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join()
        with suppress(OSError):  # it could not be written
            path.unlink()
        if is_new:
            with suppress(OSError):  # it has a version now
                root.rmdir()


class LabellingRuns:
    """The live runs for the versions in `root`; their files are read once in LOOK_SECONDS at most."""

    def __init__(self, root: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._root = on_this_machine(root)
        self._now = now
        self._looked_at: datetime | None = None
        self._seen: LabellingProgress | None = None

    def live(self) -> LabellingProgress | None:
        """Their progress, added up; None without a live run."""
        now = self._now()
        if self._looked_at is None or abs((now - self._looked_at).total_seconds()) >= LOOK_SECONDS:
            self._looked_at = now
            runs = [_read(path) for path in self._root.glob(_PATTERN)]
            self._seen = _sum([run.progress for run in runs if run and run.is_live(now)])
        return self._seen


@dataclass(frozen=True, slots=True)
class _Run:
    """A run's file."""

    progress: LabellingProgress
    host: str
    pid: int
    updated_at: datetime

    def is_live(self, now: datetime) -> bool:
        """Whether the run still writes, and its process, if it is one of this machine, still lives."""
        is_silent = abs((now - self.updated_at).total_seconds()) > SILENT_SECONDS
        return not is_silent and not (self.host == socket.gethostname() and _has_ended(self.pid))


def _beat(path: Path, total: int, counts: Callable[[], Counts], ended: threading.Event) -> None:
    """Write the run's file at once and every BEAT_SECONDS, until the run ends."""
    pace = Pace(total)
    now, is_warned = Counts(0, 0), False
    while True:
        progress = LabellingProgress(min(now.labelled, total), total, pace.seconds_left(now, time.monotonic()))
        try:
            _write(path, _Run(progress, socket.gethostname(), os.getpid(), datetime.now(UTC)))
        except OSError as error:
            if not is_warned:
                logger.warning("expected to write this run's progress to %s, found: %s", path, error.strerror or error)
            is_warned = True
        if ended.wait(BEAT_SECONDS):
            return
        now = counts()


def _write(path: Path, run: _Run) -> None:
    entry = {**asdict(run.progress), "host": run.host, "pid": run.pid, "updated_at": run.updated_at.isoformat()}
    write_replace(path, dumps(entry).encode())


def _read(path: Path) -> _Run | None:
    """Read a run's file; None for a run that ended meanwhile, and for a file that no run wrote."""
    try:
        entry = parse_json(regular_bytes(path))
        labelled, total, left = entry["labelled"], entry["total"], entry["seconds_left"]
        updated_at = datetime.fromisoformat(entry["updated_at"])
        host, pid = entry["host"], entry["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    numbers = [labelled, total, pid, 0 if left is None else left]
    if not all(type(number) in (int, float) and 0 <= number < 1 << 31 for number in numbers) or not updated_at.tzinfo:
        return None
    return _Run(LabellingProgress(int(labelled), int(total), left), str(host), int(pid), updated_at)


def _has_ended(pid: int) -> bool:
    """Whether this machine has no process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    return False


def _sum(runs: list[LabellingProgress]) -> LabellingProgress | None:
    """All runs as one, done with the last of them; None without any."""
    if not runs:
        return None
    times = [run.seconds_left for run in runs]
    known = [seconds for seconds in times if seconds is not None]
    left = max(known) if len(known) == len(runs) else None
    return LabellingProgress(sum(run.labelled for run in runs), sum(run.total for run in runs), left)


def _delete_dead(root: Path) -> None:
    """Delete the files of runs that were killed."""
    now = datetime.now(UTC)
    for path in root.glob(_PATTERN):
        run = _read(path)
        if run and not run.is_live(now):
            with suppress(OSError):  # another user's; or another run did it
                path.unlink()
