"""A detection function for CVAT's auto-annotation: `cvat-cli task auto-annotate`, and agents.

    cvat-cli task auto-annotate TASK --function-module pipeline.bridges.cvat -p teacher=str:onnx:student.onnx

CVAT's SDK calls `create`, reads `spec` and calls `detect` for each image. It is no requirement of this project:
install `cvat-cli` beside it. The label's name must be one of the task's, of the type mask, polygon or any.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.outlines import outlines
from pipeline.bridges.person_masks import PersonMasks, load_person_masks

LABEL_ID = 0  # in the function's spec; CVAT maps it to the task's label of the same name


class Context(Protocol):
    """What the SDK's DetectionFunctionContext states about an image."""

    @property
    def conv_mask_to_poly(self) -> bool:
        """Whether masks must be returned as polygons."""
        ...


class PersonFunction:
    """The SDK's DetectionFunction: `spec`, and `detect` with one mask of all people, or none."""

    def __init__(self, masks: PersonMasks, label: str) -> None:
        self._masks = masks
        self._sdk = _sdk("auto_annotation")
        self._encode_mask = _sdk("masks").encode_mask
        self.spec = self._sdk.DetectionFunctionSpec(labels=[self._sdk.label_spec(label, LABEL_ID, type="mask")])

    def detect(self, context: Context, image: Image.Image) -> Sequence[Any]:
        """The shapes of one image: a mask; polygons, one per connected piece, where CVAT asks for them."""
        person = self._masks.mask(np.asarray(image.convert("RGB")))
        if not person.any():
            return []
        if context.conv_mask_to_poly:
            return [self._sdk.polygon(LABEL_ID, outline.ravel().tolist()) for outline in outlines(person)]
        return [self._sdk.mask(LABEL_ID, self._encode_mask(person))]


def create(teacher: str = "starter", label: str = "person", device: str = "auto") -> PersonFunction:
    """Build the function; the parameters are `-p teacher=str:...`, `-p label=str:...` and `-p device=str:...`."""
    return PersonFunction(load_person_masks(teacher, device), label)


def _sdk(module: str) -> Any:
    """A module of CVAT's SDK; UserError without it."""
    try:
        return import_module(f"cvat_sdk.{module}")
    except ImportError as error:
        raise UserError("expected CVAT's SDK beside maskfoundry, found none; pip install cvat-cli") from error
