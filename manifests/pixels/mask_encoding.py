"""The meaning of the stored values of a dataset's masks: 0/1, 0/255, grey levels, or labels of which one is person."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from manifests.errors import UserError, listed
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON, PERSON_LEVEL

MAX_LABELS = 32  # a label above this beside 0 and 255 is the grey of a trimap
ALL_LABELS: Literal["all"] = "all"  # every label but 0, and but 255 ("ignore") beside others
NEAR = 32  # levels from 0 or 255: JPEG's noise around a mask stays within
MIN_EXTREME_SHARE = 0.5  # of a soft mask's pixels, within NEAR of 0 or 255; a photograph has fewer
MAX_FLAT_SHARE = 0.8  # of the other pixels, equal to their neighbour; areas of a label map are flat


PersonLabel = int | tuple[int, ...] | Literal["all"]


@dataclass(frozen=True, slots=True)
class MaskEncoding:
    """The encoding of a dataset's masks: which values occur, and which are person; `inverted`: the others are."""

    kind: Literal["0/1", "0/255", "grey levels", "labels"]
    person_label: int | tuple[int, ...] | None = None
    inverted: bool = False

    def __str__(self) -> str:
        text = f"labels, person = {_list(self._labels)}" if self.kind == "labels" else self.kind
        return f"{text}, inverted" if self.inverted else text

    @property
    def _labels(self) -> tuple[int, ...]:
        return (self.person_label,) if isinstance(self.person_label, int) else self.person_label or ()

    def to_mask(self, values: Pixels) -> Pixels:
        """Stored values uint8 (H, W) -> mask uint8 (H, W)."""
        mask = self._as_stored(values)
        return np.uint8(PERSON) - mask if self.inverted else mask

    def _as_stored(self, values: Pixels) -> Pixels:
        match self.kind:
            case "0/1":
                return values * np.uint8(PERSON)
            case "0/255" | "grey levels":
                return values
            case "labels":
                return np.where(np.isin(values, self._labels), PERSON, 0).astype(np.uint8)


@dataclass(slots=True)
class MaskStatistics:
    """Counts of the values of a dataset's masks that distinguish the encodings."""

    counts: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(256, np.int64))
    between: int = 0  # pixels that aren't within NEAR of 0 or 255
    flat: int = 0  # of these, pixels that equal their right neighbour
    zero_one: list[str] = field(default_factory=list)  # names of masks that hold 1, and 0 at most beside it
    zero_255: list[str] = field(default_factory=list)

    def add(self, values: Pixels, name: str) -> None:
        """Count stored values uint8 (H, W) of the mask `name`."""
        counts = np.bincount(values.ravel(), minlength=256)
        self.counts += counts
        between = int(counts[NEAR + 1 : 255 - NEAR].sum())
        if between:
            inside = (values > NEAR) & (values < 255 - NEAR)
            self.between += between
            self.flat += int((inside[:, :-1] & (values[:, 1:] == values[:, :-1])).sum())
        used = set(np.flatnonzero(counts[1:]) + 1)
        for value, names in ((1, self.zero_one), (255, self.zero_255)):
            if used == {value}:
                names.append(name)

    @property
    def values(self) -> list[int]:
        """The values that occur."""
        return [int(value) for value in np.flatnonzero(self.counts)]

    def look_soft(self) -> bool:
        """Whether the values are grey levels: black, white, and values between from a soft edge or a codec."""
        values = self.values
        whitish = [value for value in values if value >= 255 - NEAR]
        if values[0] > NEAR or len(whitish) < 2:  # labels beside a void of 255 have nothing else near it
            return False
        extreme = self.counts[: NEAR + 1].sum() + self.counts[255 - NEAR :].sum()
        return extreme >= MIN_EXTREME_SHARE * self.counts.sum() and self.flat <= MAX_FLAT_SHARE * self.between


def find_encoding(
    statistics: MaskStatistics, person_label: PersonLabel | None = None, *, grey_levels: bool = False
) -> MaskEncoding:
    """Find the encoding that explains all values of a dataset's masks.

    `person_label` states the label that means person, several, or all but the background: the masks are then label
    maps. `grey_levels` states that the values are probabilities. UserError when the person is ambiguous.
    """
    values = set(statistics.values)
    if person_label is not None and grey_levels:
        raise UserError("expected --person-label or --grey-levels, found both")
    if person_label is not None:
        return MaskEncoding("labels", _checked_label(statistics, person_label))
    if grey_levels:
        return MaskEncoding("grey levels")
    if values <= {0, 1}:
        return MaskEncoding("0/1")
    if values <= {0, 255}:
        return MaskEncoding("0/255")
    if statistics.zero_one and statistics.zero_255:
        raise UserError(_mixed(statistics))
    if statistics.look_soft():
        return MaskEncoding("grey levels")
    labels = values - {0, 255}  # 255 is "ignore" in PASCAL VOC's label maps
    if len(labels) == 1 and 0 in values and (255 not in values or 1 < max(labels) <= MAX_LABELS):
        return MaskEncoding("labels", labels.pop())  # 0, 1, 255 may mix 0/1 with 0/255; 0, 128, 255 is a trimap
    raise UserError(
        f"expected masks of 0/1, 0/255, grey levels or one label, found the values {_list(values)}; "
        "state which one is person with --person-label N, or --grey-levels for probabilities of 0 to 255; several "
        "labels are N,N or all"
    )


def is_person(encoding: MaskEncoding) -> npt.NDArray[np.bool_]:
    """bool (256,): the stored values that mean person."""
    return encoding.to_mask(np.arange(256, dtype=np.uint8)[None])[0] >= PERSON_LEVEL


def _checked_label(statistics: MaskStatistics, person_label: PersonLabel) -> int | tuple[int, ...]:
    """The label or labels of the person; UserError when the masks don't hold one of them."""
    if person_label == ALL_LABELS:
        others = [value for value in statistics.values if value not in (0, PERSON)]
        labels = tuple(others) or (PERSON,)
    else:
        labels = person_label if isinstance(person_label, tuple) else (person_label,)
    missing = [label for label in labels if not 0 <= label <= 255 or not statistics.counts[label]]
    if missing:
        raise UserError(f"expected the label {_list(missing)} in the masks, found only {_list(statistics.values)}")
    if PERSON in labels and statistics.zero_one:
        raise UserError(_mixed(statistics))
    return labels if len(labels) > 1 else labels[0]


def _mixed(statistics: MaskStatistics) -> str:
    return (
        f"expected one encoding in all masks, found {listed('masks of 0 and 1', statistics.zero_one)}, beside masks "
        "that hold 255; bring all of them to 0 and 255, or import the two kinds one after the other"
    )


def _list(values: Iterable[int]) -> str:
    ordered = sorted(values)
    return ", ".join(map(str, ordered[:12])) + (", ..." if len(ordered) > 12 else "")
