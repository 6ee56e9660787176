"""Protects the review page from other sites' pages: an ASGI layer around the whole app.

A server on this machine can be reached by every page that the reviewer's browser shows. Three doors are shut:
a foreign name in Host (DNS rebinding), requests of foreign pages (by Origin where something is written; by
Sec-Fetch-Site everywhere but for links, as reading the API leases samples), and, by the content security policy, any
request of our own page to another host.
"""

import ipaddress
import json
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_ui.routes import APP_PATH, LEAD_PATH, is_below, route_of

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
    "Cross-Origin-Resource-Policy": "same-origin",
}


class OriginCheck:
    """Answers 403 to requests of other sites' pages; passes the rest on to `app`.

    `host_names` may be in Host beside this machine's own; `public_names`, of a proxy that may rewrite Host, in Origin
    too.
    """

    def __init__(self, app: ASGIApp, host_names: Collection[str] = (), public_names: Collection[str] = ()) -> None:
        self._app = app
        self._public_names = frozenset(public_names)
        self._host_names = self._public_names | {*host_names, "localhost", socket.gethostname().lower()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        method = scope.get("method", "CONNECT")  # a websocket has none, and may change anything
        problem = self._problem(method, Headers(scope=scope))
        if problem:
            await _forbid(scope, send, problem)
            return

        route = route_of(scope)  # now: mounts change the scope
        is_gradio = is_below(route, LEAD_PATH) or is_below(route, APP_PATH)
        policy = GRADIO_SCRIPTS if is_gradio else OWN_SCRIPTS

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
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
        is_reading = method in READING_METHODS
        if is_reading and headers.get("sec-fetch-mode") == "navigate":  # a link to this page
            return None
        if not is_reading and origin is not None and not self._is_own_origin(origin, host):
            return f"expected a request from this server's own page, found one from {ascii(origin)[:60]}"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "expected a request from this server's own page, found one from another site"
        return None

    def _is_ours(self, host: str) -> bool:
        """Whether Host is an address or one of our names: a rebinding page can only come with a name of its own."""
        name = _host_name(f"//{host}")
        return name in self._host_names or _is_address(name)

    def _is_own_origin(self, origin: str, host: str) -> bool:
        """Whether a browser got the page that sends the request from us: at Host, or at a public name."""
        return _netloc(origin) == host.lower() or _host_name(origin) in self._public_names


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _host_name(url: str) -> str:
    """The host in lower case; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


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
