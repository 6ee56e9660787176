"""`import`: trusted image and mask pairs become rows that are born accepted.

An image pairs with the mask of the same stem, `person.jpg` with `person.png`. Files without a partner are refused in
one error before anything is written, or left out with `skip_broken`; files that can't be read are skipped. A mask of
its image's shape at another scale is resized; masks that look inverted are refused unless `inverted` is stated. Other
formats' readers (imports/formats/) return the same `TrustedPair`s.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from manifests.errors import UserError, lines_on, listed
from manifests.files.blobs import Blob, BlobStore, sha256_hex
from manifests.files.storage import require_local
from manifests.files.tombstones import FORGOTTEN, Tombstones
from manifests.imports.attributes_file import AttributesFile, match_attributes
from manifests.imports.mended_masks import MENDED_COLUMNS, MendedMasks
from manifests.imports.pairing import find_pairs, match_files
from manifests.imports.source_images import BlobMode, StoredAnew, put_original
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.image_files import read_file, source_uri
from manifests.pixels.images import QUARTER_TURNS, UnusableImage, decode_image, exif_orientation
from manifests.pixels.inverted_masks import check_polarity, grid
from manifests.pixels.mask_encoding import MaskEncoding, MaskStatistics, PersonLabel, find_encoding, is_person
from manifests.pixels.mask_values import read_mask_values, turned_as_image
from manifests.pixels.masks import PERSON_LEVEL, resize_mask, same_aspect
from manifests.progress import progress
from manifests.samples.attributes import write_attributes
from manifests.samples.sample import JOINED_COLUMNS, AddedRows, Row, Source, add_rows, sample_id, store_sample
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.row_patch import RowPatch

OTHER_SHAPE = "masks of another shape than their image"


@dataclass(frozen=True, slots=True)
class TrustedPair:
    """An image and its mask.

    `read_image` returns the file's bytes, `read_mask` the stored values uint8 (H, W); each is called twice, so that no
    pixels are kept, and a pair whose reader raises UserError is skipped. The names are for messages, `uri` is the
    manifest's `source_uri`; licence and attribution are those of this image. `mask_file` returns the bytes of the
    mask's own file, if it has one.
    """

    name: str
    mask_name: str
    uri: str
    read_image: Callable[[], bytes]
    read_mask: Callable[[], Pixels]
    license: str | None = None
    attribution: str | None = None
    mask_file: Callable[[], bytes] | None = None

    @classmethod
    def of_files(
        cls,
        image: Path,
        mask: Path,
        *,
        name: str,
        mask_name: str,
        license: str | None = None,  # noqa: A002 - the column's name
        attribution: str | None = None,
    ) -> "TrustedPair":
        """The pair of an image file and a file of stored mask values."""
        readers = partial(read_file, image), partial(read_mask_values, mask)
        return cls(name, mask_name, source_uri(image), *readers, license, attribution, partial(read_file, mask))

    @property
    def mask_is_turned(self) -> bool:
        """Whether the mask's file carries an EXIF orientation."""
        return self.mask_file is not None and exif_orientation(self.mask_file()) != 1


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Files that make no pair, and `what` they are."""

    what: str
    names: Collection[str]

    @property
    def line(self) -> str:
        """The count and the first names."""
        return listed(self.what, self.names)


@dataclass(frozen=True, slots=True)
class Broken(LeftOut):
    """Images whose annotations can't be drawn whole: refused, unless the import is to skip them."""


def left_out(names_of: Mapping[str, Collection[str]]) -> list[LeftOut]:
    """A LeftOut for each kind that has names."""
    return [LeftOut(what, names) for what, names in names_of.items() if names]


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import: the new version, the masks' encoding, and counts of pairs.

    `duplicates` were in the dataset, unusable ones are named in `skipped` and counted in `causes`, `repeated` ones have
    the image of an earlier pair, and `mended` ones gave a known sample another mask. `notes` list changes and doubtful
    masks.
    """

    manifest: Manifest
    encoding: MaskEncoding
    rows_added: int
    duplicates: int
    causes: Counter[str]
    skipped: list[str]
    notes: list[str]
    repeated: int
    mended: int

    @property
    def unusable(self) -> int:
        """Pairs and files that were skipped."""
        return self.causes.total()


@dataclass(frozen=True, slots=True)
class _Checked:
    """The usable pairs and the encoding of all their masks together; the others' causes and lines, and notes."""

    pairs: list[TrustedPair]
    encoding: MaskEncoding
    causes: Counter[str]
    skipped: list[str]
    notes: list[str]


