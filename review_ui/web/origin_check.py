"""Protects the review page from other sites' pages: an ASGI layer around the whole app.

A server on this machine can be reached by every page that the reviewer's browser shows. Three doors are shut:
a foreign name in Host (DNS rebinding), a foreign Origin on anything that changes state, and, by the content
security policy, any request of our own page to another host.
"""

import ipaddress
import json
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_ui.routes import LEAD_PATH, is_below

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY = (
    "default-src 'self' data: blob:; script-src {scripts}; style-src 'self' 'unsafe-inline'; form-action 'self'; "
    "base-uri 'self'; frame-ancestors 'none'"
)
OWN_SCRIPTS = _POLICY.format(scripts="'self'")
GRADIO_SCRIPTS = _POLICY.format(scripts="'self' 'unsafe-inline' 'unsafe-eval'")  # its front end needs both
RESPONSE_HEADERS = {
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send the sign-in form with Origin: null
    "X-Content-Type-Options": "nosniff",
}


class OriginCheck:
    """Answers 403 to requests of other sites' pages; passes the rest on to `app`."""

    def __init__(self, app: ASGIApp, host_names: Collection[str] = ()) -> None:
        self._app = app
        self._host_names = frozenset(host_names) | {"localhost", socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "CONNECT")  # a websocket has none, and may change anything
        problem = self._problem(method, Headers(scope=scope))
        if problem:
            await _forbid(scope, send, problem)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = GRADIO_SCRIPTS if is_below(scope["path"], LEAD_PATH) else OWN_SCRIPTS
                MutableHeaders(scope=message).update(RESPONSE_HEADERS | {"Content-Security-Policy": policy})
            await send(message)

        await self._app(scope, receive, send_guarded)

    def _problem(self, method: str, headers: Headers) -> str | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_ours(host):
            return (
                f"expected this server's own name as Host, found {ascii(host)[:60]}; "
                "start with --public-name to allow it"
            )
        if method in READING_METHODS:
            return None
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return f"expected a request from this server's own page, found one from {ascii(origin)[:60]}"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "expected a request from this server's own page, found one from another site"
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether Host is an address or one of our names: a rebinding page can only come with a name of its own."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self._host_names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _forbid(scope: Scope, send: Send, error: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error})
        return
    body = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
