"""The two queues that a reviewer takes samples from: work, and the lead's second look."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Protocol

from manifests.decisions.decision import Decision, MaskKey, Purpose
from review_ui.queue.leases import Lease
from review_ui.queue.messages import QueueName
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.review_state import ReviewState
from review_ui.reviewer import Reviewer


class Queue(Protocol):
    """Where samples come from, for one purpose or several."""

    def remaining(self) -> int:
        """Samples that wait, those on screens included."""

    def owns(self, lease: Lease) -> bool:
        """Whether the lease was granted by this queue."""

    def is_open(self, lease: Lease) -> bool:
        """Whether the lease's mask still wants a verdict for this purpose."""

    def choose(self, reviewer: Reviewer, count: int) -> list[tuple[OpenSample, Purpose]]:
        """New samples for a reviewer, with the purpose of each."""

    def verdicts(self, samples: list[OpenSample]) -> dict[MaskKey, list[Decision]]:
        """Other people's decisions on the samples that the reviewer may see."""


class WorkQueue:
    """Samples that want votes, the most doubtful first, with gold and repeats mixed in."""

    def __init__(self, state: ReviewState) -> None:
        self._state = state

    def remaining(self) -> int:
        return self._state.queue.waiting

    def owns(self, lease: Lease) -> bool:
        return lease.purpose != "second_look"

    def is_open(self, lease: Lease) -> bool:
        return lease.purpose != "work" or self._state.queue.wanted(lease.key[0]) > 0

    def choose(self, reviewer: Reviewer, count: int) -> list[tuple[OpenSample, Purpose]]:
        chosen: list[tuple[OpenSample, Purpose]] = []
        for sample in self._free(reviewer):
            if len(chosen) >= count:
                break
            # What measures has one mask: among samples with two it would give itself away.
            measuring = (
                None if sample.rival_mask_sha256 else self._measuring(reviewer, {each.key for each, _ in chosen})
            )
            chosen += [measuring, (sample, "work")] if measuring else [(sample, "work")]
        return chosen[:count]

    def verdicts(self, samples: list[OpenSample]) -> dict[MaskKey, list[Decision]]:
        """Nothing: votes must be independent."""
        return {}

    def _free(self, reviewer: Reviewer) -> Iterator[OpenSample]:
        """Free samples that the reviewer has neither judged nor on a screen; broken ones are set aside."""
        state = self._state
        for sample in state.queue.free():
            last = state.standing.last_of(reviewer.name, sample.key)
            if last is not None and last.verdict != "skip":
                continue
            if any(lease.reviewer == reviewer.name for lease in state.holders(sample.key)):
                continue
            if state.is_whole(sample):
                yield sample

    def _measuring(self, reviewer: Reviewer, chosen: set[MaskKey]) -> tuple[OpenSample, Purpose] | None:
        """A gold sample or a repeat, at the rates of the mix; usually None."""
        state = self._state
        purpose = state.mix.purpose()
        if purpose == "work":
            return None
        on_screen = {lease.key for lease in state.leases.open_of(reviewer.name)}
        seen = state.standing.measured(reviewer.name) | on_screen | chosen
        if purpose == "gold":
            gold = state.mix.choose_gold(seen)
            return (state.disguised(gold), "gold") if gold else None
        vote = state.mix.choose_repeat(reviewer.name, state.standing, seen)
        sample = state.current(vote.key) if vote else None
        return (sample, "repeat") if sample and not sample.rival_mask_sha256 else None


class SecondLookQueue:
    """Samples on which reviewers disagree, or that one flagged: a lead decides."""

    def __init__(self, state: ReviewState) -> None:
        self._state = state

    def remaining(self) -> int:
        return len(self._state.second_look)

    def owns(self, lease: Lease) -> bool:
        return lease.purpose == "second_look"

    def is_open(self, lease: Lease) -> bool:
        return lease.key in self._state.second_look

    def choose(self, reviewer: Reviewer, count: int) -> list[tuple[OpenSample, Purpose]]:
        free = (sample for key, sample in self._state.second_look.items() if not self._is_on_a_screen(key))
        return [(sample, "second_look") for sample in islice(free, count)]

    def verdicts(self, samples: list[OpenSample]) -> dict[MaskKey, list[Decision]]:
        """Each reviewer's last vote or flag."""
        return {
            sample.key: list(
                {d.reviewer: d for d in self._state.standing.on(sample.key) if d.is_vote or d.is_flag}.values()
            )
            for sample in samples
        }

    def _is_on_a_screen(self, key: MaskKey) -> bool:
        return any(self.owns(lease) for lease in self._state.holders(key))


QUEUES: dict[QueueName, Callable[[ReviewState], Queue]] = {"work": WorkQueue, "second_look": SecondLookQueue}
