"""Optional packages: imported where they are used, and named with the extra that brings them when they are missing."""

import importlib
from importlib.util import find_spec
from types import ModuleType

from manifests.errors import UserError

EXTRAS = {
    "onnxscript": "onnx",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "pnnx": "ncnn",
    "coremltools": "coreml",
}


def require(name: str) -> None:
    """UserError, which names the extra, when the package called `name` isn't installed; it is not imported."""
    if find_spec(name) is None:
        raise UserError(
            f"expected the package {name}, found it not installed; pip install 'maskfoundry[{EXTRAS[name]}]'"
        )


def optional(name: str) -> ModuleType:
    """The package called `name`, imported; UserError as `require`."""
    require(name)
    return importlib.import_module(name)
