"""The two queues that a reviewer takes samples from: work, and the lead's second look."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from manifests.decisions.decision import Decision, MaskKey, Purpose
from review_ui.quality.gold import GoldSample
from review_ui.queue.leases import Lease
from review_ui.queue.messages import FilteredProgress
from review_ui.queue.open_samples import OpenSample
from review_ui.queue.queue_filter import NO_FILTER, QueueFilter, QueueName
from review_ui.queue.review_state import ReviewState
from review_ui.queue.selections import Selection
from review_ui.reviewer import Reviewer

if TYPE_CHECKING:  # it loads ONNX Runtime
    from review_ui.queue.embedding.image_embeddings import EmbeddingProgress


class Queue(Protocol):
    """Where samples come from, for one purpose or several."""

    def remaining(self) -> int:
        """Samples that wait, those on screens included."""

    def filtered(self) -> FilteredProgress | None:
        """Progress within the filter; None without one."""

    def embedding(self) -> "EmbeddingProgress | None":
        """How far the embeddings are that the order rests on; None for another order."""

    def fits(self, lease: Lease) -> bool:
        """Whether the lease's sample passes the filter."""

    def shown(self, key: MaskKey) -> OpenSample | None:
        """The sample as a reviewer sees it; None when it is no longer under review."""

    def place(self, sample: OpenSample) -> int:
        """The sample's position."""

    def owns(self, lease: Lease) -> bool:
        """Whether the lease was granted by this queue."""

    def is_open(self, lease: Lease) -> bool:
        """Whether the lease's mask still wants a verdict for this purpose."""

    def choose(self, reviewer: Reviewer, count: int) -> list[tuple[OpenSample, Purpose]]:
        """New samples for a reviewer, with the purpose of each."""

    def verdicts(self, samples: list[OpenSample]) -> dict[MaskKey, list[Decision]]:
        """Other people's decisions on the samples that the reviewer may see."""


class WorkQueue:
    """Samples that want votes, the most doubtful first or as the filter orders them, with gold and repeats mixed in."""

    def __init__(self, state: ReviewState, wanted: QueueFilter) -> None:
        self._state = state
        self._filter = wanted
        self._selection = state.selection(wanted)

    def remaining(self) -> int:
        filtered = self.filtered()
        return filtered.remaining if filtered else self._state.queue.waiting

    def filtered(self) -> FilteredProgress | None:
        if self._selection is None:
            return None
        waiting = self._state.queue.waiting_rows() & self._selection.passing
        return FilteredProgress(int(np.count_nonzero(waiting)), len(self._selection.rows))

    def embedding(self) -> "EmbeddingProgress | None":
        return self._selection.embedding if self._selection else None

    def owns(self, lease: Lease) -> bool:
        return lease.purpose != "second_look"

    def is_open(self, lease: Lease) -> bool:
        return lease.purpose != "work" or self._state.queue.wanted(lease.key[0]) > 0

    def fits(self, lease: Lease) -> bool:
        if lease.key in self._state.mix.gold:
            return not self._filter.is_narrow or lease.key[0] == self._filter.like
        return self._passes(lease.key)

    def shown(self, key: MaskKey) -> OpenSample | None:
        gold = self._state.mix.gold.get(key)
        return self._disguised(gold) if gold else self._state.current(key)

    def place(self, sample: OpenSample) -> int:
        return self._state.queue.place(sample.sample_id, self._selection.rows if self._selection else None)

    def choose(self, reviewer: Reviewer, count: int) -> list[tuple[OpenSample, Purpose]]:
        chosen = self._asked_about(reviewer) if count else []
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
        state, selection = self._state, self._selection
        for sample in state.queue.free_of(selection.rows, selection.passing) if selection else state.queue.free():
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
        seen = self._seen(reviewer) | chosen
        if purpose == "gold":
            preferred = self._selection.gold_ids if self._selection else frozenset()
            gold = None if self._filter.is_narrow else state.mix.choose_gold(seen, preferred)
            return (self._disguised(gold), "gold") if gold else None
        vote = state.mix.choose_repeat(reviewer.name, state.standing, seen, self._passes)
        sample = state.current(vote.key) if vote else None
        return (sample, "repeat") if sample and not sample.rival_mask_sha256 else None

    def _asked_about(self, reviewer: Reviewer) -> list[tuple[OpenSample, Purpose]]:
        """The gold sample whose look-alikes are wanted: work would be among its own look-alikes."""
        gold = self._state.mix.gold
        seen = self._seen(reviewer)
        if not self._filter.like or any(sample_id == self._filter.like for sample_id, _ in seen):
            return []
        keys = [key for key in gold if key[0] == self._filter.like]
        keys.sort(key=lambda key: self._state.leases.last(key, reviewer.name) is None)  # the mask shown before
        return [(self._disguised(gold[keys[0]]), "gold")] if keys else []

    def _seen(self, reviewer: Reviewer) -> set[MaskKey]:
        """Masks that the reviewer was measured on, or has on a screen."""
        on_screen = {lease.key for lease in self._state.leases.open_of(reviewer.name)}
        return self._state.standing.measured(reviewer.name) | on_screen

    def _disguised(self, gold: GoldSample) -> OpenSample:
        """A gold sample that looks like work, with a doubt that passes the filter."""
        sample = self._state.disguised(gold)
        if self._selection and not self._filter.admits(sample.doubt):
            self._state.disguise_as_one_of(gold, self._selection.rows)
        return self._state.disguised(gold)

    def _passes(self, key: MaskKey) -> bool:
        return _is_selected(self._state, self._selection, key)


