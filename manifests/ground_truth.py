"""`import`: trusted image and mask pairs become rows that are born accepted.

An image pairs with the mask of the same stem, `person.jpg` with `person.png`. Pairs that don't match are
refused, all of them named in one error, before anything is written; files that can't be read are skipped.
What other formats call a pair comes in as `TrustedPair`s (manifests/imports/) and goes the same way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from manifests.blobs import BlobStore, sha256_hex
from manifests.changes import Changes
from manifests.errors import UserError
from manifests.geometry import Box, Pixels
from manifests.images import decode_image
from manifests.masks import MaskEncoding, find_encoding, read_mask_values
from manifests.pictures import list_pictures, source_uri
from manifests.progress import progress
from manifests.samples import JOINED_COLUMNS, Row, Source, add_rows, store_sample
from manifests.store import Manifest, ManifestStore

NAMES_LISTED = 5  # of the pairs that don't match; the count says how many there are


@dataclass(frozen=True, slots=True)
class Pair:
    """One image file and the mask file of the same stem."""

    image: Path
    mask: Path


@dataclass(frozen=True, slots=True)
class TrustedPair:
    """An image and its mask, wherever they lie.

    `read_image` gives the file's bytes, `read_mask` the stored values uint8 (H, W); each is called twice, so that no
    pixels are kept, and a pair whose reader raises UserError is skipped. The names are for messages, `uri` is the
    manifest's `source_uri`; licence and attribution are those of this picture alone.
    """

    name: str
    mask_name: str
    uri: str
    read_image: Callable[[], bytes]
    read_mask: Callable[[], Pixels]
    license: str | None = None
    attribution: str | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the new version, how its masks were written, rows added, pairs known already or skipped."""

    manifest: Manifest
    encoding: MaskEncoding
    rows_added: int
    duplicates: int
    skipped: list[str]


def import_ground_truth(
    store: ManifestStore,
    *,
    images: Path,
    masks: Path,
    source: str,
    data_root: Path,
    license: str | None = None,  # noqa: A002 - the column's name
    attribution: str | None = None,
    person_label: int | None = None,
    limit: int | None = None,
) -> Imported:
    """Commit the pairs of two directories as accepted rows of origin `ground_truth`; `limit` takes the first N.

    Raises UserError for pairs that don't match, for masks whose values leave the person open, and when every
    pair is in the dataset already.
    """
    return import_pairs(
        store,
        [_from_files(pair) for pair in find_pairs(images, masks)[:limit]],
        source=source,
        data_root=data_root,
        parameters={"images": str(images), "masks": str(masks)},
        license=license,
        attribution=attribution,
        person_label=person_label,
    )


def import_pairs(
    store: ManifestStore,
    pairs: Sequence[TrustedPair],
    *,
    source: str,
    data_root: Path,
    parameters: Mapping[str, str],
    license: str | None = None,  # noqa: A002 - the column's name
    attribution: str | None = None,
    person_label: int | None = None,
) -> Imported:
    """As `import_ground_truth`, of pairs from anywhere; `parameters` say where they came from.

    `license` and `attribution` are those of pairs that state none.
    """
    pairs, encoding, skipped = _check_pairs(pairs, person_label)
    blobs = BlobStore(data_root)
    rows = list(_rows(pairs, encoding, blobs, source=source, license=license, attribution=attribution))
    added = 0

    def change(base: Manifest | None, version: int) -> Changes | None:
        nonlocal added
        changes = add_rows(rows, base.parts(JOINED_COLUMNS) if base else (), version=version)
        added = changes.added.num_rows if changes else 0
        return changes

    recorded = {**parameters, "source": source, "encoding": str(encoding)}
    manifest = store.amend(change, operation="import", parameters=recorded, data_root=data_root)
    if manifest is None:
        raise UserError(
            f"expected pictures that v{store.latest()} doesn't hold, found all {len(pairs)} of them in it; "
            "nothing to import"
        )
    return Imported(manifest, encoding, added, len(pairs) - added, skipped)


def find_pairs(images: Path, masks: Path) -> list[Pair]:
    """Pairs by stem, in order of name; UserError naming what has no partner or two of them."""
    image_of, image_clashes = _by_stem(list_pictures(images))
    mask_of, mask_clashes = _by_stem(list_pictures(masks))
    unpaired = {
        "images without a mask": [image_of[stem].name for stem in image_of.keys() - mask_of.keys()],
        "masks without an image": [mask_of[stem].name for stem in mask_of.keys() - image_of.keys()],
        "names that occur twice": image_clashes + mask_clashes,
    }
    problems = [listed(what, names) for what, names in unpaired.items() if names]
    if problems:
        raise UserError(f"expected one mask per image in {images} and {masks}, found {'; '.join(problems)}")
    return [Pair(image_of[stem], mask_of[stem]) for stem in sorted(image_of)]


def listed(what: str, names: Iterable[str]) -> str:
    """`12 masks (a, b, c, d, e and 7 more)`: how many there are, and the first by name."""
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_LISTED} more" if len(ordered) > NAMES_LISTED else ""
    return f"{len(ordered)} {what} ({', '.join(ordered[:NAMES_LISTED])}{more})"


def _from_files(pair: Pair) -> TrustedPair:
    return TrustedPair(
        name=pair.image.name,
        mask_name=pair.mask.name,
        uri=source_uri(pair.image),
        read_image=pair.image.read_bytes,
        read_mask=partial(read_mask_values, pair.mask),
    )


def _check_pairs(
    pairs: Sequence[TrustedPair], person_label: int | None
) -> tuple[list[TrustedPair], MaskEncoding, list[str]]:
    """Decode every pair once: the usable ones, the encoding of all masks together, what was skipped and why."""
    present = np.zeros(256, dtype=bool)
    usable, skipped, mismatched = [], [], []
    for pair in progress(pairs, "checking pairs"):
        try:
            height, width = decode_image(pair.read_image()).shape[:2]
            values = pair.read_mask()
        except UserError as error:
            skipped.append(f"{pair.name}: {error}")
            continue
        if values.shape != (height, width):
            mask_size = f"{values.shape[1]}x{values.shape[0]}"
            mismatched.append(f"{pair.mask_name} of {mask_size} for an image of {width}x{height}")
        present[np.unique(values)] = True
        usable.append(pair)
    if mismatched:
        raise UserError("expected masks of their image's size, found " + listed("others", mismatched))
    if not usable:
        raise UserError("expected usable pairs, found " + listed("unusable ones", skipped))
    return usable, find_encoding(np.flatnonzero(present).tolist(), person_label), skipped


def _rows(
    pairs: list[TrustedPair],
    encoding: MaskEncoding,
    blobs: BlobStore,
    *,
    source: str,
    license: str | None,  # noqa: A002
    attribution: str | None,
) -> Iterator[Row]:
    for pair in progress(pairs, f"importing {source}"):
        data = pair.read_image()
        rgb = decode_image(data)
        yield store_sample(
            blobs,
            rgb,
            encoding.to_mask(pair.read_mask()),
            source=Source(source, pair.uri, sha256_hex(data), pair.license or license, pair.attribution or attribution),
            roi=Box.whole(rgb),
            origin="ground_truth",
        )


def _by_stem(paths: list[Path]) -> tuple[dict[str, Path], list[str]]:
    by_stem: dict[str, Path] = {}
    clashes = []
    for path in paths:
        if path.stem in by_stem:
            clashes.append(path.name)
        by_stem.setdefault(path.stem, path)
    return by_stem, clashes
