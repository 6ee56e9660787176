"""Pace: stretches of work without a long pause, decisions per minute over time, and how long the rest will take."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from manifests.decisions import Decision

PAUSE = timedelta(minutes=5)  # no mask takes so long: who says nothing for longer was away
AT_WORK = timedelta(minutes=10)  # since the last decision
BINS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 1440))
MAX_BINS = 60  # on a chart


@dataclass(frozen=True, slots=True)
class Stretch:
    """One reviewer's decisions without a pause of more than PAUSE, skips too, oldest first."""

    reviewer: str
    decisions: tuple[Decision, ...]

    @property
    def start(self) -> datetime:
        """When the first mask came on screen, as far as its decision_ms tells."""
        first = self.decisions[0]
        return first.decided_at - timedelta(milliseconds=min(first.decision_ms or 0, PAUSE / timedelta(milliseconds=1)))

    @property
    def end(self) -> datetime:
        return self.decisions[-1].decided_at

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
    """How long `votes_left` verdicts take at the pace so far.

    `hours` on the clock, with as many reviewers as are at work now: None with nobody at work.
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
    found = []
    for reviewer in sorted(by_reviewer):
        ordered = sorted(by_reviewer[reviewer], key=lambda decision: decision.decided_at)
        begins = [0, *(i for i in range(1, len(ordered)) if ordered[i].decided_at - ordered[i - 1].decided_at > PAUSE)]
        ends = [*begins[1:], len(ordered)]
        found += [Stretch(reviewer, tuple(ordered[i:j])) for i, j in zip(begins, ends, strict=True)]
    return found


def hours_of_work(decisions: Sequence[Decision]) -> float:
    """All reviewers' hours together, pauses left out."""
    return sum(stretch.hours for stretch in stretches(decisions))


def pace(decisions: Sequence[Decision]) -> list[PaceBin]:
    """Decisions per minute at work, per reviewer, in bins that make at most MAX_BINS over the whole time."""
    if not decisions:
        return []
    worked = stretches(decisions)
    span = max(stretch.end for stretch in worked) - min(stretch.start for stretch in worked)
    width = next((width for width in BINS if span / width < MAX_BINS), BINS[-1])
    counts: dict[tuple[str, datetime], int] = defaultdict(int)
    minutes: dict[tuple[str, datetime], float] = defaultdict(float)
    for stretch in worked:
        for decision in stretch.decisions:
            counts[stretch.reviewer, round_down(decision.decided_at, width)] += 1
        begin = round_down(stretch.start, width)
        while begin <= stretch.end:
            overlap = min(stretch.end, begin + width) - max(stretch.start, begin)
            minutes[stretch.reviewer, begin] += overlap / timedelta(minutes=1)
            begin += width
    return [PaceBin(*key, width, counts[key] / minutes[key]) for key in sorted(counts) if minutes[key] > 0]


def round_down(moment: datetime, width: timedelta) -> datetime:
    """The beginning of the bin that holds a moment; bins begin at midnight UTC."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // width * width


def forecast(decisions: Sequence[Decision], votes_left: int, now: datetime) -> Forecast:
    """After the reviewers' whole time so far: what gold, repeats, skips and undone work cost is in it."""
    hours = hours_of_work(decisions)
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
