"""metadata.csv: one line per sample with its licence, attribution and origin."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping

from manifests.exports.rows import METADATA_COLUMNS, metadata
from manifests.samples.sample import Row


def metadata_csv(rows: Iterable[tuple[Mapping[str, object], Row]]) -> Iterator[bytes]:
    """Lines of UTF-8, each with the export's own columns (the same keys in every row), then METADATA_COLUMNS."""
    for number, (leading, row) in enumerate(rows):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, [*leading, *METADATA_COLUMNS], lineterminator="\n")
        if number == 0:
            writer.writeheader()
        writer.writerow({**leading, **metadata(row)})
        yield text.getvalue().encode()
