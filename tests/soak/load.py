"""Reviewers at their usual pace on one review server, with a publish each minute and generate runs beside them.

    PYTHONPATH=.:tests/support python tests/soak/load.py --reviewers 50 --seconds 600
    PYTHONPATH=.:tests/support python tests/soak/load.py --cycles 1000

The server is `python -m review_ui` with a users file; each reviewer signs in and sends a decision a second. Prints
requests, errors, the decisions' delays, and the server's memory and handles before and after. `--cycles` generates a
sample, judges it and publishes so many times in one process, and prints temporary files, handles and memory at WARM_UP
of the cycles and at the end. Exit status 1 for an error, or for more than SPARE_HANDLES more handles than before.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from review_browser import CommandServer
from skimage import data
from small_lineages import Lineage

from manifests.files.atomic import TEMPORARY_PREFIX
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users

PACE_SECONDS = 1.0  # between two decisions of a reviewer
PUBLISH_SECONDS = 60.0
SAMPLES = 700  # each reviewer judges each of them: more than ten minutes' work
PASSWORD = "of every reviewer in this test"
LEAD = "lea"
TIMEOUT_SECONDS = 60
SPARE_HANDLES = 8  # connections that a pool may open later
WARM_UP = 0.1
IMAGE_PX = 256


@dataclass
class Load:
    """Answers and delays of all clients."""

    delays_ms: list[float] = field(default_factory=list)  # of acknowledged decisions
    answers: Counter[str] = field(default_factory=Counter)  # path and status
    errors: list[str] = field(default_factory=list)
    publishes: int = 0
    generates: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, answer: httpx.Response) -> None:
        path, status = answer.request.url.path, answer.status_code
        with self.lock:
            self.answers[f"{path} {status}"] += 1
            if status >= 400:
                self.errors.append(f"{path} answered {status}: {answer.text[:200]}")

    def __str__(self) -> str:
        middle, late = np.percentile(self.delays_ms, [50, 99]) if self.delays_ms else (np.nan, np.nan)
        worst = max(self.delays_ms, default=np.nan)
        return (
            f"{self.answers.total():,} requests, {len(self.errors)} errors; {len(self.delays_ms):,} decisions "
            f"acknowledged, p50 {middle:.0f} ms, p99 {late:.0f} ms, max {worst:.0f} ms; {self.publishes} publishes and "
            f"{self.generates} generate runs beside"
        )


@dataclass(frozen=True)
class Usage:
    """A process's resident memory in bytes, and its open handles."""

    memory_bytes: int
    handles: int

    @classmethod
    def of(cls, process: int) -> "Usage":
        """Read the numbers of a process; SystemExit where the system has no /proc."""
        if not Path("/proc/self/statm").is_file():
            sys.exit("expected /proc to read memory and handles from, found none; run it on Linux")
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), sum(1 for _ in Path(f"/proc/{process}/fd").iterdir()))

    def growth(self, later: "Usage") -> str:
        more = 100 * (later.memory_bytes / self.memory_bytes - 1)
        return (
            f"memory {self.memory_bytes / 1e6:.0f} to {later.memory_bytes / 1e6:.0f} MB ({more:+.1f} %), "
            f"handles {self.handles} to {later.handles}"
        )


def review(reviewers: int, seconds: float, publish_seconds: float) -> bool:
    """Let the reviewers work, and print the figures; return whether there was no error and no leak of handles."""
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        Lineage(root).generate(*range(min(SAMPLES, int(seconds / PACE_SECONDS) + 100)))
        names = [f"reviewer{number}" for number in range(reviewers)]
        hashed = hash_password(PASSWORD)
        users = {name: User(name, "reviewer", hashed) for name in names} | {LEAD: User(LEAD, "lead", hashed)}
        write_users(root / "users.toml", users)
        rates = ["--votes", str(reviewers), "--gold-rate", "0", "--repeat-rate", "0"]
        server = CommandServer(root, 0, "--users", str(root / "users.toml"), *rates)
        try:
            load = Load()
            with clients(server.url, [*names, LEAD]) as signed_in:
                for client in signed_in:
                    judge(client, load, [])
                load.note(signed_in[-1].post("/api/publish", json={}))  # the first one loads libraries
            load = Load(errors=load.errors)
            before = at_rest(server)
            with clients(server.url, [*names, LEAD]) as signed_in:
                work(signed_in, load, root, seconds, publish_seconds)
            after = at_rest(server)
        finally:
            server.stop()
    print(f"{reviewers} reviewers, {seconds:.0f} s: {load}")
    print(f"server: {before.growth(after)}")
    print(*load.errors[:10], sep="\n", end="" if not load.errors else "\n", file=sys.stderr)
    return not load.errors and after.handles <= before.handles + SPARE_HANDLES


