"""The sign-in form: the page that shows it, POST /sign-in that reads it, POST /sign-out.

A request for HTML gets the page, with the error on it; any other gets {"error": one line}.
"""

from functools import partial
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from manifests.decisions.activity import Actor
from manifests.errors import UserError
from review_ui.auth.authenticator import Authenticator, TooManyTries, WrongPassword
from review_ui.auth.cookie import remove_token, set_token, token_of
from review_ui.reviewer import Reviewer, address_in
from review_ui.routes import root_of

MAX_FORM_BYTES = 4096
HASHES_AT_ONCE = 2  # each takes a core and 128 MiB
MAX_WAITING = 32  # for a hash; further ones would wait for longer than people do

_TEMPLATE = Path(__file__).parents[1] / "static" / "sign_in.html"
_NOT_SIGNED_IN = "expected a signed-in reviewer, found none; sign in on the page"
_FORM_TYPE = "application/x-www-form-urlencoded"
_MAX_NAME_CHARACTERS = 64  # the rest is cut off
_NO_STORE = {"Cache-Control": "no-store"}


class MalformedForm(UserError):
    """The body isn't what the page's form sends."""


class TooLong(UserError):
    """The body is longer than any name and password."""


class Busy(UserError):
    """Too many people sign in at once."""


class SignInForm:
    """The responses of the two routes, and of a request without a sign-in."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._hashing = anyio.CapacityLimiter(HASHES_AT_ONCE)
        self._waiting = 0
        self._template = Template(_TEMPLATE.read_text(encoding="utf-8"))

    async def sign_in(self, request: Request) -> Response:
        """303 to the review page, with the cookie; or the error."""
        name = ""
        try:
            name, password = await _read_form(request)
            token = await self._token(request, name, password)
        except UserError as error:
            return self._refused(request, error, name)
        answer = RedirectResponse(f"{root_of(request.scope)}/", 303, _NO_STORE)
        set_token(answer, request, token)
        return answer

    async def sign_out(self, request: Request, reviewer: Reviewer) -> Response:
        """303 to the form; the token ends on every server, and the images leave the browser's cache."""
        address = address_in(request.scope)
        await run_in_threadpool(self._authenticator.sign_out, token_of(request) or "", by=Actor(reviewer.name, address))
        answer = RedirectResponse(f"{root_of(request.scope)}/", 303, {**_NO_STORE, "Clear-Site-Data": '"cache"'})
        remove_token(answer, request)
        return answer

    def not_signed_in(self, request: Request) -> Response:
        """401: the page for a browser that shows a page, one line for everything else."""
        if not _wants_page(request):
            return JSONResponse({"error": _NOT_SIGNED_IN}, 401, _NO_STORE)
        return self._page(request, 401, refresh=_followed_a_link(request))

    async def _token(self, request: Request, name: str, password: str) -> str:
        if self._waiting >= MAX_WAITING:
            raise Busy(f"expected at most {MAX_WAITING} sign-ins at once, found more; try again in a moment")
        address = address_in(request.scope)
        work = partial(self._authenticator.sign_in, name, password, address=address, replaces=token_of(request))
        self._waiting += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._hashing)
        finally:
            self._waiting -= 1

    def _refused(self, request: Request, error: UserError, name: str) -> Response:
        status, problem = _status_and_problem(error)
        if _wants_page(request):
            answer: Response = self._page(request, status, problem=problem, name=name)
        else:
            answer = JSONResponse({"error": str(error)}, status, _NO_STORE)
        if isinstance(error, TooManyTries):
            answer.headers["Retry-After"] = str(error.wait_seconds)
        return answer

    def _page(
        self, request: Request, status: int, *, problem: str = "", name: str = "", refresh: bool = False
    ) -> HTMLResponse:
        page = self._template.substitute(
            root=escape(root_of(request.scope)),
            refresh='<meta http-equiv="refresh" content="0">' if refresh else "",
            problem=f'<p id="problem" role="alert">{escape(problem)}</p>' if problem else "",
            name=escape(name),
            described='aria-describedby="problem"' if problem else "",
            focus_name="" if name else "autofocus",
            focus_password="autofocus" if name else "",
        )
        return HTMLResponse(page, status, _NO_STORE)


def _status_and_problem(error: UserError) -> tuple[int, str]:
    """The status, and the message on the page; "expected, found" would be a strange welcome there."""
    match error:
        case WrongPassword():
            return 401, "Wrong name or password. Check both and try again."
        case TooManyTries():
            return 429, f"Too many wrong passwords. Try again in {error.wait_seconds} s."
        case MalformedForm():
            return 422, "Give a name and a password."
        case TooLong():
            return 413, "That is too long for a name and a password."
        case _:  # Busy, DatabaseAway
            return 503, "The server can't look you up just now. Try again in a moment."


async def _read_form(request: Request) -> tuple[str, str]:
    """Name and password as typed. Raises MalformedForm, TooLong."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM_TYPE:
        raise MalformedForm(f"expected a form as {_FORM_TYPE}, found another content type; sign in on the page")
    try:
        fields = parse_qs(
            (await _read_body(request)).decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=8
        )
        (name,), (password,) = fields["name"], fields["password"]
    except (ValueError, KeyError, ClientDisconnect) as error:
        raise MalformedForm("expected a form with a name and a password, found another; sign in on the page") from error
    name = name.strip()[:_MAX_NAME_CHARACTERS]  # a telephone's keyboard adds a space
    if not name or not password:
        raise MalformedForm("expected a name and a password, found an empty one; sign in on the page")
    return name, password


async def _read_body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            raise TooLong(f"expected a form of at most {MAX_FORM_BYTES} bytes, found more; sign in on the page")
    return body


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _followed_a_link(request: Request) -> bool:
    """Whether another site's link led here: the browser then holds back a SameSite=Strict cookie that it may have.

    A refresh of the page is our own request, and brings it.
    """
    headers = request.headers
    return (
        request.method == "GET"
        and headers.get("sec-fetch-site") in ("cross-site", "same-site")
        and headers.get("sec-fetch-mode") == "navigate"
        and token_of(request) is None
    )
