"""Gold samples: masks whose right verdict is known, mixed into the work to measure the reviewers.

They are made of ground_truth rows (gold_generation.py): a good mask must be accepted, a damaged copy must be
rejected. They live in a table of the decision log's database, so that all servers of one queue show and count the
same ones.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from manifests.decisions.decision import MaskKey
from manifests.decisions.log import DecisionLog

_GOLD = sa.Table(
    "gold_samples",
    sa.MetaData(),
    sa.Column("sample_id", sa.String(32), primary_key=True),
    sa.Column("mask_sha256", sa.String(64), primary_key=True),
    sa.Column("image_sha256", sa.String(64), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("right_verdict", sa.String(8), nullable=False),
    sa.Column("damage", sa.String(32)),  # a kind in mask_corruption.py; null for a good mask
)


@dataclass(frozen=True, slots=True)
class GoldSample:
    """A photograph, a mask of it, and the verdict that is right; width and height in pixels."""

    sample_id: str
    mask_sha256: str
    image_sha256: str
    width: int
    height: int
    right_verdict: Literal["accept", "reject"]
    damage: str | None = None

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256


class GoldSamples(Mapping[MaskKey, GoldSample]):
    """The gold samples of one queue, by mask."""

    def __init__(self, samples: Sequence[GoldSample] = ()) -> None:
        self._by_key = {sample.key: sample for sample in samples}

    @classmethod
    def load(cls, log: DecisionLog) -> "GoldSamples":
        """Load the gold samples of the log's database, in the order of their ids; none before `prepare_gold`."""
        with log.reading() as connection:
            return cls(stored_gold(connection))

    def __getitem__(self, key: MaskKey) -> GoldSample:
        return self._by_key[key]

    def __iter__(self) -> Iterator[MaskKey]:
        return iter(self._by_key)

    def __len__(self) -> int:
        return len(self._by_key)


def stored_gold(connection: sa.Connection) -> list[GoldSample]:
    """Read the table, in the order of the ids; nothing when there is no table yet."""
    if not sa.inspect(connection).has_table(_GOLD.name):
        return []
    rows = connection.execute(sa.select(_GOLD).order_by(_GOLD.c.sample_id, _GOLD.c.mask_sha256)).mappings()
    return [GoldSample(**row) for row in rows]


def add_gold(connection: sa.Connection, samples: Iterable[GoldSample]) -> None:
    """Write gold samples in a transaction of `DecisionLog.writing`; create the table when it is missing."""
    connection.execute(sa.schema.CreateTable(_GOLD, if_not_exists=True))
    rows = [{column.name: getattr(sample, column.name) for column in _GOLD.columns} for sample in samples]
    if rows:
        connection.execute(sa.insert(_GOLD), rows)
