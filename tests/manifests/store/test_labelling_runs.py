"""Runs that label images report how far they are in a file each; only live ones count."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from live_run import live_run
from repository import SCRIPT_ENVIRONMENT

from manifests.store.labelling_runs import (
    BEAT_SECONDS,
    LOOK_SECONDS,
    SILENT_SECONDS,
    Counts,
    LabellingProgress,
    LabellingRuns,
    Pace,
    announced,
)

KILLED = """
import os, signal, sys
from pathlib import Path
from manifests.store.labelling_runs import Counts, announced

root = Path(sys.argv[1])
with announced(root, 900, lambda: Counts(120, 0)):
    while not list(root.glob("labelling-*.json")):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


def entry(**changes: object) -> dict[str, object]:
    now = datetime.now(UTC).isoformat()
    return {
        "labelled": 3, "total": 9, "seconds_left": 12.5, "host": "another", "pid": 1, "updated_at": now,
    } | changes  # fmt: skip


def write(root: Path, name: str, content: object) -> Path:
    path = root / f"labelling-{name}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_run_is_live_until_its_end(tmp_path: Path) -> None:
    root = tmp_path / "manifests"
    assert LabellingRuns(root).live() is None
    with live_run(root, 120, 900):
        live = LabellingRuns(root).live()
        assert live is not None
        assert (live.labelled, live.total) == (120, 900)
    assert LabellingRuns(root).live() is None
    assert not root.exists()  # it made no version


def test_a_directory_with_versions_stays(tmp_path: Path) -> None:
    with live_run(tmp_path / "manifests", 1, 2):
        (tmp_path / "manifests/v1.parquet").touch()
    assert [path.name for path in (tmp_path / "manifests").iterdir()] == ["v1.parquet"]


def test_a_killed_run_is_not_live_and_the_next_one_deletes_its_file(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=SCRIPT_ENVIRONMENT)
    assert killed.returncode < 0
    [path] = tmp_path.glob("labelling-*.json")
    assert json.loads(path.read_text())["total"] == 900
    assert LabellingRuns(tmp_path).live() is None
    with announced(tmp_path, 1, lambda: Counts(0, 0)):
        assert not path.exists()


def test_a_silent_run_of_another_machine_is_not_live(tmp_path: Path) -> None:
    write(tmp_path, "1", entry())
    now = datetime.now(UTC)
    for seconds, is_live in ((SILENT_SECONDS - 5, True), (SILENT_SECONDS + 5, False), (-SILENT_SECONDS - 5, False)):
        moment = now + timedelta(seconds=seconds)
        assert bool(LabellingRuns(tmp_path, now=lambda moment=moment: moment).live()) == is_live
    assert SILENT_SECONDS > 5 * BEAT_SECONDS


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "1", "[" * 100_000, json.dumps({"labelled": 1}),
        *({name: value} for name, value in (
            ("labelled", "3"), ("labelled", -1), ("labelled", None), ("labelled", True), ("total", 1e400),
            ("total", 1 << 40), ("seconds_left", "soon"), ("seconds_left", float("nan")), ("pid", "1"), ("pid", -1),
            ("updated_at", "now"), ("updated_at", None), ("updated_at", "2026-01-01T00:00:00"),
        )),
    ],
)  # fmt: skip
def test_a_file_that_no_run_wrote_counts_for_nothing_and_is_kept(tmp_path: Path, content: object) -> None:
    odd = write(tmp_path, "odd", content if isinstance(content, str) else entry(**content))
    write(tmp_path, "good", entry())
    assert LabellingRuns(tmp_path).live() == LabellingProgress(3, 9, 12.5)
    with announced(tmp_path, 1, lambda: Counts(0, 0)):
        assert odd.exists()


def test_a_pipe_in_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "labelling-pipe.json")
    (tmp_path / "labelling-folder.json").mkdir()
    assert LabellingRuns(tmp_path).live() is None


def test_several_runs_add_up_and_end_with_the_last(tmp_path: Path) -> None:
    write(tmp_path, "1", entry())
    write(tmp_path, "2", entry(labelled=100, total=200, seconds_left=60))
    assert LabellingRuns(tmp_path).live() == LabellingProgress(103, 209, 60)
    write(tmp_path, "3", entry(seconds_left=None))
    assert LabellingRuns(tmp_path).live() == LabellingProgress(106, 218, None)


def test_the_files_are_read_once_a_second(tmp_path: Path) -> None:
    path = write(tmp_path, "1", entry())
    now = datetime.now(UTC)
    runs = LabellingRuns(tmp_path, now=lambda: now)
    assert runs.live()
    path.unlink()
    now += timedelta(seconds=LOOK_SECONDS / 2)
    assert runs.live()
    now += timedelta(seconds=LOOK_SECONDS / 2)
    assert runs.live() is None


def test_a_file_that_can_not_be_written_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with live_run(tmp_path / "file/manifests", 1, 2):
        pass
    [warning] = [record.getMessage() for record in caplog.records]
    assert warning.startswith("expected to write this run's progress to ")
    assert "Not a directory" in warning


def test_the_time_left_follows_the_pace_of_the_last_minute() -> None:
    pace = Pace(1000)
    assert pace.seconds_left(Counts(0, 0), 0.0) is None
    assert pace.seconds_left(Counts(500, 500), 4.0) is None  # an earlier run's
    assert pace.seconds_left(Counts(510, 500), 10.0) == 490  # ten in ten seconds
    for second in range(11, 100):
        left = pace.seconds_left(Counts(500 + 2 * second, 500), second)
    assert left == (1000 - 698) / 2
    assert pace.seconds_left(Counts(1000, 500), 200.0) == 0


def test_nothing_labelled_for_a_minute_is_no_estimate() -> None:
    pace = Pace(10)
    beats = ((0, 0), (5, 10), (5, 65), (5, 75))
    left = [pace.seconds_left(Counts(labelled, 0), seconds) for labelled, seconds in beats]
    assert left == [None, 10, 65, None]
