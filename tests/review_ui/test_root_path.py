"""The site below a path, and behind proxies that rewrite Host."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import patient_http
import pytest
from fastapi.testclient import TestClient
from free_port import free_port
from playwright.sync_api import Browser, expect
from portrait_datasets import commit_pending
from review_browser import Server, act, by_keyboard, chromium, new_page, on_screen, saved
from starlette.types import ASGIApp

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.store.manifest import ManifestStore
from review_ui.__main__ import root_path
from review_ui.app import create_app
from review_ui.auth.authenticator import Authenticator
from review_ui.auth.command import main as users_command
from review_ui.auth.users import UsersFile
from review_ui.queue.session import ReviewSession

PASSWORD = "correct horse battery"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory, portraits: Path) -> Path:
    """Four samples wait for bo, who is a lead."""
    root = tmp_path_factory.mktemp("below_a_path")
    commit_pending(root, portraits, [0.1, 0.2, 0.3, 0.4])
    password = root / "password"
    password.write_text(PASSWORD)
    with pytest.MonkeyPatch.context() as patch, password.open() as stdin:
        patch.setattr("sys.stdin", stdin)
        users_command(["add", "bo", "--role", "lead", "--password-stdin", "--users", str(root / "users.toml")])
    return root


@pytest.fixture
def root(waiting: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(waiting, tmp_path / "set"))


def app_of(root: Path, path: str, *, users: bool) -> ASGIApp:
    store, log = ManifestStore(root / "manifests"), DecisionLog(sqlite_url(root / "data"))
    return create_app(
        ReviewSession(store.open(), store, log),
        BlobStore(root / "data"),
        host_name="127.0.0.1",
        dataset="d",
        authenticator=Authenticator(UsersFile(root / "users.toml"), log) if users else None,
        public_names=["Reviews.example"],
        root_path=path,
    )


def client_of(root: Path, path: str = "/masks", *, users: bool = False) -> TestClient:
    app = app_of(root, path, users=users)
    return TestClient(app, base_url="http://reviews.example", follow_redirects=False)


@pytest.mark.parametrize("cut_off", [False, True], ids=["handed on", "cut off"])
@pytest.mark.parametrize("path", ["/masks", "/a/b-c"])
def test_everything_lies_below_the_root_path(root: Path, path: str, cut_off: bool) -> None:
    client, before = client_of(root, path), "" if cut_off else path
    page = client.get(f"{before}/")
    assert page.status_code == 200
    assert 'href="/' not in page.text
    assert 'src="/' not in page.text
    assert client.get(f"{before}/viewer/mask_review.js").status_code == 200
    [sample] = client.get(f"{before}/api/next?n=1").json()["samples"]
    assert sample["image_url"].startswith(f"{path}/media/")
    media = [sample[name].removeprefix(path if cut_off else "") for name in ("image_url", "mask_url")]
    assert [client.get(url).status_code for url in media] == [200, 200]


def test_without_its_slash_the_root_path_is_redirected(root: Path) -> None:
    answer = client_of(root).get("/masks?queue=second_look")
    assert (answer.status_code, answer.headers["location"]) == (308, "/masks/?queue=second_look")


def test_names_that_only_begin_like_the_root_path_are_not_below_it(root: Path) -> None:
    assert client_of(root).get("/masksapi/next").status_code == 404


@pytest.mark.parametrize("cut_off", [False, True], ids=["handed on", "cut off"])
def test_the_sign_in_stays_below_the_root_path(root: Path, cut_off: bool) -> None:
    client, before = client_of(root, users=True), "" if cut_off else "/masks"
    asked = client.get(f"{before}/lead", headers={"Accept": "text/html"})
    assert asked.status_code == 401
    assert 'action="/masks/sign-in"' in asked.text
    form = {"name": "bo", "password": PASSWORD}
    signed_in = client.post(f"{before}/sign-in", data=form, headers={"Origin": "http://reviews.example"})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/masks/")
    cookie = signed_in.headers["set-cookie"]
    assert "Path=/masks/;" in cookie
    assert cookie.startswith("sign_in_masks=")
    token = {"Cookie": cookie.partition(";")[0]}
    assert client.get(f"{before}/api/me", headers=token).json()["name"] == "bo"
    assert client.get(f"{before}/sign-in", headers=token).headers["location"] == "/masks/"
    signed_out = client.post(f"{before}/sign-out", headers=token)
    assert signed_out.headers["location"] == "/masks/"
    assert client.get(f"{before}/api/me", headers=token).status_code == 401


def test_two_servers_of_one_name_keep_their_sign_ins_apart(root: Path) -> None:
    names = set()
    for path in ("", "/masks", "/masks/two"):
        form = {"name": "bo", "password": PASSWORD}
        answer = client_of(root, path, users=True).post(f"{path}/sign-in", data=form)
        names.add(answer.headers["set-cookie"].partition("=")[0])
    assert len(names) == 3


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:7860", "https://reviews.example", 200),
        ("127.0.0.1:7860", "https://REVIEWS.example:8443", 200),
        ("reviews.example", "https://reviews.example", 200),
        ("localhost:7860", "http://localhost:7860", 200),
        ("localhost:7860", "https://other.example", 403),
        ("localhost:7860", "http://localhost:9999", 403),  # another program's page on this machine
        ("127.0.0.1:7860", "http://127.0.0.1:9999", 403),
        ("localhost:7860", "null", 403),
        ("localhost:7860", "http://[", 403),
        ("localhost:7860", "https://reviews.example.evil.example", 403),
        ("evil.example", "https://reviews.example", 403),
    ],
)
def test_a_public_name_is_accepted_as_origin_whatever_host_says(
    root: Path, host: str, origin: str, status: int
) -> None:
    answer = client_of(root, "").post("/api/release", json={}, headers={"Host": host, "Origin": origin})
    assert answer.status_code == status


@pytest.mark.parametrize(("text", "path"), [("/masks", "/masks"), ("/masks/", "/masks"), ("/a/b", "/a/b"), ("/", "")])
def test_a_root_path_is_read(text: str, path: str) -> None:
    assert root_path(text) == path


@pytest.mark.parametrize("text", ["masks", "//masks", "/a//b", "/a b", "/../a", "http://x/masks", "/a?b", "/<"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="expected a path such as /masks"):
        root_path(text)


# Behind nginx, in a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    yield from chromium()


LOCATION = {
    "cut off": "location /masks/ { proxy_pass http://127.0.0.1:%d/; proxy_set_header Host $http_host; %s }",
    "handed on": "location /masks/ { proxy_pass http://127.0.0.1:%d; proxy_set_header Host $http_host; %s }",
    "host rewritten": "location /masks/ { proxy_pass http://127.0.0.1:%d/; proxy_set_header Host localhost; "
    "proxy_set_header X-Forwarded-Host $http_host; %s }",
}


@contextmanager
def nginx(directory: Path, port: int, kind: str) -> Iterator[str]:
    """The address of an nginx that shows the server at `port` below /masks/, and nothing else."""
    if NGINX is None:
        pytest.skip("needs an nginx; on Debian: apt-get install nginx-light")
    own = free_port()
    location = LOCATION[kind] % (port, "proxy_buffering off;")
    paths = " ".join(
        f"{name}_temp_path {directory / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory / 'pid'}; error_log {directory / 'errors'}; events {{}} "
        f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{own}; {location} }} }}"
    )
    process = subprocess.Popen([NGINX, "-p", directory, "-e", directory / "errors", "-c", directory / "nginx.conf"])
    try:
        _wait_for(f"http://127.0.0.1:{own}/")
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(url: str) -> None:
    for _ in range(100):
        try:
            patient_http.get(url)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"expected an answer at {url}, found none")


@pytest.mark.slow
@pytest.mark.parametrize("kind", LOCATION)
def test_page_sign_in_and_lead_work_below_a_path_of_a_real_proxy(
    root: Path, tmp_path: Path, browser: Browser, kind: str
) -> None:
    options = ["--users", str(root / "users.toml"), "--public-name", "127.0.0.1", "--root-path", "/masks"]
    server = Server(root, 0, *options, "--gold-rate", "0", "--repeat-rate", "0", errors=tmp_path / "errors")
    answers: list[tuple[int, str]] = []
    try:
        with nginx(tmp_path, server.port, kind) as address:
            for page in new_page(browser):
                page.on("response", lambda answer: answers.append((answer.status, answer.url)))
                page.goto(f"{address}/masks/")
                by_keyboard(page, "bo", PASSWORD)
                on_screen(page)
                act(page, "a")
                act(page, "#reject")
                saved(page)
                page.keyboard.press("Backspace")
                saved(page)
                page.click("#lead")
                expect(page.get_by_role("tab", name="Publish")).to_be_visible(timeout=60_000)
                assert page.url.startswith(f"{address}/masks/lead")
                expect(page.get_by_text("review page")).to_be_visible(timeout=30_000)
                page.get_by_text("review page").click()
                on_screen(page)
                assert page.url == f"{address}/masks/"
                assert {answer for answer in answers if answer[0] >= 400} == {(401, f"{address}/masks/")}
                history = page.evaluate("fetch('api/history').then((answer) => answer.json())")["decisions"]
                assert [entry["verdict"] for entry in history] == ["accept"]
    finally:
        server.stop()