def read_paired(images: Path, masks: Path, *, skip_broken: bool = False) -> list[TrustedPair | LeftOut]:
    """The pairs of two directories, in the order of their names.

    Files that make no pair are LeftOut with `skip_broken`, else a UserError, as in `find_pairs`.
    """
    pairs, unpaired = match_files(images, masks) if skip_broken else (find_pairs(images, masks), {})
    files = [TrustedPair.of_files(pair.image, pair.mask, name=pair.name, mask_name=pair.mask_name) for pair in pairs]
    return [*files, *left_out(unpaired)]


def import_pairs(
    store: ManifestStore,
    pairs: Sequence[TrustedPair | LeftOut],
    *,
    source: str,
    data_root: Path,
    parameters: Mapping[str, str],
    license: str | None = None,  # noqa: A002 - the column's name
    attribution: str | None = None,
    person_label: PersonLabel | None = None,
    grey_levels: bool = False,
    encoding: MaskEncoding | None = None,
    inverted: bool | None = None,
    blob_mode: BlobMode = "copy",
    attributes: AttributesFile | None = None,
    skip_broken: bool = False,
) -> Imported:
    """Commit the pairs as accepted rows of origin `ground_truth`; the version records `parameters`.

    `license` and `attribution` are for pairs that state none. `encoding` is that of the format's masks; by default it
    is detected from their values. UserError for masks whose person is ambiguous or that look inverted (when `inverted`
    is None), for Broken entries unless `skip_broken`, and when every pair is in the dataset already; with `attributes`
    these are written, and no version.
    """
    broken = [entry.line for entry in pairs if isinstance(entry, Broken)]
    if broken and not skip_broken:
        raise UserError(
            f"expected sound annotations, found {'; '.join(broken)}; mend them, or leave these images out with "
            "--skip-broken"
        )
    if blob_mode != "copy":
        require_local(data_root, f"--blobs {blob_mode}")
    uris = [pair.uri for pair in pairs if isinstance(pair, TrustedPair)]
    stated = match_attributes(attributes, uris) if attributes else None
    checked = _check_pairs(
        pairs,
        encoding,
        inverted,
        Tombstones.read(data_root),
        person_label=person_label,
        grey_levels=grey_levels,
        skip_broken=skip_broken,
    )
    writer = _Writer(BlobStore(data_root), checked.encoding, blob_mode, source, license, attribution)
    rows = [writer.write(pair) for pair in progress(checked.pairs, f"importing {source}")]
    distinct = {row["sample_id"] for row in rows}
    if stated:
        write_attributes(data_root, *stated.of_samples({row["source_uri"]: row["sample_id"] for row in rows}))
    added, mended = AddedRows(None, []), MendedMasks(rows)

    def change(base: Manifest | None, version: int) -> RowPatch | None:
        nonlocal added, mended
        kept = list(Tombstones.read(data_root).keep(rows))  # some may be forgotten since
        mended = MendedMasks(kept)
        parts = base.parts(list(dict.fromkeys(JOINED_COLUMNS + MENDED_COLUMNS))) if base else ()
        added = add_rows(kept, map(mended.look_at, parts), version=version)
        if not mended.names:
            return added.patch
        return replace(added.patch or RowPatch(), places=mended.places, cells=mended.cells)

    recorded = {**parameters, "source": source, "encoding": str(checked.encoding)}
    if blob_mode != "copy":
        recorded["blobs"] = blob_mode
    manifest = store.amend(change, operation="import", parameters=recorded, data_root=data_root)
    if manifest is None and stated:
        manifest = store.open()
    if manifest is None:
        known = ", ".join([f"all {len(rows) - len(added.left_out)} of them in it", *_kept(mended)])
        found = "; ".join([known, *added.notes()])
        raise UserError(f"expected images that v{store.latest()} doesn't hold, found {found}; nothing to import")
    notes = [
        *checked.notes,
        *(stated.notes if stated else []),
        *writer.notes(),
        *_repeated(checked.pairs, rows),
        *lines_on({"masks in the dataset were replaced by these; earlier versions keep the old ones": mended.names}),
        *_kept(mended),
        *added.notes(),
    ]
    return Imported(
        manifest,
        checked.encoding,
        rows_added=added.count,
        duplicates=len(distinct) - added.count - len(added.left_out) - len(mended.names),
        causes=checked.causes,
        skipped=checked.skipped,
        notes=notes,
        repeated=len(rows) - len(distinct),
        mended=len(mended.names),
    )


