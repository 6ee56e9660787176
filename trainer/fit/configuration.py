"""Everything that decides a run's weights, as one frozen record. Only a run of the same configuration is resumed."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from trainer.fit.recipe import Recipe


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Choices about the training data.

    `teachers` and `live_teachers` are digests of the networks of --distill and --distill-live.
    """

    limit: int | None = None
    source_weights: dict[str, float] = field(default_factory=dict)
    skip_bad: bool = False
    backgrounds: str | None = None  # directory of images without people; None: those of the dataset
    teachers: list[str] = field(default_factory=list)
    live_teachers: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Network, data, recipe and seed of a run."""

    model: str
    manifest_digest: str
    seed: int
    size_px: int
    recipe: Recipe
    model_options: dict[str, Any] = field(default_factory=dict)
    data: DataOptions = field(default_factory=DataOptions)
    encoder_weights: str | None = None
    init_sha256: str | None = None  # of the weights it starts from
    precision: str = "fp32"

    def flat(self) -> dict[str, Any]:
        """One level of names and plain values, to compare and to print."""
        fields = dataclasses.asdict(self)
        return {**fields.pop("recipe"), **fields.pop("data"), **fields}
