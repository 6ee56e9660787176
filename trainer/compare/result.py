"""The arms of a comparison, and their figures so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from manifests.store.manifest import Manifest
from manifests.store.training_rows import SplitOrAll, accepted_rows
from trainer.compare.arms import Arm
from trainer.compare.bootstrap import Difference, Spread, differences, spreads
from trainer.compare.per_image_metrics import PerImage


@dataclass(frozen=True, slots=True)
class ArmResult:
    """One arm at one rotation. Without a run there is neither spread nor difference; the base has no difference."""

    arm: Arm
    seeds: list[int]
    failed: list[int]  # seeds too
    spreads: dict[str, Spread]
    differences: dict[str, Difference]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`on` is measured; `chose_best` of its images are in a val split that selected best epochs."""

    train: Manifest  # of arms without their own
    on: Manifest
    split: SplitOrAll
    pictures: int
    chose_best: int
    arms: list[Arm]
    fit: str  # the options of every arm
    seeds: Sequence[int]
    own: Mapping[str, Manifest] = field(default_factory=dict)  # of arms with their own, by name
    figures: dict[tuple[str, float], dict[int, PerImage]] = field(default_factory=dict)  # by arm and rotation, by seed
    seconds: dict[tuple[str, int], float] = field(default_factory=dict)  # of fitting, by arm and seed
    failed: dict[tuple[str, int], str] = field(default_factory=dict)  # the error, by arm and seed

    def trained_on(self, arm: Arm) -> Manifest:
        return self.own.get(arm.name, self.train)

    def add(self, arm: Arm, seed: int, degrees: float, figures: PerImage) -> None:
        self.figures.setdefault((arm.name, degrees), {})[seed] = figures

    @property
    def rotations(self) -> list[float]:
        """Rotations measured; 0 is as the images are."""
        return sorted({degrees for _, degrees in self.figures})

    @property
    def training_rows(self) -> list[int]:
        """Numbers of rows that the arms train on, without repeats; --limit and --manifest change them."""
        accepted = {arm.name: len(accepted_rows(self.trained_on(arm), "train")) for arm in self.arms}
        return sorted({min(accepted[arm.name], arm.options.limit or accepted[arm.name]) for arm in self.arms})

    def lines(self, degrees: float) -> list[ArmResult]:
        """One result per arm, the base first."""
        base = self.figures.get((self.arms[0].name, degrees), {})
        lines = []
        for arm in self.arms:
            runs = self.figures.get((arm.name, degrees), {})
            to_base = differences(runs, base) if arm is not self.arms[0] else {}
            failed = [seed for name, seed in self.failed if name == arm.name]
            lines.append(ArmResult(arm, sorted(runs), failed, spreads(list(runs.values())) if runs else {}, to_base))
        return lines


def shared_pictures(one: Manifest, one_split: SplitOrAll, other: Manifest, other_split: SplitOrAll) -> list[str]:
    """Sample ids of accepted rows of `other` that `one` also holds, by sample id or by the image's digest."""
    ours, theirs = _accepted(one, one_split), _accepted(other, other_split)
    same = pc.or_(
        pc.is_in(theirs["sample_id"], ours["sample_id"]), pc.is_in(theirs["image_sha256"], ours["image_sha256"])
    )
    return theirs.filter(same).sort_by("sample_id")["sample_id"].to_pylist()


def _accepted(manifest: Manifest, split: SplitOrAll) -> pa.Table:
    table = manifest.read(["sample_id", "image_sha256", "split", "status"])
    table = table.filter(pc.field("status") == "accepted")
    return table if split == "all" else table.filter(pc.field("split") == split)
