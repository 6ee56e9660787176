"""A person segmenter in an ONNX file, with a JSON file of the same stem beside it that describes input and output:

    {"input":  {"height": 256, "width": 256, "layout": "nhwc", "colour_order": "rgb", "mean": [0, 0, 0],
                "std": [255, 255, 255]},
     "output": {"kind": "probability", "layout": "nhwc", "person_channel": 0}}

`mean` and `std` are on the 0..255 scale; `kind` is `probability` or `logits`: two channels of logits pass a
softmax, one passes a sigmoid. What `python -m trainer.export` writes needs no such file: it carries the same JSON in
its own metadata, under `description`. Rooms that don't import each other meet in such files: the pipeline takes them
as teachers, the trainer measures them as rivals.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from manifests.errors import UserError
from manifests.files.blobs import sha256_hex
from manifests.pixels.geometry import Pixels

Layout = Literal["nchw", "nhwc"]
Kind = Literal["probability", "logits"]
Prob = npt.NDArray[np.float32]

DESCRIPTION = "description"  # the key in an ONNX file's own metadata
UINT8 = "tensor(uint8)"  # ONNX Runtime's name of the type
ERRORS_ALONE = 3  # ONNX Runtime's severity; it warns of every initialiser that is an input, hundreds of lines


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """`mean` and `std` are on the 0..255 scale and in `colour_order`."""

    height: int
    width: int
    layout: Layout
    colour_order: Literal["rgb", "bgr"]
    mean: list[float]
    std: list[float]


@dataclass(frozen=True, slots=True)
class OnnxOutput:
    kind: Kind
    layout: Layout
    person_channel: int


class OnnxSegmenter:
    """A network that ONNX Runtime runs on the CPU; UserError when the file or the JSON beside it is unusable.

    `threads` are those of one picture, 0 for as many as there are cores. `digest`, 64 hex digits, is of the file and
    its description: of all that decides the probabilities. Safe to use from threads.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self._session = open_session(path, threads=threads)
        beside = path.with_suffix(".json")
        own = self._session.get_modelmeta().custom_metadata_map.get(DESCRIPTION)
        described = own is not None and not beside.is_file()
        self.input, self.output = parse_description(own, path) if described else read_description(path)
        taken = self._session.get_inputs()[0]
        self._input_name = taken.name
        self._takes_pixels = taken.type == UINT8
        stated = _batch_shape(self.input)
        if len(taken.shape) != 4 or any(
            isinstance(n, int) and n != m for n, m in zip(taken.shape, stated, strict=True)
        ):
            says = "its own description" if described else beside.name
            raise UserError(
                f"expected a network that takes {stated}, as {says} says, "
                f"found one that takes {tuple(taken.shape)} in {path}"
            )
        if self._takes_pixels and (any(self.input.mean) or set(self.input.std) != {1}):
            raise UserError(f"expected mean 0 and std 1 for {path}, which takes pixels as they are, found others")
        self.digest = sha256_hex(path.read_bytes() + (b"" if described else beside.read_bytes()))

    def person_prob(self, rgb: Pixels) -> Prob:
        squeezed = squeeze(rgb, self.input.height, self.input.width)
        ordered = squeezed if self.input.colour_order == "rgb" else squeezed[..., ::-1]
        scaled = ordered if self._takes_pixels else self._scaled(ordered)
        batch = scaled[None] if self.input.layout == "nhwc" else scaled.transpose(2, 0, 1)[None]
        return stretch(_person_channel(self.run(batch), self.output), *rgb.shape[:2])

    def run(self, batch: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The network itself: its input -> its first output."""
        return np.asarray(self._session.run(None, {self._input_name: np.ascontiguousarray(batch)})[0])

    def _scaled(self, ordered: Pixels) -> npt.NDArray[np.float32]:
        return ((ordered - np.array(self.input.mean)) / np.array(self.input.std)).astype(np.float32)


def open_session(path: Path, *, threads: int = 0) -> onnxruntime.InferenceSession:
    """On the CPU; UserError when there is no such file or ONNX Runtime can't run it."""
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
    """uint8 (H, W, 3) -> uint8 (height, width, 3), its aspect not kept; area averages where it shrinks."""
    shrinks = rgb.shape[0] >= height and rgb.shape[1] >= width
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=interpolation), np.uint8)


