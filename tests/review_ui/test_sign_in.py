"""Sign-in around the real app: who gets in, who doesn't, and until when."""

import asyncio
import re
import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import patient_http
import pytest
import sqlalchemy as sa
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect
from portrait_datasets import commit_pending
from review_browser import Server, by_keyboard, chromium
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp
from starlette.websockets import WebSocketDisconnect

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from review_ui.app import create_app
from review_ui.auth import sessions
from review_ui.auth.authenticator import CACHE_SECONDS, Authenticator
from review_ui.auth.form import MAX_FORM_BYTES, MAX_WAITING
from review_ui.auth.middleware import SignIn
from review_ui.auth.password import hash_password, read_hash
from review_ui.auth.rate_limit import FREE_TRIES_PER_NAME
from review_ui.auth.users import User, UsersFile, write_users
from review_ui.gradio_app import team_blocks
from review_ui.lead.page import lead_blocks
from review_ui.queue.session import ReviewSession
from review_ui.reviewer import Role
from review_ui.routes import APP_PATH, LEAD_PATH
from review_ui.web.gradio_mount import gradio_app
from review_ui.web.origin_check import OriginCheck

ADDRESS = "http://127.0.0.1:7860"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
PASSWORDS = {"ann": "ann's password", "bo": "bo's password"}
ROLES: dict[str, Role] = {"ann": "lead", "bo": "reviewer"}
PAGE = {"Accept": "text/html,application/xhtml+xml"}
START = datetime(2026, 5, 4, 8, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **units: float) -> None:
        self.now += timedelta(**units)


@pytest.fixture(scope="module")
def hashes() -> dict[str, str]:
    return {name: str(hash_password(password, log2_n=15)) for name, password in PASSWORDS.items()}


@pytest.fixture
def users(tmp_path: Path, hashes: dict[str, str]) -> Path:
    """A users file with Ann, a lead, and Bo, a reviewer."""
    path = tmp_path / "users.toml"
    write_users(path, {name: User(name, ROLES[name], read_hash(text)) for name, text in hashes.items()})
    return path


@pytest.fixture
def log(tmp_path: Path) -> Iterator[DecisionLog]:
    log = DecisionLog(sqlite_url(tmp_path))
    yield log
    log.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def inner() -> FastAPI:
    """An app that tells who it thinks is there."""
    app = FastAPI()

    @app.get("/me")
    @app.get("/lead/{rest:path}")
    def me(request: Request) -> str:
        return f"{request.state.reviewer.name} {request.state.reviewer.role}"

    @app.get("/cached/{how:path}")
    def cached(how: str) -> PlainTextResponse:
        return PlainTextResponse("", headers={"Cache-Control": how} if how else {})

    @app.websocket("/socket")
    @app.websocket("/lead/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.state.reviewer.name)
        await socket.close()

    return app


@pytest.fixture
def serve(users: Path, log: DecisionLog, clock: Clock) -> Callable[..., TestClient]:
    """A browser, without cookies, at a server that was just started on the users and the database."""

    def serve(log: DecisionLog = log, address: str = ADDRESS) -> TestClient:
        door = SignIn(inner(), Authenticator(UsersFile(users), log, now=clock))
        return TestClient(OriginCheck(door, {"reviews.example"}), base_url=address, follow_redirects=False)

    return serve


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    return serve()


def sign_in(client: TestClient, name: str, password: str | None = None, **options: object) -> httpx.Response:
    form = {"name": name, "password": PASSWORDS[name] if password is None else password}
    return client.post("/sign-in", data=form, **options)


def cookie_of(answer: httpx.Response) -> dict[str, str]:
    """The attributes of the only cookie that the answer sets; its name and value too."""
    (morsel,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return {"name": morsel.key, "value": morsel.value, **{key: str(value) for key, value in morsel.items() if value}}


def rows(log: DecisionLog) -> list[dict[str, object]]:
    with log.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.text("SELECT * FROM sign_ins")).mappings()]


def innermost(app: ASGIApp) -> FastAPI:
    """The API, inside of all layers."""
    while not isinstance(app, FastAPI):
        app = app._app
    return app


