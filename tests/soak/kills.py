"""Kill processes with SIGKILL at random moments of their work on small datasets, and check after each kill.

    PYTHONPATH=.:tests/support python tests/soak/kills.py --kills 10000

`--kinds` are operations, server (kill_server.py), worker and fit (kill_jobs.py); SHARES of the kills are theirs.
The process of `operations` imports, generates, reviews, publishes, restores, merges, relabels, selects, forgets and
deletes garbage, in random order. After each kill: history is linear, no version changed, every blob that the latest
version names is there with its digest, SQLite finds the log sound, and the log holds every verdict that was
acknowledged before the kill. The blobs of all versions are checked after every tenth kill. Prints a line of figures for
each kind; exit status 1 and the seed at the first loss.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from operations import OPERATIONS, ended, prepare, problems
from small_lineages import Lineage
from tqdm import tqdm

MOST_SECONDS = 0.12  # of a process: a few operations
VERSIONS = 12  # of one history; then a fresh copy
REPORT_EVERY = 500  # kills
REVIEW = "review"
SEEDS = (0, 2, 3)  # of samples that no operation forgets


@dataclass
class Figures:
    """Kills by the operation that they met, and what was acknowledged."""

    kills: Counter[str] = field(default_factory=Counter)
    operations_done: int = 0
    verdicts_acknowledged: int = 0
    versions: int = 0

    def __str__(self) -> str:
        met = ", ".join(f"{name} {count:,}" for name, count in sorted(self.kills.items()))
        return (
            f"{self.kills.total():,} kills survived ({met}); {self.operations_done:,} operations ended, "
            f"{self.verdicts_acknowledged:,} verdicts acknowledged, {self.versions:,} versions committed; nothing lost"
        )


class Victim:
    """One dataset and its facts: digests of its versions, and acknowledged verdicts."""

    def __init__(self, prepared: Path, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(prepared, root)
        self.root, self.here = root, Lineage(root / "here")
        self.digests = self._digests()
        self.acknowledged: set[str] = set()

    def kill_once(self, seed: str, delay_seconds: float) -> list[str]:
        """Let a process work, kill it; the lines that it wrote: `begin NAME`, `done NAME`, `verdict ID`."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._work(random.Random(seed), writing)
        os.close(writing)
        time.sleep(delay_seconds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading) as lines:
            return [line.strip() for line in lines if line.endswith("\n")]

    def losses(self, said: list[str], *, all_versions: bool) -> list[str]:
        """Problems after a kill."""
        self.acknowledged |= {line.split()[1] for line in said if line.startswith("verdict ")}
        found, before = problems(self.root, disturbed=True, all_versions=all_versions), self.digests
        self.digests = self._digests()
        found += [f"v{version} changed" for version, digest in before.items() if self.digests.get(version) != digest]
        with closing(self.here.log()) as log, log.reading() as connection:
            stored = {getattr(event, "decision_id", None) for _, event in log.events_after(0, connection)}
        return found + [f"the acknowledged verdict {name} is gone" for name in self.acknowledged - stored]

    def _digests(self) -> dict[int, str]:
        return {each.version: each.digest for each in self.here.store.history()}

    def _work(self, chosen: random.Random, pipe: int) -> None:
        """Work until killed."""
        tqdm.set_lock(threading.RLock())  # its own is shared with the parent, and the dead don't release it
        try:
            with redirect_stdout(None):
                while True:
                    name = chosen.choice([*OPERATIONS, REVIEW, REVIEW])
                    os.write(pipe, f"begin {name}\n".encode())
                    if name == REVIEW:
                        verdict = chosen.choice(["accept", "reject"])
                        made = self.here.judge({chosen.choice(SEEDS): verdict}, minutes=100 + chosen.random())
                        os.write(pipe, f"verdict {made[0]}\n".encode())
                    elif not ended(partial(OPERATIONS[name], self.root)).is_clear:
                        os.write(pipe, f"unclear {name}\n".encode())
                    os.write(pipe, f"done {name}\n".encode())
        finally:
            os._exit(1)  # no cleaning up in a copy of the parent


def survive(kills: int, seed: int) -> Figures:
    """Kill so many times; SystemExit with the seed at the first loss."""
    chosen, figures = random.Random(seed), Figures()
    with tempfile.TemporaryDirectory() as directory:
        prepared, root = Path(directory, "prepared"), Path(directory, "dataset")
        prepared.mkdir()
        prepare(prepared)
        victim = Victim(prepared, root)
        while figures.kills.total() < kills:
            if len(victim.digests) >= VERSIONS:
                victim = Victim(prepared, root)
            versions = len(victim.digests)
            said = victim.kill_once(f"{seed} {figures.kills.total()}", chosen.uniform(0, MOST_SECONDS))
            is_full = figures.kills.total() % 10 == 9 or len(victim.digests) >= VERSIONS - 1
            losses = victim.losses(said, all_versions=is_full) + [line for line in said if line.startswith("unclear ")]
            if losses:
                sys.exit(f"seed {seed}, kill {figures.kills.total() + 1}: {'; '.join(losses[:5])}; after {said[-3:]}")
            begun = [line.split()[1] for line in said if line.startswith("begin ")]
            done = sum(line.startswith("done ") for line in said)
            figures.kills[begun[-1] if len(begun) > done else "between"] += 1
            figures.operations_done += done
            figures.verdicts_acknowledged += sum(line.startswith("verdict ") for line in said)
            figures.versions += len(victim.digests) - versions
            if figures.kills.total() % REPORT_EVERY == 0:
                print(f"{figures.kills.total():,} of {kills:,}", file=sys.stderr)
    return figures


def survive_server(kills: int, seed: int) -> str:
    import kill_server  # here, as below: its libraries take seconds to load

    return kill_server.survive(kills, seed)


def survive_worker(kills: int, seed: int) -> str:
    import kill_jobs

    return kill_jobs.survive("worker", kills, seed)


def survive_fit(kills: int, seed: int) -> str:
    import kill_jobs

    return kill_jobs.survive("fit", kills, seed)


KINDS: dict[str, Callable[[int, int], object]] = {
    "operations": survive,
    "server": survive_server,
    "worker": survive_worker,
    "fit": survive_fit,
}
SHARES = {"operations": 0.97, "server": 0.02, "worker": 0.005, "fit": 0.005}  # a kill of the others takes seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", default=",".join(KINDS), help="default: %(default)s")
    options = parser.parse_args()
    begin, kinds = time.monotonic(), options.kinds.split(",")
    if len(kinds) == 1:
        print(f"{kinds[0]}: {KINDS[kinds[0]](options.kills, options.seed)}", flush=True)
    else:
        of_one = options.kills / sum(SHARES[kind] for kind in kinds)
        for kind in kinds:
            _alone(kind, round(of_one * SHARES[kind]), options.seed)
    print(f"{time.monotonic() - begin:.0f} s, seed {options.seed}", flush=True)


def _alone(kind: str, kills: int, seed: int) -> None:
    """Kill processes of one kind from a new process: forks of one in which libraries have threads may hang."""
    command = [sys.executable, __file__, "--kinds", kind, "--kills", str(kills), "--seed", str(seed)]
    status = subprocess.run(command, check=False).returncode
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
