"""A web server on 127.0.0.1 that behaves well and badly, and tells what it was asked."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROBOTS = b"User-agent: *\nDisallow: /secret/\n"


@dataclass
class PictureServer:
    """What the server serves and what it saw. Paths not named below give 404."""

    picture: bytes
    port: int = 0
    robots: bytes | int = ROBOTS  # or a status
    scheme: str = "http"
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    running: int = 0  # requests for /busy*
    most_running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        with self.lock:
            return [path for path, _ in self.asked]


@contextmanager
def serve(picture: bytes, context: ssl.SSLContext | None = None) -> Iterator[PictureServer]:
    """The server while it runs, on a free port; over TLS with a `context`."""
    state = PictureServer(picture)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(state)) as server:
        server.daemon_threads = True
        state.port = server.server_port
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            state.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            state.over.set()
            server.shutdown()
            thread.join()


def _handler(state: PictureServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            with state.lock:
                state.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                times = sum(asked == self.path for asked, _ in state.asked)
            with suppress(OSError):  # the client has gone: it had enough
                self.answer(path, times)

        def answer(self, path: str, times: int) -> None:
            if path == "/robots.txt":
                if isinstance(state.robots, int):
                    self.send(state.robots, b"")
                else:
                    self.send(200, state.robots, "text/plain")
            elif path.endswith("good.jpg"):
                self.send(200, state.picture)
            elif path.startswith("/busy"):
                with state.lock:
                    state.running += 1
                    state.most_running = max(state.most_running, state.running)
                time.sleep(0.05)
                with state.lock:
                    state.running -= 1
                self.send(200, state.picture)
            elif path == "/lying.jpg":
                self.send(200, b"<html>not found</html>")
            elif path == "/page.jpg":
                self.send(200, b"<html>not found</html>", "text/html; charset=utf-8")
            elif path == "/redirected.jpg":
                self.send(302, b"", location="/good.jpg")
            elif path == "/loop.jpg":
                self.send(302, b"", location="/loop.jpg")
            elif path == "/to_secret.jpg":
                self.send(302, b"", location="/secret/good.jpg")
            elif path == "/inside.jpg":
                self.send(302, b"", location=f"http://inside.test:{state.port}/good.jpg")
            elif path == "/to_file.jpg":
                self.send(302, b"", location="file:///etc/hostname")
            elif path == "/nowhere.jpg":
                self.send(302, b"")
            elif path in ("/429.jpg", "/503.jpg"):
                if times == 1:
                    self.send(int(path[1:4]), b"", retry_after="0")
                else:
                    self.send(200, state.picture)
            elif path == "/always_500.jpg":
                self.send(500, b"")
            elif path == "/come_tomorrow.jpg":
                self.send(429, b"", retry_after="86400")
            elif path == "/big.jpg":
                self.send(200, b"", length=10**12)
            elif path == "/broken_off.jpg":
                self.send(200, state.picture[:1000], length=len(state.picture))
            elif path == "/endless.jpg":
                self.send(200, b"", length=None)
                while not state.over.is_set():
                    self.wfile.write(b"\xff" * 65536)
            elif path == "/slow.jpg":
                self.send(200, b"", length=len(state.picture))
                self.drip(b"\xff")
            elif path == "/slow_header.jpg":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                self.drip(b"x")
            elif path == "/silent.jpg":
                state.over.wait(20)
            elif path == "/garbage.jpg":
                self.wfile.write(b"\x00\x01 this is no HTTP\r\n\r\n")
            else:
                self.send(404, b"no such picture", "text/plain")

        def drip(self, byte: bytes) -> None:
            while not state.over.wait(0.05):
                self.wfile.write(byte)
                self.wfile.flush()

        def send(
            self,
            status: int,
            body: bytes,
            content_type: str = "image/jpeg",
            *,
            location: str | None = None,
            retry_after: str | None = None,
            length: int | None = -1,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            if length is not None:
                self.send_header("Content-Length", str(len(body) if length < 0 else length))
            if location is not None:
                self.send_header("Location", location)
            if retry_after is not None:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
