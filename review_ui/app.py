"""The ASGI application: API, review page, lead's page, Gradio app, sign-in."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Scope

from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.files.storage import place
from review_ui.auth.authenticator import Authenticator
from review_ui.auth.middleware import SignIn
from review_ui.auth.users import UsersFile
from review_ui.queue.session import ReviewSession
from review_ui.queue.version import open_version
from review_ui.repair.segmenter import PointSegmenter
from review_ui.reviewer import reviewer_in
from review_ui.routes import APP_PATH, LEAD_PATH
from review_ui.web.api import create_api
from review_ui.web.api_version import ApiVersion
from review_ui.web.body_limit import BodyLimit
from review_ui.web.lazy_mount import LazyMount
from review_ui.web.origin_check import OriginCheck
from review_ui.web.review_page import mount_page
from review_ui.web.root_path import RootPath


def review_app(
    manifests: str | Path = "manifests",
    *,
    database_url: str | None = None,
    votes: int = 1,
    users: str | Path | None = None,
    public_names: Collection[str] = (),
) -> ASGIApp:
    """The app for the latest version in a directory of manifests, to be mounted in another app (`gradio_app`).

    `database_url` names the decision log, by default the one in the data root; a data root at a URL has none.
    `votes` people judge each mask; with `users`, the path of a users file, each request wants a sign-in. Gold samples
    are for `python -m review_ui` alone. Raises UserError when there is no version or the data root is missing.
    """
    manifest, store = open_version(place(manifests))
    database_url = database_url or sqlite_url(manifest.data_root.resolve())
    log = DecisionLog(database_url)
    return create_app(
        ReviewSession(manifest, store, log, votes=votes),
        BlobStore(manifest.data_root),
        host_name="127.0.0.1",
        dataset=dataset_name(store.root, database_url),
        authenticator=Authenticator(UsersFile(Path(users)), log) if users else None,
        public_names=public_names,
    )


def create_app(
    session: ReviewSession,
    blobs: BlobStore,
    *,
    host_name: str,
    dataset: str,
    authenticator: Authenticator | None = None,
    public_names: Collection[str] = (),
    root_path: str = "",
    segmenter: PointSegmenter | None = None,
) -> ASGIApp:
    """Stack routes, page, sign-in and guard. Without a authenticator there is no sign-in.

    `dataset` keeps apart what browsers store for different queues on one address; `public_names` are the host names
    of a proxy, `root_path` is the path, such as /masks, below which it shows the server. With a
    `segmenter` the editor has the tool Point.
    """
    app = create_api(session, blobs, segmenter)
    mount_page(app, dataset)
    site: ASGIApp = LazyMount(app, LEAD_PATH, lambda: _lead_app(session), meanwhile=lambda: _first_figures(session))
    site = LazyMount(site, APP_PATH, _reviewers_app)
    site = LazyMount(site, APP_PATH, lambda: _team_app(session), is_for=_is_lead)
    limited = BodyLimit(site)
    checked = OriginCheck(
        SignIn(limited, authenticator) if authenticator else limited,
        host_names={host_name.lower()},
        public_names={name.lower() for name in public_names},
    )
    versioned = ApiVersion(checked)
    return RootPath(versioned, root_path) if root_path else versioned


def _is_lead(scope: Scope) -> bool:
    return reviewer_in(scope).role == "lead"


def _first_figures(session: ReviewSession) -> str:
    from review_ui.lead.first_figures import first_figures  # here: most servers are never asked for it

    return first_figures(session)


def _lead_app(session: ReviewSession) -> FastAPI:
    from review_ui.lead.page import lead_blocks  # here, as below: it imports gradio
    from review_ui.web.gradio_mount import gradio_app

    return gradio_app(lead_blocks(session), LEAD_PATH)


def _reviewers_app() -> FastAPI:
    from review_ui.gradio_app import TIGHT, review_blocks
    from review_ui.web.gradio_mount import gradio_app

    return gradio_app(review_blocks(), APP_PATH, css=TIGHT)


def _team_app(session: ReviewSession) -> FastAPI:
    from review_ui.gradio_app import TIGHT, team_blocks
    from review_ui.web.gradio_mount import gradio_app

    return gradio_app(team_blocks(session), APP_PATH, css=TIGHT)


def dataset_name(manifests_root: Path, database_url: str) -> str:
    """12 hex digits for one queue: the same directory and database give the same name after a restart."""
    return hashlib.sha256(f"{manifests_root.resolve()}\n{database_url}".encode()).hexdigest()[:12]
