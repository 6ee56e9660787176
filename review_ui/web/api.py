"""The review session over HTTP: the routes of DESIGN.md, with their names, and errors as {"error": one line}.

Beyond DESIGN: /api/next also returns `progress` and `manifest`, /api/history the last decisions, newest first, so
that undo works after a reload, and /api/me the signed-in reviewer; /api/release gives back the samples of a tab. The
sign-in layer puts the reviewer into `request.state.reviewer`; without users every request is the local lead's.
"""

import asyncio
from base64 import b64encode
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from manifests.decisions.database import DatabaseAway
from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.policy import Conflicts, Policy
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.files.storage import StorageAway
from review_ui.queue.group_commit import GroupCommit
from review_ui.queue.messages import Assignment, DecisionResult, NextRequest, UnknownDecision, UnknownSample
from review_ui.queue.open_samples import OpenSample, file_name
from review_ui.queue.queue_filter import NO_FILTER, BadFilter, QueueFilter, QueueName
from review_ui.queue.session import ReviewSession
from review_ui.queue.submission import UUID_PATTERN
from review_ui.repair.segmenter import PointSegmenter
from review_ui.reviewer import Reviewer, actor_in, reviewer_in
from review_ui.routes import root_of
from review_ui.web.log_files import activity_table, as_csv, as_parquet, decisions_table
from review_ui.web.refinement import RefineRequest, refined_mask
from review_ui.web.repaired_masks import with_stored_masks
from review_ui.web.source_image import source_view

MAX_BATCH = 1000
MAX_SAMPLES = 200  # in one assignment
MAX_TAB_CHARACTERS = 64
NOT_FILTERS = ("n", "tab", "queue")  # names in the query of /api/next; all others are a filter's
STATUSES: dict[type[UserError], int] = {
    UnknownDecision: 404, UnknownSample: 404, BadFilter: 422, DatabaseAway: 503, StorageAway: 503,
}  # fmt: skip
CSV = "text/csv; charset=utf-8"
MEDIA_HEADERS = {"Cache-Control": "private, max-age=31536000, immutable"}  # a digest's bytes never change


class Batch(BaseModel):
    """The body of POST /api/decisions; each decision is checked by itself."""

    decisions: list[Any] = Field(max_length=MAX_BATCH)


class UndoRequest(BaseModel):
    decision_id: str = Field(pattern=UUID_PATTERN)
    tab: str = Field("", max_length=MAX_TAB_CHARACTERS)


class VisitRequest(BaseModel):
    sample_id: str
    tab: str = Field("", max_length=MAX_TAB_CHARACTERS)


class ReleaseRequest(BaseModel):
    tab: str = Field("", max_length=MAX_TAB_CHARACTERS)


class PublishRequest(BaseModel):
    """The policy; see `manifests.decisions.Policy`."""

    votes: int | None = Field(None, ge=1, le=100)
    conflicts: Conflicts = "keep"


async def reviewer_of(request: Request) -> Reviewer:
    """The signed-in reviewer; the local lead when there are no users."""
    return reviewer_in(request.scope)


Me = Annotated[Reviewer, Depends(reviewer_of)]


async def require_lead(reviewer: Me) -> None:
    """Answer 403 unless the reviewer is a lead."""
    if reviewer.role != "lead":
        raise HTTPException(403, f"expected a lead, found {reviewer.name}, who is a {reviewer.role}; ask a lead")


async def session_of(request: Request) -> ReviewSession:
    """The app's session, for what takes no lock or has a thread of its own."""
    session: ReviewSession = request.app.state.session
    return session


async def group_commit_of(request: Request) -> GroupCommit:
    """The one thread through which requests reach the session."""
    group_commit: GroupCommit = request.app.state.group_commit
    return group_commit


async def root_path_of(request: Request) -> str:
    """What a proxy has before every path; empty without one."""
    return root_of(request.scope)


Root = Annotated[str, Depends(root_path_of)]
Session = Annotated[ReviewSession, Depends(session_of)]
Commits = Annotated[GroupCommit, Depends(group_commit_of)]
Count = Annotated[int, Query(ge=1, le=MAX_SAMPLES)]
LEAD_ONLY = [Depends(require_lead)]

router = APIRouter()


