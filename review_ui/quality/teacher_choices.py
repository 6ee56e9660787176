"""Which teacher is better, by people's choices between two masks of one sample.

Only samples that have two masks count, those on which two teachers differ: a share says nothing about the others.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.policy import MaskVerdict
from manifests.store.manifest import Manifest
from review_ui.quality.error_rates import Rate

NO_TEACHER = "cropped ground truth"  # of a mask that no teacher made
_COLUMNS = ("sample_id", "mask_sha256", "edited_from", "teacher", "rival_mask_sha256", "rival_teacher")

Teachers = Mapping[MaskKey, str]


@dataclass(frozen=True, slots=True)
class TeacherChoices:
    """Choices between the masks of two teachers.

    first_chosen    pairs whose mask of the first teacher people accepted or repaired, out of those with one such mask
    both_rejected   pairs of which people accepted neither mask
    disputed        pairs on which reviewers disagree
    """

    first: str
    second: str
    first_chosen: Rate
    both_rejected: int
    disputed: int

    @property
    def pairs(self) -> int:
        return self.first_chosen.n + self.both_rejected + self.disputed


def teacher_choices(decisions: Sequence[Decision], teachers: Teachers) -> list[TeacherChoices]:
    """Choices between each two teachers, by name; `decisions` are standing ones, oldest first.

    A pair counts once: by the second look, else by all reviewers' verdicts. Pairs of unknown teachers are left out.
    """
    outcomes: dict[tuple[str, str], list[str]] = defaultdict(list)  # of each pair: the teacher, or a status
    for verdict in _verdicts_on_pairs(decisions):
        shown = verdict.standing[-1]
        names = _names(shown, teachers)
        if names:
            outcomes[min(names), max(names)].append(_outcome(verdict, names))
    return [_choices(first, second, outcomes[first, second]) for first, second in sorted(outcomes)]


def teachers_of_pairs(manifest: Manifest) -> dict[MaskKey, str]:
    """The teacher of each mask of a sample with two masks, decided ones too."""
    table = manifest.read(_COLUMNS)
    names: dict[MaskKey, str] = {}
    for row in table.filter(table["rival_mask_sha256"].is_valid()).to_pylist():
        names[row["sample_id"], row["edited_from"] or row["mask_sha256"]] = row["teacher"] or NO_TEACHER
        names[row["sample_id"], row["rival_mask_sha256"]] = row["rival_teacher"] or NO_TEACHER
    return names


def _verdicts_on_pairs(decisions: Sequence[Decision]) -> Iterator[MaskVerdict]:
    by_pair: dict[tuple[MaskKey, str], list[Decision]] = defaultdict(list)
    for decision in decisions:
        if decision.is_vote and decision.rival_mask_sha256:
            by_pair[decision.key, decision.rival_mask_sha256].append(decision)
    return map(MaskVerdict.of, by_pair.values())


def _names(shown: Decision, teachers: Teachers) -> tuple[str, str] | None:
    """The teachers of the first and the second mask; of one teacher's two masks, which is which is added."""
    first = teachers.get(shown.key)
    second = teachers.get((shown.sample_id, str(shown.rival_mask_sha256)))
    if first is None or second is None:
        return None
    return (first, second) if first != second else (f"{first}, first mask", f"{second}, second mask")


def _outcome(verdict: MaskVerdict, names: tuple[str, str]) -> str:
    """The teacher of the mask that people took, else the status."""
    status = verdict.status()
    if status != "accepted":
        return status
    taken = verdict.replacing or next(vote for vote in reversed(verdict.standing) if vote.verdict == "accept")
    return names[1] if taken.takes_rival else names[0]


def _choices(first: str, second: str, outcomes: Sequence[str]) -> TeacherChoices:
    hits, others = outcomes.count(first), outcomes.count(second)
    return TeacherChoices(
        first,
        second,
        Rate(hits, hits + others),
        both_rejected=outcomes.count("rejected"),
        disputed=outcomes.count("conflict"),
    )
