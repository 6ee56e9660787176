"""A person segmenter in an ONNX file, with a description of its input and output (onnx_description.py).

The description is a JSON file of the same stem beside it, or, in files that `python -m trainer.export` writes, an entry
`description` of the file's metadata. The pipeline uses such files as teachers, the trainer compares with them.

A description that the network contradicts is refused when the file is opened: its signature is compared, and it runs
once on a synthetic image; for batches also on two at once.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.pixels.geometry import Pixels
from manifests.pixels.letterbox import letterbox, without_padding
from manifests.pixels.onnx_description import OnnxOutput, parse_description, read_description
from manifests.pixels.onnx_providers import CPU, choose_providers, require_device

Prob = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

logger = logging.getLogger(__name__)

DESCRIPTION = "description"  # the key in an ONNX file's own metadata
UINT8 = "tensor(uint8)"  # ONNX Runtime's name of the type
INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    UINT8: np.uint8,
}
ERRORS_ALONE = 3  # ONNX Runtime's severity; its warnings on initialisers that are inputs take hundreds of lines

RANGE_SLACK_PROB = 0.01  # float16 and int8 networks overshoot 0 and 1 by rounding
BATCH_SLACK = 1e-2  # between one image alone and in a batch, where float16 rounds differently
MAX_STRIDE = 64  # input pixels per output pixel; usual networks have 1 to 32
SIDES_RATIO = 1.25  # between the scales of height and width, for sides that the stride doesn't divide


class OnnxSegmenter:
    """A network that ONNX Runtime runs; UserError when the file or its description is unusable.

    `threads` per image, 0 for one per core. `device` is auto, cpu, cuda or cuda:N. `batch_size` images run at once:
    1 until `prepare_batches`. `digest`, 64 hex digits, covers the file and its description, so all that decides the
    probabilities. Safe to use from threads.
    """

    def __init__(self, path: Path, *, threads: int = 0, device: str = "cpu") -> None:
        self._session = open_session(path, threads=threads, device=device)
        beside = path.with_suffix(".json")
        own = self._session.get_modelmeta().custom_metadata_map.get(DESCRIPTION)
        is_inside = own is not None and not beside.is_file()
        self.input, self.output = parse_description(own, path) if is_inside else read_description(path)
        self._path, self._description = path, "its own description" if is_inside else beside.name
        self._input_name, self._input_type = self._find_input()
        self._output_name = self._find_output()
        self._try_out()
        self.batch_size = 1
        self.digest = sha256_hex(path.read_bytes() + (b"" if is_inside else beside.read_bytes()))

    @property
    def on_gpu(self) -> bool:
        """Whether another provider than the CPU's runs the network."""
        return bool(self._session.get_providers()[0] != CPU)

    def prepare_batches(self, batch_size: int) -> None:
        """Run up to `batch_size` images at once, if the network takes two; else one, with a warning."""
        self.batch_size = batch_size if batch_size == 1 or self._takes_batches() else 1

    def person_prob(self, rgb: Pixels) -> Prob:
        """RGB uint8 (H, W, 3) -> person probability float32 (H, W) in [0, 1].

        UserError when the network's values aren't probabilities.
        """
        return self._person_probs([rgb])[0]

    def person_probs(self, images: Sequence[Pixels]) -> list[Prob]:
        """`person_prob` of several images, `batch_size` at a time; they may differ in size."""
        starts = range(0, len(images), self.batch_size)
        return [prob for start in starts for prob in self._person_probs(images[start : start + self.batch_size])]

    def run(self, batch: Array) -> Array:
        """Run the network: its input -> the described output."""
        return np.asarray(self._session.run([self._output_name], {self._input_name: np.ascontiguousarray(batch)})[0])

    def _person_probs(self, images: Sequence[Pixels]) -> list[Prob]:
        """`person_prob` of images in one run."""
        batch = np.concatenate([self._batch(rgb) for rgb in images])
        try:
            raw = self.run(batch)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            remedy = "give a smaller --batch-size" if len(images) > 1 else "free some memory, or use --device cpu"
            raise UserError(
                f"expected {self._path} to run on {batch.shape}, found {_first_line(error)!r}; {remedy}"
            ) from error
        return [
            self._resized(self._prob(channels), *rgb.shape[:2])
            for channels, rgb in zip(self._channels(raw, len(images)), images, strict=True)
        ]

    def _batch(self, rgb: Pixels) -> Array:
        """RGB uint8 (H, W, 3) -> the network's input, a batch of 1."""
        height, width = self.input.height, self.input.width
        if self.input.resize == "letterbox":
            resized = letterbox(rgb, height, width, padding_value=self.input.padding_value)
        else:
            resized = squeeze(rgb, height, width)
        ordered = resized if self.input.colour_order == "rgb" else resized[..., ::-1]
        if self._input_type != UINT8:
            ordered = (ordered - np.array(self.input.mean)) / np.array(self.input.std)
        batch = ordered[None] if self.input.layout == "nhwc" else ordered.transpose(2, 0, 1)[None]
        return np.asarray(batch, INPUT_TYPES[self._input_type])

    def _channels(self, raw: Array, images: int = 1) -> npt.NDArray[np.float32]:
        """(N, C, H, W), (N, H, W, C) or (N, H, W) -> (N, C, H, W)."""
        first = self.output.layout == "nchw"
        batch = raw[:, None] if raw.ndim == 3 and first else raw[..., None] if raw.ndim == 3 else raw
        wanted = f"({images}, channels, height, width)" if first else f"({images}, height, width, channels)"
        if batch.ndim != 4 or len(batch) != images:
            raise self._contradicts(f"an output {wanted}", f"one of {raw.shape}")
        channels = batch if first else batch.transpose(0, 3, 1, 2)
        _, count, height, width = channels.shape
        if not _is_scaled(height / self.input.height, width / self.input.width):
            scaled = f"an output {wanted} with the aspect of {self.input.height}x{self.input.width}"
            raise self._contradicts(scaled, f"one of {raw.shape}")
        if self.output.person_channel >= count:
            found = f"{count} channel(s); set output.person_channel, counted from 0"
            raise self._contradicts(f"a channel {self.output.person_channel}", found)
        return channels.astype(np.float32)

    def _prob(self, channels: npt.NDArray[np.float32]) -> Prob:
        """(C, h, w) of one image -> person probability (h, w) in [0, 1]; UserError for other values."""
        prob = person_prob_of(channels, self.output)
        low, high = float(prob.min()), float(prob.max())  # NaN when one value is
        if not (low >= -RANGE_SLACK_PROB and high <= 1 + RANGE_SLACK_PROB):
            remedy = "; for logits set output.kind" if np.isfinite(low + high) else ""
            raise self._contradicts("probabilities in 0..1", f"values from {low:g} to {high:g}{remedy}")
        return prob.clip(0, 1)

    def _resized(self, prob: Prob, height: int, width: int) -> Prob:
        """A probability (h, w) of the network's input -> (height, width) of the image."""
        if self.input.resize == "letterbox":
            prob = without_padding(prob, height, width, height=self.input.height, width=self.input.width)
        return stretch(prob, height, width)

    def _find_input(self) -> tuple[str, str]:
        """The name and type of the only input; UserError when the description differs."""
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs) or "none"
            raise UserError(f"expected a network with one input, an image, found inputs {names} in {self._path}")
        [only], described = inputs, self.input.batch_shape()
        if len(only.shape) != 4 or any(
            isinstance(n, int) and n != m for n, m in zip(only.shape, described, strict=True)
        ):
            raise self._contradicts(f"a network that takes {described}", f"one that takes {tuple(only.shape)}")
        if only.type not in INPUT_TYPES:
            known = ", ".join(INPUT_TYPES)
            raise UserError(f"expected a network that takes one of {known}, found {only.type} in {self._path}")
        if only.type == UINT8 and (any(self.input.mean) or set(self.input.std) != {1}):
            raise UserError(f"expected mean 0 and std 1 for {self._path}, which takes unscaled pixels, found others")
        return only.name, only.type

    def _find_output(self) -> str:
        """The name of the described output; UserError when it is missing or ambiguous."""
        names: list[str] = [each.name for each in self._session.get_outputs()]
        if self.output.name is None and len(names) == 1:
            return names[0]
        if self.output.name is None:
            remedy = f'name the one that is the mask with "name" under "output" in {self._description}'
            raise UserError(f"expected one output, found {', '.join(names)} in {self._path}; {remedy}")
        if self.output.name not in names:
            raise self._contradicts(f"an output called {self.output.name}", ", ".join(names))
        return self.output.name

    def _try_out(self) -> None:
        """Run on a synthetic image; UserError when the output contradicts the description."""
        rgb = _synthetic_image(self.input.height, self.input.width)
        batch = self._batch(rgb)
        try:
            raw = self.run(batch)
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            found = f"the error {_first_line(error)!r}"
            raise self._contradicts(f"a network that runs on {batch.shape}", found) from error
        if self.output.kind == "logits" and _like_probabilities(self._channels(raw)[0]):
            raise self._contradicts("logits", "values in 0..1, like probabilities; set output.kind")
        self.person_prob(rgb)

    def _takes_batches(self) -> bool:
        """Whether two images at once give what each gives alone; a warning names a file that takes one."""
        if isinstance(self._session.get_inputs()[0].shape[0], int):
            logger.warning("%s takes one image at a time: its batch axis has a fixed length", self._path)
            return False
        rgb = _synthetic_image(self.input.height, self.input.width)
        images = self._batch(rgb), self._batch(rgb // 2)
        alone = np.concatenate([self.run(image) for image in images])
        try:
            together = self.run(np.concatenate(images))
        except Exception as error:  # ONNX Runtime's exceptions share no base of their own
            logger.warning("%s takes one image at a time: two fail with %r", self._path, _first_line(error))
            return False
        if together.shape != alone.shape or not np.allclose(together, alone, rtol=BATCH_SLACK, atol=BATCH_SLACK):
            logger.warning("%s takes one image at a time: two at once give other values", self._path)
            return False
        return True

    def _contradicts(self, expected: str, found: str) -> UserError:
        return UserError(f"expected {expected}, as {self._description} says, found {found} in {self._path}")


def open_session(path: Path, *, threads: int = 0, device: str = "cpu") -> onnxruntime.InferenceSession:
    """Open a session on `device`; UserError when the file is missing or ONNX Runtime can't run it there."""
    if not path.is_file():
        raise UserError(f"expected an ONNX file at {path}, found none")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ALONE
    options.add_session_config_entry("session.force_spinning_stop", "1")  # idle threads leave the cores to others
    providers = choose_providers(device, onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # its exceptions share no base of their own
        raise UserError(f"expected an ONNX file at {path}, found another or a damaged one") from error
    require_device(device, session.get_providers())
    return session


def squeeze(rgb: Pixels, height: int, width: int) -> Pixels:
    """uint8 (H, W, 3) -> uint8 (height, width, 3), any aspect; area averages when it shrinks."""
    shrinks = rgb.shape[0] >= height and rgb.shape[1] >= width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=interpolation), np.uint8)