def _repeated(pairs: Sequence[TrustedPair], rows: Sequence[Row]) -> list[str]:
    """Notes on images that came twice: the same bytes under two names."""
    firsts: dict[str, tuple[str, str]] = {}
    same: list[str] = []
    others: list[str] = []
    for pair, row in zip(pairs, rows, strict=True):
        own = pair.name, row["mask_sha256"]
        first = firsts.setdefault(row["sample_id"], own)
        if first is not own:
            (same if first[1] == own[1] else others).append(f"{pair.name} is {first[0]}")
    return lines_on({
        "images came twice with two masks, of which the first counts": others,
        "images came twice with one mask": same,
    })  # fmt: skip


def _kept(mended: MendedMasks) -> list[str]:
    return lines_on({"are in it with masks of another origin (teacher, face crop), which stay": mended.kept})


def _check_pairs(
    pairs: Sequence[TrustedPair | LeftOut],
    encoding: MaskEncoding | None,
    inverted: bool | None,
    tombstones: Tombstones,
    *,
    person_label: PersonLabel | None,
    grey_levels: bool,
    skip_broken: bool,
) -> _Checked:
    """Decode every pair once; UserError for masks whose person is ambiguous.

    Masks of another shape than their image are left out with `skip_broken`, else a UserError.
    """
    statistics = MaskStatistics()
    sizes = _Sizes()
    usable: list[TrustedPair] = []
    grids: list[Pixels] = []
    skipped, causes = list[str](), Counter[str]()
    for pair in progress(pairs, "checking pairs"):
        if isinstance(pair, LeftOut):
            skipped.append(f"{pair.line}: left out")
            causes[pair.what] += len(pair.names)
            continue
        try:
            data = pair.read_image()
            shape = decode_image(data).shape[:2]
            _require_not_forgotten(pair.uri, sha256_hex(data), shape, tombstones)
            stored = pair.read_mask()
        except UserError as error:
            skipped.append(f"{pair.name}: {error}")
            causes[_cause(error)] += 1
            continue
        values = turned_as_image(stored, data, shape)
        if not sizes.add(pair, stored, values, shape, data):
            continue
        statistics.add(values, pair.mask_name)
        usable.append(pair)
        grids.append(grid(values))
    if sizes.other and not skip_broken:
        raise UserError(
            f"expected masks of their image's size, found {listed('others', sizes.other)}; mend them, or leave these "
            "images out with --skip-broken"
        )
    if sizes.other:
        skipped.append(f"{listed(OTHER_SHAPE, sizes.other)}: left out")
        causes[OTHER_SHAPE] += len(sizes.other)
    if not usable:
        raise UserError("expected usable pairs, found " + listed("unusable ones", skipped))
    encoding = encoding or find_encoding(statistics, person_label, grey_levels=grey_levels)
    notes = sizes.notes()
    if inverted is None:
        odd = check_polarity([encoding.to_mask(values) for values in grids], [pair.mask_name for pair in usable])
        notes += lines_on({"masks look inverted and were taken unchanged": odd})
    marked = statistics.counts[is_person(encoding)].sum()
    encoding = replace(encoding, inverted=bool(inverted))
    if not marked or (inverted and marked == statistics.counts.sum()):
        what = "a person" if marked or not inverted else "a background"
        raise UserError(
            f"expected {what} in the masks, found none in any of {len(usable)} (masks: {encoding}); "
            "check the masks, --category, --person-label and, for cvat and voc, the label map"
        )
    return _Checked(usable, encoding, causes, skipped, notes)


