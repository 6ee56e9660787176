"""Options of an export, except its rows."""

from dataclasses import dataclass

from manifests.pixels.masks import PERSON

SHARD_SIZE = 1000  # samples per tar
PERSON_VALUES = (PERSON, 1)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`soft` keeps probabilities, in KEEP_PROBABILITIES, else masks hold 0 and `person_value`.

    `shard_size` is samples per tar.
    """

    soft: bool = False
    person_value: int = PERSON
    shard_size: int = SHARD_SIZE


BINARY = ExportOptions()  # masks of 0 and 255
