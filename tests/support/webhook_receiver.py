"""A real HTTP server that gets webhooks: it answers with the statuses that a test gives it, then with 200."""

import queue
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT_SECONDS = 60


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Receiver:
    """`statuses` are the next answers; `location` is where a redirect leads."""

    url: str
    statuses: list[int] = field(default_factory=list)
    location: str = ""
    received: "queue.Queue[Received]" = field(default_factory=queue.Queue)

    def next(self) -> Received:
        """The next request, which may still have to come."""
        return self.received.get(timeout=WAIT_SECONDS)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = here.statuses.pop(0) if here.statuses else 200
            here.received.put(Received(self.path, dict(self.headers.items()), body))  # first: an answer brings the next
            self.send_response(status)
            if here.location:
                self.send_header("location", here.location)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield here
        server.shutdown()
        thread.join()