class SecondLookQueue:
    """Samples on which reviewers disagree, or that one flagged: a lead decides."""

    def __init__(self, state: ReviewState, wanted: QueueFilter) -> None:
        self._state = state
        self._filter = wanted
        self._selection = state.selection(replace(wanted, reason=""))

    def remaining(self) -> int:
        return len(self._passing())

    def filtered(self) -> FilteredProgress | None:
        waiting = self.remaining()
        return FilteredProgress(waiting, waiting) if self._filter != NO_FILTER else None

    def embedding(self) -> "EmbeddingProgress | None":
        return None

    def owns(self, lease: Lease) -> bool:
        return lease.purpose == "second_look"

    def is_open(self, lease: Lease) -> bool:
        return lease.key in self._state.second_look

    def fits(self, lease: Lease) -> bool:
        return not self.is_open(lease) or self._passes(lease.key)

    def shown(self, key: MaskKey) -> OpenSample | None:
        return self._state.shown(key)

    def place(self, sample: OpenSample) -> int:
        return self._state.queue.place(sample.sample_id)

    def choose(self, reviewer: Reviewer, count: int) -> list[tuple[OpenSample, Purpose]]:
        free = (sample for sample in self._passing() if not self._is_on_a_screen(sample.key))
        return [(sample, "second_look") for sample in islice(free, count)]

    def verdicts(self, samples: list[OpenSample]) -> dict[MaskKey, list[Decision]]:
        """Each reviewer's last vote or flag."""
        return {
            sample.key: list(
                {d.reviewer: d for d in self._state.standing.on(sample.key) if d.is_vote or d.is_flag}.values()
            )
            for sample in samples
        }

    def _passing(self) -> list[OpenSample]:
        return [sample for key, sample in self._state.second_look.items() if self._passes(key)]

    def _passes(self, key: MaskKey) -> bool:
        if self._filter.reason and self._filter.reason not in self._state.reasons(key):
            return False
        return _is_selected(self._state, self._selection, key)

    def _is_on_a_screen(self, key: MaskKey) -> bool:
        return any(self.owns(lease) for lease in self._state.holders(key))


def _is_selected(state: ReviewState, selection: Selection | None, key: MaskKey) -> bool:
    """Whether a mask's sample is among the selected rows; without a selection all are."""
    row = state.queue.row(key[0])
    return selection is None or (row is not None and bool(selection.passing[row]))


QUEUES: dict[QueueName, Callable[[ReviewState, QueueFilter], Queue]] = {
    "work": WorkQueue,
    "second_look": SecondLookQueue,
}
