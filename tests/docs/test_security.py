"""docs/security.md names every route of the review server's API with the role that it asks for."""

import re

from fastapi.routing import APIRoute
from repository import ROOT

from review_ui.web.api import LEAD_ONLY, router

ROW = re.compile(r"^\| (GET|POST) \| `([^`]+)` \| (anyone|reviewer|lead) \|$", re.MULTILINE)


def test_every_route_is_listed_with_its_role() -> None:
    listed = {(method, path): role for method, path, role in ROW.findall((ROOT / "docs/security.md").read_text())}
    routes = {
        (method, route.path): "lead" if set(LEAD_ONLY) & set(route.dependencies) else "reviewer"
        for route in router.routes
        if isinstance(route, APIRoute) and "{rest:path}" not in route.path  # that one answers 404
        for method in route.methods
    }
    assert listed == routes | {("GET", "/healthz"): "anyone"}
