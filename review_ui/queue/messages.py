"""Requests and results of the session: requests for samples, assignments, results of decisions."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from manifests.decisions.decision import Decision, MaskKey
from manifests.errors import UserError
from manifests.store.labelling_runs import LabellingProgress
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.queue_filter import NO_FILTER, QueueFilter, QueueName
from review_ui.reviewer import Reviewer

if TYPE_CHECKING:  # it loads ONNX Runtime
    from review_ui.queue.embedding.image_embeddings import EmbeddingProgress


class UnknownDecision(UserError):
    """The reviewer never made this decision."""


class UnknownSample(UserError):
    """The version under review has no such sample, or people don't judge it."""


@dataclass(frozen=True, slots=True)
class NextRequest:
    """A request for `count` samples, from one tab of a reviewer's browser."""

    reviewer: Reviewer
    count: int
    tab: str
    queue: QueueName
    filter: QueueFilter = NO_FILTER


@dataclass(frozen=True, slots=True)
class QueueProgress:
    """Samples with a verdict, published or not, out of all that people judge; `flagged` ones wait for a lead."""

    done: int
    total: int
    flagged: int = 0


@dataclass(frozen=True, slots=True)
class FilteredProgress:
    """Samples that pass the filter: those that wait, and all."""

    remaining: int
    total: int


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """What a queue can be filtered by, counted over the samples that wait.

    `doubt` holds minimum, quartiles and maximum, empty where no sample has a doubt; `groups` is the number of
    near-duplicate groups with more than one sample.
    """

    sources: dict[str, int]
    teachers: dict[str, int]
    reasons: dict[str, int]
    doubt: list[float]
    groups: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """Samples to judge next, and how many wait in all (these, and those on other screens, included).

    `verdicts` holds the other reviewers' decisions on each sample of a second look; empty for work. `remaining` counts
    what passes the filter, `progress` the whole queue.
    """

    samples: list[OpenSample]
    verdicts: dict[MaskKey, list[Decision]]
    remaining: int
    progress: QueueProgress
    lease_expires_at: datetime
    manifest: str
    filtered: FilteredProgress | None = None  # with a filter
    embedding: "EmbeddingProgress | None" = None  # with an order by the images
    labelling: LabellingProgress | None = None  # while more samples are made


@dataclass(frozen=True, slots=True)
class Rejection:
    """A decision that was not stored, and why."""

    decision_id: str | None
    error: str
    is_clash: bool = False  # its decision_id stands for another decision


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """Which decisions of a batch are on disk, and which are not, with the reason."""

    stored: list[str]
    refused: list[Rejection]


@dataclass(frozen=True, slots=True)
class UndoResult:
    """The decision taken back and its sample; None when the queue no longer has that mask."""

    decision_id: str
    sample: OpenSample | None
