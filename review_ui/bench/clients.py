"""Many reviewers at once, over HTTP: each asks for samples and posts a verdict on each, as the page does.

The clients speak HTTP by hand over sockets of their own: a comfortable client library would take more of the
machine than the server. Run them in another process than the server.
"""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PREFETCH = 16
ASK_BELOW = 12  # samples in hand


@dataclass
class Load:
    """Results of all clients."""

    seconds: float = 0.0
    stored: list[str] = field(default_factory=list)  # decision_ids, acknowledged
    refused: list[str] = field(default_factory=list)
    handed_out: list[str] = field(default_factory=list)  # sample_ids, of all clients
    decide_ms: list[float] = field(default_factory=list)  # of each POST /api/decisions


def run_clients(url: str, *, clients: int, seconds: float, batch: int = 1) -> Load:
    """`clients` reviewers, `batch` decisions in one request; each asks for samples and decides, without a pause."""
    load = Load()
    asyncio.run(_run(url, clients, seconds, batch, load))
    return load


async def _run(url: str, clients: int, seconds: float, batch: int, load: Load) -> None:
    connections = [await _Connection.open(url) for _ in range(clients)]
    started = time.perf_counter()
    await asyncio.gather(*(_client(connection, started + seconds, batch, load) for connection in connections))
    load.seconds = time.perf_counter() - started
    for connection in connections:
        connection.close()


async def _client(http: "_Connection", end: float, batch: int, load: Load) -> None:
    tab = str(uuid.uuid4())
    held: dict[str, dict[str, Any]] = {}
    done: set[str] = set()
    while time.perf_counter() < end:
        if len(held) < ASK_BELOW:
            answer = await http.ask("GET", f"/api/next?n={PREFETCH}&tab={tab}")
            fresh = {s["sample_id"]: s for s in answer["samples"] if s["sample_id"] not in held.keys() | done}
            load.handed_out += fresh
            held |= fresh
            if not held:
                return
        some = [held.pop(sample_id) for sample_id in list(held)[:batch]]
        done |= {sample["sample_id"] for sample in some}
        await _decide(http, some, tab, load)


async def _decide(http: "_Connection", samples: list[dict[str, Any]], tab: str, load: Load) -> None:
    decisions = [
        {name: sample[name] for name in ("sample_id", "mask_sha256")}
        | {"decision_id": str(uuid.uuid4()), "verdict": "accept", "decision_ms": 1000, "tab": tab}
        for sample in samples
    ]
    started = time.perf_counter()
    answer = await http.ask("POST", "/api/decisions", {"decisions": decisions})
    load.decide_ms.append((time.perf_counter() - started) * 1000)
    load.stored += answer["stored"]
    load.refused += [refusal["error"] for refusal in answer["refused"]]


class _Connection:
    """One persistent connection; responses must have a Content-Length."""

    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host, self._reader, self._writer = host, reader, writer

    @classmethod
    async def open(cls, url: str) -> "_Connection":
        parts = urlsplit(url)
        return cls(parts.netloc, *await asyncio.open_connection(parts.hostname, parts.port))

    def close(self) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().splitlines()
        length = next(int(line.split(":")[1]) for line in answer if line.startswith("content-length:"))
        content_json = json.loads(await self._reader.readexactly(length))
        if " 200" not in answer[0]:
            raise RuntimeError(f"expected 200 from {path}, found {answer[0]}: {content_json}")
        return content_json
