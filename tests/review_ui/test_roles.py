"""Every route of the app, as the app lists them, for every kind of caller: as the table of docs/security.md has it."""

import re
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from repository import ROOT
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp

from review_ui.app import review_app
from review_ui.auth.api_token import SCOPES, new_token
from review_ui.auth.password import hash_password
from review_ui.auth.users import User, write_users
from review_ui.web.lazy_mount import LazyMount

ADDRESS = "http://127.0.0.1:7860"
ROW = re.compile(
    r"^\| (GET|POST|any) \| `([^`]+)`( and below)? \| (anyone|reviewer|lead) \| (none|read|review|all) \|$",
    re.MULTILINE,
)
TABLE = {
    (method, path): (role, token)
    for method, path, _, role, token in ROW.findall((ROOT / "docs/security.md").read_text())
}
ROLES = {"ann": "lead", "bo": "reviewer"}
OF_SIGN_IN = {("POST", "/sign-in"), ("POST", "/sign-out")}  # answered by the layer around the app
SHUT = (401, 403)

Asked = tuple[dict[str, dict[str, str]], ASGIApp]


def layers(app: ASGIApp) -> Iterator[ASGIApp]:
    """The ASGI layers from the outermost to the app inside."""
    while not isinstance(app, FastAPI):
        yield app
        app = app._app
    yield app


def flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """The routes, with those of included routers in the place of these."""
    for route in routes:
        included = getattr(route, "original_router", None)  # FastAPI's own record of include_router
        yield from flat(included.routes) if included else [route]


def routes(app: ASGIApp) -> set[tuple[str, str]]:
    """(method, path) of every route; "any" for an app that is mounted at a path."""
    *around, inside = layers(app)
    listed = {("any", layer._path) for layer in around if isinstance(layer, LazyMount)}
    for route in flat(inside.routes):
        if isinstance(route, Mount):
            listed.add(("any", route.path))
        else:
            assert isinstance(route, Route), route
            listed |= {(method, route.path) for method in route.methods - {"HEAD"}}
    return {(method, path) for method, path in listed if "{rest:path}" not in path}  # that one answers 404


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, six_waiting: Path) -> Asked:
    """The headers of each kind of caller, who has a cookie or a token of a lead or reviewer; and the app."""
    root = tmp_path_factory.mktemp("roles")
    shutil.copytree(six_waiting, root, dirs_exist_ok=True)
    password = hash_password("correct horse", log2_n=15)
    users, asking = {}, {"anyone": {}}
    for name, role in ROLES.items():
        made = {scope: new_token(scope, scope, datetime.now(UTC) + timedelta(days=1)) for scope in SCOPES}
        users[name] = User(name, role, password, {scope: entry for scope, (_, entry) in made.items()})
        asking |= {f"{role} {scope}": {"Authorization": f"Bearer {text}"} for scope, (text, _) in made.items()}
    write_users(root / "users.toml", users)
    app = review_app(root / "manifests", users=root / "users.toml")
    for layer in layers(app):
        if isinstance(layer, LazyMount):
            layer._build = FastAPI  # in Gradio's place, which takes seconds: who gets there is what counts
    with TestClient(app, base_url=ADDRESS) as client:
        for name, role in ROLES.items():
            form = {"name": name, "password": "correct horse"}
            answer = client.post("/sign-in", data=form, headers={"Origin": ADDRESS}, follow_redirects=False)
            asking[role] = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
            client.cookies.clear()
    return asking, app


def test_the_table_lists_every_route_of_the_app(asked: Asked) -> None:
    _, app = asked
    assert TABLE.keys() == routes(app) | OF_SIGN_IN


@pytest.mark.parametrize(("method", "path"), sorted(TABLE.keys() - OF_SIGN_IN))
def test_a_route_lets_in_whom_the_table_names(asked: Asked, method: str, path: str) -> None:
    asking, app = asked
    role, token = TABLE[method, path]
    with TestClient(app, base_url=ADDRESS, follow_redirects=False) as client:
        statuses = {
            caller: client.request(
                "GET" if method == "any" else method,
                path.replace("{sha256:path}", "0" * 64),
                headers={**who, "Origin": ADDRESS},
                json={} if method == "POST" else None,
            ).status_code
            for caller, who in asking.items()
        }
    let_in = {caller for caller, status in statuses.items() if status not in SHUT}
    assert let_in == {caller for caller in asking if is_allowed(caller, role, token)}, statuses
    assert all(status < 500 for status in statuses.values()), statuses


def is_allowed(caller: str, role: str, token: str) -> bool:
    """Whether the table lets a caller in: `lead`, `lead read`, ..., `anyone`."""
    name, _, scope = caller.partition(" ")
    if role == "anyone":
        return True
    if name == "anyone" or (scope and (token == "none" or SCOPES.index(scope) < SCOPES.index(token))):
        return False
    acts_as = "reviewer" if scope == "review" else name  # a lead's token for reviews is a reviewer's
    return role == "reviewer" or acts_as == "lead"
