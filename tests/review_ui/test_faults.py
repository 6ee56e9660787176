"""The review server is killed again and again while people work."""

import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from review_browser import Server

from manifests.decisions.log import DecisionLog, sqlite_url
from review_ui.bench.queue import waiting_samples

KILLS = 10
CLIENTS = 6
WAITING = 40_000  # more than are judged: at the end one person's tabs take over from each other


class Client(threading.Thread):
    """A page: it sends each decision until the server says that it is stored."""

    def __init__(self, url: str, stop: threading.Event) -> None:
        super().__init__()
        self._url, self._stopped = url, stop
        self.acknowledged: dict[str, str] = {}  # decision_id -> sample_id
        self.refused: list[str] = []
        self.tab = str(uuid.uuid4())

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as http:
            while not self._stopped.is_set():
                samples = self._until_answered(http, "GET", f"/api/next?n=4&tab={self.tab}")["samples"]
                decisions = [
                    {name: sample[name] for name in ("sample_id", "mask_sha256")}
                    | {"decision_id": str(uuid.uuid4()), "verdict": "reject", "decision_ms": 700}
                    for sample in samples
                ]
                receipt = self._until_answered(http, "POST", "/api/decisions", {"decisions": decisions})
                stored = set(receipt["stored"])
                self.acknowledged |= {d["decision_id"]: d["sample_id"] for d in decisions if d["decision_id"] in stored}
                self.refused += [refusal["error"] for refusal in receipt["refused"]]

    def _until_answered(self, http: httpx.Client, method: str, path: str, body: Any = None) -> Any:
        while True:
            try:
                return http.request(method, path, json=body).raise_for_status().json()
            except httpx.TransportError:
                time.sleep(0.05)


@pytest.mark.slow
def test_every_acknowledged_decision_is_published_once_though_the_server_was_killed_ten_times(tmp_path: Path) -> None:
    waiting_samples(tmp_path, WAITING)
    server, stop = Server(tmp_path), threading.Event()
    clients = [Client(server.url, stop) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for kill in range(KILLS):
        time.sleep(0.3 + 0.1 * kill)
        server.stop(signal.SIGKILL)
        server = Server(tmp_path, server.port)
    time.sleep(0.5)
    stop.set()
    for client in clients:
        client.join()
    published = httpx.post(f"{server.url}/api/publish", timeout=60).raise_for_status().json()["manifest"]
    server.stop()

    acknowledged = [pair for client in clients for pair in client.acknowledged.items()]
    samples = {sample_id for _, sample_id in acknowledged}
    assert len(acknowledged) == len(samples) > KILLS * CLIENTS
    assert [client.refused for client in clients] == [[]] * CLIENTS
    log = DecisionLog(sqlite_url(tmp_path / "data"))
    stored = [decision.decision_id for decision in log.standing()]
    log.close()
    assert len(stored) == len(set(stored))
    assert set(stored) == {decision_id for decision_id, _ in acknowledged}
    rows = pq.read_table(published, columns=["sample_id", "status", "votes_reject"]).to_pylist()
    assert {row["sample_id"] for row in rows if row["status"] == "rejected"} == samples
    assert {row["votes_reject"] for row in rows if row["sample_id"] in samples} == {1}
