"""One GET request on its own connection -> the response's body, or its redirect target, or the failure.

Responses share no state, and the deadline covers the whole request. Proxies are not used: they hide the address that is
connected to.
"""

import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_to_bytes

import httpcore
import httpx

from pipeline.quarantine import BAD_URL, HTTP_ERROR, NOT_AN_IMAGE, TIMED_OUT, TOO_LARGE, UNREACHABLE
from pipeline.sources.limits import FetchRules
from pipeline.sources.urls import host_of, parse_web_url, without_credentials
from pipeline.sources.web.addresses import CheckedBackend, Resolve, resolve
from pipeline.sources.web.retries import FetchFailure, retry_after_seconds
from pipeline.sources.web.robots import USER_AGENT

REDIRECTS = frozenset({301, 302, 303, 307, 308})
TOO_MANY_REQUESTS = 429
DEFAULT_PORTS = {"http": 80, "https": 443}

# Types that are never an image's. All others pass: the bytes decide.
OTHER_MAIN_TYPES = frozenset({"audio", "font", "video"})
OTHER_TYPES = frozenset({"application/json", "application/pdf", "application/xhtml+xml", "text/html"})

ReadBody = Callable[[httpcore.Response], bytes]


@dataclass(frozen=True, slots=True)
class Requester:
    """Makes requests under `rules`; clock, resolver and TLS context are injected."""

    rules: FetchRules
    clock: Callable[[], float]
    resolve: Resolve = resolve
    ssl_context: ssl.SSLContext | None = None

    def get(self, url: httpx.URL, read_body: ReadBody, *, deadline: float) -> bytes | httpx.URL:
        """Return the body as `read_body` reads it, or the URL it redirects to; FetchFailure for neither."""
        shown = without_credentials(str(url))
        try:
            return self._get(url, read_body, deadline)
        except httpcore.TimeoutException as error:
            detail = f"expected an answer from {shown} in time, {_found(error)}"
            raise FetchFailure(TIMED_OUT, detail, passing=True) from error
        except httpcore.ConnectError as error:  # refused, or no trusted TLS: a retry fails, too
            raise FetchFailure(UNREACHABLE, f"expected a connection to {host_of(url)}, {_found(error)}") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            passing = not isinstance(error, httpcore.LocalProtocolError)
            raise FetchFailure(
                UNREACHABLE, f"expected an answer from {shown}, {_found(error)}", passing=passing
            ) from error

    def _get(self, url: httpx.URL, read_body: ReadBody, deadline: float) -> bytes | httpx.URL:
        target = httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port or DEFAULT_PORTS[url.scheme], target=url.raw_path
        )
        backend = CheckedBackend(
            allow_private_addresses=self.rules.allow_private_addresses,
            deadline=deadline,
            clock=self.clock,
            resolve=self.resolve,
        )
        context = (self.ssl_context or _default_ssl_context()) if url.scheme == "https" else None
        timeouts = {
            "connect": self.rules.connect_timeout_seconds,
            "read": self.rules.read_timeout_seconds,
            "write": self.rules.read_timeout_seconds,
        }
        with (
            httpcore.HTTPConnection(target.origin, ssl_context=context, network_backend=backend) as connection,
            connection.stream("GET", target, headers=_headers(url), extensions={"timeout": timeouts}) as response,
        ):
            if response.status in REDIRECTS:
                return _redirected(url, response)
            _check_status(response)
            return read_body(response)


def read_picture(response: httpcore.Response, max_bytes: int) -> bytes:
    """Read the whole body; FetchFailure when its type is no image's, or it is longer than `max_bytes`."""
    headers = httpx.Headers(response.headers)
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in OTHER_TYPES or content_type.partition("/")[0] in OTHER_MAIN_TYPES:
        raise FetchFailure(NOT_AN_IMAGE, f"expected an image, found content type {content_type}")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise FetchFailure(TOO_LARGE, f"expected at most {max_bytes} bytes, found {length} announced")
    body = bytearray()
    for piece in response.iter_stream():
        body += piece
        if len(body) > max_bytes:
            raise FetchFailure(TOO_LARGE, f"expected at most {max_bytes} bytes, found more")
    return bytes(body)


def read_beginning(response: httpcore.Response, max_bytes: int) -> bytes:
    """Read the body's first `max_bytes` bytes only."""
    body = bytearray()
    for piece in response.iter_stream():
        body += piece
        if len(body) >= max_bytes:
            break
    return bytes(body[:max_bytes])


@cache
def _default_ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _headers(url: httpx.URL) -> dict[bytes | str, bytes | str]:
    """Headers of a request; user and password go only to the host whose URL holds them."""
    headers: dict[bytes | str, bytes | str] = {
        "Host": url.netloc.decode("ascii"),
        "User-Agent": USER_AGENT,
        "Accept": "image/*, */*;q=0.1",
        "Accept-Encoding": "identity",  # images are compressed already, and no response can expand
        "Connection": "close",
    }
    if url.userinfo:
        headers["Authorization"] = "Basic " + base64.b64encode(unquote_to_bytes(url.userinfo)).decode("ascii")
    return headers


def _redirected(url: httpx.URL, response: httpcore.Response) -> httpx.URL:
    location = httpx.Headers(response.headers).get("location", "")
    try:
        target = parse_web_url(str(url.join(location))) if location else None
    except (httpx.InvalidURL, ValueError):
        target = None
    if target is None:
        raise FetchFailure(BAD_URL, f"expected a redirect to http or https, found {without_credentials(location)!r}")
    return target


def _check_status(response: httpcore.Response) -> None:
    if 200 <= response.status < 300:
        return
    raise FetchFailure(
        HTTP_ERROR,
        f"expected HTTP 200, found {response.status}",
        passing=response.status == TOO_MANY_REQUESTS or response.status >= 500,
        status=response.status,
        retry_after_seconds=retry_after_seconds(httpx.Headers(response.headers)),
    )


def _found(error: Exception) -> str:
    return f"found {error or type(error).__name__}"
