"""The review session over HTTP: the routes of DESIGN.md, with their names, and errors as {"error": one line}.

Beyond DESIGN: /api/next also tells `progress` and `manifest`, /api/history gives the last decisions, newest first,
so that undo works after a reload, /api/me says who is signed in, and /api/release gives back what a tab holds. Who
asks is in `request.state.reviewer`, put there by the sign-in; without users everybody is the local lead.
"""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from manifests.decisions.database import DatabaseAway
from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.policy import Conflicts, Policy
from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from review_ui.queue.group_commit import Desk
from review_ui.queue.messages import Assignment, DecisionResult, NextRequest, QueueName, UnknownDecision
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.session import ReviewSession
from review_ui.queue.submission import UUID_PATTERN
from review_ui.reviewer import LOCAL_LEAD, Reviewer
from review_ui.web.decisions_file import as_csv, as_parquet, decisions_table

MAX_BATCH = 1000
MAX_HANDOUT = 200
MAX_TAB_CHARACTERS = 64
MEDIA_HEADERS = {"Cache-Control": "private, max-age=31536000, immutable"}  # a digest's bytes never change


class Batch(BaseModel):
    """What POST /api/decisions takes; each decision is judged by itself."""

    decisions: list[Any] = Field(max_length=MAX_BATCH)


class UndoRequest(BaseModel):
    decision_id: str = Field(pattern=UUID_PATTERN)
    tab: str = Field("", max_length=MAX_TAB_CHARACTERS)


class ReleaseRequest(BaseModel):
    tab: str = Field("", max_length=MAX_TAB_CHARACTERS)


class PublishRequest(BaseModel):
    """The policy; see `manifests.decisions.Policy`."""

    votes: int | None = Field(None, ge=1, le=100)
    conflicts: Conflicts = "keep"


async def reviewer_of(request: Request) -> Reviewer:
    """Who asks."""
    reviewer: Reviewer = getattr(request.state, "reviewer", LOCAL_LEAD)
    return reviewer


async def lead_of(request: Request) -> Reviewer:
    """Who asks, if a lead does; 403 otherwise."""
    reviewer = await reviewer_of(request)
    if reviewer.role != "lead":
        raise HTTPException(403, f"expected a lead, found {reviewer.name}, who is a {reviewer.role}; ask a lead")
    return reviewer


Me = Annotated[Reviewer, Depends(reviewer_of)]
Lead = Annotated[Reviewer, Depends(lead_of)]


