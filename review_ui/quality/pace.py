"""Pace: stretches of work without a long pause, decisions per minute over time, and a forecast."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter

import numpy as np

from manifests.decisions.decision import Decision

PAUSE = timedelta(minutes=5)  # no mask takes so long: the reviewer was away
AT_WORK = timedelta(minutes=10)  # since the last decision
BINS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 1440))
MAX_BINS = 60  # on a chart


@dataclass(frozen=True, slots=True)
class Stretch:
    """Decisions of one reviewer, skips too, without a pause of more than PAUSE between two of them.

    It starts when the first mask came on screen, according to its decision_ms.
    """

    reviewer: str
    decisions: int
    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        return (self.end - self.start) / timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PaceBin:
    """One reviewer's decisions per minute of work from `start` on, for `width`."""

    reviewer: str
    start: datetime
    width: timedelta
    per_minute: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """The time that `votes_left` verdicts take at the pace so far.

    `hours` on the clock, with as many reviewers as are at work now; None without any.
    """

    votes_left: int
    at_work: int
    votes_per_hour: float | None
    reviewer_hours: float | None
    hours: float | None


def stretches(decisions: Sequence[Decision]) -> list[Stretch]:
    """Each reviewer's stretches of work, by reviewer and time."""
    by_reviewer: dict[str, list[Decision]] = defaultdict(list)
    for decision in decisions:
        by_reviewer[decision.reviewer].append(decision)
    result = []
    for reviewer in sorted(by_reviewer):
        ordered = sorted(by_reviewer[reviewer], key=attrgetter("decided_at"))
        seconds = np.array([decision.decided_at.timestamp() for decision in ordered])
        begins = [0, *(np.flatnonzero(np.diff(seconds) > PAUSE.total_seconds()) + 1).tolist(), len(ordered)]
        for i, j in pairwise(begins):
            first = timedelta(milliseconds=ordered[i].decision_ms or 0)
            start = ordered[i].decided_at - min(first, PAUSE)
            result.append(Stretch(reviewer, j - i, start, ordered[j - 1].decided_at))
    return result


def hours_by_reviewer(decisions: Sequence[Decision]) -> dict[str, float]:
    """Hours of work, pauses left out."""
    hours: dict[str, float] = defaultdict(float)
    for stretch in stretches(decisions):
        hours[stretch.reviewer] += stretch.hours
    return dict(hours)


def pace(decisions: Sequence[Decision]) -> list[PaceBin]:
    """Decisions per minute at work, per reviewer, in bins that make at most MAX_BINS over the whole time."""
    if not decisions:
        return []
    worked = stretches(decisions)
    span = max(stretch.end for stretch in worked) - min(stretch.start for stretch in worked)
    width = next((width for width in BINS if span / width < MAX_BINS), BINS[-1])
    width_seconds = width.total_seconds()  # a bin's number is the time over this: bins begin at midnight UTC
    counts = Counter((d.reviewer, int(d.decided_at.timestamp() // width_seconds)) for d in decisions)
    minutes: dict[tuple[str, int], float] = defaultdict(float)
    for stretch in worked:
        start, end = stretch.start.timestamp(), stretch.end.timestamp()
        for number in range(int(start // width_seconds), int(end // width_seconds) + 1):
            inside = min(end, (number + 1) * width_seconds) - max(start, number * width_seconds)
            minutes[stretch.reviewer, number] += inside / 60
    return [
        PaceBin(reviewer, datetime.fromtimestamp(number * width_seconds, UTC), width, counts[reviewer, number] / spent)
        for (reviewer, number), spent in sorted(minutes.items())
        if spent > 0
    ]


def round_down(moment: datetime, width: timedelta) -> datetime:
    """The beginning of the bin that holds a moment; bins begin at midnight UTC."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // width * width


def forecast(decisions: Sequence[Decision], votes_left: int, now: datetime) -> Forecast:
    """Forecast from all time spent so far, gold, repeats, skips and undone work included."""
    hours = sum(hours_by_reviewer(decisions).values())
    votes = sum(decision.is_vote for decision in decisions)
    at_work = len({decision.reviewer for decision in decisions if now - decision.decided_at <= AT_WORK})
    votes_per_hour = votes / hours if hours and votes else None
    reviewer_hours = votes_left / votes_per_hour if votes_per_hour else None
    return Forecast(
        votes_left=votes_left,
        at_work=at_work,
        votes_per_hour=votes_per_hour,
        reviewer_hours=reviewer_hours,
        hours=reviewer_hours / at_work if reviewer_hours is not None and at_work else None,
    )