@contextmanager
def clients(url: str, names: list[str]) -> Iterator[list[httpx.Client]]:
    """Signed-in clients, one a name; closed at the end."""
    made = [httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) for _ in names]
    try:
        for client, name in zip(made, names, strict=True):
            answer = client.post("/sign-in", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303, f"{name} could not sign in: {answer.status_code} {answer.text[:200]}"
        yield made
    finally:
        for client in made:
            client.close()


def work(signed_in: list[httpx.Client], load: Load, root: Path, seconds: float, publish_seconds: float) -> None:
    """Reviewers judge, the last client publishes, and another process generates, until the time is over."""
    *reviewers, lead = signed_in
    stop = threading.Event()
    threads = [threading.Thread(target=keep_judging, args=(client, load, stop)) for client in reviewers]
    threads.append(threading.Thread(target=keep_publishing, args=(lead, load, stop, publish_seconds)))
    threads.append(threading.Thread(target=keep_generating, args=(root, load, stop)))
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()


def keep_judging(client: httpx.Client, load: Load, stop: threading.Event) -> None:
    samples: list[dict[str, object]] = []
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due += PACE_SECONDS
        judge(client, load, samples)


def judge(client: httpx.Client, load: Load, samples: list[dict[str, object]]) -> None:
    """Send a verdict on the next of `samples`, which are fetched when there are none."""
    if not samples:
        answer = client.get("/api/next", params={"n": 8})
        load.note(answer)
        samples += answer.json().get("samples", [])
    if not samples:
        return
    sample = samples.pop(0)
    named = {name: sample[name] for name in ("sample_id", "mask_sha256")}
    decision = {"decision_id": str(uuid.uuid4()), "verdict": "accept", "decision_ms": 900, **named}
    begin = time.perf_counter()
    answer = client.post("/api/decisions", json={"decisions": [decision]})
    load.note(answer)
    delay_ms = 1000 * (time.perf_counter() - begin)
    with load.lock:
        if answer.is_success and answer.json()["stored"] == [decision["decision_id"]]:
            load.delays_ms.append(delay_ms)
        elif answer.is_success:
            load.errors.append(f"refused: {answer.text[:200]}")


def keep_publishing(client: httpx.Client, load: Load, stop: threading.Event, every_seconds: float) -> None:
    while not stop.wait(every_seconds):
        load.note(client.post("/api/publish", json={}))
        load.publishes += 1


def keep_generating(root: Path, load: Load, stop: threading.Event) -> None:
    """Label a new photograph, in a process of its own, into the dataset under review; again until stopped."""
    portrait = Image.fromarray(data.astronaut()).resize((IMAGE_PX, IMAGE_PX))
    where = ["--manifests", str(root / "manifests"), "--teacher", "grabcut", "--source", "web"]
    while not stop.is_set():
        image = root / f"photographs/{load.generates}.jpg"
        image.parent.mkdir(exist_ok=True)
        portrait.rotate(load.generates / 100).save(image)  # as bytes another photograph, and the face is found
        command = [sys.executable, "-m", "pipeline.generate", "--images", str(image), *where]
        done = subprocess.run(command, capture_output=True, text=True)
        load.generates += 1
        if done.returncode:
            load.errors.append(f"generate: {done.stderr[-300:]}")


def at_rest(server: CommandServer) -> Usage:
    """The server's usage once it has closed its clients' connections, as far as it does."""
    usage = Usage.of(server.pid)
    for _ in range(50):
        httpx.get(f"{server.url}/healthz", timeout=TIMEOUT_SECONDS)
        latest = Usage.of(server.pid)
        if latest.handles >= usage.handles:
            break
        usage = latest
    return usage


def cycle(cycles: int) -> bool:
    """Generate, judge and publish so many times; return whether no temporary file and no handle is left."""
    with tempfile.TemporaryDirectory() as directory:
        lineage, warm, begin = Lineage(Path(directory)), Usage.of(os.getpid()), time.monotonic()
        for number in range(cycles):
            if number == int(WARM_UP * cycles):
                warm = Usage.of(os.getpid())
            lineage.generate(number)
            lineage.judge({number: "accept"}, minutes=number)
            lineage.publish()
        after = Usage.of(os.getpid())
        files = Counter(path.suffix for path in lineage.root.rglob("*") if path.is_file())
        temporary = sum(path.name.startswith(TEMPORARY_PREFIX) for path in lineage.root.rglob("*"))
        versions, blobs = files[".parquet"], files[".png"] + files[".jpg"]
    print(
        f"{cycles:,} cycles, {time.monotonic() - begin:.0f} s: {versions:,} versions, {blobs:,} blobs, "
        f"{temporary} temporary files; {warm.growth(after)}"
    )
    return not temporary and after.handles <= warm.handles + SPARE_HANDLES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--reviewers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--publish-seconds", type=float, default=PUBLISH_SECONDS)
    parser.add_argument("--cycles", type=int, help="generate and publish so often, in one process, instead")
    options = parser.parse_args()
    is_well = (
        cycle(options.cycles) if options.cycles else review(options.reviewers, options.seconds, options.publish_seconds)
    )
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
