"""One run of a comparison: one arm fitted with one seed by trainer.fit, in a process of its own, then measured.

OUTPUT/ARM/seed<N> is the run's directory; its output goes to seed<N>.log, its record to seed<N>.json. Its per-image
figures are in OUTPUT/ARM/figures, by checkpoint, manifest, split and rotation.
"""

import fcntl
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.files.atomic import write_replace
from manifests.files.blobs import BlobStore, sha256_hex
from manifests.store.manifest import Manifest
from manifests.store.training_rows import AcceptedRow, SplitOrAll
from trainer.compare.arms import Arm
from trainer.compare.per_image_metrics import PerImage
from trainer.device import pick_device
from trainer.evaluate.evaluation import measure
from trainer.inference.predictors import open_predictor
from trainer.weights.checkpoint_files import BEST

logger = logging.getLogger(__name__)

LOCK = ".lock"
FIGURES = "figures"
FIGURES_VERSION = 1  # raise it when a metric or the prediction changes


class RunFailed(Exception):
    """A failed fit, with the last line of trainer.fit's output."""


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One arm with one seed."""

    arm: Arm
    seed: int
    root: Path
    manifest: Manifest

    @property
    def directory(self) -> Path:
        return self.root / self.arm.slug / f"seed{self.seed}"

    @property
    def log(self) -> Path:
        return self.directory.with_suffix(".log")

    @property
    def record(self) -> Path:
        return self.directory.with_suffix(".json")

    def seconds(self) -> float:
        """Seconds of all attempts to fit it."""
        return float(self._read_record().get("seconds", 0.0))

    def fit(self, lock: int) -> bool:
        """Fit it; False when it is fitted already. RunFailed, with the reason, when it fails.

        `lock` is a file descriptor that the fitting process keeps open.
        """
        done = {"words": list(self.arm.words), "manifest": self.manifest.digest}
        before = self.seconds()
        if self._read_record() == {**done, "checkpoint": self._checkpoint(), "seconds": before}:
            return False
        started = time.perf_counter()
        state: dict[str, Any] = {}
        try:
            status, last_line = self._run_process(lock)
            if status:
                raise RunFailed(f"failed with exit status {status}: {last_line}; see {self.log}")
            state = {**done, "checkpoint": self._checkpoint()}
        finally:  # after an interruption, too
            seconds = before + time.perf_counter() - started
            write_replace(self.record, json.dumps({**state, "seconds": seconds}).encode())
        return True

    def figures(self, on: Manifest, split: SplitOrAll, rows: Sequence[AcceptedRow], degrees: float) -> PerImage:
        """Per-image figures of its best checkpoint on every row, from their file if there is one."""
        facts = [FIGURES_VERSION, self._checkpoint(), on.digest, split, degrees]
        path = self.directory.parent / FIGURES / f"{sha256_hex(json.dumps(facts).encode())}.npz"
        if not path.is_file():
            predictor = open_predictor(self.directory / BEST, pick_device(self.arm.options.device))
            result = measure(predictor, rows, BlobStore(on.data_root), rotation_degrees=degrees)
            PerImage.of(result.total).write(path)
        return PerImage.read(path)

    def _run_process(self, lock: int) -> tuple[int, str]:
        """Run trainer.fit; return the exit status and the last line of output."""
        command = [sys.executable, "-m", "trainer.fit", *self.arm.words]
        command += ["--manifest", str(self.manifest.path), "--output", str(self.directory), "--seed", str(self.seed)]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a+b") as log:
            start = log.seek(0, os.SEEK_END)
            status = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock], check=False
            ).returncode
            log.seek(start)
            lines = log.read().decode(errors="replace").split("\n")
        return status, next((line.strip() for line in reversed(lines) if line.strip()), "no output")

    def _read_record(self) -> dict[str, Any]:
        """Read its record; without a checkpoint while it is unfinished."""
        return json.loads(self.record.read_text()) if self.record.is_file() else {}

    def _checkpoint(self) -> str | None:
        path = self.directory / BEST
        return sha256_hex(path.read_bytes()) if path.is_file() else None


@contextmanager
def only_one(output: Path) -> Iterator[int]:
    """Lock `output`, waiting for any other comparison. The lock lasts as long as this or a fitting process.

    So a killed comparison may leave its last run to finish, and the next comparison doesn't fit it at the same time.
    """
    output.mkdir(parents=True, exist_ok=True)
    with (output / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("waiting: another comparison, or the last run of a killed one, is at work in %s", output)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()