def create_api(session: ReviewSession, blobs: BlobStore) -> FastAPI:
    """The routes on an app of their own; no page yet."""
    app = FastAPI(
        docs_url=None, redoc_url=None, openapi_url=None,  # its docs pages load scripts from elsewhere
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )  # fmt: skip
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(UserError, _user_error)

    desk = Desk(session)

    @app.get("/api/me")
    async def me(request: Request, reviewer: Me) -> dict[str, Any]:
        queues = ["work", "second_look"] if reviewer.role == "lead" else ["work"]
        signed_in = hasattr(request.state, "reviewer")
        return {"name": reviewer.name, "role": reviewer.role, "queues": queues, "signed_in": signed_in}

    @app.get("/api/next")
    async def next_samples(
        request: Request,
        reviewer: Me,
        n: Annotated[int, Query(ge=1, le=MAX_HANDOUT)] = 16,
        tab: Annotated[str, Query(max_length=MAX_TAB_CHARACTERS)] = "",
        queue: QueueName = "work",
    ) -> JSONResponse:
        if queue == "second_look":
            await lead_of(request)
        handout = await desk.next(NextRequest(reviewer, n, tab, queue))
        return JSONResponse(_handout_json(handout))  # itself: FastAPI would look at each value first

    @app.get("/api/history")
    async def history(reviewer: Me, n: Annotated[int, Query(ge=1, le=MAX_HANDOUT)] = 20) -> dict[str, Any]:
        return {"decisions": [_decision_json(*entry) for entry in await desk.call(session.history, reviewer, n)]}

    @app.post("/api/decisions")
    async def decisions(batch: Batch, reviewer: Me) -> DecisionResult:
        return await desk.decide(reviewer, batch.decisions)

    @app.post("/api/undo")
    async def undo(request: UndoRequest, reviewer: Me) -> dict[str, Any]:
        undone = await desk.call(session.undo, reviewer, request.decision_id, tab=request.tab)
        return {"decision_id": undone.decision_id, "sample": _sample_json(undone.sample) if undone.sample else None}

    @app.post("/api/release")
    async def release(request: ReleaseRequest, reviewer: Me) -> dict[str, int]:
        return {"released": await desk.call(session.release, reviewer, request.tab)}

    @app.post("/api/publish")
    async def publish(_lead: Lead, request: PublishRequest | None = None) -> dict[str, Any]:
        policy = Policy(request.votes or session.policy.votes, request.conflicts) if request else None
        manifest = await asyncio.to_thread(session.publish, policy)  # takes a while; the others go on
        return {"manifest": str(manifest.path), "version": manifest.version}

    @app.get("/api/decisions.parquet")
    async def decisions_parquet(_lead: Lead) -> Response:
        table = decisions_table(await desk.call(session.decisions))
        return Response(await asyncio.to_thread(as_parquet, table), media_type="application/vnd.apache.parquet")

    @app.get("/api/decisions.csv")
    async def decisions_csv(_lead: Lead) -> Response:
        table = decisions_table(await desk.call(session.decisions))
        return Response(await asyncio.to_thread(as_csv, table), media_type="text/csv; charset=utf-8")

    @app.get("/media/{sha256:path}")
    def media(sha256: str) -> FileResponse:
        path = blobs.find(sha256)
        if path is None:
            raise HTTPException(404, f"expected the SHA-256 of a blob, found {ascii(sha256)[:80]}")
        return FileResponse(path, headers=MEDIA_HEADERS)

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        return {"status": "ok", "version": session.manifest.version}

    @app.api_route("/api/{rest:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def no_such_route(rest: str) -> None:
        raise HTTPException(404, f"expected a route of this server, found {ascii(f'/api/{rest}')[:80]}")

    return app


def _handout_json(handout: Assignment) -> dict[str, Any]:
    expires = {"lease_expires_at": handout.lease_expires_at.isoformat()}
    return {
        "samples": [
            _sample_json(sample) | expires | _verdicts_json(handout.verdicts, sample) for sample in handout.samples
        ],
        "remaining": handout.remaining,
        "progress": asdict(handout.progress),
        "manifest": handout.manifest,
    }


def _verdicts_json(verdicts: dict[MaskKey, list[Decision]], sample: OpenSample) -> dict[str, Any]:
    if sample.key not in verdicts:
        return {}
    told = [{"reviewer": d.reviewer, "verdict": d.verdict, "reason": d.reason} for d in verdicts[sample.key]]
    return {"verdicts": told}


def _sample_json(sample: OpenSample) -> dict[str, Any]:
    return {
        "sample_id": sample.sample_id,
        "mask_sha256": sample.mask_sha256,
        "image_url": f"/media/{sample.image_sha256}",
        "mask_url": f"/media/{sample.mask_sha256}",
        "width": sample.width,
        "height": sample.height,
        "doubt": sample.doubt,
    }


def _decision_json(decision: Decision, sample: OpenSample) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "decision_ms": decision.decision_ms,
        "sample": _sample_json(sample),
    }


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{place}: {first['msg']}"}, 422)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": str(error.detail)}, error.status_code, error.headers)


def _user_error(_request: Request, error: Exception) -> JSONResponse:
    status = 404 if isinstance(error, UnknownDecision) else 503 if isinstance(error, DatabaseAway) else 409
    return JSONResponse({"error": str(error)}, status)