def create_api(session: ReviewSession, blobs: BlobStore, segmenter: PointSegmenter | None = None) -> FastAPI:
    """An app with the routes of the API, without a page; points refine masks only with a `segmenter`."""
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None,  # its docs pages load scripts from elsewhere
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(UserError, _user_error)
    app.state.session, app.state.group_commit, app.state.blobs = session, GroupCommit(session), blobs
    app.state.segmenter = segmenter
    app.include_router(router)
    return app


@router.get("/api/me")
async def me(request: Request, reviewer: Me) -> dict[str, Any]:
    """Return the signed-in reviewer, the queues they may open, and whether points refine masks."""
    queues = ["work", "second_look"] if reviewer.role == "lead" else ["work"]
    signed_in = hasattr(request.state, "reviewer")
    account = {"name": reviewer.name, "role": reviewer.role, "queues": queues, "signed_in": signed_in}
    return account | {"segmenter": request.app.state.segmenter is not None}


@router.get("/api/next")
async def next_samples(
    request: Request,
    reviewer: Me,
    session: Session,
    group_commit: Commits,
    root: Root,
    n: Count = 16,
    tab: Annotated[str, Query(max_length=MAX_TAB_CHARACTERS)] = "",
    queue: QueueName = "work",
) -> JSONResponse:
    """Assign the next samples of a queue to a tab; other names in the query filter them."""
    if queue == "second_look":
        await require_lead(reviewer)
    named = request.query_params.multi_items()
    wanted = QueueFilter.of([pair for pair in named if pair[0] not in NOT_FILTERS], queue)
    if wanted != NO_FILTER:
        await asyncio.to_thread(session.filters.prepare, wanted)  # slow the first time; other requests go on meanwhile
    assignment = await group_commit.next(NextRequest(reviewer, n, tab, queue, wanted))
    answer = _assignment_json(assignment, root, named=session.shows_names)
    return JSONResponse(answer)  # itself: FastAPI would look at each value first


@router.get("/api/filters")
async def filters(reviewer: Me, session: Session, group_commit: Commits) -> dict[str, Any]:
    """Count what waits by source and teacher, for a lead also by reason of rejection, and the ranges of doubt."""
    await asyncio.to_thread(session.filters.prepare_choices)
    choices = await group_commit.call(session.filters.choices)
    reasons = {"reasons": _counts_json(choices.reasons)} if reviewer.role == "lead" else {}
    return {
        "sources": _counts_json(choices.sources),
        "teachers": _counts_json(choices.teachers),
        "doubt": choices.doubt,
        "groups": choices.groups,
    } | reasons


@router.get("/api/history")
async def history(reviewer: Me, session: Session, group_commit: Commits, root: Root, n: Count = 20) -> dict[str, Any]:
    """List the reviewer's last decisions, newest first."""
    found = await group_commit.call(session.history, reviewer, n)
    return {"decisions": [_decision_json(decision, sample, root) for decision, sample in found]}


@router.get("/api/guideline")
def guideline(session: Session) -> dict[str, str]:
    """Return the guideline as HTML."""
    return {"html": session.guideline.html()}


@router.post("/api/decisions")
async def decisions(request: Request, batch: Batch, reviewer: Me, group_commit: Commits) -> JSONResponse:
    """Store decisions; one that is refused leaves the others stored."""
    submitted = batch.decisions
    if any(isinstance(raw, dict) and raw.get("mask") is not None for raw in submitted):
        submitted = await asyncio.to_thread(with_stored_masks, submitted, request.app.state.blobs)
    result = await group_commit.decide(reviewer, submitted)
    clashes = [refusal.error for refusal in result.refused if refusal.is_clash]
    error = {"error": clashes[0]} if clashes else {}  # the other decisions are stored all the same
    return JSONResponse(error | _result_json(result), 409 if clashes else 200)


@router.post("/api/refine")
async def refine(request: Request, body: RefineRequest, session: Session, group_commit: Commits) -> dict[str, str]:
    """Return the mask that clicked points make of a sample's."""
    state = request.app.state
    sample = await group_commit.call(session.find, (body.sample_id, body.mask_sha256))
    if sample is None:
        raise HTTPException(409, "expected a mask under review, found that it changed meanwhile; reload the page")
    refined = await asyncio.to_thread(refined_mask, body, sample, state.blobs, state.segmenter)
    return {"mask": b64encode(refined).decode()}


