"""An ONNX file's input and output, described as JSON: in NAME.json beside NAME.onnx, or in the file's own metadata.

    {"input":  {"height": 256, "width": 256, "layout": "nhwc", "colour_order": "rgb", "mean": [0, 0, 0],
                "std": [255, 255, 255]},
     "output": {"kind": "probability", "layout": "nhwc", "person_channel": 0}}

`mean` and `std` are on the 0..255 scale; `kind` is `probability` or `logits`: two channels of logits pass a
softmax, one passes a sigmoid. `output.name` names the output of a network that has several.

`input.resize` is `stretch` (the default: any aspect) or `letterbox`: the aspect is kept, and the image is centred on
`input.padding_value` (0 to 255, default 0).
"""

import sys
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from manifests.errors import UserError
from manifests.files.json_text import parse_json

MAX_SIDE_PX = 8192  # of an input; larger ones are a mistake, and take gigabytes

Layout = Literal["nchw", "nhwc"]
Kind = Literal["probability", "logits"]
Resize = Literal["stretch", "letterbox"]


@dataclass(frozen=True, slots=True)
class OnnxInput:
    """`mean` and `std` are on the 0..255 scale and in `colour_order`."""

    height: int
    width: int
    layout: Layout
    colour_order: Literal["rgb", "bgr"]
    mean: list[float]
    std: list[float]
    resize: Resize = "stretch"
    padding_value: int = 0

    def batch_shape(self) -> tuple[int, ...]:
        """The network's input shape for one image."""
        size = self.height, self.width
        return (1, 3, *size) if self.layout == "nchw" else (1, *size, 3)


@dataclass(frozen=True, slots=True)
class OnnxOutput:
    """`name` may be None for a network with one output."""

    kind: Kind
    layout: Layout
    person_channel: int
    name: str | None = None


def read_description(path: Path) -> tuple[OnnxInput, OnnxOutput]:
    """The description in NAME.json beside NAME.onnx; UserError lists all its problems."""
    beside = path.with_suffix(".json")
    if not beside.is_file():
        raise UserError(f"expected {beside} to describe input and output of {path.name}, found no file")
    return parse_description(beside.read_bytes(), beside)


def parse_description(text: str | bytes, path: Path) -> tuple[OnnxInput, OnnxOutput]:
    """Parse the JSON text read from `path`; UserError lists all its problems."""
    try:
        description = parse_json(text)
    except ValueError as error:
        raise UserError(f"expected JSON in {path}, found: {error}") from error
    problems = _problems(description)
    if problems:
        raise UserError(f"expected a description of input and output in {path}, found: {'; '.join(problems)}")
    return OnnxInput(**description["input"]), OnnxOutput(**description["output"])


def _problems(description: object) -> list[str]:
    parts = ("input", "output")
    if not isinstance(description, dict) or not all(isinstance(description.get(part), dict) for part in parts):
        return ["no objects called input and output"]
    problems = []
    for part, kind in (("input", OnnxInput), ("output", OnnxOutput)):
        known = {field.name for field in fields(kind)}
        needed = {field.name for field in fields(kind) if field.default is MISSING}
        names = description[part].keys()
        problems += [f"{part}.{name} is missing" for name in sorted(needed - names)]
        problems += [f"{part}.{name} is unknown" for name in sorted(names - known)]
    return problems or _problems_of_values(description["input"], description["output"])


def _problems_of_values(inputs: dict[str, Any], output: dict[str, Any]) -> list[str]:
    words = (
        ("input.layout", inputs["layout"], get_args(Layout)),
        ("output.layout", output["layout"], get_args(Layout)),
        ("output.kind", output["kind"], get_args(Kind)),
        ("input.colour_order", inputs["colour_order"], ("rgb", "bgr")),
        ("input.resize", inputs.get("resize", "stretch"), get_args(Resize)),
    )
    problems = [f"{name} is none of {', '.join(known)}" for name, word, known in words if word not in known]
    if not isinstance(output.get("name"), str | None):
        problems.append("output.name is not a text")
    padding = inputs.get("padding_value", 0)
    if not (_whole(padding) and 0 <= padding <= 255):
        problems.append("input.padding_value is not a whole number from 0 to 255")
    elif padding and inputs.get("resize") != "letterbox":
        problems.append('input.padding_value needs "resize": "letterbox"')
    channel = output["person_channel"]
    counts = inputs["height"], inputs["width"], channel + 1 if _whole(channel) else 0
    if not all(_whole(count) and 0 < count <= MAX_SIDE_PX for count in counts):
        problems.append(f"height, width or person_channel is not a whole number up to {MAX_SIDE_PX}")
    if not all(_three_numbers(inputs[name]) for name in ("mean", "std")) or 0 in inputs["std"]:
        problems.append("mean and std are not three numbers each, the std above 0")
    return problems


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _three_numbers(values: object) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(map(_finite, values))


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max
