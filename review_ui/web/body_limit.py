"""A limit on the bytes of a request's body: an ASGI layer around the whole app.

Sign-in comes first, so only signed-in people can send a body at all; a script gone wrong must not fill the memory.
"""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 << 20  # a thousand decisions with a few hundred repaired masks among them


class BodyLimit:
    """Answers 413 to a body of more than `max_bytes`, announced or not; passes the rest on to `app`."""

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes
        limit = f"{max_bytes >> 20} MiB"
        self._problem = f"expected a request of at most {limit}, found a larger one; send fewer decisions at once"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await JSONResponse({"error": self._problem}, 413)(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise HTTPException(413, self._problem)  # each app inside answers with it
            return message

        await self._app(scope, receive_some, send)