def stretch(prob: Prob, height: int, width: int) -> Prob:
    """Float (h, w) -> (height, width), bilinear."""
    return np.asarray(cv2.resize(prob, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def person_prob_of(channels: npt.NDArray[np.float32], output: OnnxOutput) -> Prob:
    """(C, H, W) -> (H, W): the sigmoid or softmax of logits, or the person's channel of probabilities."""
    person = channels[output.person_channel]
    if output.kind == "probability":
        return np.asarray(person)
    others = np.delete(channels, output.person_channel, axis=0)
    with np.errstate(over="ignore", invalid="ignore"):  # extreme logits are 0 or 1; NaN stays NaN
        against = np.logaddexp.reduce(others, axis=0) if len(others) else np.float32(0)
        return np.asarray(1 / (1 + np.exp(against - person)), np.float32)


def _synthetic_image(height: int, width: int) -> Pixels:
    """RGB uint8 (height, width, 3): noise above, a ramp from black to white below."""
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    rgb[height // 2 :] = np.linspace(0, 255, width).astype(np.uint8)[:, None]
    return rgb


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_scaled(vertically: float, horizontally: float) -> bool:
    """Whether output and input have the same aspect, within SIDES_RATIO, at a stride up to MAX_STRIDE."""
    smaller, larger = sorted((vertically, horizontally))
    return smaller * MAX_STRIDE >= 1 and larger <= SIDES_RATIO * smaller


def _like_probabilities(channels: npt.NDArray[np.float32]) -> bool:
    """Whether all values lie in [0, 1] and several channels sum to 1."""
    inside = bool(((channels >= 0) & (channels <= 1)).all())
    return inside and (len(channels) == 1 or bool(np.allclose(channels.sum(axis=0), 1, atol=RANGE_SLACK_PROB)))
