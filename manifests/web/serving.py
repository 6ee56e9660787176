"""Run an app until it is stopped, or while something else goes on."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn
from starlette.types import ASGIApp

from manifests.web.header_timeout import TimedHeaders

SHUTDOWN_SECONDS = 2  # an open page keeps a connection to Gradio alive


def serve(app: ASGIApp, listener: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Answer requests until interrupted; `on_ready` is called once the server accepts them."""
    with contextlib.suppress(KeyboardInterrupt):  # the ordinary way to stop it
        _AnnouncingServer(_config(app), on_ready).run(sockets=[listener])


@contextlib.contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Answer requests in a thread in this context; later ones wait for the next server on `listener`."""
    server = uvicorn.Server(_config(app))
    copy = listener.dup()  # the server closes it
    thread = threading.Thread(target=server.run, kwargs={"sockets": [copy]}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        copy.close()  # where it stopped before it had started


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app, http=TimedHeaders, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
    )  # fmt: skip


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()
