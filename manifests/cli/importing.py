"""`python -m manifests import`: trusted image and mask pairs, in any format, as accepted rows."""

import argparse
import sys
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from manifests.cli.converters import positive
from manifests.imports import ENCODINGS, IMPORTERS, STORED_VALUES, UNLABELLED
from manifests.imports.attributes_file import read_attributes_file
from manifests.imports.ground_truth import Imported, LeftOut, TrustedPair, import_pairs, read_paired
from manifests.imports.source_images import BLOB_MODES
from manifests.pixels.mask_encoding import ALL_LABELS, PersonLabel
from manifests.store.manifest import ManifestStore

PAIRED = "paired"  # folders of images and masks with the same stems
FORMATS = (PAIRED, *IMPORTERS)
CATEGORY = "person"


def person_label(text: str) -> PersonLabel:
    """An argument's type: a value of a label map, several with commas between, or `all`."""
    if text == ALL_LABELS:
        return ALL_LABELS
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) <= 255 for part in parts):
        raise ArgumentTypeError(f"expected a value from 0 to 255, several as N,N, or all, found {text!r}")
    labels = tuple(dict.fromkeys(map(int, parts)))
    return labels if len(labels) > 1 else labels[0]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options on where the pairs are, their columns, and the formats."""
    parser.add_argument("--images", type=Path, help="directory, glob or file")
    parser.add_argument("--masks", type=Path, help="directory, glob or file; same stems")
    parser.add_argument("--source", required=True, help="name of the dataset")
    parser.add_argument("--license", help="as stated by the source")
    parser.add_argument("--attribution", help="as stated by the source")
    parser.add_argument(
        "--person-label", type=person_label, metavar="N",
        help="the value that means person, in label maps; several as N,N, or all: every value but 0",
    )  # fmt: skip
    parser.add_argument("--grey-levels", action="store_true", help="the masks hold probabilities, 0 to 255")
    parser.add_argument("--limit", type=positive, help="take only the first N pairs")
    parser.add_argument("--format", choices=FORMATS, default=PAIRED, help="format of the masks (default: paired)")
    parser.add_argument(
        "--annotations",
        type=Path,
        help="coco, label-studio: the JSON; eg1800, baidu: the list; else: the directory or zip",
    )
    parser.add_argument(
        "--category",
        help=f"the label that is person, several with commas between, or all (default: {CATEGORY})",
    )
    parser.add_argument(
        "--skip-broken",
        action="store_true",
        help="leave out, by name, annotations that can't be drawn, unpaired files and masks of another shape",
    )
    parser.add_argument(
        "--inverted",
        action=argparse.BooleanOptionalAction,
        help="the masks mark the background; --no-inverted: the person",
    )
    parser.add_argument(
        "--blobs", choices=BLOB_MODES, default=BLOB_MODES[0], help="how images become blobs (default: copy)"
    )
    parser.add_argument(
        "--attributes",
        type=Path,
        metavar="FILE",
        help="CSV: image, then text attributes, for trainer.evaluate --slices",
    )
    parser.set_defaults(usage_error=parser.error)


def run(options: argparse.Namespace) -> None:
    """Import the pairs; skipped ones and notes go to standard error."""
    imported = import_format(ManifestStore(options.manifests), options)
    for problem in imported.skipped:
        print(f"skipped {problem}", file=sys.stderr)
    if len(imported.skipped) > 1:
        by_cause = ", ".join(f"{count} {cause}" for cause, count in imported.causes.most_common())
        print(f"skipped in all: {by_cause}", file=sys.stderr)
    for note in imported.notes:
        print(f"note: {note}", file=sys.stderr)
    others = {"masks replaced": imported.mended, "repeated images": imported.repeated}
    print(
        f"masks: {imported.encoding}; {imported.rows_added} samples added, {imported.duplicates} in the dataset "
        f"already, {imported.unusable} unusable pairs skipped"
        + "".join(f", {count} {what}" for what, count in others.items() if count)
    )
    print(imported.manifest.path)


def import_format(store: ManifestStore, options: argparse.Namespace) -> Imported:
    """Import as the options ask; exit with 2 when one is missing or belongs to another format."""
    _check_options(options)
    data_root = options.data or store.data_root()  # a version has one data root for all its rows
    category = options.category or CATEGORY
    attributes = read_attributes_file(options.attributes) if options.attributes else None
    names = ["images", "masks"] if options.format == PAIRED else ["format", "annotations", "images"]
    parameters = {name: str(value) for name in names if (value := getattr(options, name))}
    parameters |= {"attributes": str(options.attributes)} if attributes else {}
    if options.format == PAIRED:
        entries: Sequence[TrustedPair | LeftOut] = read_paired(
            options.images, options.masks, skip_broken=options.skip_broken
        )
    else:
        entries = IMPORTERS[options.format](options.annotations, options.images, category)
        parameters |= {} if options.format in UNLABELLED else {"category": category}
    return import_pairs(
        store,
        _first(entries, options.limit),
        source=options.source,
        data_root=data_root,
        parameters=parameters,
        license=options.license,
        attribution=options.attribution,
        person_label=options.person_label,
        grey_levels=options.grey_levels,
        encoding=ENCODINGS.get(options.format),
        inverted=options.inverted,
        blob_mode=options.blobs,
        attributes=attributes,
        skip_broken=options.skip_broken,
    )


def _first(entries: Sequence[TrustedPair | LeftOut], limit: int | None) -> list[TrustedPair | LeftOut]:
    """The first `limit` pairs, all of them by default, and every LeftOut."""
    pairs = [entry for entry in entries if isinstance(entry, TrustedPair)]
    return [*pairs[:limit], *(entry for entry in entries if isinstance(entry, LeftOut))]


def _check_options(options: argparse.Namespace) -> None:
    needed = ("images", "masks") if options.format == PAIRED else ("annotations",)
    foreign = ["annotations"] if options.format == PAIRED else ["masks"]
    if options.format != PAIRED and options.format not in STORED_VALUES:
        foreign += ["person_label", "grey_levels"]
    if options.format == PAIRED or options.format in UNLABELLED:
        foreign.append("category")
    missing = [f"--{name}" for name in needed if getattr(options, name) is None]
    if missing:
        _usage_error(options, f"--format {options.format} needs {' and '.join(missing)}")
    for name in foreign:
        if getattr(options, name) not in (None, False):
            _usage_error(options, f"--{name.replace('_', '-')} doesn't go with --format {options.format}")


def _usage_error(options: argparse.Namespace, message: str) -> NoReturn:
    options.usage_error(message)
    raise AssertionError("unreachable")
