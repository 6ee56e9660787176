"""A local HTTP server that answers as a function says, in place of a service on the web."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


Answering = Callable[[str, str, dict[str, str], bytes], Answer]  # method, path, headers in lower case, body


@contextmanager
def serving(answer: Answering) -> Iterator[str]:
    """The server's URL while it runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            given = answer(self.command, self.path, headers, body)
            self.send_response(given.status)
            for name, value in {"content-length": str(len(given.body)), **given.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(given.body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
