"""A connection whose request never ends its headers is closed; one that sends them works as ever."""

import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.responses import PlainTextResponse

from manifests.web import header_timeout, serving
from manifests.web.address import listen

WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The port of a real server with a short limit."""
    monkeypatch.setattr(header_timeout, "HEADER_SECONDS", 0.3)
    listener = listen("127.0.0.1", 0)
    servers: list[serving._AnnouncingServer] = []

    class Kept(serving._AnnouncingServer):
        def __init__(self, *options: object) -> None:
            super().__init__(*options)
            servers.append(self)

    monkeypatch.setattr(serving, "_AnnouncingServer", Kept)
    ready = threading.Event()
    work = threading.Thread(
        target=serving.serve, args=(PlainTextResponse("hello"), listener), kwargs={"on_ready": ready.set}
    )
    work.start()
    assert ready.wait(60)
    yield listener.getsockname()[1]
    servers[0].should_exit = True
    work.join(60)
    listener.close()


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"G"])
def test_headers_that_never_end_close_the_connection(port: int, first: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(first)
        assert client.recv(100) == b""


def test_a_second_request_that_never_ends_is_closed_too(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(WHOLE)
        assert b"200 OK" in client.recv(4096)
        client.sendall(b"GET / HTTP/1.1\r\nX")
        while rest := client.recv(4096):
            assert b"HTTP/1.1" not in rest  # at most the first answer's body


def test_whole_requests_are_answered_one_after_another(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client, client.makefile("rb") as answers:
        for _ in range(3):
            client.sendall(WHOLE)
            assert answers.readline() == b"HTTP/1.1 200 OK\r\n"
            while answers.readline().strip():
                pass
            assert answers.read(5) == b"hello"
