"""The execution providers of ONNX Runtime for a device: `auto`, `cpu`, `cuda` or `cuda:N`.

The package `onnxruntime` runs on the CPU; `onnxruntime-gpu` has CUDA's provider, too.
"""

import re
from collections.abc import Sequence
from typing import Any

from manifests.errors import UserError

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

Provider = str | tuple[str, dict[str, Any]]


def choose_providers(device: str, available: Sequence[str]) -> list[Provider]:
    """The providers to ask for, the preferred one first; the CPU's is always the last.

    `auto` takes CUDA where it is `available`. UserError for another device, and for CUDA without its provider.
    """
    match = re.fullmatch(r"auto|cpu|cuda(?::([0-9]{1,3}))?", device)
    if match is None:
        raise UserError(f"expected --device auto, cpu, cuda or cuda:N, found {device!r}; use --device cpu")
    if device == "cpu" or (device == "auto" and CUDA not in available):
        return [CPU]
    if CUDA not in available:
        raise UserError(
            f"expected {CUDA} in ONNX Runtime for --device {device}, found {', '.join(available)}; "
            "install onnxruntime-gpu instead of onnxruntime, or use --device cpu"
        )
    return [(CUDA, {"device_id": int(match[1] or 0)}), CPU]


def require_device(device: str, used: Sequence[str]) -> None:
    """UserError when a GPU was asked for by name and ONNX Runtime fell back to the CPU."""
    if device.startswith("cuda") and CUDA not in used:
        raise UserError(
            f"expected ONNX Runtime to run on {device}, found that it fell back to the CPU; check that CUDA and cuDNN "
            "fit this onnxruntime-gpu, or use --device cpu"
        )
