"""Two writers at random moments, killed with SIGKILL in between: history stays linear and nothing is lost.

Run as a script, `python test_two_writers.py ROOT NAME COMMITS SEED`, this file is one of its own writers. A
writer says on standard output what became of each attempt; what a killed one said is kept.
"""

import json
import random
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from forked_commands import ForkedCommand
from made_rows import commit, rows

from manifests.store.manifest import CommitConflict, ManifestStore

NAMES = ("left", "right")
PAUSE_SECONDS = 0.05  # at most, between reading a version and committing the next


@dataclass
class Writer:
    """One writer's processes, one after another, and every line they said."""

    root: Path
    name: str
    commits: int
    said: list[str] = field(default_factory=list)
    runs: int = 0

    def start(self) -> None:
        """Returns when the first attempt of the new process is over."""
        self.runs += 1
        said_before = len(self.said)
        self.process = ForkedCommand(Path(__file__), [str(self.root), self.name, str(self.commits), str(self.runs)])
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        while len(self.said) == said_before and self.process.poll() is None:
            time.sleep(0.005)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def kill(self) -> bool:
        """SIGKILL; whether it was still alive."""
        self.process.send_signal(signal.SIGKILL)
        return self.end() == -signal.SIGKILL

    def end(self) -> int:
        """The exit status; any other than 0 and that of SIGKILL fails the test, a traceback's say."""
        code = self.process.wait(120)
        self.reader.join(10)
        assert code in (0, -signal.SIGKILL)
        return code

    def _read(self) -> None:
        with self.process.stdout as lines:
            for line in lines:
                if line.endswith("\n"):  # a killed one may break off
                    self.said.append(line.strip())


@pytest.mark.parametrize(
    ("commits", "kills"), [(20, 2), pytest.param(80, 20, marks=pytest.mark.slow)], ids=["20 each", "80 each"]
)
def test_two_writers_killed_at_random_keep_history_linear_and_lose_nothing(
    tmp_path: Path, commits: int, kills: int
) -> None:
    versions = ManifestStore(tmp_path / "manifests")
    commit(versions, rows(1), None)
    writers = [Writer(versions.root, name, commits) for name in NAMES]
    killed = let_them_work(writers, random.Random(7), kills)
    said = [json.loads(line) for writer in writers for line in writer.said]
    won = [(line["version"], line["writer"], line["number"]) for line in said if "conflict" not in line]
    lost = [(line["version"], line["writer"], line["number"]) for line in said if "conflict" in line]
    history = versions.history()

    assert killed >= kills // 2  # on a slow machine they may be done before
    assert lost, "they never met: the test shows nothing"
    told = re.compile(r"expected parent \d+ to be the latest version in .*, found \d+; reload and commit again")
    assert [line for line in said if not told.fullmatch(line.get("conflict", ""))] == [
        line for line in said if "conflict" not in line
    ]
    assert [manifest.version for manifest in history] == list(range(1, 2 * commits + 2))
    assert [manifest.parent for manifest in history] == [None, *range(1, 2 * commits + 1)]
    made_by = {made.version: (made.parameters["writer"], made.parameters["number"]) for made in history[1:]}
    assert [made_by[version] for version, *_ in won] == [(name, number) for _, name, number in won]
    assert not {(version, name, number) for version, name, number in lost if made_by[version] == (name, number)}
    before = history[0].read()
    for manifest in history[1:]:
        after = manifest.read()
        assert after.slice(0, before.num_rows).equals(before)
        assert after["source_uri"].to_pylist()[before.num_rows :] == ["/{}/{}".format(*made_by[manifest.version])]
        before = after
    assert sorted(made_by.values()) == [(name, number) for name in NAMES for number in range(commits)]


def let_them_work(writers: list[Writer], chosen: random.Random, kills: int) -> int:
    """Start the writers, kill one at a random moment and start it again, until all ended; how many were killed.

    While a process starts, which takes longer than all commits, the other one stands still, in a commit maybe.
    """
    first, second = writers
    first.start()
    with standing_still(first):
        second.start()
    killed = 0
    while killed < kills and all(writer.is_alive for writer in writers):
        victim, other = chosen.sample(writers, 2)
        time.sleep(chosen.uniform(0, 0.1))
        if victim.kill():
            killed += 1
            with standing_still(other):
                victim.start()
    for writer in writers:
        assert writer.end() == 0
    return killed


@contextmanager
def standing_still(writer: Writer) -> Iterator[None]:
    writer.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        writer.process.send_signal(signal.SIGCONT)


def work(root: str, name: str, commits: int, chosen: random.Random) -> None:
    """Add a row at a time, on whatever version is the latest, until the rows named after this writer are complete."""
    versions = ManifestStore(root)
    while True:
        parent = versions.open()
        table = parent.read()
        number = sum(uri.startswith(f"/{name}/") for uri in table["source_uri"].to_pylist())
        if number == commits:
            return
        time.sleep(chosen.uniform(0, PAUSE_SECONDS))
        changed = pa.concat_tables([table, row(name, number)])
        outcome = {"writer": name, "number": number, "version": parent.version + 1}
        try:
            commit(versions, changed, parent.version, writer=name, number=number)
        except CommitConflict as conflict:
            outcome["conflict"] = str(conflict)
        print(json.dumps(outcome), flush=True)


def row(name: str, number: int) -> pa.Table:
    """One row, named after its writer."""
    of_writer = f"{(NAMES.index(name) + 1) * 10**6 + number:032x}"
    return rows(1, sample_id=of_writer, group_id=of_writer, source_uri=f"/{name}/{number}")


if __name__ == "__main__":
    work(sys.argv[1], sys.argv[2], int(sys.argv[3]), random.Random(f"{sys.argv[2]} {sys.argv[4]}"))