@pytest.fixture(scope="module")
def whole_app(
    tmp_path_factory: pytest.TempPathFactory, portraits: Path, hashes: dict[str, str]
) -> Iterator[tuple[ASGIApp, list]]:
    """What `python -m review_ui --users` serves, and the routes in the middle of it: the API's, and the lead's."""
    root = tmp_path_factory.mktemp("whole")
    store = commit_pending(root, portraits, [0.5, 0.4])
    users = root / "users.toml"
    write_users(users, {name: User(name, ROLES[name], read_hash(text)) for name, text in hashes.items()})
    log = DecisionLog(sqlite_url(root / "data"))
    session, blobs = ReviewSession(store.open(), ManifestStore(root / "manifests"), log), BlobStore(root / "data")
    authenticator = Authenticator(UsersFile(users), log)

    async def create_gradio() -> list[FastAPI]:
        return [gradio_app(lead_blocks(session), LEAD_PATH), gradio_app(team_blocks(session), APP_PATH)]

    app = create_app(session, blobs, host_name="127.0.0.1", dataset="x", authenticator=authenticator)
    lead, team = asyncio.run(create_gradio())  # without a loop that runs, Gradio makes some and never closes them
    yield app, [*innermost(app).routes, *lead.routes, *team.routes]
    log.close()


