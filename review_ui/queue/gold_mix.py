"""Gold samples, and masks judged before, mixed into a reviewer's work to measure the reviewer.

They are chosen at random at a rate, so that they look like work; a reviewer gets each of them once.
"""

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from manifests.decisions.decision import Decision, MaskKey, Purpose
from manifests.errors import UserError
from review_ui.quality.gold import GoldSample
from review_ui.queue.decision_state import StandingDecisions
from review_ui.queue.open_samples import OpenSample

REPEAT_AFTER = 100  # decisions of the same reviewer in between, too many to remember
_TRIES = 20  # of finding a mask to repeat, each time; most masks will do


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of the stream, in 0..1."""

    gold: float = 0.0
    repeat: float = 0.0

    def __post_init__(self) -> None:
        for name, share in (("gold", self.gold), ("repeat", self.repeat)):
            if not 0 <= share <= 0.5:
                raise UserError(f"expected a {name} rate from 0 to 0.5, found {share}")


class GoldMix:
    """Chooses what comes next for a reviewer: work, gold or a repeat."""

    def __init__(self, rates: Rates, rng: random.Random) -> None:
        self.gold: Mapping[MaskKey, GoldSample] = {}
        self.forgotten: Collection[str] = frozenset()  # ids of samples without pixels
        self.rates = rates
        self._rng = rng

    def purpose(self) -> Purpose:
        """The purpose of the next sample."""
        chance = self._rng.random()
        if chance < self.rates.gold:
            return "gold"
        return "repeat" if chance < self.rates.gold + self.rates.repeat else "work"

    def choose_gold(self, seen: Collection[MaskKey], preferred: Collection[str] = ()) -> GoldSample | None:
        """A gold sample whose image the reviewer has not judged yet, with any mask; `preferred` sample_ids first."""
        seen_images = {sample_id for sample_id, _ in seen}
        unseen = [key for key in self.gold if key[0] not in seen_images and key[0] not in self.forgotten]
        unseen = [key for key in unseen if key[0] in preferred] or unseen
        return self.gold[self._rng.choice(unseen)] if unseen else None

    def choose_repeat(
        self, reviewer: str, standing: StandingDecisions, seen: Collection[MaskKey], passes: Callable[[MaskKey], bool]
    ) -> Decision | None:
        """A vote on a mask that the reviewer may judge (again), and that `passes`."""
        recent = {decision.key for decision in standing.last_few(reviewer, REPEAT_AFTER)}
        for _ in range(_TRIES if standing.votes else 0):
            vote = self._rng.choice(standing.votes)
            if vote.key in recent or vote.key in seen or not passes(vote.key):
                continue
            if vote in standing.on(vote.key):
                return vote
        return None


def as_sample(gold: GoldSample, doubt: float | None) -> OpenSample:
    """A gold sample that looks like work, with the doubt of another sample."""
    return OpenSample(gold.sample_id, gold.image_sha256, gold.mask_sha256, gold.width, gold.height, doubt)
