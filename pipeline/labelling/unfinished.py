"""The labelled part of an unfinished shard: what a stopped run keeps, and where the next one goes on.

`part.parquet` in the shard's directory holds the rows of its first images; its metadata holds their number and their
quarantine table. One file, replaced whole, so that the three always belong together.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.files.atomic import write_replace
from manifests.files.storage import PARQUET_DAMAGE, read_parquet
from manifests.samples.sample import Row
from pipeline.labelling.work import RowsOrQuarantine, WorkItem
from pipeline.quarantine import UNREADABLE, QuarantineRow

logger = logging.getLogger(__name__)

SAVED_EVERY = 64  # images: what a killed run labels again, with the few that are labelled ahead

_NAME = "part.parquet"
_COUNT, _QUARANTINE = b"labelled_images", b"quarantine"  # keys of the file's metadata


@dataclass(slots=True)
class Part:
    """The outcomes of a shard's first `images` images, in order."""

    images: int = 0
    rows: list[Row] = field(default_factory=list)
    quarantined: list[QuarantineRow] = field(default_factory=list)

    def add(self, outcome: RowsOrQuarantine) -> None:
        """Add the outcome of the next image."""
        self.images += 1
        if isinstance(outcome, list):
            self.rows.extend(outcome)
        else:
            self.quarantined.append(outcome)

    def save(self, directory: Path, schema: pa.Schema) -> None:
        """Replace the part of the shard in `directory`; its rows have `schema`."""
        facts = {_COUNT: str(self.images), _QUARANTINE: json.dumps(self.quarantined)}
        table = pa.Table.from_pylist(self.rows, schema=schema).replace_schema_metadata(facts)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        write_replace(directory / _NAME, sink.getvalue().to_pybytes())


def read_part(directory: Path, items: Sequence[WorkItem], schema: pa.Schema) -> Part:
    """Read the part of the shard in `directory`.

    It is empty where nothing was saved, where a file that was unreadable then is readable now, and, with a warning,
    where the part is damaged.
    """
    path = directory / _NAME
    if not path.is_file():
        return Part()
    try:
        table = read_parquet(path)
    except PARQUET_DAMAGE as error:
        logger.warning("expected the labelled part of a shard at %s, found damage (%s); labelling again", path, error)
        return Part()
    facts = table.schema.metadata
    part = Part(int(facts[_COUNT]), table.to_pylist(), json.loads(facts[_QUARANTINE]))
    usable = table.schema.equals(schema) and not readable_again(items, part.quarantined)
    return part if usable else Part()


def delete_part(directory: Path) -> None:
    """Delete the part of a shard that is finished."""
    (directory / _NAME).unlink(missing_ok=True)


def readable_again(items: Sequence[WorkItem], quarantined: Sequence[QuarantineRow]) -> bool:
    """Whether a file that is in quarantine as unreadable can be read now."""
    unreadable = {row["source_uri"] for row in quarantined if row["reason"] == UNREADABLE}
    return any(item.fingerprint() is not None for item in items if item.uri in unreadable)
