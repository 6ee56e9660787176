"""The ASGI application: API, review page, lead page, sign-in."""

import hashlib
from collections.abc import Collection
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

from manifests.files.blobs import BlobStore
from review_ui.auth.authenticator import Authenticator
from review_ui.auth.middleware import SignIn
from review_ui.queue.session import ReviewSession
from review_ui.routes import LEAD_PATH
from review_ui.web.api import create_api
from review_ui.web.lazy_mount import LazyMount
from review_ui.web.origin_check import OriginCheck
from review_ui.web.review_page import mount_page
from review_ui.web.root_path import RootPath


def create_app(
    session: ReviewSession,
    blobs: BlobStore,
    *,
    host_name: str,
    dataset: str,
    authenticator: Authenticator | None = None,
    public_names: Collection[str] = (),
    root_path: str = "",
) -> ASGIApp:
    """Stack routes, page, sign-in and guard. Without a authenticator there is no sign-in.

    `dataset` keeps apart what browsers store for different queues on one address; `public_names` are the host names
    of a proxy, `root_path` is the path, such as /masks, below which it shows the server.
    """
    app = create_api(session, blobs)
    mount_page(app, dataset)
    site = LazyMount(app, LEAD_PATH, lambda: _lead_app(session))
    checked = OriginCheck(
        SignIn(site, authenticator) if authenticator else site,
        host_names={host_name.lower()},
        public_names={name.lower() for name in public_names},
    )
    return RootPath(checked, root_path) if root_path else checked


def _lead_app(session: ReviewSession) -> FastAPI:
    from review_ui.lead.mount import lead_app  # here: it imports gradio

    return lead_app(session, LEAD_PATH)


def dataset_name(manifests_root: Path, database_url: str) -> str:
    """12 hex digits for one queue: the same directory and database give the same name after a restart."""
    return hashlib.sha256(f"{manifests_root.resolve()}\n{database_url}".encode()).hexdigest()[:12]
