"""`verify`: every blob's digest and size and the schema, all problems at once, in the order of the rows."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from joined_rows import join_dataset
from PIL import ExifTags, Image

from manifests.files.blobs import Blob, BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.samples.duplicates import MAX_HAMMING_DISTANCE
from manifests.samples.sample import Row, Source, store_sample
from manifests.store.file_metadata import METADATA_KEY
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.schema import SCHEMA
from manifests.upkeep.verify import verify

ROWS = 70  # more than two threads' turns


def picture(seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC))


def mask(seed: int) -> Pixels:
    values = np.zeros((64, 48), np.uint8)
    values[20:, :30] = 150 + seed
    return values


Edit = Callable[[Row], Row]


class Dataset:
    """Seventy samples in v1."""

    def __init__(self, root: Path) -> None:
        self.blobs = BlobStore(root / "data")
        self.store = ManifestStore(root / "manifests")

    def fill(self) -> None:
        rows = [
            store_sample(
                self.blobs,
                picture(seed),
                mask(seed),
                source=Source("web", f"/{seed}.jpg", f"{seed:064x}"),
                roi=Box(0, 0, 48, 64),
                origin="teacher",
                teacher="toy@0123456789ab",
            )
            for seed in range(ROWS)
        ]
        self.store.update(
            lambda table, version: join_dataset(rows, table, version=version),
            operation="generate",
            parameters={},
            data_root=self.blobs.root,
        )

    def rows(self) -> list[Row]:
        return list(self.store.open().read().to_pylist())

    def with_row(self, number: int, **changes: object) -> Manifest:
        """A version in which one row is changed."""
        rows = self.rows()
        rows[number] |= changes
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        return self.store.commit(table, parent=1, operation="edit", parameters={}, data_root=self.blobs.root)

    def with_blob(self, number: int, kind: str, data: bytes) -> Manifest:
        """A version in which one row's image or mask is another file, of that digest."""
        blob: Blob = self.blobs.put(data, ".jpg" if kind == "image" else ".png")
        return self.with_row(number, **{kind: blob.path, f"{kind}_sha256": blob.sha256})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("verified")
    Dataset(root).fill()
    return root


@pytest.fixture
def dataset(original: Path, tmp_path: Path) -> Dataset:
    """A copy: a hundred and forty blobs are synced to the disk once."""
    return Dataset(Path(shutil.copytree(original, tmp_path / "set")))


