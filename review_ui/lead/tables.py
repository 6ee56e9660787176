"""A review's figures as tables and bars for the lead's tabs. No Gradio in here."""

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from manifests.decisions.activity import Activity
from manifests.pixels.colors import STATUS_COLORS
from manifests.web.webhooks import Delivery
from review_ui.lead.html import Cell, cards, colors_of, key, keys, media_links, stacked_bar, table, with_note
from review_ui.quality.agreement import Agreement
from review_ui.quality.counts import STATUSES, Counts, Tally
from review_ui.quality.error_rates import Interval, Rate
from review_ui.quality.gold import GoldSample
from review_ui.quality.pace import Forecast
from review_ui.quality.repair_agreement import RepairAgreement
from review_ui.quality.repairs import RepairFigures
from review_ui.quality.reviewer_quality import Figures, ReviewerFigures, Seconds
from review_ui.quality.teacher_choices import TeacherChoices

ABSENT = "–"
NOT_KNOWN = "not known yet"
EVERYBODY = "all together"
REVIEWER_HEADERS = (
    "reviewer",
    "verdicts",
    "at work",
    "seconds each",
    "accepted",
    "false accepts",
    "false rejects",
    "wrong among accepted",
    "agrees with self",
)


def headline(tally: Tally, outlook: Forecast) -> Markup:
    """The figures that a lead wants first, as cards."""
    total = sum(tally.total.values())
    done = total - tally.total["pending"]
    return cards(
        [
            (f"{done:,} of {total:,}", f"masks have a verdict: {_percent(done / total if total else None)}"),
            (f"{outlook.votes_left:,}", "verdicts to go"),
            (_hours(outlook.reviewer_hours), "of a reviewer's work to go"),
            (_hours(outlook.hours), f"on the clock: {_at_work(outlook.at_work)}"),
            (_number(outlook.votes_per_hour), "verdicts per hour of work"),
        ]
    )


def progress_table(what: str, groups: Mapping[str, Counts]) -> Markup:
    """A row for each group of masks: a bar of their statuses, and the counts."""
    headers = [what, "masks", "done", *(key(status, STATUS_COLORS[status]) for status in STATUSES)]
    largest = max((sum(counts.values()) for counts in groups.values()), default=0)
    rows: list[list[Cell]] = []
    for name, counts in groups.items():
        total = sum(counts.values())
        done = _percent(1 - counts["pending"] / total)
        bar = stacked_bar(counts, STATUS_COLORS, full=largest)
        rows.append([name, bar, done, *(f"{counts[status]:,}" for status in STATUSES)])
    return table(headers, rows, bars=1)


def reasons_table(reasons: Mapping[str, Counter[str]]) -> Markup:
    """A row for each reason, the commonest first: a bar of the sources, and the count."""
    colors = colors_of(list(reasons))
    totals = sum(reasons.values(), Counter[str]())
    rejects, largest = totals.total(), max(totals.values(), default=0)
    rows: list[list[Cell]] = []
    for reason, count in totals.most_common():
        by_source = {source: counts[reason] for source, counts in reasons.items()}
        rows.append([reason, stacked_bar(by_source, colors, full=largest), f"{count:,}", _percent(count / rejects)])
    return keys(colors) + table(["reason", "masks, by source", "masks", "share"], rows, bars=1)


def reviewers_table(figures: Sequence[ReviewerFigures], with_self: Mapping[str, Agreement]) -> Markup:
    """A row for each reviewer and, below it, for each view."""
    rows: list[list[Cell]] = []
    for line in figures:
        of = line.figures
        own = with_self.get(line.reviewer or "") if line.mode is None else None
        rows.append(
            [
                line.mode or line.reviewer or EVERYBODY,
                with_note(f"{of.verdicts:,}", f"{of.skips:,} skips") if of.skips else f"{of.verdicts:,}",
                _hours(line.hours) if line.mode is None else "",
                _seconds(of.seconds),
                _percent(of.accepted.value),
                _rate(of.false_accept),
                _rate(of.false_reject),
                _slipped(of),
                with_note(_kappa(own), f"{_percent(own.observed)} of {own.n:,}") if own else "",
            ]
        )
    return table(REVIEWER_HEADERS, rows, parts=[line.mode is not None for line in figures])


def failing_gold(figures: Sequence[ReviewerFigures]) -> list[str]:
    """A warning for all together, or for each reviewer, who accepted too much damaged gold for verdicts to count."""
    failing = [line for line in figures if line.mode is None and line.figures.false_accept.is_failing]
    return [
        f"{line.reviewer or EVERYBODY}: {line.figures.false_accept.hits:,} of {line.figures.false_accept.n:,} damaged "
        "gold masks were accepted"
        for line in failing
    ]


def repairs_table(figures: Sequence[RepairFigures]) -> Markup:
    """A row for each reviewer who repaired masks."""
    rows: list[list[Cell]] = [
        [
            line.reviewer or EVERYBODY,
            f"{line.repairs:,}",
            _percent(line.repairs / line.accepted),
            ABSENT if line.seconds is None else f"{line.seconds:.1f}",
            ABSENT if line.iou is None else with_note(f"{line.iou:.3f}", f"least {line.least_iou:.3f}"),
        ]
        for line in figures
    ]
    return table(["reviewer", "repairs", "of the accepted", "seconds each", "IoU with the mask before"], rows)


