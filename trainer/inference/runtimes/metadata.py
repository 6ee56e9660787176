"""An export's metadata, kept in its file where the format allows it, else beside it."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.errors import UserError
from manifests.pixels.onnx_segmenter import DESCRIPTION
from trainer.weights.checkpoint import Checkpoint

INPUT = "image"
OUTPUT = "person_prob"
CLASSES = ("background", "person")

_NUMBERS = ("input_px", "manifest_version")
_NUMBER = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Metadata:
    """`input_px` is the side of the square the network was fitted on, or the one chosen for the export."""

    input_px: int
    checkpoint: str
    weights_sha256: str
    model: str
    manifest_version: int
    manifest_digest: str
    licence: str
    code_version: str

    @classmethod
    def of(cls, checkpoint: Checkpoint, *, name: str, input_px: int, licence: str) -> "Metadata":
        info = checkpoint.info
        return cls(
            input_px, name, checkpoint.weights_sha256, info.model, info.manifest_version, info.manifest_digest,
            licence, info.code_version,
        )  # fmt: skip

    def as_strings(self) -> dict[str, str]:
        """One word or JSON per key, as an ONNX file's metadata can hold."""
        fields = {key: str(value) for key, value in dataclasses.asdict(self).items()}
        return {**fields, "classes": json.dumps(CLASSES), DESCRIPTION: json.dumps(self.description())}

    @classmethod
    def from_strings(cls, strings: Any, path: Path) -> "Metadata":
        """Read what `as_strings` writes; UserError for other JSON, which `path` held."""
        held = strings if isinstance(strings, dict) else {}
        values: dict[str, Any] = {entry.name: held.get(entry.name) for entry in dataclasses.fields(cls)}
        missing = [name for name, value in values.items() if not isinstance(value, str)]
        missing = missing or [f"{name} as a number" for name in _NUMBERS if not _NUMBER.fullmatch(values[name])]
        if missing:
            raise UserError(
                f"expected a file that trainer.export wrote at {path}, found one without {', '.join(missing)}"
            )
        return cls(
            **{**values, "input_px": int(values["input_px"]), "manifest_version": int(values["manifest_version"])}
        )

    def description(self) -> dict[str, Any]:
        """Input and output as manifests.pixels.onnx_segmenter expects them."""
        side = self.input_px
        plain = {"layout": "nchw", "colour_order": "rgb", "mean": [0, 0, 0], "std": [1, 1, 1]}
        return {
            "input": {"height": side, "width": side, **plain},
            "output": {"kind": "probability", "layout": "nchw", "person_channel": 0},
        }
