"""The cookie that holds a sign-in's token: unreadable to scripts, and not sent with other sites' requests."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from review_ui.auth.sessions import AGE_LIMIT


def token_of(connection: HTTPConnection) -> str | None:
    """The token that the request brings, valid or not."""
    return connection.cookies.get(_name(connection))


def set_token(response: Response, connection: HTTPConnection, token: str) -> None:
    _set(response, connection, token, max_age=int(AGE_LIMIT.total_seconds()))


def remove_token(response: Response, connection: HTTPConnection) -> None:
    _set(response, connection, "", max_age=0)


def _set(response: Response, connection: HTTPConnection, token: str, *, max_age: int) -> None:
    response.set_cookie(
        _name(connection),
        token,
        max_age=max_age,
        path="/",
        secure=connection.scope["scheme"] in ("https", "wss"),
        httponly=True,
        samesite="strict",
    )


def _name(connection: HTTPConnection) -> str:
    """Browsers don't tell ports apart, so two queues on one machine need two names; a proxy hides the port."""
    port = connection.headers.get("host", "").rpartition(":")[2]
    return f"sign_in_{port}" if port.isdecimal() else "sign_in"
