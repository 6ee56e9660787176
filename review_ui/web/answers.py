"""The schemas of the API's answers, for its OpenAPI document: what each route sends with 200, and every error."""

from typing import Any

from manifests.decisions.decision import VERDICTS

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number"}
_SHARE: Schema = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
DIGEST: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_OR_NULL: Schema = {"type": ["string", "null"]}


def _object(optional: Schema | None = None, **properties: Schema) -> Schema:
    """An object with these properties and no others; the `optional` ones may be absent."""
    return {
        "type": "object",
        "required": sorted(properties),
        "properties": properties | (optional or {}),
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_COUNTS = _list(_object(name=_TEXT, waiting=_COUNT))
_PAIR = {"rival_mask_sha256": DIGEST, "rival_url": _TEXT, "rival_iou": _NUMBER}
_SAMPLE_FIELDS = {
    "sample_id": _TEXT, "mask_sha256": DIGEST, "image_url": _TEXT, "mask_url": _TEXT, "width": _COUNT,
    "height": _COUNT, "doubt": _SHARE,
}  # fmt: skip
_SAMPLE = _object(_PAIR, **_SAMPLE_FIELDS)
_VERDICTS = _list({"type": "object", "required": ["reviewer", "verdict"]})
_ASSIGNED = _object(
    _PAIR | {"name": _TEXT, "verdicts": _VERDICTS}, lease_expires_at=_TEXT | {"format": "date-time"}, **_SAMPLE_FIELDS
)
_VISITED = _object(_PAIR | {"name": _TEXT, "verdicts": _VERDICTS}, **_SAMPLE_FIELDS)
_PROGRESS = _object(done=_COUNT, total=_COUNT, flagged=_COUNT)
_EMBEDDING = _object(done=_COUNT, total=_COUNT, failed=_COUNT)
_LABELLING = _object(labelled=_COUNT, total=_COUNT, seconds_left={"type": ["number", "null"], "minimum": 0})
_PASSED = _object(
    {"edited_mask_url": _TEXT, "chosen_mask_sha256": DIGEST},
    decision_id=_TEXT, verdict={"enum": list(VERDICTS)}, reason=_OR_NULL, note=_OR_NULL,
    decision_ms={"type": ["integer", "null"]}, sample=_SAMPLE,
)  # fmt: skip

ERROR = _object(error=_TEXT)
RECEIPT = _object({"error": _TEXT}, stored=_list(_TEXT), refused=_list(_object(decision_id=_OR_NULL, error=_TEXT)))
ANSWERS: dict[str, Schema] = {  # by the route's path; files are in FILES
    "/api/me": _object(
        name=_TEXT, role={"enum": ["reviewer", "lead"]}, queues=_list({"enum": ["work", "second_look"]}),
        signed_in={"type": "boolean"}, segmenter={"type": "boolean"},
    ),
    "/api/next": _object(
        {"filtered": _object(remaining=_COUNT, total=_COUNT), "embedding": _EMBEDDING, "labelling": _LABELLING},
        samples=_list(_ASSIGNED), remaining=_COUNT, progress=_PROGRESS, manifest=_TEXT,
    ),
    "/api/filters": _object(
        {"reasons": _COUNTS}, sources=_COUNTS, teachers=_COUNTS, doubt=_list(_NUMBER), groups=_COUNT
    ),
    "/api/history": _object(decisions=_list(_PASSED)),
    "/api/guideline": _object(html=_TEXT),
    "/api/decisions": RECEIPT,
    "/api/refine": _object(mask=_TEXT),
    "/api/source": _object(
        image=_TEXT, width=_COUNT, height=_COUNT, roi=_object(x=_COUNT, y=_COUNT, w=_COUNT, h=_COUNT)
    ),
    "/api/undo": _object(decision_id=_TEXT, sample={"anyOf": [_SAMPLE, {"type": "null"}]}),
    "/api/visit": _object(sample=_VISITED),
    "/api/release": _object(released=_COUNT),
    "/api/publish": _object(manifest=_TEXT, version=_COUNT),
    "/healthz": _object({"version": _COUNT}, status={"const": "ok"}),
}  # fmt: skip
FILES = {  # content types
    "/api/decisions.parquet": ("application/vnd.apache.parquet",),
    "/api/decisions.csv": ("text/csv",),
    "/api/activity.csv": ("text/csv",),
    "/media/{sha256}": ("image/png", "image/jpeg"),
}
