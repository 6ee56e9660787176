"""Metadata shared by all images of a source, and the encoding of its masks."""

from dataclasses import dataclass

from manifests.errors import UserError
from manifests.pixels.mask_encoding import MaskEncoding, MaskStatistics, find_encoding
from manifests.pixels.mask_values import read_mask_values
from manifests.progress import progress
from manifests.samples.sample import Source
from pipeline.sources.source_image import Picture


@dataclass(frozen=True, slots=True)
class Origins:
    """Metadata shared by all images of a source, and the encoding of its masks (case 1)."""

    source: str
    license: str | None = None
    attribution: str | None = None
    encoding: MaskEncoding | None = None

    def source_of(self, picture: Picture, sha256: str) -> Source:
        """The manifest's metadata of an image with these bytes: its own, else its source's."""
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
    """Find the masks' encoding from the values in all of them; None without masks.

    Masks that can't be read are skipped: the labeller quarantines their images.
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
