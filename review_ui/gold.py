"""Gold samples."""

from dataclasses import dataclass
from typing import Literal

from manifests.decisions import MaskKey


@dataclass(frozen=True, slots=True)
class GoldSample:
    """A mask whose right verdict is known."""

    sample_id: str
    mask_sha256: str
    image_sha256: str
    width: int
    height: int
    right_verdict: Literal["accept", "reject"]
    damage: str | None

    @property
    def key(self) -> MaskKey:
        return self.sample_id, self.mask_sha256
