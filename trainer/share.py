"""A process's share of every batch: where several processes train together, each takes its own rows of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """The `index`-th of `count` equal parts."""

    index: int = 0
    count: int = 1

    def rows(self, n: int) -> slice:
        """Its rows of a batch of n, which is a multiple of `count`."""
        size = n // self.count
        return slice(self.index * size, (self.index + 1) * size)


WHOLE = Share()
