"""A MobileNetV2 x0.5 out of TensorFlow's DeepLab -> the encoder of deeplabv3plus_mobilenetv2_050.

The file is an ONNX export whose weights still carry TensorFlow's names (`MobilenetV2/expanded_conv_3/expand/...`), as
that of github.com/anilsathyan7/Portrait-Segmentation. Three things differ there: pixels are x / 127.5 - 1, batch norms
have an epsilon of 1e-3, and depthwise kernels of dilated layers are written out with the zeros between their weights.
All three are folded into the weights here. Widths are rounded differently, too: some layers have 12 channels there and
16 here; the new ones are random and not yet connected. TensorFlow pads strided layers at the bottom and right where a
side is even, PyTorch all around: features are the same for sides of 2**n * k + 1 px, and up to a pixel off for others.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from manifests.errors import UserError
from trainer.data.preprocessing import Preprocessing

Array = npt.NDArray[np.float32]

_ROOT = "MobilenetV2/"
_EPSILON, _TIMM_EPSILON = 1e-3, 1e-5
_KERNEL_PX = 3


def load_mobilenet(encoder: nn.Module, path: Path, preprocessing: Preprocessing) -> None:
    """Put the file's weights into smp's encoder `tu-mobilenetv2_050`, for pixels as `preprocessing` gives them.

    UserError when the file is another network's.
    """
    weights = _read(path)
    state = dict(encoder.state_dict())
    names = dict(_layers(encoder))
    missing = sorted(name for name in names if name not in weights)
    if missing:
        raise UserError(
            f"expected TensorFlow's MobileNetV2 in {path}, found no {missing[0]} and {len(missing) - 1} more missing"
        )
    for name, (conv, norm) in names.items():
        kernel, gamma, beta, mean, variance = weights[name]
        if conv == "model.conv_stem":
            kernel, mean = _for_pixels(kernel, mean, preprocessing)
        loaded = {
            f"{conv}.weight": kernel,
            f"{norm}.weight": gamma,
            f"{norm}.bias": beta,
            f"{norm}.running_mean": mean,
            f"{norm}.running_var": variance + _EPSILON - _TIMM_EPSILON,
        }
        for key, array in loaded.items():
            if any(theirs > ours for theirs, ours in zip(array.shape, state[key].shape, strict=True)):
                raise UserError(
                    f"expected at most {tuple(state[key].shape)} numbers for {name} in {path}, found {array.shape}; "
                    "only MobileNetV2 x0.5 fits"
                )
            state[key] = _widened(state[key], torch.tensor(array))
    encoder.load_state_dict(state)


def _widened(fresh: Tensor, loaded: Tensor) -> Tensor:
    """`loaded` in the first places of `fresh`: new channels stay random, and their weights into old ones are 0."""
    widened = fresh.clone()
    widened[: len(loaded)] = 0
    widened[tuple(slice(0, n) for n in loaded.shape)] = loaded
    return widened


def _layers(encoder: nn.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    """TensorFlow's name of each convolution, and our names of it and of its batch norm."""
    yield "Conv", ("model.conv_stem", "model.bn1")
    blocks = [name for name, _ in encoder.named_modules() if name.count(".") == 3 and name.startswith("model.blocks.")]
    for number, block in enumerate(sorted(blocks, key=lambda name: [int(part) for part in name.split(".")[2:]])):
        theirs = f"expanded_conv_{number}" if number else "expanded_conv"
        if number:
            yield f"{theirs}/expand", (f"{block}.conv_pw", f"{block}.bn1")
            yield f"{theirs}/depthwise", (f"{block}.conv_dw", f"{block}.bn2")
            yield f"{theirs}/project", (f"{block}.conv_pwl", f"{block}.bn3")
        else:
            yield f"{theirs}/depthwise", (f"{block}.conv_dw", f"{block}.bn1")
            yield f"{theirs}/project", (f"{block}.conv_pw", f"{block}.bn2")


def _read(path: Path) -> Mapping[str, tuple[Array, Array, Array, Array, Array]]:
    """Read by layer: kernel, and the batch norm's gamma, beta, mean and variance."""
    if not path.is_file():
        raise UserError(f"expected an ONNX file at {path}, found none")
    try:
        graph = onnx.load(str(path)).graph
    except DecodeError as error:
        raise UserError(f"expected an ONNX file at {path}, found another or a damaged one") from error
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    kernels = {node.output[0]: arrays.get(node.input[1]) for node in graph.node if node.op_type == "Conv"}
    layers = {}
    for node in graph.node:
        kernel = kernels.get(node.input[0]) if node.op_type == "BatchNormalization" else None
        if kernel is None or not node.input[1].startswith(_ROOT):
            continue
        layer = node.input[1].removeprefix(_ROOT).partition("/BatchNorm")[0]
        gamma, beta, mean, variance = (arrays[name] for name in node.input[1:])
        layers[layer] = (_undilated(kernel), gamma, beta, mean, variance)
    return layers


def _undilated(kernel: Array) -> Array:
    """A depthwise kernel without the zeros between its weights."""
    step = (kernel.shape[-1] - 1) // (_KERNEL_PX - 1)
    return kernel[..., ::step, ::step] if kernel.shape[-1] > _KERNEL_PX else kernel


def _for_pixels(kernel: Array, mean: Array, preprocessing: Preprocessing) -> tuple[Array, Array]:
    """The first convolution for other pixels: their scale goes into the kernel, their offset into the mean."""
    scale = np.array(preprocessing.std, np.float32) * preprocessing.divisor / 127.5  # of their pixels in ours
    offset = np.array(preprocessing.mean, np.float32) / 127.5 - 1
    shift = (kernel * offset[:, None, None]).sum(axis=(1, 2, 3))
    return kernel * scale[:, None, None], mean - shift
