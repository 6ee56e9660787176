"""A person segmenter in an ONNX file, with a description of its input and output (onnx_description.py).

The description is a JSON file of the same stem beside it, or, in files that `python -m trainer.export` writes, an entry
`description` of the file's metadata. The pipeline uses such files as teachers, the trainer compares with them.

A description that the network contradicts is refused when the file is opened: its signature is compared, and it runs
once on a synthetic image.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_description import OnnxOutput, parse_description, read_description

Prob = npt.NDArray[np.float32]
Array = npt.NDArray[Any]

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
MAX_STRIDE = 64  # input pixels per output pixel; usual networks have 1 to 32
SIDES_RATIO = 1.25  # between the scales of height and width, for sides that the stride doesn't divide


class OnnxSegmenter:
    """A network that ONNX Runtime runs on the CPU; UserError when the file or its description is unusable.

    `threads` per image, 0 for one per core. `digest`, 64 hex digits, covers the file and its description, so all that
    decides the probabilities. Safe to use from threads.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self._session = open_session(path, threads=threads)
        beside = path.with_suffix(".json")
        own = self._session.get_modelmeta().custom_metadata_map.get(DESCRIPTION)
        is_inside = own is not None and not beside.is_file()
        self.input, self.output = parse_description(own, path) if is_inside else read_description(path)
        self._path, self._description = path, "its own description" if is_inside else beside.name
        self._input_name, self._input_type = self._find_input()
        self._output_name = self._find_output()
        self._try_out()
        self.digest = sha256_hex(path.read_bytes() + (b"" if is_inside else beside.read_bytes()))

    def person_prob(self, rgb: Pixels) -> Prob:
        """RGB uint8 (H, W, 3) -> person probability float32 (H, W) in [0, 1].

        UserError when the network's values aren't probabilities.
        """
        prob = person_prob_of(self._channels(self.run(self._batch(rgb))), self.output)
        low, high = float(prob.min()), float(prob.max())  # NaN when one value is
        if not (low >= -RANGE_SLACK_PROB and high <= 1 + RANGE_SLACK_PROB):
            remedy = "; for logits set output.kind" if np.isfinite(low + high) else ""
            raise self._contradicts("probabilities in 0..1", f"values from {low:g} to {high:g}{remedy}")
        return stretch(prob.clip(0, 1), *rgb.shape[:2])

    def run(self, batch: Array) -> Array:
        """Run the network: its input -> the described output."""
        return np.asarray(self._session.run([self._output_name], {self._input_name: np.ascontiguousarray(batch)})[0])

    def _batch(self, rgb: Pixels) -> Array:
        """RGB uint8 (H, W, 3) -> the network's input, a batch of 1."""
        squeezed = squeeze(rgb, self.input.height, self.input.width)
        ordered = squeezed if self.input.colour_order == "rgb" else squeezed[..., ::-1]
        if self._input_type != UINT8:
            ordered = (ordered - np.array(self.input.mean)) / np.array(self.input.std)
        batch = ordered[None] if self.input.layout == "nhwc" else ordered.transpose(2, 0, 1)[None]
        return np.asarray(batch, INPUT_TYPES[self._input_type])

    def _channels(self, raw: Array) -> npt.NDArray[np.float32]:
        """(1, C, H, W), (1, H, W, C) or (1, H, W) -> (C, H, W)."""
        first = self.output.layout == "nchw"
        batch = raw[:, None] if raw.ndim == 3 and first else raw[..., None] if raw.ndim == 3 else raw
        wanted = "(1, channels, height, width)" if first else "(1, height, width, channels)"
        if batch.ndim != 4 or len(batch) != 1:
            raise self._contradicts(f"an output {wanted}", f"one of {raw.shape}")
        channels = batch[0] if first else batch[0].transpose(2, 0, 1)
        count, height, width = channels.shape
        if not _is_scaled(height / self.input.height, width / self.input.width):
            scaled = f"an output {wanted} with the aspect of {self.input.height}x{self.input.width}"
            raise self._contradicts(scaled, f"one of {raw.shape}")
        if self.output.person_channel >= count:
            found = f"{count} channel(s); set output.person_channel, counted from 0"
            raise self._contradicts(f"a channel {self.output.person_channel}", found)
        return channels.astype(np.float32)

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
            reason = str(error).splitlines()[0]
            raise self._contradicts(f"a network that runs on {batch.shape}", f"the error {reason!r}") from error
        if self.output.kind == "logits" and _like_probabilities(self._channels(raw)):
            raise self._contradicts("logits", "values in 0..1, like probabilities; set output.kind")
        self.person_prob(rgb)

    def _contradicts(self, expected: str, found: str) -> UserError:
        return UserError(f"expected {expected}, as {self._description} says, found {found} in {self._path}")


def open_session(path: Path, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """Open a session on the CPU; UserError when the file is missing or ONNX Runtime can't run it."""
    if not path.is_file():
        raise UserError(f"expected an ONNX file at {path}, found none")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ALONE
    options.add_session_config_entry("session.force_spinning_stop", "1")  # idle threads leave the cores to others
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no base of their own
        raise UserError(f"expected an ONNX file at {path}, found another or a damaged one") from error


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


def _is_scaled(vertically: float, horizontally: float) -> bool:
    """Whether output and input have the same aspect, within SIDES_RATIO, at a stride up to MAX_STRIDE."""
    smaller, larger = sorted((vertically, horizontally))
    return smaller * MAX_STRIDE >= 1 and larger <= SIDES_RATIO * smaller


def _like_probabilities(channels: npt.NDArray[np.float32]) -> bool:
    """Whether all values lie in [0, 1] and several channels sum to 1."""
    inside = bool(((channels >= 0) & (channels <= 1)).all())
    return inside and (len(channels) == 1 or bool(np.allclose(channels.sum(axis=0), 1, atol=RANGE_SLACK_PROB)))
