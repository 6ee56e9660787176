"""Optional packages: imported where they are used, and named with the extra that brings them when they are missing."""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType

from manifests.errors import UserError, install_extra

EXTRAS = {
    "openvino": "openvino",
    "ncnn": "ncnn",
    "pnnx": "ncnn",
    "coremltools": "coreml",
    "ai_edge_litert": "tflite",
}  # of all others the extra has the package's name

TELEMETRY = {"openvino": "openvino_telemetry"}  # packages that would send events; without them stubs send none


def require(name: str, purpose: str = "") -> None:
    """UserError, which names the extra, when the package called `name` isn't installed; it is not imported."""
    if find_spec(name) is None:
        wanted, extra = f"{name} {purpose}".rstrip(), EXTRAS.get(name, name)
        raise UserError(f"expected the package {wanted}, found it not installed; {install_extra(extra)}")


def optional(name: str) -> ModuleType:
    """The package or submodule called `name`, imported, without its telemetry; UserError as `require`."""
    require(name.partition(".")[0])
    if name in TELEMETRY:
        sys.modules.setdefault(TELEMETRY[name], None)  # type: ignore[arg-type]  # its import fails from now on
    return importlib.import_module(name)