def _cause(error: UserError) -> str:
    """What a pair is counted as in the summary."""
    if isinstance(error, UnusableImage):
        return f"image files ({error.reason})"
    return FORGOTTEN if str(error) == FORGOTTEN else "unusable masks or files"


def _require_not_forgotten(uri: str, sha256: str, shape: tuple[int, int], tombstones: Tombstones) -> None:
    """UserError for an image (H, W) that was forgotten, as a source image or as a sample."""
    height, width = shape
    if tombstones.covers_source(uri, sha256) or sample_id(sha256, Box(0, 0, width, height)) in tombstones.samples:
        raise UserError(FORGOTTEN)


@dataclass(slots=True)
class _Sizes:
    """Lines on masks whose size or EXIF orientation differs from their image's."""

    other: list[str] = field(default_factory=list)
    scaled: list[str] = field(default_factory=list)
    turned: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)

    def add(self, pair: TrustedPair, stored: Pixels, values: Pixels, shape: tuple[int, int], image: bytes) -> bool:
        """Compare `values`, `stored` in the mask's file and turned upright, with the upright image's `shape` (H, W).

        False for a mask of another shape.
        """
        line = f"{pair.mask_name} of {_size(stored.shape)} for an image of {_size(shape)}"
        if values is not stored:
            self.turned.append(pair.mask_name)
        elif same_aspect(values.shape, shape[::-1]) and not same_aspect(values.shape, shape):
            tagged = exif_orientation(image) != 1 or pair.mask_is_turned
            self.other.append(line + (", a quarter turn: see the EXIF orientation of both" if tagged else ""))
            return False
        if values.shape != shape and not same_aspect(values.shape, shape):
            self.other.append(line)
            return False
        if values.shape != shape:
            self.scaled.append(line)
        elif exif_orientation(image) not in self._decided_by_size(shape) and not pair.mask_is_turned:
            self.undecided.append(pair.mask_name)
        return True

    def notes(self) -> list[str]:
        """Lines on changed masks, and on masks whose orientation the sizes leave open."""
        return lines_on({
            "masks resized to their images": self.scaled,
            "masks turned by their images' EXIF, as their sizes require": self.turned,
            "masks without an EXIF orientation, of images that have one, were taken to be upright; look at these":
                self.undecided,
        })  # fmt: skip

    @staticmethod
    def _decided_by_size(shape: tuple[int, int]) -> tuple[int, ...]:
        """Orientations that need no note: upright, and quarter turns of an image that isn't square."""
        return (1,) if shape[0] == shape[1] else (1, *QUARTER_TURNS)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"


@dataclass(slots=True)
class _Writer:
    """Pairs -> blobs and rows; counts images that `blob_mode` can't use unchanged (`stored_anew`), by reason."""

    blobs: BlobStore
    encoding: MaskEncoding
    blob_mode: BlobMode
    source: str
    license: str | None
    attribution: str | None
    stored_anew: Counter[str] = field(default_factory=Counter)
    empty: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)

    def write(self, pair: TrustedPair) -> Row:
        data = pair.read_image()
        rgb = decode_image(data)
        mask = self.encoding.to_mask(turned_as_image(pair.read_mask(), data, rgb.shape[:2]))
        person = np.count_nonzero(mask >= PERSON_LEVEL)
        if person in (0, mask.size):
            (self.full if person else self.empty).append(pair.mask_name)
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
        reasons = ", ".join(f"{count} {reason}" for reason, count in self.stored_anew.most_common())
        notes = [f"{self.stored_anew.total()} images stored as JPEG all the same: {reasons}"] if reasons else []
        return notes + lines_on({
            "masks show no person; look at these": self.empty,
            "masks show only person; look at these": self.full,
        })  # fmt: skip

    def _original(self, data: bytes, uri: str) -> Blob | None:
        if self.blob_mode == "copy":
            return None
        try:
            return put_original(self.blobs, data, uri, self.blob_mode)
        except StoredAnew as reason:
            self.stored_anew[str(reason)] += 1
            return None
