"""Live distillation: teachers see the same augmented crops as the student ("function matching", Beyer et al. 2022,
"Knowledge distillation: A good teacher is patient and consistent", CVPR).

They run in threads beside the training step, one thread for each core, on the batches after the one that is trained on,
so that a step waits only for teachers that are slower than it is. What a teacher sees depends on the seed alone.
"""

import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.masks import PERSON_LEVEL
from manifests.pixels.onnx_segmenter import Prob
from trainer.data.samples import Samples
from trainer.fit.batch import Batch
from trainer.inference.predictors import RUNTIMES, TORCH, Predictor, open_predictor
from trainer.weights.checkpoint_files import name_of

AHEAD = 2  # batches with the teachers while one is trained on: some slack for uneven steps, little memory
TRIED_IMAGES = 4  # with a person, that every teacher is tried on before the first step
MIN_SPREAD = 0.05  # of a teacher's probabilities on those images; a person's edge alone spans nearly 1

Label = tuple[Prob, float]  # one image's mean probability over the teachers, and the seconds it took


@dataclass(frozen=True, slots=True)
class LiveTeacher:
    """A predictor, and its name in errors."""

    name: str
    predictor: Predictor

    def person_prob(self, rgb: Pixels) -> Prob:
        """RGB uint8 (S, S, 3) -> person probability float32 (S, S), resized by the predictor to its size and back.

        UserError for another shape or values that are no probabilities.
        """
        prob = self.predictor.person_prob(rgb)
        if prob.shape != rgb.shape[:2]:
            raise self._unusable(f"probabilities of shape {rgb.shape[:2]}", f"{prob.shape}")
        low, high = float(prob.min()), float(prob.max())  # NaN when one value is
        if not (low >= 0 and high <= 1):
            raise self._unusable("probabilities from 0 to 1", f"values from {low:g} to {high:g}")
        return prob

    def check(self, images: Tensor) -> None:
        """Try it on RGB uint8 (N, 3, S, S); UserError when its probabilities are all alike, or unusable."""
        probs = [self.person_prob(rgb) for rgb in _crops(images)]
        low, high = min(float(prob.min()) for prob in probs), max(float(prob.max()) for prob in probs)
        if high - low < MIN_SPREAD:
            expected = f"probabilities that differ between the pixels of {len(probs)} training images"
            raise self._unusable(expected, f"{low:.3f} to {high:.3f} on all of them")

    def _unusable(self, expected: str, found: str) -> UserError:
        return UserError(f"expected {expected} from the teacher {self.name}, found {found}; remove it or mend its file")


@dataclass(slots=True)
class TeachingTime:
    """Seconds since the last epoch began: of the teachers, summed over their threads, and of steps that waited."""

    steps: int = 0
    teacher_seconds: float = 0.0
    waiting_seconds: float = 0.0

    def per_step(self) -> tuple[float, float]:
        """Seconds of the teachers and of waiting for them, per step."""
        return self.teacher_seconds / max(1, self.steps), self.waiting_seconds / max(1, self.steps)


class LiveTeachers:
    """The mean of `teachers` on every crop; `time` is that of the epoch in progress or of the last one."""

    def __init__(self, teachers: Sequence[LiveTeacher]) -> None:
        self.teachers = teachers
        self.time = TeachingTime()

    @property
    def digests(self) -> list[str]:
        return [teacher.predictor.digest for teacher in self.teachers]

    def check(self, train: Samples) -> None:
        """Try every teacher on the first training images that show a person; UserError names an unusable one."""
        show_person = (i for i in range(len(train)) if train.labels[i].max() >= PERSON_LEVEL)
        if tried := list(islice(show_person, TRIED_IMAGES)):
            for teacher in self.teachers:
                teacher.check(train.images[tried])

    def labelled(self, batches: Iterator[Batch], *, label_stride: int) -> Generator[Batch, None, None]:
        """`batches` with the teachers' mean probabilities, in the same order, AHEAD of them in work.

        `batches` is advanced in this thread, so its random numbers keep their order. An error of a teacher is raised
        here, at its batch. Close the iterator to stop early.
        """
        self.time = TeachingTime()
        threads = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="teacher")
        try:
            waiting: deque[tuple[Batch, list[Future[Label]]]] = deque()
            for batch in batches:
                waiting.append((batch, [threads.submit(self._label, crop) for crop in _crops(batch.images)]))
                if len(waiting) > AHEAD:
                    yield self._collected(*waiting.popleft(), label_stride)
            while waiting:
                yield self._collected(*waiting.popleft(), label_stride)
        finally:
            threads.shutdown(cancel_futures=True)

    def _label(self, rgb: Pixels) -> Label:
        started = time.perf_counter()
        probs = [teacher.person_prob(rgb) for teacher in self.teachers]
        return np.asarray(np.mean(probs, axis=0), np.float32), time.perf_counter() - started

    def _collected(self, batch: Batch, labels: Sequence[Future[Label]], label_stride: int) -> Batch:
        started = time.perf_counter()
        probs, seconds = zip(*(label.result() for label in labels), strict=True)
        self.time.waiting_seconds += time.perf_counter() - started
        self.time.teacher_seconds += sum(seconds)
        self.time.steps += 1
        taught = torch.from_numpy(np.stack(probs)).to(batch.images.device)  # (N, S, S)
        return replace(batch, taught=taught[:, ::label_stride, ::label_stride].contiguous())  # as the labels


def open_live_teachers(paths: Sequence[Path], device: torch.device) -> LiveTeachers:
    """Open the networks of --distill-live, exported ones with one thread an image; UserError for an unusable one."""
    return LiveTeachers([_open(path, device) for path in paths])


def _open(path: Path, device: torch.device) -> LiveTeacher:
    runtime = RUNTIMES.get(path.suffix, TORCH)
    if runtime == "openvino":  # its request takes one image at a time
        raise UserError(f"expected an ONNX file, a checkpoint or a run for --distill-live, found {path}")
    threads = None if runtime == TORCH else 1  # a checkpoint's would hold for the training, too
    return LiveTeacher(name_of(path), open_predictor(path, device, threads=threads))


def _crops(images: Tensor) -> list[Pixels]:
    """RGB (N, 3, S, S) in 0..255 -> N of uint8 (S, S, 3)."""
    pixels = images.round().clamp(0, 255).to(torch.uint8) if images.is_floating_point() else images
    return list(np.ascontiguousarray(pixels.permute(0, 2, 3, 1).cpu().numpy()))
