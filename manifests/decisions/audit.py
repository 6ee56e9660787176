"""The audit: masks of the queue in a reproducible random order, and people's verdicts on a prefix of it.

The order is that of a salted hash of (sample_id, mask_sha256), so it depends on nothing that is known of a mask, and
any prefix of it is a simple random sample. Verdicts count up to the first mask without one: those behind it may have
been chosen by something else than the order.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.decisions.decision import Decision, MaskKey
from manifests.decisions.policy import MaskVerdict

_SALT = "maskfoundry-audit-1"  # changing it would break off audits that are under way

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class AuditedPart:
    """What an audit shows: masks of at most this doubt, in the order of this seed."""

    max_doubt: float
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Verdicts:
    """People's verdicts on masks (N,): `judged`, and of these the ones found `wrong`.

    Wrong is what reviewers reject, repair, disagree on or skip: no such mask is accepted without another look.
    """

    judged: Flags
    wrong: Flags
    reviewers: Mapping[int, Set[str]]  # by the mask's place


def audit_order(sample_ids: Sequence[str], mask_sha256s: Sequence[str], *, seed: int = 0) -> Places:
    """Return the places of the masks in the audit's order."""
    keys = [
        hashlib.sha256(f"{_SALT}:{seed}:{sample_id}:{mask}".encode()).digest()
        for sample_id, mask in zip(sample_ids, mask_sha256s, strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def audited(judged: Flags, order: Places) -> Places:
    """Return the places of the audit: the longest prefix of `order` that is judged."""
    gaps = np.flatnonzero(~judged[order])
    return order[: gaps[0]] if len(gaps) else order


def verdicts_on(masks: Sequence[MaskKey], decisions: Iterable[Decision]) -> Verdicts:
    """Return what standing decisions, oldest first, say about `masks`."""
    place_of = {mask: place for place, mask in enumerate(masks)}
    by_place: dict[int, list[Decision]] = defaultdict(list)
    for decision in decisions:
        place = place_of.get(decision.key)
        if place is not None and (decision.is_vote or (decision.verdict == "skip" and decision.is_by_person)):
            by_place[place].append(decision)
    judged, wrong = np.zeros(len(masks), bool), np.zeros(len(masks), bool)
    for place, of_mask in by_place.items():
        judged[place], wrong[place] = True, not _is_accepted(MaskVerdict.of(of_mask))
    reviewers = {place: {decision.reviewer for decision in of_mask} for place, of_mask in by_place.items()}
    return Verdicts(judged, wrong, reviewers)


def _is_accepted(verdict: MaskVerdict) -> bool:
    """Whether people accepted the mask as it was shown."""
    return verdict.status() == "accepted" and verdict.replacing is None
