"""What is said of every picture of a source, and how its masks were written."""

from dataclasses import dataclass

from manifests.errors import UserError
from manifests.pixels.mask_encoding import MaskEncoding, MaskStatistics, find_encoding
from manifests.pixels.mask_values import read_mask_values
from manifests.progress import progress
from manifests.samples.sample import Source
from pipeline.sources.source_image import Picture


@dataclass(frozen=True, slots=True)
class Origins:
    """What is said of every picture of a source, and how its masks were written (case 1)."""

    source: str
    license: str | None = None
    attribution: str | None = None
    encoding: MaskEncoding | None = None

    def source_of(self, picture: Picture, sha256: str) -> Source:
        """What the manifest says of a picture with these bytes: its own statements, else those of the source."""
        return Source(
            name=self.source,
            uri=picture.uri,
            sha256=sha256,
            license=picture.license or self.license,
            attribution=picture.attribution or self.attribution,
        )


def find_mask_encoding(
    pictures: list[Picture], person_label: int | None = None, *, grey_levels: bool = False
) -> MaskEncoding | None:
    """How the pictures' masks are written, from the values in all of them; None when there are no masks.

    A mask that can't be read is left to the labeller, which puts its picture into quarantine.
    """
    masks = [picture.mask for picture in pictures if picture.mask is not None]
    if not masks:
        return None
    statistics = MaskStatistics()
    for path in progress(masks, "reading masks"):
        try:
            statistics.add(read_mask_values(path), path.name)
        except UserError:
            continue
    return find_encoding(statistics, person_label, grey_levels=grey_levels)
