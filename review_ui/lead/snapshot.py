"""All figures of the lead's page at one moment: `Snapshot`, read from the review session (`LeadSession`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from manifests.decisions.activity import Activity, ActivityLog
from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.policy import Policy
from manifests.store.manifest import Manifest
from manifests.web.webhooks import Delivery
from review_ui.quality.counts import Tally, tally
from review_ui.quality.gold import GoldSample
from review_ui.quality.pace import Forecast, forecast
from review_ui.quality.reviewer_quality import ReviewerFigures, reviewer_figures
from review_ui.queue.guideline import Guideline
from review_ui.queue.publisher import Publisher

ACTIVITIES = 100  # rows of the activity log on the page; the file has all
SEED = 0  # of the intervals' Monte Carlo: figures change with the log only


class LeadSession(Protocol):
    """The part of the review session that the lead's page uses. All methods may be called from several threads."""

    @property
    def manifest(self) -> Manifest:
        """The version under review."""

    @property
    def policy(self) -> Policy:
        """The policy of the server's options."""

    @property
    def guideline(self) -> Guideline:
        """The labelling guideline."""

    @property
    def activity(self) -> ActivityLog:
        """Who signed in, published, downloaded, and when."""

    @property
    def publisher(self) -> Publisher:
        """What makes versions from the session's decisions."""

    def deliveries(self) -> list[Delivery]:
        """The last deliveries to webhooks, newest first."""

    def decisions(self) -> list[Decision]:
        """All standing decisions, oldest first."""

    def gold(self) -> Mapping[MaskKey, GoldSample]: ...

    def second_look(self) -> int:
        """Number of samples that wait for a second look."""

    def problems(self) -> list[str]:
        """One line for each sample that was set aside, with the reason."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The session at one moment; `decisions` are those of people, `activity` and `deliveries` are newest first."""

    manifest: Manifest
    decisions: list[Decision]
    gold: Mapping[MaskKey, GoldSample]
    figures: list[ReviewerFigures]
    second_look: int
    problems: list[str]
    tally: Tally
    forecast: Forecast
    activity: list[Activity]
    deliveries: list[Delivery]
    taken_at: datetime


def take_snapshot(session: LeadSession, now: datetime) -> Snapshot:
    """Read everything once, so that all figures on the page belong together."""
    manifest, decisions = session.manifest, session.decisions()
    counted = tally(manifest, decisions, session.policy)
    gold = session.gold()
    by_people = [decision for decision in decisions if decision.is_by_person]
    return Snapshot(
        manifest=manifest,
        decisions=by_people,
        gold=gold,
        figures=reviewer_figures(by_people, gold, seed=SEED),
        second_look=session.second_look(),
        problems=session.problems(),
        tally=counted,
        forecast=forecast(by_people, counted.votes_left, now),
        activity=session.activity.newest(ACTIVITIES),
        deliveries=session.deliveries(),
        taken_at=now,
    )