def paths_of(routes: list, prefix: str = "") -> Iterator[str]:
    """Every path that the routes answer, in mounts and included routers too; parameters filled in."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        if included := getattr(route, "original_router", None):
            yield from paths_of(included.routes, prefix + route.include_context.prefix)
        elif inside := getattr(route, "routes", None):
            yield from paths_of(inside, path)
        else:
            yield re.sub(r"\{[^}]*\}", "x", path) or "/"
            yield re.sub(r"\{[^}]*\}", "x", path) + "/review.js"


@pytest.mark.slow
def test_every_route_without_sign_in_is_401(whole_app: tuple[ASGIApp, list]) -> None:
    app, routes = whole_app
    client = TestClient(app, base_url=ADDRESS, follow_redirects=False)
    paths = {*paths_of(routes), "/nowhere", "/lead", "/lead/config", "/sign-out", "/sign-in/", "//", "/api/me"}
    assert paths >= {
        "/", "/api/next", "/api/decisions", "/api/publish", "/media/x", "/healthz", "/viewer/review.js",
        "/lead/config", "/lead/gradio_api/queue/join", "/lead/gradio_api/file=x", "/lead/gradio_api/upload",
        "/lead/login", "/lead/monitoring", "/app/config", "/app/gradio_api/queue/join",
    }  # fmt: skip
    answers = {(method, path): client.request(method, path) for path in sorted(paths) for method in METHODS}
    opened = answers.pop(("GET", "/healthz"))
    assert (opened.status_code, opened.json()) == (200, {"status": "ok"})
    assert {key: answer.status_code for key, answer in answers.items() if answer.status_code != 401} == {}
    problems = {answer.text for (method, _), answer in answers.items() if method != "HEAD"}
    assert problems == {'{"error":"expected a signed-in reviewer, found none; sign in on the page"}'}


@pytest.mark.slow
def test_every_route_lets_those_signed_in_pass(whole_app: tuple[ASGIApp, list]) -> None:
    client = TestClient(whole_app[0], base_url=ADDRESS, follow_redirects=False)
    sign_in(client, "bo")
    sample = client.get("/api/next").json()["samples"][0]
    for path in ("/", "/healthz", "/viewer/review.js", "/api/history", sample["image_url"]):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private")
    assert "max-age=31536000, immutable" in client.get(sample["image_url"]).headers["cache-control"]


def test_a_browser_is_shown_the_form_wherever_it_goes(client: TestClient) -> None:
    for path in ("/", "/me", "/lead/", "/sign-in"):
        answer = client.get(path, headers=PAGE)
        assert answer.status_code == 401
        assert '<form method="post" action="/sign-in">' in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert 'role="alert"' not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_the_page_needs_nothing_that_is_behind_the_door(client: TestClient) -> None:
    page = client.get("/", headers=PAGE).text
    assert re.findall(r"(?:src|href|action)=\"([^\"]*)\"", page) == ["data:,", "/sign-in"]
    assert "<script" not in page
    assert "$" not in page


def test_the_right_password_lets_in(client: TestClient) -> None:
    answer = sign_in(client, "bo")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/me").json() == "bo reviewer"


def test_spaces_around_a_name_are_the_keyboards(client: TestClient) -> None:
    assert sign_in(client, " bo ", PASSWORDS["bo"]).status_code == 303


def test_a_wrong_password_and_an_unknown_name_are_told_alike(client: TestClient) -> None:
    wrong, unknown = sign_in(client, "ann", "bo's password"), sign_in(client, "cy", "bo's password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["error"].startswith("expected a name and its password")
    assert "set-cookie" not in wrong.headers
    assert client.get("/me").status_code == 401


def test_an_unknown_name_takes_as_long_as_a_known_one(client: TestClient) -> None:
    def seconds(name: str) -> float:
        started = time.perf_counter()
        sign_in(client, name, "wrong password")
        return time.perf_counter() - started

    known, unknown = (min(seconds(name) for _ in range(3)) for name in ("ann", "cy"))
    assert unknown > known / 3  # without a hash it would be a hundredth


def test_the_form_says_what_was_wrong_and_keeps_the_name(client: TestClient) -> None:
    answer = sign_in(client, '"><b>cy', "wrong password", headers=PAGE)
    assert answer.status_code == 401
    assert '<p id="problem" role="alert">Wrong name or password.' in answer.text
    assert 'value="&quot;&gt;&lt;b&gt;cy"' in answer.text
    assert "wrong password" not in answer.text


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(client: TestClient) -> None:
    cookie = cookie_of(sign_in(client, "ann"))
    assert (cookie["name"], cookie["path"], cookie["samesite"]) == ("sign_in_7860", "/", "strict")
    assert cookie["httponly"] == "True"
    assert "secure" not in cookie
    assert "domain" not in cookie
    assert len(cookie["value"]) >= 43  # 256 bits in base64


def test_over_https_the_cookie_is_secure(serve: Callable[..., TestClient]) -> None:
    client = serve(address="https://reviews.example")
    cookie = cookie_of(sign_in(client, "ann"))
    assert (cookie["name"], cookie["secure"]) == ("sign_in", "True")
    assert client.get("/me").json() == "ann lead"


def test_only_the_digest_of_a_token_is_stored(client: TestClient, log: DecisionLog) -> None:
    token = cookie_of(sign_in(client, "ann"))["value"]
    (row,) = rows(log)
    assert row["token_sha256"] == sessions.digest_of(token)
    assert token not in str(row)


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 5000, "' OR 1=1 --"])
def test_a_made_up_cookie_is_nobody(client: TestClient, token: str) -> None:
    cookie = f"sign_in_7860={token}".encode()
    assert client.get("/me", headers={"Cookie": cookie}).status_code == 401


def test_the_digest_itself_is_no_token(client: TestClient, log: DecisionLog) -> None:
    sign_in(client, "ann")
    client.cookies.set("sign_in_7860", rows(log)[0]["token_sha256"])
    assert client.get("/me", headers={"Cookie": f"sign_in_7860={rows(log)[0]['token_sha256']}"}).status_code == 401


def test_sign_out_ends_it_everywhere_at_once(client: TestClient, log: DecisionLog) -> None:
    cookie = cookie_of(sign_in(client, "ann"))
    assert client.get("/me").status_code == 200
    answer = client.post("/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["clear-site-data"] == '"cache"'
    assert cookie_of(answer)["max-age"] == "0"
    assert client.get("/me", headers={"Cookie": f"sign_in_7860={cookie['value']}"}).status_code == 401
    assert rows(log) == []


def test_signing_in_again_ends_what_was_before(client: TestClient, log: DecisionLog) -> None:
    sign_in(client, "ann")
    sign_in(client, "bo")
    assert [row["name"] for row in rows(log)] == ["bo"]
    assert client.get("/me").json() == "bo reviewer"


def test_a_bookmark_of_the_form_leads_on(client: TestClient) -> None:
    sign_in(client, "ann")
    answer = client.get("/sign-in", headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_sign_in_ends_twelve_hours_after_it_was_last_used(client: TestClient, clock: Clock) -> None:
    sign_in(client, "ann")
    clock.pass_by(hours=11)
    assert client.get("/me").status_code == 200
    clock.pass_by(hours=11, minutes=59)
    assert client.get("/me").status_code == 200
    clock.pass_by(hours=12, minutes=1)
    assert client.get("/me").status_code == 401


def test_a_sign_in_ends_after_seven_days_of_use(client: TestClient, clock: Clock) -> None:
    sign_in(client, "ann")
    for _ in range(7 * 24 // 8 - 1):
        clock.pass_by(hours=8)
        assert client.get("/me").status_code == 200
    clock.pass_by(hours=7, minutes=59)
    assert client.get("/me").status_code == 200
    clock.pass_by(minutes=1)
    assert client.get("/me").status_code == 401


def test_use_costs_at_most_one_write_a_minute_and_a_read_every_few_seconds(
    client: TestClient, clock: Clock, log: DecisionLog
) -> None:
    sign_in(client, "ann")
    statements = []
    sa.event.listen(log.engine, "before_cursor_execute", lambda *found: statements.append(found[2].split()[0]))
    for _ in range(120):
        for _ in range(3):
            assert client.get("/me").status_code == 200
        clock.pass_by(seconds=1)
    assert statements.count("UPDATE") == 1
    assert statements.count("SELECT") == 120 / CACHE_SECONDS


def test_expired_rows_go(client: TestClient, clock: Clock, log: DecisionLog) -> None:
    sign_in(client, "ann")
    clock.pass_by(days=8)
    client.cookies.clear()
    sign_in(client, "bo")
    assert [row["name"] for row in rows(log)] == ["bo"]


def test_a_removed_user_is_out_at_the_next_request(client: TestClient, users: Path, hashes: dict[str, str]) -> None:
    sign_in(client, "bo")
    write_users(users, {"ann": User("ann", "lead", read_hash(hashes["ann"]))})
    assert client.get("/me").status_code == 401
    assert sign_in(client, "bo").status_code == 401


def test_another_password_ends_the_sign_ins_with_the_old_one(
    client: TestClient, users: Path, hashes: dict[str, str]
) -> None:
    sign_in(client, "bo")
    write_users(users, {"bo": User("bo", "reviewer", hash_password("another one", log2_n=15))})
    assert client.get("/me").status_code == 401
    assert sign_in(client, "bo", "another one").status_code == 303
    assert client.get("/me").json() == "bo reviewer"


def test_a_user_added_while_the_server_runs_can_sign_in(client: TestClient, users: Path) -> None:
    assert sign_in(client, "cy", "cy's password").status_code == 401
    write_users(users, {"cy": User("cy", "reviewer", hash_password("cy's password", log2_n=15))})
    assert sign_in(client, "cy", "cy's password").status_code == 303


def test_a_restart_keeps_people_signed_in(serve: Callable[..., TestClient]) -> None:
    first = serve()
    sign_in(first, "ann")
    second = serve()
    second.cookies = first.cookies
    assert second.get("/me").json() == "ann lead"


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_sign_in_holds_on_every_server_of_the_database_and_so_does_its_end(
    serve: Callable[..., TestClient], tmp_path: Path, clock: Clock, request: pytest.FixtureRequest, database: str
) -> None:
    url = sqlite_url(tmp_path) if database == "sqlite" else request.getfixturevalue("postgres_url")
    logs = DecisionLog(url), DecisionLog(url)
    one, other = (serve(log) for log in logs)
    sign_in(one, "ann")
    cookie = {"Cookie": f"sign_in_7860={one.cookies['sign_in_7860']}"}
    assert other.get("/me", headers=cookie).json() == "ann lead"
    one.post("/sign-out")
    clock.pass_by(seconds=CACHE_SECONDS)
    assert other.get("/me", headers=cookie).status_code == 401
    for log in logs:
        log.close()


def test_a_page_that_somebody_else_has_opened_is_401(client: TestClient) -> None:
    sign_in(client, "bo")
    assert client.get("/me", headers={"X-Reviewer": "bo"}).json() == "bo reviewer"
    answer = client.get("/me", headers={"X-Reviewer": "ann"})
    assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
    assert answer.json()["error"].startswith("expected the reviewer who opened the page")


def test_what_is_for_leads_is_403_to_a_reviewer(client: TestClient, users: Path, hashes: dict[str, str]) -> None:
    sign_in(client, "bo")
    for path in ("/lead", "/lead/", "/lead/config", f"{ADDRESS}//lead/config", "/lead%2Fconfig", "/%6cead/config"):
        answer = client.get(path)
        assert answer.status_code == 403
        assert answer.json()["error"].startswith("expected a lead, found a reviewer")
    assert client.get("/leading").status_code == 404
    write_users(users, {"bo": User("bo", "lead", read_hash(hashes["bo"]))})
    assert client.get("/lead/config").json() == "bo lead"


def test_websockets_are_closed_to_those_who_may_not_enter(client: TestClient) -> None:
    def greeting(path: str) -> str:
        with client.websocket_connect(f"ws://127.0.0.1:7860{path}") as socket:
            return socket.receive_text()

    with pytest.raises(WebSocketDisconnect) as caught:
        greeting("/socket")
    assert caught.value.code == 1008
    sign_in(client, "bo")
    assert greeting("/socket") == "bo"
    with pytest.raises(WebSocketDisconnect):
        greeting("/lead/socket")


def test_a_websocket_that_another_sites_page_opens_is_closed(client: TestClient) -> None:
    sign_in(client, "bo")
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://127.0.0.1:7860/socket", headers={"Origin": "http://evil.example"}),
    ):
        pass


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("", "private, no-cache"),
        ("no-cache", "private, no-cache"),
        ("public, max-age=60", "private, max-age=60"),
        ("max-age=60, s-maxage=600", "private, max-age=60"),
        ("no-store", "no-store"),
        ("private, max-age=31536000, immutable", "private, max-age=31536000, immutable"),
    ],
)
def test_no_shared_cache_may_keep_what_one_person_saw(client: TestClient, sent: str, expected: str) -> None:
    sign_in(client, "bo")
    assert client.get(f"/cached/{sent}").headers["cache-control"] == expected


def test_guessing_is_slowed_down_for_unknown_names_too(client: TestClient, clock: Clock) -> None:
    for name in ("ann", "cy"):
        for _ in range(FREE_TRIES_PER_NAME):
            assert sign_in(client, name, "wrong password").status_code == 401
        refused = sign_in(client, name, PASSWORDS["ann"])
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "2")
    clock.pass_by(seconds=2)
    assert sign_in(client, "ann").status_code == 303


def test_the_form_says_how_long_to_wait(client: TestClient) -> None:
    for _ in range(FREE_TRIES_PER_NAME):
        sign_in(client, "ann", "wrong password")
    answer = sign_in(client, "ann", headers=PAGE)
    assert answer.status_code == 429
    assert "Too many wrong passwords. Try again in 2 s." in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"", b"name=ann", b"password=x", b"name=&password=x", b"name=ann&password=", b"name=ann&name=bo&password=x",
        b"name=%ff&password=%ff", b"\xff\xfe", b"&" * 100, b'{"name": "ann"}', b"name=ann;password=x",
    ],
)  # fmt: skip
def test_a_malformed_form_is_422(client: TestClient, body: bytes) -> None:
    answer = client.post("/sign-in", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("expected a ")


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_another_content_type_is_422(client: TestClient, content_type: str) -> None:
    body = b"name=ann&password=ann%27s%20password"
    assert client.post("/sign-in", content=body, headers={"Content-Type": content_type}).status_code == 422


def test_an_oversized_form_is_413(client: TestClient) -> None:
    body = b"name=ann&password=" + b"x" * MAX_FORM_BYTES
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/sign-in", content=body, headers=headers).status_code == 413


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Host": "evil.example"}])
def test_another_site_cannot_sign_anybody_in(client: TestClient, headers: dict[str, str]) -> None:
    assert sign_in(client, "ann", headers=headers).status_code == 403


def test_a_full_disk_keeps_nobody_from_looking(client: TestClient, clock: Clock, log: DecisionLog) -> None:
    sign_in(client, "ann")
    sa.event.listen(log.engine, "checkout", lambda connection, *_: connection.execute("PRAGMA query_only = 1"))
    clock.pass_by(hours=1)
    assert client.get("/me").status_code == 200
    assert sign_in(client, "ann").status_code == 503


def test_without_its_table_the_database_is_away_and_nobody_gets_in(client: TestClient, log: DecisionLog) -> None:
    sign_in(client, "ann")
    with log.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE sign_ins"))
    for answer in (client.get("/me"), sign_in(client, "ann")):
        assert answer.status_code == 503
        assert answer.json()["error"].startswith("expected to ")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, portraits: Path, hashes: dict[str, str]) -> Path:
    """A directory with two real portraits waiting, and a users file."""
    root = tmp_path_factory.mktemp("team")
    commit_pending(root, portraits, [0.5, 0.4])
    write_users(root / "users.toml", {name: User(name, ROLES[name], read_hash(text)) for name, text in hashes.items()})
    return root


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[Server]:
    users, name = str(root / "users.toml"), "reviews.example"
    server = Server(root, 0, "--users", users, "--public-name", name, errors=root / "users.errors")
    yield server
    server.stop()
    assert server.errors.read_text() == ""


@pytest.fixture(scope="module")
def second_server(root: Path, hashes: dict[str, str]) -> Iterator[Server]:
    """Another one on the same queue: open to others, and with nobody but Bo in its users file."""
    users = root / "bo.toml"
    write_users(users, {"bo": User("bo", "reviewer", read_hash(hashes["bo"]))})
    server = Server(root, 0, "--users", str(users), "--host", "0.0.0.0", errors=root / "bo.errors")
    yield server
    server.stop()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """One a test: while it is open its event loop runs, and other tests here want one of their own."""
    yield from chromium()


def at_work(page: Page) -> None:
    """The review page is there."""
    expect(page.locator("#review")).to_be_visible(timeout=30_000)


def test_a_person_signs_in_with_the_keyboard_and_reviews(server: Server, page: Page) -> None:
    page.goto(f"{server.url}/lead/")
    by_keyboard(page, "bo", "not bo's password")
    expect(page.get_by_role("alert")).to_have_text("Wrong name or password. Check both and try again.")
    expect(page.locator("#name")).to_have_value("bo")
    expect(page.locator("#password")).to_be_focused()
    page.keyboard.type(PASSWORDS["bo"])
    page.keyboard.press("Enter")
    at_work(page)
    assert page.url == f"{server.url}/"
    expect(page.locator("#sample")).to_have_attribute("data-painted", "true", timeout=30_000)
    page.keyboard.press("a")
    expect(page.locator("#unsaved")).to_be_hidden(timeout=20_000)
    assert page.evaluate("document.cookie") == ""


def test_a_link_from_elsewhere_leads_to_the_page_not_to_the_form(server: Server, page: Page) -> None:
    page.goto(server.url)
    by_keyboard(page, "ann", PASSWORDS["ann"])
    at_work(page)
    link = f'<a href="{server.url}/">mask review</a>'
    page.route("http://elsewhere.example/**", lambda route: route.fulfill(body=link, content_type="text/html"))
    page.goto("http://elsewhere.example/")
    page.get_by_role("link").click()
    at_work(page)


def test_signing_out_leads_to_the_form(server: Server, page: Page) -> None:
    page.goto(server.url)
    by_keyboard(page, "ann", PASSWORDS["ann"])
    at_work(page)
    page.evaluate("""
        const form = Object.assign(document.createElement("form"), { method: "post", action: "/sign-out" });
        document.body.append(form);
        form.submit();
    """)
    expect(page.locator("#name")).to_be_focused()
    page.goto(server.url)
    expect(page.locator("#name")).to_be_focused()


def test_behind_a_proxy_with_tls_the_cookie_is_secure(server: Server) -> None:
    headers = {
        "Host": "reviews.example", "Origin": "https://reviews.example", "Sec-Fetch-Site": "same-origin",
        "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7",
    }  # fmt: skip
    form = {"name": "ann", "password": PASSWORDS["ann"]}
    answer = patient_http.post(f"{server.url}/sign-in", data=form, headers=headers)
    assert (cookie_of(answer)["name"], cookie_of(answer)["secure"]) == ("sign_in", "True")


def test_a_form_without_end_is_413_before_it_ends(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        head = f"POST /sign-in HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nTransfer-Encoding: chunked\r\n"
        connection.sendall(f"{head}Content-Type: application/x-www-form-urlencoded\r\n\r\n".encode())
        connection.sendall((b"3e8\r\n" + b"x" * 1000 + b"\r\n") * 6)
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_rush_of_sign_ins_is_turned_away_and_leaves_the_server_well(server: Server) -> None:
    def come_from(n: int) -> dict[str, str]:
        return {"X-Forwarded-For": f"10.0.0.{n}"}

    async def rush() -> list[int]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) as client:
            forms = [{"name": f"nobody{n}", "password": "x"} for n in range(100)]
            tries = [client.post("/sign-in", data=form, headers=come_from(n)) for n, form in enumerate(forms)]
            return [answer.status_code for answer in await asyncio.gather(*tries)]

    statuses = asyncio.run(rush())
    assert set(statuses) == {401, 503}
    assert statuses.count(401) >= MAX_WAITING
    with patient_http.Client(base_url=server.url) as browser:
        assert sign_in(browser, "ann").status_code == 303


def test_a_sign_in_holds_in_another_process_too(server: Server, second_server: Server) -> None:
    with patient_http.Client(base_url=server.url) as browser:
        sign_in(browser, "bo")
        cookie = f"sign_in_{second_server.port}={browser.cookies[f'sign_in_{server.port}']}"
    assert patient_http.get(f"{second_server.url}/healthz", headers={"Cookie": cookie}).status_code == 200


def test_the_operator_is_warned_of_passwords_in_clear_and_of_a_team_without_a_lead(second_server: Server) -> None:
    warnings = second_server.errors.read_text()
    assert "warning: passwords travel to 0.0.0.0 in clear; put TLS in front of it" in warnings
    assert "warning: no user is a lead, and only leads publish" in warnings
