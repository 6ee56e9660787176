"""A teacher that is a torch network: batches, precision, memory."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from pipeline.teachers.options import CPU_BATCH_SIZE, GPU_BATCH_SIZE
from pipeline.teachers.teacher import Portrait, Prediction

logger = logging.getLogger(__name__)

# RGB in [0, 1]; of ImageNet encoders, SE-ResNeXt-50 included, and of torchvision's networks
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
STRIDE_PX = 32  # sides of the network's input are multiples of this


class NetworkTeacher:
    """A network (N, 3, H, W) -> logits (N, C, H, W): sigmoid where C is 1, else softmax and the person's class.

    `network` returns it; it is called for the first portrait.

    The image's longer side is resized to `input_px`, its aspect kept to a multiple of STRIDE_PX. UserError when not
    even one image fits into memory.
    """

    def __init__(
        self,
        network: Callable[[], nn.Module],
        *,
        name: str,
        person_class: int,
        input_px: int,
        device: torch.device,
        bf16: bool = False,
        batch_size: int | None = None,
    ) -> None:
        self.name = name
        self.settings = f"{input_px} px, class {person_class}, {'bf16' if bf16 else 'fp32'} on {device.type}"
        self.batch_size = batch_size or (CPU_BATCH_SIZE if device.type == "cpu" else GPU_BATCH_SIZE)
        self._load = network
        self._person_class = person_class
        self._input_px = input_px
        self._device = device
        self._bf16 = bf16
        self._mean, self._std = (
            torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD)
        )

    @cached_property
    def _network(self) -> nn.Module:
        return self._load().eval().to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        by_size: dict[tuple[int, int], list[int]] = {}
        for index, portrait in enumerate(portraits):
            by_size.setdefault(network_size(portrait.rgb, self._input_px), []).append(index)
        predictions: dict[int, Prediction] = {}
        for size, indices in by_size.items():
            inputs = torch.cat([self._input(portraits[index].rgb, size) for index in indices])
            for index, prob in zip(indices, self._person_probs(inputs), strict=True):
                height, width = portraits[index].rgb.shape[:2]
                full = F.interpolate(prob[None, None], (height, width), mode="bilinear").clamp(0.0, 1.0)
                predictions[index] = Prediction(full[0, 0].cpu().numpy())
        return [predictions[index] for index in range(len(portraits))]

    def _input(self, rgb: Pixels, size: tuple[int, int]) -> Tensor:
        """RGB (H, W, 3) -> (1, 3, h, w) as the network expects it."""
        batch = torch.tensor(np.ascontiguousarray(rgb), device=self._device).permute(2, 0, 1)[None].float() / 255.0
        batch = F.interpolate(batch, size, mode="bilinear", antialias=True)
        return ((batch - self._mean) / self._std).contiguous(memory_format=torch.channels_last)

    def _person_probs(self, inputs: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, h, w), as many at a time as fit into memory."""
        parts: list[Tensor] = []
        while (done := sum(map(len, parts))) < len(inputs):
            some = inputs[done : done + self.batch_size]
            try:
                parts.append(self._forward(some))
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(len(some))
        return torch.cat(parts)

    @torch.inference_mode()
    def _forward(self, inputs: Tensor) -> Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            logits = self._network(inputs).float()  # (N, C, h, w)
        if logits.shape[1] == 1:
            return logits[:, 0].sigmoid()
        return logits.softmax(1)[:, self._person_class]

    def _halve(self, batch_size: int) -> None:
        if batch_size == 1:
            raise UserError(
                f"expected memory for an image of {self._input_px} px, found too little; "
                "give a smaller --input-px, or another --device"
            )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self.batch_size = batch_size // 2
        logger.warning("out of memory with %d images at once; continuing with %d", batch_size, self.batch_size)


def network_size(rgb: Pixels, input_px: int) -> tuple[int, int]:
    """Height and width of the network's input: the longer side near `input_px`, both multiples of STRIDE_PX."""
    scale = input_px / max(rgb.shape[:2])
    rounded = [max(STRIDE_PX, round(side * scale / STRIDE_PX) * STRIDE_PX) for side in rgb.shape[:2]]
    return rounded[0], rounded[1]


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether `precision` (auto, fp32, bf16) means bf16 on that device; auto does only where it is fast."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