def encoded(pixels: Pixels, format_name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format_name, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("decode", [False, True])
def test_a_sound_version_has_no_problems(dataset: Dataset, decode: bool) -> None:
    assert verify(dataset.store.open(), decode=decode) == []


@pytest.mark.parametrize("bits", [0, 6, 7])
@pytest.mark.parametrize("splits", [("train", "test"), ("val", "train"), ("test", "val"), ("train", "train")])
def test_near_duplicates_in_two_splits_are_found(dataset: Dataset, bits: int, splits: tuple[str, str]) -> None:
    first = next(number for number, row in enumerate(dataset.rows()) if row["split"] == splits[0])
    others = [number for number, row in enumerate(dataset.rows()) if row["split"] == splits[1] and number != first]
    phash = int(dataset.rows()[first]["phash"], 16)
    manifest = dataset.with_row(others[-1], phash=f"{phash ^ (2**bits - 1) << 20:016x}")
    rows, problems = manifest.read().to_pylist(), verify(manifest)
    if bits > MAX_HAMMING_DISTANCE or splits[0] == splits[1]:
        assert problems == []
    else:
        one, other = (rows[number] for number in sorted((first, others[-1])))
        named = f"sample {one['sample_id']} ({one['split']}) and sample {other['sample_id']} ({other['split']})"
        found = f"found perceptual hashes that differ in {bits} of 64 bits"
        assert problems == [f"{named}: expected near-duplicates in one split, {found}"]


@pytest.mark.parametrize("bit", [0, 8 * 333 + 5, -1], ids=["first", "middle", "last"])
def test_one_flipped_bit_is_found_and_its_blob_named(dataset: Dataset, bit: int) -> None:
    row = dataset.rows()[41]
    path = dataset.blobs.root / row["image"]
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    [problem] = verify(dataset.store.open())
    assert problem.startswith(f"sample {row['sample_id']}: expected {path} to have the SHA-256 {row['image_sha256']}")


def test_problems_come_in_the_order_of_the_rows(dataset: Dataset) -> None:
    rows = dataset.rows()
    for number in (69, 0, 33):
        (dataset.blobs.root / rows[number]["mask"]).unlink()
    found = verify(dataset.store.open())
    assert [problem.split(":")[0] for problem in found] == [
        f"sample {rows[number]['sample_id']}" for number in (0, 33, 69)
    ]


@pytest.mark.parametrize(
    ("kind", "pixels", "options"),
    [("image", picture(0)[:40], {"format_name": "JPEG"}), ("mask", mask(0)[:, :33], {"format_name": "PNG"})],
)
def test_a_blob_of_another_size_is_a_problem(
    dataset: Dataset, kind: str, pixels: Pixels, options: dict[str, str]
) -> None:
    manifest = dataset.with_blob(5, kind, encoded(pixels, **options))
    [problem] = verify(manifest)
    assert f", {kind}: expected (64, 48) (H, W), found {pixels.shape[:2]} in blobs/" in problem


def lying_down() -> bytes:
    """64x48 as stored, but EXIF says to turn it: upright it is 48x64."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return encoded(picture(0), "JPEG", exif=exif)


def test_a_picture_that_lies_down_has_the_size_it_has_upright(dataset: Dataset) -> None:
    [problem] = verify(dataset.with_blob(5, "image", lying_down()))
    assert "expected (64, 48) (H, W), found (48, 64)" in problem


@pytest.mark.parametrize("data", [picture(0), picture(0)[..., 0]], ids=["RGB", "grey"])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_an_image_may_be_of_any_format_that_can_be_decoded(dataset: Dataset, data: Pixels, format_name: str) -> None:
    options = {"progressive": True} if format_name == "JPEG" else {}
    assert verify(dataset.with_blob(5, "image", encoded(data, format_name, **options))) == []


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("mask", encoded(picture(0), "PNG"), "found mode RGB"),
        ("mask", encoded(picture(0), "JPEG"), "found mode RGB"),
        ("mask", b"\x89PNG\r\n\x1a\nno more", "can't be read"),
        ("image", b"no picture", "not an image"),
        ("image", b"\xff\xd8\xff", "not an image"),
        ("image", b"", "empty file"),
    ],
)
def test_a_blob_that_is_no_image_or_no_mask_is_a_problem(dataset: Dataset, kind: str, data: bytes, words: str) -> None:
    [problem] = verify(dataset.with_blob(5, kind, data))
    assert f", {kind}: " in problem
    assert words in problem


def test_a_picture_that_breaks_off_is_found_when_pixels_are_decoded(dataset: Dataset) -> None:
    whole = encoded(picture(0), "JPEG")
    manifest = dataset.with_blob(5, "image", whole[: len(whole) - 200])
    assert verify(manifest) == []  # the bytes are those that were committed
    [problem] = verify(manifest, decode=True)
    assert "truncated" in problem


def by_hand(dataset: Dataset, column: str, values: pa.Array) -> Manifest:
    """v1 with another column, not through `commit`, which would refuse."""
    path = dataset.store.path(1)
    table = pq.read_table(path)
    stamp = {METADATA_KEY: table.schema.metadata[METADATA_KEY]}
    table = table.set_column(SCHEMA.get_field_index(column), pa.field(column, values.type), values)
    pq.write_table(table.replace_schema_metadata(stamp), path)
    return Manifest.open(path)


def test_a_split_that_leaks_and_a_flipped_bit_are_told_together(dataset: Dataset) -> None:
    rows = dataset.rows()
    blob = dataset.blobs.root / rows[9]["mask"]
    blob.write_bytes(blob.read_bytes() + b"\0")
    table = [row | {"group_id": rows[0]["group_id"], "split": "test" if n else "train"} for n, row in enumerate(rows)]
    by_hand(dataset, "group_id", pa.array([row["group_id"] for row in table]))
    leak, flipped = verify(by_hand(dataset, "split", pa.array([row["split"] for row in table])))
    assert leak == f"near-duplicate groups lie in several splits: {rows[0]['group_id']}"
    assert blob.name in flipped


def test_a_path_that_leaves_the_data_root_is_a_problem(dataset: Dataset) -> None:
    [problem] = verify(dataset.with_row(3, mask="../outside.png"))
    assert "expected a blob path under" in problem


def test_columns_that_are_no_text_are_told_and_no_blob_is_looked_for(dataset: Dataset) -> None:
    [problem] = verify(by_hand(dataset, "mask", pa.array([1] * ROWS)))
    assert problem == "column mask: expected type string, found int64"


def test_a_blob_path_with_a_zero_byte_is_a_problem_of_its_row(dataset: Dataset) -> None:
    masks = pa.array(["a\0b", *(row["mask"] for row in dataset.rows()[1:])])
    [problem] = verify(by_hand(dataset, "mask", masks))
    assert "expected a blob path under" in problem


def test_nulls_are_told_and_the_other_rows_are_checked(dataset: Dataset) -> None:
    rows = dataset.rows()
    (dataset.blobs.root / rows[7]["image"]).unlink()
    masks = pa.array([None, *(row["mask"] for row in rows[1:])])
    null, missing = verify(by_hand(dataset, "mask", masks))
    assert null.startswith("column mask is null in 1 row(s): row 0")
    assert rows[7]["sample_id"] in missing
