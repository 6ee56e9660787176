"""A person segmenter in an ONNX file, with a JSON file of the same stem beside it that says what it takes and gives:

    {"input":  {"height": 256, "width": 256, "layout": "nhwc", "colour_order": "rgb", "mean": [0, 0, 0],
                "std": [255, 255, 255]},
     "output": {"kind": "probability", "layout": "nhwc", "person_channel": 0}}

`mean` and `std` are on the 0..255 scale; `kind` is `probability` or `logits`: two channels of logits pass a
softmax, one passes a sigmoid. Rooms that don't import each other meet in such files: the pipeline takes them as
teachers, the trainer measures them as rivals.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime

from manifests.blobs import sha256_hex
from manifests.errors import UserError
from manifests.geometry import Pixels

Layout = Literal["nchw", "nhwc"]
Kind = Literal["probability", "logits"]
Prob = npt.NDArray[np.float32]

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
    """A network that ONNX Runtime runs on the CPU; UserError when the file or the JSON beside it is no good.

    `threads` are those of one picture, 0 for as many as there are cores. `digest`, 64 hex digits, is of the file and
    its description: of all that decides the probabilities. Safe to use from threads.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self.input, self.output = read_description(path)
        if not path.is_file():
            raise UserError(f"expected an ONNX file at {path}, found none")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = ERRORS_ALONE
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions share no base of their own
            raise UserError(f"expected an ONNX file at {path}, found another or a damaged one") from error
        taken = self._session.get_inputs()[0]
        self._input_name = taken.name
        stated = _batch_shape(self.input)
        if len(taken.shape) != 4 or any(
            isinstance(n, int) and n != m for n, m in zip(taken.shape, stated, strict=True)
        ):
            raise UserError(
                f"expected a network that takes {stated}, as {path.with_suffix('.json').name} says, "
                f"found one that takes {tuple(taken.shape)} in {path}"
            )
        self.digest = sha256_hex(path.read_bytes() + path.with_suffix(".json").read_bytes())

    def person_prob(self, rgb: Pixels) -> Prob:
        height, width = rgb.shape[:2]
        size = self.input.width, self.input.height
        shrinks = height >= size[1] and width >= size[0]
        resized = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        ordered = resized if self.input.colour_order == "rgb" else resized[..., ::-1]
        scaled = ((ordered - np.array(self.input.mean)) / np.array(self.input.std)).astype(np.float32)
        batch = scaled[None] if self.input.layout == "nhwc" else scaled.transpose(2, 0, 1)[None]
        raw = self._session.run(None, {self._input_name: np.ascontiguousarray(batch)})[0]
        prob = _person_channel(np.asarray(raw), self.output)
        return np.asarray(cv2.resize(prob, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def read_description(path: Path) -> tuple[OnnxInput, OnnxOutput]:
    """What NAME.json beside NAME.onnx says; UserError lists everything that is wrong with it."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise UserError(f"expected {beside} to describe input and output of {path.name}, found no file")
    try:
        stated = json.loads(beside.read_text())
    except ValueError as error:
        raise UserError(f"expected JSON in {beside}, found: {error}") from error
    problems = _problems(stated)
    if problems:
        raise UserError(f"expected a description of input and output in {beside}, found: {'; '.join(problems)}")
    return OnnxInput(**stated["input"]), OnnxOutput(**stated["output"])


def _batch_shape(taken: OnnxInput) -> tuple[int, ...]:
    """Of one picture."""
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
    """Of the parsed JSON; empty when there are none."""
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
