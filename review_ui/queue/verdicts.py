"""Check submissions of clients: each becomes a decision, or is refused with a reason; and take decisions back."""

from collections.abc import Sequence

import sqlalchemy as sa

from manifests.decisions.decision import Decision, MaskKey, Purpose
from manifests.decisions.log import DecisionClash, DecisionLog, clash
from review_ui.queue.assignments import lease_end
from review_ui.queue.leases import Lease
from review_ui.queue.messages import DecisionResult, Rejection, UnknownDecision
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.review_state import ReviewState
from review_ui.queue.submission import Refused, RepairedMask, Submission, read_submission, submitted_id
from review_ui.reviewer import Reviewer


def accept_batch(
    state: ReviewState, reviewer: Reviewer, batch: Sequence[object]
) -> tuple[DecisionResult, list[Decision]]:
    """Check a batch of JSON objects; its new decisions hold in memory from now on."""
    stored, refused, new = [], [], []
    for raw in batch:
        try:
            submission = read_submission(raw)
            if not state.standing.knows(submission.decision_id):
                new.append(_accept(state, reviewer, submission))
            elif not state.standing.repeats(submission.by(reviewer.name, state.now(), "work")):
                raise clash(submission.decision_id)
            stored.append(submission.decision_id)
        except (Refused, DecisionClash) as error:
            refused.append(Rejection(submitted_id(raw), str(error), isinstance(error, DecisionClash)))
    return DecisionResult(stored, refused), new


def take_back(
    state: ReviewState, log: DecisionLog, reviewer: Reviewer, decision_id: str, *, tab: str, connection: sa.Connection
) -> tuple[Decision, list[Lease]]:
    """Undo a reviewer's decision and those it replaced in the log; the decision, and the lease that the tab gets again.

    Raises UnknownDecision.
    """
    now, named = state.now(), state.standing.find(decision_id)
    earlier = state.standing.replaced_by(named) if named and named.reviewer == reviewer.name else []
    for each in [*(decision.decision_id for decision in earlier), decision_id]:
        undone = log.undo(each, reviewer=reviewer.name, now=now, connection=connection)
    if undone is None:
        raise UnknownDecision(f"expected a decision of {reviewer.name}, found none named {ascii(decision_id)[:60]}")
    return undone, [Lease(undone.key, reviewer.name, tab, undone.purpose, lease_end(now))] if named else []


def _accept(state: ReviewState, reviewer: Reviewer, submission: Submission) -> Decision:
    """Make the decision and apply it in memory: the rest of its batch is checked after it. Raises Refused."""
    lease = state.leases.last(submission.key, reviewer.name)
    _check(state, reviewer, submission, lease)
    decision = submission.by(reviewer.name, state.now(), _purpose(state, reviewer, submission.key, lease))
    state.standing.apply(decision)
    state.settle(decision.key)
    return decision


def _purpose(state: ReviewState, reviewer: Reviewer, key: MaskKey, lease: Lease | None) -> Purpose:
    """The purpose for which the reviewer saw the mask."""
    if lease:
        return lease.purpose
    last = state.standing.last_of(reviewer.name, key)
    if last:
        return last.purpose
    return "gold" if key in state.mix.gold else "work"


def _check(state: ReviewState, reviewer: Reviewer, submission: Submission, lease: Lease | None) -> None:
    """Raise Refused unless the mask is under review now, and the reviewer's to judge."""
    key = submission.key
    version = f"v{state.manifest.version}"
    shown = state.shown(key)
    if submission.repaired and shown:
        _check_size(submission.repaired, shown)
    if submission.rival_mask_sha256 and shown:
        _check_rival(submission.rival_mask_sha256, shown, version)
    if key in state.mix.gold:
        return
    sample = state.queue.find(submission.sample_id)
    if sample is None:
        raise Refused(f"expected a sample under review in {version}, found {ascii(submission.sample_id)[:60]}")
    if sample.mask_sha256 != submission.mask_sha256:
        raise Refused(
            f"expected a verdict on mask {sample.mask_sha256[:12]} of sample {sample.sample_id} in {version}, "
            f"found one on {ascii(submission.mask_sha256)[:14]}; look at the new mask"
        )
    if (lease and lease.is_live(state.now())) or state.standing.last_of(reviewer.name, key):
        return
    if lease and lease.purpose != "work":
        return  # late, but no other reviewer holds the mask
    others = [holder.reviewer for holder in state.holders(key) if holder.purpose == "work"]
    if state.queue.wanted(sample.sample_id) <= len(others):
        judged = [decision.reviewer for decision in state.standing.outcome(key).standing]
        obstacle = f"{_names(others)} looking at it" if others else f"it judged by {_names(judged)}"
        raise Refused(
            f"expected sample {sample.sample_id} to be yours to judge, found {obstacle}; your lease had ended"
        )


def _check_size(repaired: RepairedMask, sample: OpenSample) -> None:
    if (repaired.width, repaired.height) != (sample.width, sample.height):
        size = f"{repaired.width}x{repaired.height}"
        raise Refused(f"expected a repaired mask of {sample.width}x{sample.height} pixels, found {size}")


def _check_rival(rival_mask_sha256: str, sample: OpenSample, version: str) -> None:
    if rival_mask_sha256 != sample.rival_mask_sha256:
        there = f"mask {sample.rival_mask_sha256[:12]}" if sample.rival_mask_sha256 else "no mask"
        raise Refused(
            f"expected {there} beside mask {sample.mask_sha256[:12]} of sample {sample.sample_id} in {version}, "
            f"found {ascii(rival_mask_sha256)[:14]}; look at the sample again"
        )


def _names(reviewers: Sequence[str]) -> str:
    return ", ".join(reviewers) or "others"