def stretch(prob: Prob, height: int, width: int) -> Prob:
    """Float (h, w) -> (height, width), bilinear."""
    return np.asarray(cv2.resize(prob, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def read_description(path: Path) -> tuple[OnnxInput, OnnxOutput]:
    """The description in NAME.json beside NAME.onnx; UserError lists all its problems."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise UserError(f"expected {beside} to describe input and output of {path.name}, found no file")
    return parse_description(beside.read_text(), beside)


def parse_description(text: str, path: Path) -> tuple[OnnxInput, OnnxOutput]:
    """As `read_description`, of the JSON object read from `path`."""
    try:
        stated = json.loads(text)
    except ValueError as error:
        raise UserError(f"expected JSON in {path}, found: {error}") from error
    problems = _problems(stated)
    if problems:
        raise UserError(f"expected a description of input and output in {path}, found: {'; '.join(problems)}")
    return OnnxInput(**stated["input"]), OnnxOutput(**stated["output"])


def _batch_shape(taken: OnnxInput) -> tuple[int, ...]:
    """Person probability float32 (H, W) of one image, RGB uint8 (H, W, 3)."""
    size = taken.height, taken.width
    return (1, 3, *size) if taken.layout == "nchw" else (1, *size, 3)


def _person_channel(raw: npt.NDArray[Any], output: OnnxOutput) -> Prob:
    """(1, C, H, W) or (1, H, W, C) -> (H, W) in [0, 1]."""
    channels = raw[0] if output.layout == "nchw" else raw[0].transpose(2, 0, 1)  # (C, H, W)
    channels = channels.astype(np.float32)
    if output.kind == "probability":
        return np.asarray(channels[output.person_channel])
    others = np.delete(channels, output.person_channel, axis=0)
    against = np.logaddexp.reduce(others, axis=0) if len(others) else np.float32(0)
    return np.asarray(1 / (1 + np.exp(against - channels[output.person_channel])), np.float32)


def _problems(stated: object) -> list[str]:
    """The problems of the parsed JSON; empty when there are none."""
    if not isinstance(stated, dict) or not all(isinstance(stated.get(part), dict) for part in ("input", "output")):
        return ["no objects called input and output"]
    problems = []
    for part, kind in (("input", OnnxInput), ("output", OnnxOutput)):
        known, found = set(kind.__dataclass_fields__), stated[part].keys()
        problems += [f"{part}.{name} is missing" for name in sorted(known - found)]
        problems += [f"{part}.{name} is unknown" for name in sorted(found - known)]
    if problems:
        return problems
    taken, given = stated["input"], stated["output"]
    counts = (taken["height"], taken["width"], given["person_channel"] + 1 if _whole(given["person_channel"]) else 0)
    words = (
        ("input.layout", taken["layout"], get_args(Layout)),
        ("output.layout", given["layout"], get_args(Layout)),
        ("output.kind", given["kind"], get_args(Kind)),
        ("input.colour_order", taken["colour_order"], ("rgb", "bgr")),
    )
    problems += [f"{name} is none of {', '.join(known)}" for name, word, known in words if word not in known]
    if not all(_whole(count) and count > 0 for count in counts):
        problems.append("height, width or person_channel is no whole number")
    if not all(_three_numbers(taken[name]) for name in ("mean", "std")) or 0 in taken["std"]:
        problems.append("mean and std are not three numbers each, the std above 0")
    return problems


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _three_numbers(values: object) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(isinstance(v, int | float) for v in values)
