"""Teachers: what proposes a mask for a portrait without one. `load_teacher` finds one by name or path."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from manifests.errors import UserError
from manifests.geometry import Pixels
from pipeline.faces import Face
from pipeline.teachers.grabcut import GrabCut

DEFAULT_TEACHER = "grabcut"  # needs no weights


class Teacher(Protocol):
    """Proposes masks. `name` is `kind@12 hex digits` of what decides its output: weights, or settings."""

    name: str

    def predict(self, rgb: Pixels, faces: list[Face]) -> npt.NDArray[np.float32]:
        """RGB uint8 (H, W, 3) and the faces in it -> person probability float32 (H, W) in [0, 1]."""
        ...


def _deeplabv3plus_without_weights() -> Teacher:
    raise UserError(
        "expected weights for the teacher deeplabv3plus, found none: pass a save_pretrained directory or a "
        ".safetensors file as --teacher PATH, or take --teacher grabcut, which needs no weights"
    )


TEACHERS: dict[str, Callable[[], Teacher]] = {
    "grabcut": GrabCut,
    "deeplabv3plus": _deeplabv3plus_without_weights,
}


@lru_cache(maxsize=2)
def load_teacher(name_or_path: str) -> Teacher:
    """The teacher of that name, or the one whose weights lie at that path; one per process. UserError otherwise."""
    if name_or_path in TEACHERS:
        return TEACHERS[name_or_path]()
    path = Path(name_or_path)
    if path.is_dir() or path.suffix == ".safetensors":
        from pipeline.teachers.deeplabv3plus import DeepLabV3Plus  # takes seconds to import

        return DeepLabV3Plus.load(path)
    raise UserError(
        f"expected a teacher out of {', '.join(TEACHERS)}, or a directory or .safetensors file with weights, "
        f"found {name_or_path!r}"
    )