def agreement_table(agreements: Sequence[Agreement]) -> Markup:
    """A row for each two reviewers with masks in common."""
    rows = [
        [f"{pair.first} and {pair.second}", f"{pair.n:,}", _percent(pair.observed), _kappa(pair)] for pair in agreements
    ]
    return table(["reviewers", "masks both judged", "same verdict", "κ"], rows)


def repair_agreement_table(agreements: Sequence[RepairAgreement]) -> Markup:
    """A row for each two reviewers who repaired the same masks."""
    rows: list[list[Cell]] = [
        [
            f"{pair.first} and {pair.second}",
            f"{pair.n:,}",
            with_note(f"{pair.iou:.3f}", f"least {pair.least_iou:.3f}"),
        ]
        for pair in agreements
    ]
    return table(["reviewers", "masks both repaired", "IoU of the two repairs"], rows)


def teachers_table(choices: Sequence[TeacherChoices]) -> Markup:
    """Two rows for each two teachers: how often people took the mask of each."""
    rows: list[list[Cell]] = []
    parts: list[bool] = []
    for pair in choices:
        chosen = pair.first_chosen
        second = Rate(chosen.n - chosen.hits, chosen.n)
        counts: list[Cell] = [f"{pair.pairs:,}", f"{pair.both_rejected:,}", f"{pair.disputed:,}"]
        rows += [
            [pair.first, f"{chosen.hits:,} of {chosen.n:,}", _share(chosen), *counts],
            [pair.second, f"{second.hits:,} of {second.n:,}", _share(second), "", "", ""],
        ]
        parts += [False, True]
    headers = ["teacher", "mask taken", "share", "samples judged", "both rejected", "reviewers disagree"]
    return table(headers, rows, parts=parts)


def damage_table(by_damage: Mapping[str, Rate]) -> Markup:
    """A row for each kind of damage: how often reviewers accept it."""
    rows = [
        [damage, f"{rate.n:,}", f"{rate.hits:,}", _percent(rate.value), _interval(rate.interval)]
        for damage, rate in by_damage.items()
    ]
    return table(["damage", "judged", "accepted", "share", "95 % interval"], rows)


def disputed_table(disputed: Sequence[tuple[GoldSample, Rate]]) -> Markup:
    """A row for each gold sample that reviewers judge otherwise, with links to its two files."""
    rows: list[list[Cell]] = [
        [
            gold.sample_id,
            gold.damage or "none",
            gold.right_verdict,
            f"{rate.hits:,} of {rate.n:,}",
            media_links(gold.image_sha256, gold.mask_sha256),
        ]
        for gold, rate in disputed
    ]
    return table(["gold sample", "damage", "right verdict", "judged otherwise", "look at it"], rows)


def activity_table(entries: Sequence[Activity]) -> Markup:
    """A row for each entry of the activity log."""
    rows: list[list[Cell]] = [
        [f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.actor or ABSENT, entry.address or ABSENT, entry.event, entry.detail]
        for entry in entries
    ]
    return table(["time (UTC)", "user", "address", "event", "about"], rows, numbers=False)


def deliveries_table(deliveries: Sequence[Delivery]) -> Markup:
    """A row for each delivery to a webhook."""
    rows: list[list[Cell]] = [
        [f"{each.at:%Y-%m-%d %H:%M:%S}", each.event, each.webhook, each.host, each.status, f"{each.tries:,}"]
        for each in deliveries
    ]
    return table(["time (UTC)", "event", "webhook", "host", "status", "tries"], rows, numbers=False)


def status_summary(counts: Counts) -> Markup:
    """One bar of the statuses and the counts below it."""
    legend = {f"{count:,} {status}": STATUS_COLORS[status] for status, count in counts.items()}
    return stacked_bar(counts, STATUS_COLORS, full=max(1, sum(counts.values()))) + keys(legend)


def _seconds(seconds: Seconds | None) -> Cell:
    if seconds is None:
        return ABSENT
    return with_note(f"{seconds.median:.2f}", f"{seconds.lower:.2f} to {seconds.upper:.2f}")


def _rate(rate: Rate) -> Cell:
    if not rate.n:
        return ABSENT
    return with_note(_percent(rate.value), f"{_interval(rate.interval)}; {rate.hits:,} of {rate.n:,}")


def _share(rate: Rate) -> Cell:
    return with_note(_percent(rate.value), _interval(rate.interval)) if rate.n else ABSENT


def _slipped(figures: Figures) -> Cell:
    slipped = figures.slipped
    if slipped is None:
        return NOT_KNOWN if figures.false_accept.n else ABSENT
    if not slipped.is_known:
        return with_note(NOT_KNOWN, f"{_interval(slipped.share_interval)}: more gold narrows it")
    note = f"{_interval(slipped.share_interval)}; {slipped.count:,.0f} of {slipped.accepted:,}"
    return with_note(_percent(slipped.share), note)


def _interval(interval: Interval | None) -> str:
    """In per cent, without the sign."""
    return ABSENT if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def _percent(share: float | None) -> str:
    return ABSENT if share is None else f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _kappa(agreement: Agreement) -> str:
    return ABSENT if agreement.kappa is None else f"{agreement.kappa:.2f}"


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:,.0f}"


def _hours(hours: float | None) -> str:
    if hours is None:
        return ABSENT
    return f"{60 * hours:.0f} min" if hours < 1 else f"{hours:,.1f} h"


def _at_work(reviewers: int) -> str:
    return f"{reviewers or 'no'} {'reviewer is' if reviewers == 1 else 'reviewers are'} at work"
