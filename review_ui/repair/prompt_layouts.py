"""The two layouts of published encoder and decoder pairs: which tensors go in, and how the mask comes out.

`SamLayout` is that of Segment Anything and MobileSAM (segment-anything's SamOnnxModel, samexporter): the decoder takes
points in a frame whose longer side is 1024. The encoder takes RGB in 0..255 at that size, either (H, W, 3), which it
normalises and pads itself, or (1, 3, 1024, 1024), normalised and padded with zeros at the right and the bottom.

`EfficientSamLayout` is that of EfficientSAM (yformer/EfficientSAM, onnx_models.py): the encoder takes (1, 3, H, W) in
0..1 and resizes it to 1024x1024, the decoder takes points in the image's own pixels.

`layout_of` decides by names and shapes of the graphs' tensors, and raises UserError for anything else.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import squeeze, stretch
from review_ui.repair.segmenter import MAX_PROMPT_POINTS, Labels, Points

FRAME_PX = 1024  # the side of the square that both encoders see
LOW_RES_PX = 256  # the side of SAM's low_res_masks
NORMALISED_SHAPE = (3, FRAME_PX, FRAME_PX)  # of an image that SAM's encoder gets normalised and padded
EMBEDDING_SHAPE = (1, 256, 64, 64)
MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # RGB in 0..255, as in segment-anything's Sam
STD = np.array([58.395, 57.12, 57.375], np.float32)
PADDING_LABEL = -1  # of a point that is none
SINGLE_MASK = 0  # of SAM's four masks, the one for several points; the others are for one, which is ambiguous
SAM_MASKS = 4

Array = npt.NDArray[Any]
Logits = npt.NDArray[np.float32]
Shape = Sequence[int | str | None]  # of a tensor; a name or None where any size fits
Tensors = Mapping[str, Shape]


class Layout(Protocol):
    """How to feed a pair of networks, and how to read their mask."""

    max_points: int
    outputs: tuple[str, ...]  # of the decoder

    def image_input(self, rgb: Pixels) -> Array:
        """RGB uint8 (H, W, 3) -> the encoder's input."""
        ...

    def prompt_inputs(self, points: Points, labels: Labels, size: tuple[int, int]) -> dict[str, Array]:
        """Points (N, 2) and labels (N,) on an image of `size` (H, W) -> the decoder's inputs, without the embedding."""
        ...

    def logits(self, outputs: Mapping[str, Array], points: int, size: tuple[int, int]) -> Logits:
        """The decoder's outputs for a number of `points` -> logits float32 (H, W) of the best mask."""
        ...


class SamLayout:
    """Segment Anything and MobileSAM."""

    encoder_inputs = ("input_image", "x")  # samexporter; exports of the image encoder itself
    decoder_inputs = (
        "image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size",
    )  # fmt: skip
    outputs: tuple[str, ...] = (
        "iou_predictions",
        "low_res_masks",
    )  # `masks` is cut to the aspect of the export's example image

    def __init__(self, encoder_input: Shape, decoder: Tensors) -> None:
        self._encoder_normalises = len(encoder_input) == 3 and encoder_input[2] == 3
        if not self._encoder_normalises and (len(encoder_input) != 4 or tuple(encoder_input[1:]) != NORMALISED_SHAPE):
            raise UserError(
                f"expected an encoder that takes (height, width, 3) or (1, {', '.join(map(str, NORMALISED_SHAPE))}), "
                f"found {tuple(encoder_input)}; export it at its usual size"
            )
        self._slots = _fixed(decoder["point_coords"], 1)
        self.max_points = MAX_PROMPT_POINTS if self._slots is None else min(MAX_PROMPT_POINTS, self._slots - 1)

    def image_input(self, rgb: Pixels) -> Array:
        height, width = _framed(rgb.shape[:2])
        resized = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)  # ResizeLongestSide
        pixels = np.asarray(resized, np.float32)
        if self._encoder_normalises:
            return pixels
        padded = np.zeros((FRAME_PX, FRAME_PX, 3), np.float32)
        padded[:height, :width] = (pixels - MEAN) / STD
        return padded.transpose(2, 0, 1)[None]

    def prompt_inputs(self, points: Points, labels: Labels, size: tuple[int, int]) -> dict[str, Array]:
        height, width = _framed(size)
        scaled = points * np.array([width / size[1], height / size[0]], np.float32)
        slots = self._slots or len(points) + 1  # there is no box: at least one padding point
        coords, marks = _padded(scaled, labels, slots)
        return {
            "point_coords": coords[None],
            "point_labels": marks[None],
            "mask_input": np.zeros((1, 1, LOW_RES_PX, LOW_RES_PX), np.float32),
            "has_mask_input": np.zeros(1, np.float32),  # each request is a prompt of its own
            "orig_im_size": np.array(size, np.float32),
        }

    def logits(self, outputs: Mapping[str, Array], points: int, size: tuple[int, int]) -> Logits:
        masks, ious = outputs["low_res_masks"], outputs["iou_predictions"]
        _check_masks("low_res_masks", masks, (1, None, LOW_RES_PX, LOW_RES_PX))
        _check_masks("iou_predictions", ious, masks.shape[:2])
        height, width = _framed(size)
        best = masks[0, best_of_sam(ious[0], points)].astype(np.float32)
        return stretch(stretch(best, FRAME_PX, FRAME_PX)[:height, :width], *size)