@router.get("/api/source")
async def source(sample_id: str, mask_sha256: str, session: Session, group_commit: Commits) -> dict[str, Any]:
    """Return the source image, made small, and the box in it that a sample was cut from."""
    if not session.shows_names:
        raise HTTPException(409, "expected a queue without gold, found one; source images would give it away")
    sample = await group_commit.call(session.find, (sample_id, mask_sha256))
    if sample is None:
        raise HTTPException(409, "expected a mask under review, found that it changed meanwhile; reload the page")
    return await asyncio.to_thread(source_view, session.manifest, sample)


@router.post("/api/undo")
async def undo(body: UndoRequest, reviewer: Me, session: Session, group_commit: Commits, root: Root) -> dict[str, Any]:
    """Take back the reviewer's decision."""
    result = await group_commit.call(session.undo, reviewer, body.decision_id, tab=body.tab)
    return {"decision_id": result.decision_id, "sample": _sample_json(result.sample, root) if result.sample else None}


@router.post("/api/visit", dependencies=LEAD_ONLY)
async def visit(
    body: VisitRequest, reviewer: Me, session: Session, group_commit: Commits, root: Root
) -> dict[str, Any]:
    """Assign one sample by its id, decided or not, with its verdicts."""
    sample, verdicts = await group_commit.call(session.visit, reviewer, body.sample_id, tab=body.tab)
    named = _name_json(sample, session.shows_names)
    return {"sample": _sample_json(sample, root) | named | _verdicts_json({sample.key: verdicts}, sample)}


@router.get("/masks", dependencies=LEAD_ONLY)
async def gallery(request: Request, session: Session, group_commit: Commits) -> HTMLResponse:
    from review_ui.web.gallery.cards import gallery_page  # here: most servers are never asked for it
    from review_ui.web.gallery.filters import GalleryFilter
    from review_ui.web.gallery.page import gallery_html

    wanted = GalleryFilter.of(request.query_params)
    decisions = await group_commit.call(session.decisions)
    page = await asyncio.to_thread(gallery_page, session.manifest, decisions, session.policy, wanted)
    html = gallery_html(page, version=session.manifest.path.name.removesuffix(".parquet"))
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


@router.post("/api/release")
async def release(body: ReleaseRequest, reviewer: Me, session: Session, group_commit: Commits) -> dict[str, int]:
    """Give back the samples of a tab."""
    return {"released": await group_commit.call(session.release, reviewer, body.tab)}


@router.post("/api/publish", dependencies=LEAD_ONLY)
async def publish(request: Request, session: Session, body: PublishRequest | None = None) -> dict[str, Any]:
    """Publish the decisions as the next version."""
    policy = Policy(body.votes or session.policy.votes, body.conflicts) if body else None
    actor = actor_in(request.scope)
    manifest = await asyncio.to_thread(
        session.publisher.publish, policy, by=actor
    )  # slow; other requests go on meanwhile
    return {"manifest": str(manifest.path), "version": manifest.version}


@router.get("/api/decisions.parquet", dependencies=LEAD_ONLY)
async def decisions_parquet(request: Request, session: Session, group_commit: Commits) -> Response:
    """Download all decisions as Parquet."""
    await _record_download(request, session, "decisions.parquet")
    table = decisions_table(await group_commit.call(session.decisions))
    return Response(await asyncio.to_thread(as_parquet, table), media_type="application/vnd.apache.parquet")


@router.get("/api/decisions.csv", dependencies=LEAD_ONLY)
async def decisions_csv(request: Request, session: Session, group_commit: Commits) -> Response:
    """Download all decisions as CSV."""
    await _record_download(request, session, "decisions.csv")
    table = decisions_table(await group_commit.call(session.decisions))
    return Response(await asyncio.to_thread(as_csv, table), media_type=CSV)


@router.get("/api/activity.csv", dependencies=LEAD_ONLY)
async def activity_csv(request: Request, session: Session) -> Response:
    """Download the activity log as CSV."""
    await _record_download(request, session, "activity.csv")
    entries = await asyncio.to_thread(session.activity.newest)
    return Response(await asyncio.to_thread(as_csv, activity_table(entries)), media_type=CSV)


