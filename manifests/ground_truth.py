"""`import`: trusted image and mask pairs become rows that are born accepted.

An image pairs with the mask of the same stem, `person.jpg` with `person.png`. Pairs that don't match are
refused, all of them named in one error, before anything is written; files that can't be read are skipped.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from manifests.blobs import BlobStore, sha256_hex
from manifests.errors import UserError
from manifests.geometry import Box
from manifests.images import decode_image
from manifests.masks import MaskEncoding, find_encoding, read_mask_values
from manifests.pictures import list_pictures, source_uri
from manifests.progress import progress
from manifests.samples import Row, Source, join_dataset, store_sample
from manifests.store import Manifest, ManifestStore

NAMES_LISTED = 5  # of the pairs that don't match; the count says how many there are


@dataclass(frozen=True, slots=True)
class Pair:
    """One image file and the mask file of the same stem."""

    image: Path
    mask: Path


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
    pairs, encoding, skipped = _check_pairs(find_pairs(images, masks)[:limit], person_label)
    blobs = BlobStore(data_root)
    rows = list(_rows(pairs, encoding, blobs, source=source, license=license, attribution=attribution))
    added = 0

    def change(table: pa.Table | None, version: int) -> pa.Table | None:
        nonlocal added
        joined = join_dataset(rows, table, version=version)
        added = joined.num_rows - (table.num_rows if table is not None else 0) if joined else 0
        return joined

    parameters = {"images": str(images), "masks": str(masks), "source": source, "encoding": str(encoding)}
    manifest = store.update(change, operation="import", parameters=parameters, data_root=data_root)
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
    problems = [_listed(what, names) for what, names in unpaired.items() if names]
    if problems:
        raise UserError(f"expected one mask per image in {images} and {masks}, found {'; '.join(problems)}")
    return [Pair(image_of[stem], mask_of[stem]) for stem in sorted(image_of)]


def _check_pairs(pairs: list[Pair], person_label: int | None) -> tuple[list[Pair], MaskEncoding, list[str]]:
    """Decode every pair once: the usable ones, the encoding of all masks together, what was skipped and why."""
    present = np.zeros(256, dtype=bool)
    usable, skipped, mismatched = [], [], []
    for pair in progress(pairs, "checking pairs"):
        try:
            height, width = decode_image(pair.image.read_bytes()).shape[:2]
            values = read_mask_values(pair.mask)
        except UserError as error:
            skipped.append(f"{pair.image.name}: {error}")
            continue
        if values.shape != (height, width):
            mask_size = f"{values.shape[1]}x{values.shape[0]}"
            mismatched.append(f"{pair.mask.name} of {mask_size} for an image of {width}x{height}")
        present[np.unique(values)] = True
        usable.append(pair)
    if mismatched:
        raise UserError("expected masks of their image's size, found " + _listed("others", mismatched))
    if not usable:
        raise UserError("expected usable pairs, found " + _listed("unusable ones", skipped))
    return usable, find_encoding(np.flatnonzero(present).tolist(), person_label), skipped


def _rows(
    pairs: list[Pair],
    encoding: MaskEncoding,
    blobs: BlobStore,
    *,
    source: str,
    license: str | None,  # noqa: A002
    attribution: str | None,
) -> Iterator[Row]:
    for pair in progress(pairs, f"importing {source}"):
        data = pair.image.read_bytes()
        rgb = decode_image(data)
        yield store_sample(
            blobs,
            rgb,
            encoding.to_mask(read_mask_values(pair.mask)),
            source=Source(source, source_uri(pair.image), sha256_hex(data), license, attribution),
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


def _listed(what: str, names: Iterable[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - NAMES_LISTED} more" if len(ordered) > NAMES_LISTED else ""
    return f"{len(ordered)} {what} ({', '.join(ordered[:NAMES_LISTED])}{more})"
