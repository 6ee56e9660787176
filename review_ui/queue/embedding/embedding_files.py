"""Embeddings kept under the data root: embeddings/<encoder>/<part>.parquet, columns image_sha256 and embedding.

A part is written whole or not at all and never changes; several servers on one data root may write at once. Deleting
the folder costs nothing but the time to compute them again.
"""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.files.atomic import write_replace
from manifests.files.blobs import sha256_hex
from manifests.files.storage import PARQUET_DAMAGE

logger = logging.getLogger(__name__)

Vectors = npt.NDArray[np.float16]  # (N, D)


class EmbeddingFiles:
    """The embeddings of one encoder, `dimensions` numbers each."""

    def __init__(self, data_root: Path, encoder: str, dimensions: int) -> None:
        self._folder = data_root / "embeddings" / encoder
        self._schema = pa.schema({"image_sha256": pa.string(), "embedding": pa.binary(2 * dimensions)})

    def load(self) -> tuple[pa.Array, Vectors]:
        """All digests, and their embeddings (N, D); an unreadable part is left out, with a warning."""
        table = pa.concat_tables([self._schema.empty_table(), *map(self._read, sorted(self._folder.glob("*.parquet")))])
        table = table.combine_chunks()
        cells = table["embedding"].combine_chunks()
        dimensions = self._schema.field("embedding").type.byte_width // 2
        values = np.frombuffer(cells.buffers()[1] or b"", np.float16)[: dimensions * len(cells)]
        return table["image_sha256"].combine_chunks(), values.reshape(len(cells), dimensions)

    def add(self, digests: Sequence[str], vectors: Vectors) -> None:
        """Write one part."""
        cells = [row.tobytes() for row in np.ascontiguousarray(vectors, np.float16)]
        part = pa.table([pa.array(digests), pa.array(cells, self._schema.field("embedding").type)], self._schema)
        data = io.BytesIO()
        pq.write_table(part, data)
        name = sha256_hex("".join(digests).encode())[:16]
        write_replace(self._folder / f"{name}.parquet", data.getvalue())

    def _read(self, path: Path) -> pa.Table:
        try:
            with pq.ParquetFile(io.BytesIO(path.read_bytes())) as file:
                return file.read().cast(self._schema)
        except (*PARQUET_DAMAGE, ValueError) as error:  # ValueError: other columns
            logger.warning("expected embeddings in %s, found a damaged file (%s); delete it", path, error)
            return self._schema.empty_table()
