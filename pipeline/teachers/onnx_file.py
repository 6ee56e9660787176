"""A teacher in an ONNX file; manifests.pixels.onnx_description documents the JSON beside it."""

from collections.abc import Sequence
from pathlib import Path

from manifests.pixels.onnx_segmenter import OnnxSegmenter
from pipeline.teachers.options import CPU_BATCH_SIZE, GPU_BATCH_SIZE
from pipeline.teachers.teacher import Portrait, Prediction


class OnnxTeacher:
    """Images are resized as the JSON says; on a CPU each image has one thread.

    `device` is auto, cpu, cuda or cuda:N. `batch_size` portraits run at a time, by default 1 on a CPU and 16 on a GPU;
    one, with a warning, where the network takes no batches.
    """

    def __init__(self, path: Path, *, device: str = "auto", batch_size: int | None = None) -> None:
        self._segmenter = OnnxSegmenter(path, threads=1, device=device)
        self._segmenter.prepare_batches(batch_size or (GPU_BATCH_SIZE if self._segmenter.on_gpu else CPU_BATCH_SIZE))
        self.batch_size = self._segmenter.batch_size
        self.name = f"{path.stem}@{self._segmenter.digest[:12]}"
        self.settings = "on cuda" if self._segmenter.on_gpu else ""

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        return [Prediction(prob) for prob in self._segmenter.person_probs([each.rgb for each in portraits])]
