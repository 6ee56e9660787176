"""The cookie that holds a sign-in's token: unreadable to scripts, and not sent with other sites' requests."""

from starlette.requests import HTTPConnection
from starlette.responses import Response

from review_ui.auth.sessions import AGE_LIMIT
from review_ui.routes import root_of


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
        path=f"{root_of(connection.scope)}/",
        secure=connection.scope["scheme"] in ("https", "wss"),
        httponly=True,
        samesite="strict",
    )


def _name(connection: HTTPConnection) -> str:
    """Browsers don't tell ports apart, so two queues on one machine need two names; a proxy hides the port.

    Below a root path they send the cookies of the paths above as well.
    """
    port = connection.headers.get("host", "").rpartition(":")[2]
    name = f"sign_in_{port}" if port.isdecimal() else "sign_in"
    return name + root_of(connection.scope).replace("/", "_")
