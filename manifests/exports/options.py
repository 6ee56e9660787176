"""Options of an export, except its rows."""

from dataclasses import dataclass

SHARD_SIZE = 1000  # samples per tar


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """`soft` keeps probabilities instead of 0 and 255, in KEEP_PROBABILITIES; `shard_size` is samples per tar."""

    soft: bool = False
    shard_size: int = SHARD_SIZE
