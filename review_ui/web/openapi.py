"""The OpenAPI document of the API: its routes under /api/v1, their answers, and a decision with the page's reasons."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from manifests import __version__
from manifests.decisions.decision import MODES, REASON_SEPARATOR, VERDICTS
from review_ui.queue.submission import MAX_DECISION_MS, MAX_NOTE_CHARACTERS, MAX_REASON_CHARACTERS, UUID_PATTERN
from review_ui.web.answers import ANSWERS, DIGEST, ERROR, FILES, RECEIPT
from review_ui.web.api_version import VERSION
from review_ui.web.review_page import REASONS

_PLACES = ("/api/", "/media/", "/healthz")

DECISION = {
    "type": "object",
    "required": ["decision_id", "sample_id", "mask_sha256", "verdict"],
    "properties": {
        "decision_id": {"type": "string", "pattern": UUID_PATTERN, "description": "made by the client, once"},
        "sample_id": {"type": "string"},
        "mask_sha256": DIGEST | {"description": "of the mask that was shown"},
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
        "rival_mask_sha256": {"anyOf": [DIGEST, {"type": "null"}]},
        "chosen_mask_sha256": {"anyOf": [DIGEST, {"type": "null"}]},
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
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["summary"] = operation.pop("description")  # the docstring, instead of the function's name
            operation["responses"] = _responses(path)
    document["paths"] = {
        path.replace("/api/", f"/api/{VERSION}/", 1): operations for path, operations in document["paths"].items()
    }
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own; every error here is ERROR
        schemas.pop(name, None)
    schemas["Decision"] = DECISION
    schemas["Error"] = ERROR
    schemas["Batch"]["properties"]["decisions"]["items"] = {"$ref": "#/components/schemas/Decision"}
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}, {}]
    return document


def _responses(path: str) -> dict[str, Any]:
    """The answers of a route: its own with 200, an error with any other status."""
    if path in FILES:
        good = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in FILES[path]}
    else:
        good = {"application/json": {"schema": ANSWERS[path]}}
    clash = {"409": {"description": "A decision_id clashes", "content": _json(RECEIPT)}}
    return {
        "200": {"description": "Done", "content": good},
        **(clash if path == "/api/decisions" else {}),
        "default": {"description": "Error", "content": _json({"$ref": "#/components/schemas/Error"})},
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
