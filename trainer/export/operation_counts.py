"""An exported file's operations by kind: accelerators pay for each one, whatever its size.

Constants, inputs and outputs don't count, nor does what runtimes remove as they load the file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx

from trainer.export.coreml_package import coreml_operations
from trainer.export.tflite.flatbuffer import tflite_operations

NO_OPERATIONS = {  # constants; inputs and outputs; ncnn's Split, which shares a blob
    *("Const", "Constant", "MemoryData", "const"), *("Input", "Parameter", "Result"), "Split",
}  # fmt: skip


def operation_counts(path: Path) -> dict[str, int]:
    """Kind -> number, in the order of the kinds' names, of an .onnx, .xml, .param, .mlpackage or .tflite file."""
    counts = Counter(kind for kind in KINDS[path.suffix](path) if kind not in NO_OPERATIONS)
    return dict(sorted(counts.items()))


def _onnx(path: Path) -> Iterator[str]:
    for node in onnx.load(path, load_external_data=False).graph.node:
        yield node.op_type


def _openvino(path: Path) -> Iterator[str]:
    yield from re.findall(r'<layer [^>]*\btype="(\w+)"', path.read_text())


def _ncnn(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines()[2:]:  # after the format's number and the counts
        yield line.split()[0]


KINDS: dict[str, Callable[[Path], Iterator[str]]] = {
    ".onnx": _onnx,
    ".xml": _openvino,
    ".param": _ncnn,
    ".mlpackage": coreml_operations,
    ".tflite": tflite_operations,
}
