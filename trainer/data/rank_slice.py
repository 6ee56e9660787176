"""A process's share of every batch: of several processes, each trains on its own rows."""

from dataclasses import dataclass

from manifests.errors import UserError


@dataclass(frozen=True, slots=True)
class RankSlice:
    """The `index`-th of `count` equal parts."""

    index: int = 0
    count: int = 1

    def rows(self, n: int) -> slice:
        """Its rows of a batch of n, which is a multiple of `count`."""
        size = n // self.count
        return slice(self.index * size, (self.index + 1) * size)


WHOLE = RankSlice()


def check_shares(batch_size: int, processes: int) -> None:
    """UserError when a batch can't be split evenly."""
    if batch_size % processes:
        raise UserError(
            f"expected batches of a multiple of {processes} images, one share for each process, found {batch_size}; "
            "give another --batch-size, --encoder-batch-size or --devices"
        )
