"""What the queue can be filtered by, and the slow part of a filter before a sample is assigned."""

from collections import Counter
from threading import Lock

from review_ui.queue.live_state import LiveState
from review_ui.queue.messages import FilterChoices
from review_ui.queue.queue_filter import QueueFilter


class Filters:
    """Filters over the session's state; `lock` is the session's. All methods may be called from several threads."""

    def __init__(self, live: LiveState, lock: Lock) -> None:
        self._live = live
        self._lock = lock

    def prepare(self, wanted: QueueFilter) -> None:
        """Compute what passes the filter before samples are assigned: it may take seconds, and takes no lock.

        Raises BadFilter.
        """
        self._live.state.selection(wanted, fresh=True)

    def prepare_choices(self) -> None:
        """Read the columns that `choices` counts in; slow the first time, takes no lock."""
        self._live.state.selections.choices({})

    def choices(self) -> FilterChoices:
        """What the queue can be filtered by."""
        with self._lock, self._live.reading() as state:
            reasons = Counter(reason for key in state.second_look for reason in state.reasons(key))
            return state.selections.choices(dict(sorted(reasons.items())))
