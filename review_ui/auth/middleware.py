"""Requires a sign-in: an ASGI layer around the whole app, inside the guard.

Without a valid cookie every route answers 401, Gradio's too; open are only POST /sign-in, and GET /healthz, which then
tells nothing but that the server runs. The signed-in reviewer is put into the request as `state.reviewer`; /lead and
all below it is for leads. A script sends `Authorization: Bearer TOKEN` instead of the cookie: it reaches the API and
the media.

A page names its reviewer in X-Reviewer. Once another person has signed in with the same browser, its requests get 401
too: no decision made on one person's page counts for another.
"""

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from manifests.decisions.database import DatabaseAway
from review_ui.auth.authenticator import Authenticator
from review_ui.auth.cookie import token_of
from review_ui.auth.form import SignInForm
from review_ui.reviewer import Reviewer
from review_ui.routes import LEAD_PATH, is_below, root_of, route_of

_ANOTHER_REVIEWER = "expected the reviewer who opened the page to be signed in, found another; reload the page"
_NOT_A_LEAD = "expected a lead, found a reviewer; ask a lead to do it"
_SHARED = ("public", "s-maxage")  # directives that let a shared cache keep an answer
_PRIVATE = ("private", "no-store")
_FOR_SCRIPTS = ("/api", "/media", "/healthz")


class _OutOfScope(Exception):
    """The token isn't for this request."""


class SignIn:
    """Passes the requests of signed-in people on to `app`."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator
        self._form = SignInForm(authenticator)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif _route(scope) == ("POST", "/sign-in"):
            answer = await self._form.sign_in(Request(scope, receive))
            await answer(scope, receive, send)
        else:
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        answer: Response | None = None
        try:
            bearer = _bearer_token(request)
            reviewer = self._scripts(bearer, scope) if bearer is not None else await self._reviewer(request)
            if reviewer is None and _route(scope) == ("GET", "/healthz"):
                answer = JSONResponse({"status": "ok"}, headers={"Cache-Control": "no-store"})
            elif reviewer is None:
                answer = _bad_token() if bearer is not None else self._form.not_signed_in(request)
            elif request.headers.get("x-reviewer", reviewer.name) != reviewer.name:
                answer = JSONResponse({"error": _ANOTHER_REVIEWER}, 401, {"Cache-Control": "no-store"})
            elif not _may_enter(reviewer, route_of(scope)):
                answer = JSONResponse({"error": _NOT_A_LEAD}, 403)
            elif _route(scope) == ("POST", "/sign-out"):
                answer = await self._form.sign_out(request, reviewer)
            elif _route(scope) == ("GET", "/sign-in"):  # a bookmark of the form
                answer = RedirectResponse(f"{root_of(scope)}/", 303)
        except _OutOfScope as error:
            answer = JSONResponse({"error": str(error)}, 403)
        except DatabaseAway as error:
            answer = JSONResponse({"error": str(error)}, 503)
        if answer:
            await answer(scope, receive, send)
        elif reviewer:
            await self._pass_on(reviewer, scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reviewer = await self._reviewer(HTTPConnection(scope))
        except DatabaseAway:
            reviewer = None
        if reviewer and _may_enter(reviewer, route_of(scope)):
            await self._pass_on(reviewer, scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": "not for you"})  # policy violation

    async def _reviewer(self, connection: HTTPConnection) -> Reviewer | None:
        token = token_of(connection)
        if not token:
            return None
        return self._authenticator.recall(token) or await run_in_threadpool(self._authenticator.find, token)

    def _scripts(self, token: str, scope: Scope) -> Reviewer | None:
        """The reviewer of an API token; None when it is not valid. Raises _OutOfScope."""
        found = self._authenticator.bearer(token)
        if found is None:
            return None
        reviewer, known = found
        method, path = _route(scope)
        if not any(is_below(path, root) for root in _FOR_SCRIPTS):
            raise _OutOfScope("expected a route of the API with a token, found a page; sign in to see it")
        if not known.may(method, path):
            raise _OutOfScope(f"expected a token with the scope review or all, found {known.label} with {known.scope}")
        return reviewer

    async def _pass_on(self, reviewer: Reviewer, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                _keep_from_shared_caches(MutableHeaders(scope=message))
            await send(message)

        state = {**scope.get("state", {}), "reviewer": reviewer}
        await self._app({**scope, "state": state}, receive, send_private)


def _bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _bad_token() -> Response:
    error = "expected a valid API token, found an unknown or expired one; make one with python -m review_ui users token"
    return JSONResponse({"error": error}, 401, {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"})


def _route(scope: Scope) -> tuple[str, str]:
    return scope["method"], route_of(scope)


def _may_enter(reviewer: Reviewer, path: str) -> bool:
    return reviewer.role == "lead" or not is_below(path, LEAD_PATH)


def _keep_from_shared_caches(headers: MutableHeaders) -> None:
    """Let only the browser's own cache keep a response: it may not be for the next person."""
    directives = [directive.strip() for directive in headers.get("cache-control", "").split(",") if directive.strip()]
    names = [directive.partition("=")[0].lower() for directive in directives]
    if any(name in _PRIVATE for name in names):
        return
    retained = [directive for directive, name in zip(directives, names, strict=True) if name not in _SHARED]
    headers["Cache-Control"] = ", ".join(["private", *(retained or ["no-cache"])])
