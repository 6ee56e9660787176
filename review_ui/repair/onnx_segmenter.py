"""A point-prompt segmenter in two ONNX files, an encoder and a decoder, run by ONNX Runtime on the CPU.

A pair is tried out when it is opened: one point on a grey image must give a finite mask of the image's size.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import INPUT_TYPES, open_session
from review_ui.repair.embedding_cache import Embedding, EmbeddingCache
from review_ui.repair.prompt_layouts import EMBEDDING_SHAPE, Array, layout_of
from review_ui.repair.segmenter import Labels, Points, Prob

MAX_THREADS = 4  # of each network: the others are for the page
TENSOR_TYPES = INPUT_TYPES | {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
EMBEDDINGS = "image_embeddings"  # the encoder's output, and the decoder's input
PROBE_SIZE = (96, 64)  # height, width of the grey image: neither square nor that of an export's example
PROBE_SHA256 = ""
MAX_LOGIT = 30  # beyond it float32 probabilities are 0 or 1

Session = onnxruntime.InferenceSession


class OnnxSegmenter:
    """A `PointSegmenter`; open it with `open`. Safe to use from threads; one image is encoded at a time."""

    def __init__(self, encoder: "_Network", decoder: "_Network") -> None:
        self._encoder, self._decoder = encoder, decoder
        self._layout = layout_of(encoder.inputs, decoder.inputs, decoder.outputs)
        self._embeddings = EmbeddingCache()
        self._encoding = threading.Lock()  # one run takes hundreds of MB: 600 for MobileSAM

    @classmethod
    def open(cls, folder: Path) -> "OnnxSegmenter":
        """Open encoder.onnx and decoder.onnx, or *_encoder.onnx and *_decoder.onnx, in `folder`, and try them out.

        UserError when there isn't one of each, or when they are no pair of a known layout.
        """
        encoder, decoder = (_Network(_only(folder, part)) for part in ("encoder", "decoder"))
        try:
            segmenter = cls(encoder, decoder)
            grey = np.full((*PROBE_SIZE, 3), 128, np.uint8)
            centre = np.array([[PROBE_SIZE[1] / 2, PROBE_SIZE[0] / 2]], np.float32)
            segmenter.object_prob(grey, centre, np.ones(1, np.float32), image_sha256=PROBE_SHA256)
        except UserError as error:
            raise UserError(f"{error} (in {folder})") from error
        return segmenter

    def object_prob(self, rgb: Pixels, points: Points, labels: Labels, *, image_sha256: str) -> Prob:
        """RGB uint8 (H, W, 3), points (N, 2), labels (N,) -> probability float32 (H, W) of the object at the points."""
        if not 1 <= len(points) <= self._layout.max_points:
            raise UserError(f"expected 1 to {self._layout.max_points} points at a time, found {len(points)}")
        size = rgb.shape[0], rgb.shape[1]
        embedding = self._embeddings.get(image_sha256, lambda: self._embed(rgb))
        prompt = self._layout.prompt_inputs(points, labels, size)
        outputs = self._decoder.run(prompt | {EMBEDDINGS: embedding}, self._layout.outputs)
        logits = self._layout.logits(outputs, len(points), size)
        return np.asarray(1 / (1 + np.exp(-logits.clip(-MAX_LOGIT, MAX_LOGIT))), np.float32)

    def _embed(self, rgb: Pixels) -> Embedding:
        """RGB uint8 (H, W, 3) -> the embedding, of EMBEDDING_SHAPE."""
        [name] = self._encoder.inputs
        with self._encoding:
            embedding = self._encoder.run({name: self._layout.image_input(rgb)}, [EMBEDDINGS])[EMBEDDINGS]
        if embedding.shape != EMBEDDING_SHAPE:
            raise UserError(f"expected {EMBEDDINGS} of the shape {EMBEDDING_SHAPE}, found {embedding.shape}")
        if not np.isfinite(embedding).all():
            raise UserError(f"expected finite values in {EMBEDDINGS}, found NaN or infinity")
        return embedding


class _Network:
    """One ONNX file: names and shapes of its inputs, names of its outputs; UserError when it can't be used."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._session = open_session(path, threads=min(MAX_THREADS, os.cpu_count() or 1))
        inputs = self._session.get_inputs()
        self.inputs: dict[str, list[int | str | None]] = {each.name: each.shape for each in inputs}
        self.outputs: list[str] = [each.name for each in self._session.get_outputs()]
        self._types = {each.name: self._type_of(each) for each in inputs}

    def run(self, values: dict[str, Array], outputs: Sequence[str]) -> dict[str, Array]:
        """Values and outputs by their names; values are cast to the types of the graph."""
        fed = {name: self._cast(name, value) for name, value in values.items()}
        missing = sorted(set(outputs) - set(self.outputs))
        if missing:
            raise UserError(
                f"expected the output {', '.join(missing)} in {self._name}, found ({', '.join(self.outputs)})"
            )
        try:
            results = self._session.run(list(outputs), fed)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            reason = str(error).splitlines()[0]
            raise UserError(f"expected {self._name} to run on the inputs of its layout, found {reason!r}") from error
        return dict(zip(outputs, map(np.asarray, results), strict=True))

    def _cast(self, name: str, value: Array) -> Array:
        """The value in the graph's type; UserError when integers can't hold it."""
        cast = np.ascontiguousarray(value, self._types[name])
        if np.issubdtype(cast.dtype, np.integer) and (cast != value).any():
            raise UserError(f"expected {self._name} to take {name} as float, found {cast.dtype}; export it as float32")
        return cast

    def _type_of(self, tensor: Any) -> type[Any]:
        if tensor.type not in TENSOR_TYPES:
            known = ", ".join(TENSOR_TYPES)
            raise UserError(f"expected an input {tensor.name} of {known}, found {tensor.type} in {self._name}")
        return TENSOR_TYPES[tensor.type]


def _only(folder: Path, part: str) -> Path:
    """The one file of that part in `folder`."""
    if not folder.is_dir():
        raise UserError(f"expected a directory with encoder.onnx and decoder.onnx at {folder}, found none")
    names = (f"{part}.onnx", f"*[._-]{part}.onnx")
    files = sorted(path for name in names for path in folder.glob(name))
    if len(files) != 1:
        found = ", ".join(path.name for path in files) or "none"
        raise UserError(
            f"expected one {part}.onnx, or *_{part}.onnx, in {folder}, found {found}; "
            "keep one encoder and one decoder in it"
        )
    return files[0]