@router.get("/media/{sha256:path}")
def media(request: Request, sha256: str) -> FileResponse:
    """Return an image or a mask by the SHA-256 of its bytes."""
    path = request.app.state.blobs.local_file(sha256)
    if path is None:
        raise HTTPException(404, f"expected the SHA-256 of a blob, found {ascii(sha256)[:80]}")
    return FileResponse(path, headers=MEDIA_HEADERS)


@router.get("/api/openapi.json", include_in_schema=False)
def openapi_document() -> dict[str, Any]:
    from review_ui.web.openapi import openapi  # here: most servers are never asked for it

    return openapi(router.routes)


@router.get("/healthz")
def healthz(session: Session) -> dict[str, Any]:
    """Answer while the server works, with the version under review."""
    return {"status": "ok", "version": session.manifest.version}


@router.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def no_such_route(rest: str) -> None:
    raise HTTPException(404, f"expected a route of this server, found {ascii(f'/api/{rest}')[:80]}")


def _assignment_json(assignment: Assignment, root: str, *, named: bool) -> dict[str, Any]:
    expires = {"lease_expires_at": assignment.lease_expires_at.isoformat()}
    return {
        "samples": [
            _sample_json(sample, root)
            | expires
            | _name_json(sample, named)
            | _verdicts_json(assignment.verdicts, sample)
            for sample in assignment.samples
        ],
        "remaining": assignment.remaining,
        "progress": asdict(assignment.progress),
        "manifest": assignment.manifest,
    } | {
        name: asdict(part)
        for name in ("filtered", "embedding", "labelling")
        if (part := getattr(assignment, name)) is not None
    }


async def _record_download(request: Request, session: ReviewSession, name: str) -> None:
    """Record who downloads a file, before it is sent. Raises DatabaseAway."""
    await asyncio.to_thread(session.activity.record, actor_in(request.scope), "download", name)


def _counts_json(counts: dict[str, int]) -> list[dict[str, Any]]:
    return [{"name": name, "waiting": count} for name, count in counts.items()]


def _name_json(sample: OpenSample, named: bool) -> dict[str, str]:
    return {"name": file_name(sample.source_uri)} if named else {}


def _result_json(result: DecisionResult) -> dict[str, Any]:
    refused = [{"decision_id": refusal.decision_id, "error": refusal.error} for refusal in result.refused]
    return {"stored": result.stored, "refused": refused}


def _verdicts_json(verdicts: dict[MaskKey, list[Decision]], sample: OpenSample) -> dict[str, Any]:
    if sample.key not in verdicts:
        return {}
    entries = [
        {"reviewer": d.reviewer, "verdict": d.verdict, "reason": d.reason, "note": d.note} for d in verdicts[sample.key]
    ]
    return {"verdicts": entries}


def _sample_json(sample: OpenSample, root: str) -> dict[str, Any]:
    return {
        "sample_id": sample.sample_id,
        "mask_sha256": sample.mask_sha256,
        "image_url": f"{root}/media/{sample.image_sha256}",
        "mask_url": f"{root}/media/{sample.mask_sha256}",
        "width": sample.width,
        "height": sample.height,
        "doubt": sample.doubt,
    } | _rival_json(sample, root)


def _rival_json(sample: OpenSample, root: str) -> dict[str, Any]:
    """The sample's second mask; nothing for a sample with one."""
    rival = sample.rival_mask_sha256
    if not rival:
        return {}
    return {"rival_mask_sha256": rival, "rival_url": f"{root}/media/{rival}", "rival_iou": sample.rival_iou}


def _decision_json(decision: Decision, sample: OpenSample, root: str) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "note": decision.note,
        "decision_ms": decision.decision_ms,
        "sample": _sample_json(sample, root),
    } | _edited_json(decision, root)


def _edited_json(decision: Decision, root: str) -> dict[str, str]:
    edited, chosen = decision.edited_mask_sha256, decision.chosen_mask_sha256
    return ({"edited_mask_url": f"{root}/media/{edited}"} if edited else {}) | (
        {"chosen_mask_sha256": chosen} if chosen else {}
    )


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{place}: {first['msg']}"}, 422)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


def _user_error(_request: Request, error: Exception) -> JSONResponse:
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 409)
    return JSONResponse({"error": str(error)}, status)
