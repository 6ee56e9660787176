"""`import`: trusted image and mask pairs become rows that are born accepted.

An image pairs with the mask of the same stem, `person.jpg` with `person.png`. Pairs that don't match are
refused, all of them named in one error, before anything is written; files that can't be read are skipped.
A mask that is its image at another scale is resized; masks that look inverted are refused until somebody says.
What other formats call a pair comes in as `TrustedPair`s (manifests/imports/) and goes the same way.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from manifests.errors import UserError, listed
from manifests.files.blobs import Blob, BlobStore, sha256_hex
from manifests.files.storage import require_local
from manifests.imports.pairing import Pair, find_pairs
from manifests.imports.source_images import BlobMode, StoredAnew, put_original
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.image_files import source_uri
from manifests.pixels.images import decode_image
from manifests.pixels.inverted_masks import check_polarity, grid
from manifests.pixels.masks import MaskEncoding, find_encoding, read_mask_values, resize_mask, same_aspect
from manifests.progress import progress
from manifests.samples.sample import JOINED_COLUMNS, Row, Source, add_rows, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch


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
class LeftOut:
    """Files that make no pair, in a line that names some of them."""

    files: str


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: the new version, the masks' encoding, rows added, pairs known already or skipped.

    `notes` are lines for whoever imports: what was changed on the way in, and what looks odd.
    """

    manifest: Manifest
    encoding: MaskEncoding
    rows_added: int
    duplicates: int
    skipped: list[str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Checked:
    """The usable pairs and the encoding of all their masks together; lines for skipped pairs, and notes."""

    pairs: list[TrustedPair]
    encoding: MaskEncoding
    skipped: list[str]
    notes: list[str]


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
    inverted: bool | None = None,
    blob_mode: BlobMode = "copy",
    limit: int | None = None,
) -> Imported:
    """Commit the pairs of two directories as accepted rows of origin `ground_truth`; `limit` takes the first N.

    Raises UserError for pairs that don't match, for masks whose values leave the person open or that look inverted
    (unless `inverted` says whether they are), and when every pair is in the dataset already.
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
        inverted=inverted,
        blob_mode=blob_mode,
    )


def import_pairs(
    store: ManifestStore,
    pairs: Sequence[TrustedPair | LeftOut],
    *,
    source: str,
    data_root: Path,
    parameters: Mapping[str, str],
    license: str | None = None,  # noqa: A002 - the column's name
    attribution: str | None = None,
    person_label: int | None = None,
    encoding: MaskEncoding | None = None,
    inverted: bool | None = None,
    blob_mode: BlobMode = "copy",
) -> Imported:
    """As `import_ground_truth`, of pairs from anywhere; `parameters` record their origin.

    `license` and `attribution` are those of pairs that state none. `encoding` is that of the masks, where the format
    tells it; by default their values do.
    """
    if blob_mode != "copy":
        require_local(data_root, f"--blobs {blob_mode}")
    checked = _check_pairs(pairs, person_label, encoding, inverted)
    writer = _Writer(BlobStore(data_root), checked.encoding, blob_mode, source, license, attribution)
    rows = [writer.write(pair) for pair in progress(checked.pairs, f"importing {source}")]
    added = 0

    def change(base: Manifest | None, version: int) -> RowPatch | None:
        nonlocal added
        changes = add_rows(rows, base.parts(JOINED_COLUMNS) if base else (), version=version)
        added = changes.added.num_rows if changes else 0
        return changes

    recorded = {**parameters, "source": source, "encoding": str(checked.encoding)}
    if blob_mode != "copy":
        recorded["blobs"] = blob_mode
    manifest = store.amend(change, operation="import", parameters=recorded, data_root=data_root)
    if manifest is None:
        raise UserError(
            f"expected pictures that v{store.latest()} doesn't hold, found all {len(rows)} of them in it; "
            "nothing to import"
        )
    notes = [*checked.notes, *writer.notes()]
    return Imported(manifest, checked.encoding, added, len(rows) - added, checked.skipped, notes)


def _from_files(pair: Pair) -> TrustedPair:
    return TrustedPair(
        name=pair.image.name,
        mask_name=pair.mask.name,
        uri=source_uri(pair.image),
        read_image=pair.image.read_bytes,
        read_mask=partial(read_mask_values, pair.mask),
    )


def _check_pairs(
    pairs: Sequence[TrustedPair | LeftOut],
    person_label: int | None,
    encoding: MaskEncoding | None,
    inverted: bool | None,
) -> _Checked:
    """Decode every pair once; UserError for masks of another shape, and for those that leave the person open."""
    present = np.zeros(256, dtype=bool)
    usable: list[TrustedPair] = []
    grids: list[Pixels] = []
    skipped: list[str] = []
    sizes: dict[bool, list[str]] = {True: [], False: []}  # masks of another size: whether they can be resized
    for pair in progress(pairs, "checking pairs"):
        if isinstance(pair, LeftOut):
            skipped.append(f"{pair.files}: left out")
            continue
        try:
            height, width = decode_image(pair.read_image()).shape[:2]
            values = pair.read_mask()
        except UserError as error:
            skipped.append(f"{pair.name}: {error}")
            continue
        if values.shape != (height, width):
            mask_size = f"{values.shape[1]}x{values.shape[0]}"
            line = f"{pair.mask_name} of {mask_size} for an image of {width}x{height}"
            sizes[same_aspect(values.shape, (height, width))].append(line)
        present[np.unique(values)] = True
        usable.append(pair)
        grids.append(grid(values))
    if sizes[False]:
        raise UserError("expected masks of their image's size, found " + listed("others", sizes[False]))
    if not usable:
        raise UserError("expected usable pairs, found " + listed("unusable ones", skipped))
    encoding = encoding or find_encoding(np.flatnonzero(present).tolist(), person_label)
    notes = [listed("masks resized to their images", sizes[True])] if sizes[True] else []
    if inverted is None:
        odd = check_polarity([encoding.to_mask(values) for values in grids], [pair.mask_name for pair in usable])
        notes += [listed("masks look inverted and were taken as they are", odd)] if odd else []
    return _Checked(usable, replace(encoding, inverted=bool(inverted)), skipped, notes)


@dataclass(slots=True)
class _Writer:
    """Pairs -> blobs and rows; it counts the images that `blob_mode` couldn't take as they are, by reason."""

    blobs: BlobStore
    encoding: MaskEncoding
    blob_mode: BlobMode
    source: str
    license: str | None
    attribution: str | None
    anew: Counter[str] = field(default_factory=Counter)

    def write(self, pair: TrustedPair) -> Row:
        data = pair.read_image()
        rgb = decode_image(data)
        mask = self.encoding.to_mask(pair.read_mask())
        licensed = pair.license or self.license, pair.attribution or self.attribution
        return store_sample(
            self.blobs,
            rgb,
            mask if mask.shape == rgb.shape[:2] else resize_mask(mask, rgb.shape[:2]),
            source=Source(self.source, pair.uri, sha256_hex(data), *licensed),
            roi=Box.whole(rgb),
            origin="ground_truth",
            image_blob=self._original(data, pair.uri),
        )

    def notes(self) -> list[str]:
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.anew.most_common())
        return [f"{self.anew.total()} images stored as JPEG anew all the same: {reasons}"] if reasons else []

    def _original(self, data: bytes, uri: str) -> Blob | None:
        if self.blob_mode == "copy":
            return None
        try:
            return put_original(self.blobs, data, uri, self.blob_mode)
        except StoredAnew as reason:
            self.anew[str(reason)] += 1
            return None
