"""AISegment's matting dataset -> trusted pairs: the transparency of the cut-out person is the mask, grey levels.

    clip_img/1803151818/clip_00000000/1803151818-00000003.jpg
    matting/1803151818/matting_00000000/1803151818-00000003.png

The published archive has a few hidden files (`matting/1803201916/._matting_00000000`,
`clip_img/1803241125/clip_00000000/._1803241125-00000005.jpg`), which are listed and left out. Source: the README of
github.com/aisegmentcn/matting_human_datasets.
"""

import re
from pathlib import Path

from manifests.imports.ground_truth import LeftOut, TrustedPair
from manifests.imports.two_folders import TwoFolders, read_two_folders
from manifests.pixels.mask_values import mask_alpha


def read_aisegment(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The pairs below `clip_img` and `matting`, soft masks."""
    return read_two_folders(_LAYOUT, annotations, images)


_LAYOUT = TwoFolders(
    images="clip_img",
    masks="matting",
    common=re.compile(r"([^/]+)/(?:clip|matting)_([^/]+)/([^/]+)\.[^./]+$"),
    read_mask=mask_alpha,
    example="clip_img/GROUP/clip_N/NAME.jpg with matting/GROUP/matting_N/NAME.png",
)