class EfficientSamLayout:
    """EfficientSAM; of its masks, the one with the highest predicted IoU."""

    encoder_inputs = ("batched_images",)
    decoder_inputs = ("image_embeddings", "batched_point_coords", "batched_point_labels", "orig_im_size")
    outputs: tuple[str, ...] = ("output_masks", "iou_predictions")

    def __init__(self, encoder_input: Shape, decoder: Tensors) -> None:
        if len(encoder_input) != 4 or encoder_input[1] != 3:
            raise UserError(f"expected an encoder that takes (1, 3, height, width), found {tuple(encoder_input)}")
        self._height = _fixed(encoder_input, 2) or FRAME_PX
        self._width = _fixed(encoder_input, 3) or FRAME_PX
        self._slots = _fixed(decoder["batched_point_coords"], 2)
        self.max_points = min(MAX_PROMPT_POINTS, self._slots or MAX_PROMPT_POINTS)

    def image_input(self, rgb: Pixels) -> Array:
        """Resize first, as the encoder would: an image of any size takes the same memory."""
        resized = squeeze(rgb, self._height, self._width)
        return (resized.astype(np.float32) / 255).transpose(2, 0, 1)[None]

    def prompt_inputs(self, points: Points, labels: Labels, size: tuple[int, int]) -> dict[str, Array]:
        coords, marks = _padded(points, labels, self._slots or len(points), coordinate=PADDING_LABEL)
        return {
            "batched_point_coords": coords[None, None],
            "batched_point_labels": marks[None, None],
            "orig_im_size": np.array(size, np.int64),
        }

    def logits(self, outputs: Mapping[str, Array], points: int, size: tuple[int, int]) -> Logits:
        masks, ious = outputs["output_masks"], outputs["iou_predictions"]
        _check_masks("output_masks", masks, (1, 1, None, *size))
        _check_masks("iou_predictions", ious, masks.shape[:3])
        return masks[0, 0, int(ious[0, 0].argmax())].astype(np.float32)


LAYOUTS = (SamLayout, EfficientSamLayout)


def layout_of(encoder: Tensors, decoder: Tensors, decoder_outputs: Iterable[str]) -> Layout:
    """The layout of a pair, by the names and shapes of its inputs and outputs; UserError when it is another."""
    known = next((layout for layout in LAYOUTS if set(layout.decoder_inputs) == set(decoder)), None)
    if known is None:
        wanted = " or ".join(f"({', '.join(layout.decoder_inputs)})" for layout in LAYOUTS)
        raise UserError(
            f"expected a decoder with the inputs {wanted}, found ({', '.join(decoder)}); "
            "use a pair in the layout of MobileSAM or EfficientSAM"
        )
    if len(encoder) != 1 or not set(encoder) <= set(known.encoder_inputs):
        wanted = " or ".join(known.encoder_inputs)
        raise UserError(
            f"expected an encoder with the input {wanted}, as the decoder has it, found ({', '.join(encoder)}); "
            "use encoder and decoder of one export"
        )
    missing = sorted(set(known.outputs) - set(decoder_outputs))
    if missing:
        found = ", ".join(decoder_outputs)
        raise UserError(f"expected a decoder with the outputs {', '.join(known.outputs)}, found ({found})")
    [encoder_input] = encoder.values()
    layout = known(encoder_input, decoder)
    if layout.max_points < 1:
        raise UserError("expected a decoder that takes two points or more, one of them padding, found one for a point")
    return layout


def best_of_sam(ious: npt.NDArray[np.floating[Any]], points: int) -> int:
    """The index of SAM's mask to take, by its predicted IoUs (M,) and the number of points.

    Of four masks the first is for several points; for one point, which may mean a part or the whole, the best of the
    other three (segment-anything, SamOnnxModel.select_masks). Of any other number, the best.
    """
    if len(ious) == SAM_MASKS:
        return SINGLE_MASK if points > 1 else 1 + int(ious[1:].argmax())
    return int(ious.argmax())


def _framed(size: tuple[int, ...]) -> tuple[int, int]:
    """Size (H, W) -> the same with a longer side of FRAME_PX (segment-anything, ResizeLongestSide)."""
    scale = FRAME_PX / max(size)
    height, width = size
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def _padded(points: Points, labels: Labels, slots: int, *, coordinate: float = 0) -> tuple[Points, Labels]:
    """Points (N, 2) and labels (N,) -> (slots, 2) and (slots,), filled with padding points at `coordinate`."""
    coords = np.full((slots, 2), coordinate, np.float32)
    marks = np.full(slots, PADDING_LABEL, np.float32)
    coords[: len(points)], marks[: len(labels)] = points, labels
    return coords, marks


def _check_masks(name: str, values: Array, wanted: Sequence[int | None]) -> None:
    """UserError unless the output's shape is the wanted one, None for any number of masks, and it is finite."""
    if not _is_shape(values.shape, wanted):
        shape = ", ".join("masks" if side is None else str(side) for side in wanted)
        raise UserError(f"expected {name} of the shape ({shape}), found {values.shape}")
    if not np.isfinite(values).all():
        raise UserError(f"expected finite values in {name}, found NaN or infinity")


def _is_shape(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    same_rank = len(shape) == len(wanted)
    return same_rank and all(
        side > 0 if other is None else side == other for side, other in zip(shape, wanted, strict=True)
    )


def _fixed(shape: Shape, axis: int) -> int | None:
    """The size of an axis; None when any fits."""
    side = shape[axis] if axis < len(shape) else None
    return side if isinstance(side, int) and side > 0 else None
