"""`python -m pipeline.try_teacher`: the masks of a few portraits as one image, before ten thousand are made.

A row a portrait, a column a teacher. Nothing else is written, and no dataset is needed.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.cli.arguments import CommandParser, run_command
from manifests.cli.converters import positive
from manifests.errors import UserError
from pipeline.teachers.options import add_teacher_options, teacher_options

if TYPE_CHECKING:
    from pipeline.teachers import Portrait

PORTRAITS = 4


def main(arguments: Sequence[str]) -> None:
    parser = CommandParser(
        "python -m pipeline.try_teacher",
        description=__doc__,
        example="--images photographs --teacher starter grabcut --output masks.png",
    )
    parser.add_argument("--images", required=True, metavar="DIR", help="images, as pipeline.generate takes them")
    parser.add_argument("--teacher", required=True, nargs="+", metavar="TEACHER", help="one or several, side by side")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="the image to write, .png or .jpg")
    parser.add_argument("--portraits", type=positive, default=PORTRAITS, help=f"how many (default: {PORTRAITS})")
    add_teacher_options(parser)
    options = parser.parse_args(arguments)
    if options.output.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        parser.error(f"expected a file in .png or .jpg as --output, found {options.output.name!r}")
    _try(options)


def _try(options: argparse.Namespace) -> None:
    from manifests.pixels.contact_sheet import contact_sheet  # here, as below: it loads OpenCV and torch
    from manifests.pixels.image_files import save_image
    from manifests.pixels.masks import PERSON_LEVEL, mask_from_prob
    from pipeline.teachers import load_teacher

    teachers = [load_teacher(spec, teacher_options(options)) for spec in options.teacher]
    tiles, captions = [], []
    for name, portrait in _portraits(options.images, options.portraits):
        for spec, teacher in zip(options.teacher, teachers, strict=True):
            mask = mask_from_prob(teacher.predict([portrait])[0].prob)
            share = (mask >= PERSON_LEVEL).mean()
            tiles.append((portrait.rgb, mask))
            captions.append(f"{share:.0%} person")
            print(f"{name}: {spec}: {share:.1%} person")
    save_image(contact_sheet(tiles, columns=len(teachers), captions=captions), options.output)
    print(options.output)


def _portraits(images: str, count: int) -> Iterator[tuple[str, "Portrait"]]:
    """The first portraits around a face, with the image's name; UserError without one."""
    from manifests.pixels.images import UnusableImage, decode_image
    from pipeline.faces.mtcnn import default_detector
    from pipeline.labelling.label import LabelWork
    from pipeline.quarantine import Unusable
    from pipeline.sources.resolve import find_pictures
    from pipeline.sources.source_metadata import Origins

    work, detector, reasons = LabelWork(Origins("try")), default_detector(), list[str]()
    left = count
    for picture in find_pictures(images):
        try:
            candidates = work.candidates(picture, decode_image(picture.read()), detector)
        except (Unusable, UnusableImage) as error:
            reasons.append(f"{picture.uri}: {error}")
            continue
        for candidate in candidates[:left]:
            yield picture.uri.rpartition("/")[2], candidate.portrait
        left -= len(candidates[:left])
        if not left:
            return
    if left == count:
        raise UserError(f"expected a portrait in {images}, found none: {reasons[0] if reasons else 'no image'}")


if __name__ == "__main__":
    run_command(main)
