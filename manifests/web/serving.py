"""Run an app until it is stopped."""

import contextlib
import socket
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from manifests.web.header_timeout import TimedHeaders

SHUTDOWN_SECONDS = 2  # an open page keeps a connection to Gradio alive


def serve(app: ASGIApp, listener: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Answer requests until interrupted; `on_ready` is called once the server accepts them."""
    config = uvicorn.Config(
        app, http=TimedHeaders, log_level="warning", access_log=False, timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
    )  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):  # the ordinary way to stop it
        _AnnouncingServer(config, on_ready).run(sockets=[listener])


class _AnnouncingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()
