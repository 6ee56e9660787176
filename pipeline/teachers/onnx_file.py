"""A teacher in an ONNX file, run on the CPU; manifests.pixels.onnx_segmenter documents the JSON beside it."""

from collections.abc import Sequence
from pathlib import Path

from manifests.pixels.onnx_segmenter import OnnxSegmenter
from pipeline.teachers.teacher import Portrait, Prediction


class OnnxTeacher:
    """Images are resized to the network's own input size, whatever their aspect; one thread per image."""

    batch_size = 1

    def __init__(self, path: Path) -> None:
        self._segmenter = OnnxSegmenter(path, threads=1)
        self.name = f"{path.stem}@{self._segmenter.digest[:12]}"
        self.settings = ""

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        return [Prediction(self._segmenter.person_prob(portrait.rgb)) for portrait in portraits]
