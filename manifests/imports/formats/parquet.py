"""Parquet files with embedded images, as `push_to_hub` of Hugging Face datasets writes -> trusted pairs.

The column `image` holds the images and `mask` the masks, both as struct<bytes, path>; or one other column of that type.
`license` and `attribution` are optional. One row group is in memory at a time.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import UserError
from manifests.files.storage import PARQUET_DAMAGE
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.json_file import text
from manifests.pixels.geometry import Pixels
from manifests.pixels.image_files import source_uri
from manifests.pixels.mask_values import mask_values

IMAGE, MASK = "image", "mask"


def read_parquet(annotations: Path, images: Path | None, _category: str) -> list[TrustedPair | LeftOut]:
    """The rows of a Parquet file, or of all below a directory, in their order; rows without a mask are left out.

    UserError for a damaged file, and for one without a column of images and one of masks.
    """
    if images is not None:
        raise UserError("expected no --images with Parquet files, found one; the files hold them")
    files = sorted(annotations.rglob("*.parquet")) if annotations.is_dir() else [annotations]
    if not files:
        raise UserError(f"expected Parquet files with images in {annotations}, found none; check the path")
    pairs: list[TrustedPair] = []
    without: list[str] = []
    for file in files:
        for entry in _File(file).entries():
            pairs.append(entry) if isinstance(entry, TrustedPair) else without.append(entry)
    if not pairs:
        raise UserError(f"expected rows with an image and a mask in {annotations}, found none")
    return [*pairs, *left_out({"rows without an image or a mask": without})]


class _File:
    """One file: its rows' names at once, their bytes when they are read; the last row group is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(path)
        except PARQUET_DAMAGE as error:
            raise UserError(f"expected a sound Parquet file at {path}, found none or damage ({error})") from error
        self.image, self.mask = _columns(self._file.schema_arrow, path)
        self._group: tuple[int, pa.Table] | None = None

    def entries(self) -> Iterator[TrustedPair | str]:
        """A pair a row, or the name of a row without an image or a mask."""
        texts = [name for name in ("license", "attribution") if name in self._file.schema_arrow.names]
        number = 0
        for group in range(self._file.num_row_groups):
            table = self._read(group)
            present = [table[name].combine_chunks().field("bytes").is_valid() for name in (self.image, self.mask)]
            paths = table[self.image].combine_chunks().field("path").to_pylist()
            stated: Sequence[dict[str, Any]] = table.select(texts).to_pylist() if texts else [{}] * len(table)
            for row in range(len(table)):
                name = f"{number}/{paths[row]}" if paths[row] else str(number)
                number += 1
                if all(column[row].as_py() for column in present):
                    yield self._pair(name, group, row, stated[row])
                else:
                    yield f"{self.path.name}/{name}"

    def _pair(self, name: str, group: int, row: int, stated: dict[str, Any]) -> TrustedPair:
        mask_name = f"the mask of {self.path.name}/{name}"
        return TrustedPair(
            name=f"{self.path.name}/{name}",
            mask_name=mask_name,
            uri=f"{source_uri(self.path)}/{name}",
            read_image=partial(self._bytes, self.image, group, row),
            read_mask=partial(self._mask_values, group, row, mask_name),
            license=text(stated.get("license")),
            attribution=text(stated.get("attribution")),
            mask_file=partial(self._bytes, self.mask, group, row),
        )

    def _read(self, group: int) -> pa.Table:
        if self._group is None or self._group[0] != group:
            wanted = [self.image, self.mask, "license", "attribution"]
            names = [name for name in wanted if name in self._file.schema_arrow.names]
            try:
                self._group = group, self._file.read_row_group(group, columns=names)
            except PARQUET_DAMAGE as error:
                raise UserError(f"expected a sound row group {group} in {self.path}, found damage ({error})") from error
        return self._group[1]

    def _bytes(self, column: str, group: int, row: int) -> bytes:
        data: bytes = self._read(group)[column][row]["bytes"].as_py()
        return data

    def _mask_values(self, group: int, row: int, name: str) -> Pixels:
        return mask_values(self._bytes(self.mask, group, row), name)


def _columns(schema: pa.Schema, path: Path) -> tuple[str, str]:
    """The columns of the images and of the masks; UserError when they are ambiguous."""
    embedded = [each.name for each in schema if pa.types.is_struct(each.type) and _holds_files(each.type)]
    others = [name for name in embedded if name != IMAGE]
    if IMAGE in embedded and (MASK in others or len(others) == 1):
        return IMAGE, MASK if MASK in others else others[0]
    raise UserError(
        f"expected the columns {IMAGE} and {MASK} with embedded images in {path}, found "
        f"{', '.join(embedded) or 'none of that type'}; rename the columns"
    )


def _holds_files(struct: pa.StructType) -> bool:
    names = {struct.field(place).name for place in range(struct.num_fields)}
    return {"bytes", "path"} <= names
