"""Kill the review server, a real uvicorn, with SIGKILL while clients send verdicts and undos, and check its log.

Each client sends one request at a time, and after a kill the one without an answer again, as the page does.
"""

import os
import random
import signal
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import closing, redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import httpx
from small_lineages import Lineage

from manifests.decisions.database import integrity_problems
from manifests.decisions.publish import NothingToPublish
from manifests.web.address import listen, url_of
from manifests.web.serving import serve
from review_ui.app import create_app
from review_ui.queue.session import ReviewSession

CLIENTS = 4
MOST_SECONDS = 0.5  # of a server's life, from its first answer
STARTING_SHARE = 0.1  # of the servers, killed while they start
SAMPLES = 60
UNDO_SHARE = 0.5  # so that there are always samples to judge
TIMEOUT_SECONDS = 60

Request = tuple[str, dict[str, Any]]  # path, JSON


@dataclass
class Client:
    """A page: acknowledged verdicts and undos, and the request without an answer."""

    tab: str
    chosen: random.Random
    judged: list[str] = field(default_factory=list)  # acknowledged, and not undone
    undone: set[str] = field(default_factory=set)
    waiting: Request | None = None
    problems: list[str] = field(default_factory=list)

    def work(self, url: str) -> None:
        """Send verdicts and undos until the server is gone."""
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS) as http, suppress(httpx.TransportError):
            while not self.problems:
                self.waiting = self.waiting or self._next(http)
                if self.waiting:
                    self._take(self.waiting, http.post(self.waiting[0], json=self.waiting[1]))
                    self.waiting = None

    def _next(self, http: httpx.Client) -> Request | None:
        if self.judged and self.chosen.random() < UNDO_SHARE:
            return "/api/undo", {"decision_id": self.judged[-1], "tab": self.tab}
        samples = http.get("/api/next", params={"n": 1, "tab": self.tab}).json()["samples"]
        if not samples:
            return None
        named = {name: samples[0][name] for name in ("sample_id", "mask_sha256")}
        verdict = self.chosen.choice(["accept", "reject"])
        identity = str(uuid.UUID(int=self.chosen.getrandbits(128), version=4))
        return "/api/decisions", {
            "decisions": [{"decision_id": identity, "verdict": verdict, "decision_ms": 900, **named}]
        }

    def _take(self, request: Request, answer: httpx.Response) -> None:
        path, body = request
        if answer.status_code >= 500:
            self.problems.append(f"{path} answered {answer.status_code}: {answer.text[:200]}")
        elif path == "/api/undo":
            self.judged.remove(body["decision_id"])
            if answer.is_success:
                self.undone.add(body["decision_id"])
        else:
            self.judged += answer.json()["stored"]


def survive(kills: int, seed: int) -> str:
    """Kill so many servers; the figures in a line, SystemExit with the seed at the first loss."""
    chosen = random.Random(f"server {seed}")
    with tempfile.TemporaryDirectory() as directory:
        lineage = Lineage(Path(directory))
        lineage.generate(*range(SAMPLES))
        clients = [Client(f"tab {number}", random.Random(f"{seed} {number}")) for number in range(CLIENTS)]
        for kill in range(1, kills + 1):
            kill_once(lineage, clients, chosen.uniform(0, MOST_SECONDS), starting=chosen.random() < STARTING_SHARE)
            found = losses(lineage, clients)
            if found:
                raise SystemExit(f"seed {seed}, server {kill}: {'; '.join(found[:5])}")
        found = publishing_problems(lineage)
        if found:
            raise SystemExit(f"seed {seed}, after {kills} servers: {'; '.join(found[:5])}")
    judged, undone = sum(len(client.judged) for client in clients), sum(len(client.undone) for client in clients)
    return f"{kills:,} servers killed; {judged + undone:,} verdicts and {undone:,} undos acknowledged; nothing lost"


def kill_once(lineage: Lineage, clients: list[Client], delay_seconds: float, *, starting: bool) -> None:
    """Start a server, let the clients work, and kill it so long after its first answer, or after its start."""
    listener = listen("127.0.0.1", 0)
    url = url_of(listener)
    server = os.fork()
    if server == 0:
        _serve(lineage, listener)
    listener.close()  # the server's own remains, so that clients see its end
    threads = [threading.Thread(target=client.work, args=(url,)) for client in clients]
    for thread in threads:
        thread.start()
    if not starting:
        httpx.get(f"{url}/healthz", timeout=TIMEOUT_SECONDS)
    time.sleep(delay_seconds)
    os.kill(server, signal.SIGKILL)
    os.waitpid(server, 0)
    for thread in threads:
        thread.join()


def losses(lineage: Lineage, clients: list[Client]) -> list[str]:
    """Acknowledged events that the log lacks, verdicts that it has twice, and the problems of its database."""
    with closing(lineage.log()) as log:
        standing = Counter(decision.decision_id for decision in log.standing())
        found = integrity_problems(log.engine)
    unanswered = {client.waiting[1].get("decision_id") for client in clients if client.waiting}
    for client in clients:
        found += client.problems
        found += [f"the verdict {name} is gone" for name in client.judged if name not in standing.keys() | unanswered]
        found += [f"the undo of {name} is gone" for name in client.undone & standing.keys()]
    return found + [f"the verdict {name} is there {count} times" for name, count in standing.items() if count > 1]


def publishing_problems(lineage: Lineage) -> list[str]:
    """Publish, and list the rows whose status is not that of the last standing verdict."""
    with closing(lineage.log()) as log:
        verdicts = {decision.sample_id: f"{decision.verdict}ed" for decision in log.standing()}
    with suppress(NothingToPublish):
        lineage.publish()
    return [
        f"{row['sample_id']} is {row['status']}, judged {verdicts.get(row['sample_id'], 'pending')}"
        for row in lineage.rows().values()
        if row["status"] != verdicts.get(row["sample_id"], "pending")
    ]


def _serve(lineage: Lineage, listener: Any) -> NoReturn:
    """Serve until killed."""
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
            session = ReviewSession(lineage.store.open(), lineage.store, lineage.log())
            app = create_app(session, lineage.blobs, host_name="127.0.0.1", dataset="soak")
            serve(app, listener, on_ready=lambda: None)
    finally:
        os._exit(1)  # no cleaning up in a copy of the parent
