"""The OpenAPI document of the API: its routes under /api/v1, and a decision's fields with the page's reasons."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from manifests import __version__
from manifests.decisions.decision import MODES, REASON_SEPARATOR, VERDICTS
from review_ui.queue.submission import MAX_DECISION_MS, MAX_NOTE_CHARACTERS, MAX_REASON_CHARACTERS, UUID_PATTERN
from review_ui.web.api_version import VERSION
from review_ui.web.review_page import REASONS

_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

_PLACES = ("/api/", "/media/", "/healthz")

DECISION = {
    "type": "object",
    "required": ["decision_id", "sample_id", "mask_sha256", "verdict"],
    "properties": {
        "decision_id": {"type": "string", "pattern": UUID_PATTERN, "description": "made by the client, once"},
        "sample_id": {"type": "string"},
        "mask_sha256": _DIGEST | {"description": "of the mask that was shown"},
        "verdict": {"enum": list(VERDICTS)},
        "reason": {
            "type": ["string", "null"],
            "maxLength": MAX_REASON_CHARACTERS,
            "examples": [REASONS[0], REASON_SEPARATOR.join(REASONS[:2])],
            "description": f"one or several, joined by {REASON_SEPARATOR!r}; the page has {', '.join(REASONS)}; other "
            "text is stored as it is",
        },
        "note": {"type": ["string", "null"], "maxLength": MAX_NOTE_CHARACTERS},
        "decision_ms": {"type": ["integer", "null"], "minimum": 0, "maximum": MAX_DECISION_MS},
        "mode": {"enum": list(MODES), "default": MODES[0]},
        "mask": {"type": ["string", "null"], "description": "base64 of a repaired mask, an 8-bit grey PNG"},
        "rival_mask_sha256": {"anyOf": [_DIGEST, {"type": "null"}]},
        "chosen_mask_sha256": {"anyOf": [_DIGEST, {"type": "null"}]},
    },
}


def openapi(routes: Sequence[BaseRoute]) -> dict[str, Any]:
    """The document, OpenAPI 3.1, of those `routes` that are the API's."""
    ours = [
        route
        for route in routes
        if isinstance(route, APIRoute) and route.path.startswith(_PLACES) and "{rest" not in route.path
    ]
    document = get_openapi(
        title="Maskfoundry review",
        version=VERSION,
        summary=f"maskfoundry {__version__}",
        description="Errors are {\"error\": one line}. With users, send `Authorization: Bearer TOKEN`: "
        "`python -m review_ui users token NAME LABEL` makes one.",
        routes=ours,
    )  # fmt: skip
    document["paths"] = {
        path.replace("/api/", f"/api/{VERSION}/", 1): operations for path, operations in document["paths"].items()
    }
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["Decision"] = DECISION
    schemas["Batch"]["properties"]["decisions"]["items"] = {"$ref": "#/components/schemas/Decision"}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}, {}]
    return document
