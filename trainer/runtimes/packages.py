"""Optional packages: imported where they are used, and named with the extra that brings them when they are missing."""

import importlib
from types import ModuleType

from manifests.errors import UserError

EXTRAS = {
    "onnxscript": "onnx",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "pnnx": "ncnn",
    "coremltools": "coreml",
}


def optional(name: str) -> ModuleType:
    """The package called `name`; UserError names the extra when it isn't installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise UserError(
            f"expected the package {name}, found it not installed; pip install 'maskfoundry[{EXTRAS[name]}]'"
        ) from error
