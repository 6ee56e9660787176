"""A part of the site that is built when it is first asked for."""

import threading
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from review_ui.web.lazy_mount import LazyMount


def site(gate: threading.Event, builds: list[int], *, fails_first: bool = False, **options: Any) -> LazyMount:
    """A page at /late that is ready when the gate opens, in a site that answers at /."""
    app = FastAPI()

    @app.get("/")
    def home() -> str:
        return "home"

    def build() -> FastAPI:
        builds.append(1)
        gate.wait(10)
        if fails_first and len(builds) == 1:
            raise OSError("no memory")
        page = FastAPI()
        page.get("/late/here")(lambda: "late")
        return page

    return LazyMount(app, "/late", build, **options)


def test_the_site_answers_while_the_page_is_being_built() -> None:
    gate, builds = threading.Event(), []
    with TestClient(site(gate, builds)) as client:
        assert client.get("/").json() == "home"
        assert builds == []
        soon = client.get("/late/here", headers={"accept": "text/html"})
        assert (soon.status_code, soon.headers["cache-control"]) == (200, "no-store")
        assert 'http-equiv="refresh"' in soon.text
        assert client.get("/").json() == "home"
        gate.set()
        assert client.get("/late/here").json() == "late"
        assert client.get("/late/nowhere").status_code == 404
        assert client.get("/later").status_code == 404
    assert builds == [1]


def test_a_page_that_could_not_be_built_is_tried_again() -> None:
    gate, builds = threading.Event(), []
    gate.set()
    with TestClient(site(gate, builds, fails_first=True)) as client:
        with pytest.raises(OSError, match="no memory"):
            client.get("/late/here")
        assert client.get("/late/here").json() == "late"
    assert len(builds) == 2


def test_a_browser_is_told_when_the_page_could_not_be_built(caplog: pytest.LogCaptureFixture) -> None:
    gate, builds = threading.Event(), []
    gate.set()
    html = {"accept": "text/html"}
    with TestClient(site(gate, builds, fails_first=True)) as client:
        answers = []
        while not answers or answers[-1].status_code == 200:
            answers.append(client.get("/late/here", headers=html))
        assert answers[-1].status_code == 500
        assert "This page can't be shown" in answers[-1].text
        assert 'http-equiv="refresh"' not in answers[-1].text
        assert "/late can't be built" in caplog.text
        assert "no memory" in caplog.text
        assert client.get("/late/here").json() == "late"


def test_a_page_of_its_own_is_shown_meanwhile_and_made_once() -> None:
    gate, builds, made = threading.Event(), [], []

    def meanwhile() -> str:
        made.append(1)
        return "<p>3 of 9</p>"

    with TestClient(site(gate, builds, meanwhile=meanwhile)) as client:
        for _ in range(2):
            assert client.get("/late/here", headers={"accept": "text/html"}).text == "<p>3 of 9</p>"
        gate.set()
        assert client.get("/late/here").json() == "late"
    assert made == [1]


def test_a_page_to_show_meanwhile_that_fails_is_logged_and_the_app_is_built(caplog: pytest.LogCaptureFixture) -> None:
    gate, builds = threading.Event(), []

    def meanwhile() -> str:
        raise ZeroDivisionError("no masks")

    with TestClient(site(gate, builds, meanwhile=meanwhile)) as client:
        soon = client.get("/late/here", headers={"accept": "text/html"})
        assert (soon.status_code, 'http-equiv="refresh"' in soon.text) == (200, True)
        assert "ZeroDivisionError: no masks" in caplog.text
        gate.set()
        assert client.get("/late/here").json() == "late"
