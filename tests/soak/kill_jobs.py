"""Kill a generate worker or a fit with SIGKILL, again and again until it ends, and compare with an undisturbed one.

A resumed job must end in the same rows, or in the same weights bit for bit.
"""

import json
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from skimage import data
from small_lineages import Lineage
from tqdm import tqdm

from manifests.files.atomic import TEMPORARY_PREFIX
from manifests.upkeep.verify import verify
from pipeline.generate.__main__ import main as generate
from trainer.fit.__main__ import main as fit
from trainer.fit.run import fit_or_resume  # noqa: F401 - loaded before the processes are forked
from trainer.weights.checkpoint import load_checkpoint

IMAGES = 6
SIDE_PX = 256
PAIRS = 12
EPOCHS = 3


@dataclass(frozen=True)
class Job:
    """A job that a rerun resumes. Each function takes the job's directory; `prepare` makes its inputs in another."""

    prepare: Callable[[Path], None]
    run: Callable[[Path, Path], None]  # inputs, the directory
    result: Callable[[Path], object]  # of one that ended
    problems: Callable[[Path], list[str]]  # after a kill


def survive(name: str, kills: int, seed: int) -> str:
    """Kill the job's process so many times; the figures in a line, SystemExit with the seed at the first problem."""
    job, chosen = JOBS[name], random.Random(f"{name} {seed}")
    with tempfile.TemporaryDirectory() as directory:
        inputs, whole, disturbed = (Path(directory, part) for part in ("inputs", "whole", "disturbed"))
        inputs.mkdir()
        job.prepare(inputs)
        begin = time.monotonic()
        _finish(job, inputs, whole, name)
        seconds, expected = time.monotonic() - begin, job.result(whole)
        ended, done = 0, 0
        while done < kills:
            if _killed(job, inputs, disturbed, chosen.uniform(0, seconds)):
                done += 1
                found = job.problems(disturbed)
            else:
                found = _differences(job, disturbed, expected)
                shutil.rmtree(disturbed)
                ended += 1
            if found:
                raise SystemExit(f"seed {seed}, {name} {done}: {'; '.join(found[:5])}")
        _finish(job, inputs, disturbed, name)
        found = _differences(job, disturbed, expected)
        if found:
            raise SystemExit(f"seed {seed}, {name} {done}: {'; '.join(found[:5])}")
    return f"{done:,} {name} processes killed, {ended + 1:,} runs ended as the undisturbed one; nothing lost"


def _differences(job: Job, directory: Path, expected: object) -> list[str]:
    return [] if job.result(directory) == expected else ["it ended otherwise than an undisturbed one"]


def _finish(job: Job, inputs: Path, directory: Path, name: str) -> None:
    """Run the job to its end; SystemExit when it fails."""
    _, status = os.waitpid(_forked(job, inputs, directory), 0)
    if status:
        raise SystemExit(f"{name}: expected it to end, found exit status {os.waitstatus_to_exitcode(status)}")


def _killed(job: Job, inputs: Path, directory: Path, delay_seconds: float) -> bool:
    """Run the job and kill it after a while; return whether it was still at work. SystemExit when it failed."""
    child = _forked(job, inputs, directory)
    time.sleep(delay_seconds)
    os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status > 0:
        raise SystemExit(f"expected a rerun to go on, found exit status {status}")
    return status < 0


def _forked(job: Job, inputs: Path, directory: Path) -> int:
    child = os.fork()
    if child:
        return child
    try:
        tqdm.set_lock(threading.RLock())  # its own is shared with the parent, and the dead don't release it
        directory.mkdir(exist_ok=True)
        with Path(directory, "output.txt").open("w") as output, redirect_stdout(output), redirect_stderr(output):
            job.run(inputs, directory)
        os._exit(0)
    finally:
        os._exit(1)  # no cleaning up in a copy of the parent


# A generate worker: real faces, GrabCut as the teacher, shards of two images


def _write_photographs(inputs: Path) -> None:
    portrait = Image.fromarray(data.astronaut()).resize((SIDE_PX, SIDE_PX))
    for number in range(IMAGES):
        turned = portrait.rotate(3 * number)
        turned.save(inputs / f"{number}.jpg", quality=90 - number)


def _generate(inputs: Path, directory: Path) -> None:
    where = ["--manifests", str(directory / "manifests"), "--data", str(directory / "data")]
    generate(["--images", str(inputs), "--teacher", "grabcut", "--source", "web", "--shard-size", "2", *where])


def _rows(directory: Path) -> object:
    return sorted(Lineage(directory).rows().values(), key=lambda row: row["sample_id"])


def _version_problems(directory: Path) -> list[str]:
    return [problem for version in Lineage(directory).store.history() for problem in verify(version)]


# A fit of a few epochs


def _write_dataset(inputs: Path) -> None:
    lineage = Lineage(inputs)
    for seed in range(PAIRS):
        lineage.generate(seed, origin="ground_truth")
    lineage.edit({seed: {"split": "val" if seed < PAIRS // 4 else "train"} for seed in range(PAIRS)})
    lineage.edit({seed: {"status": "accepted"} for seed in range(PAIRS)})


def _fit(inputs: Path, directory: Path) -> None:
    version = Lineage(inputs).store.open()
    recipe = ["--epochs", str(EPOCHS), "--encoder-epochs", "0", "--batch-size", "3", "--size", "32", "--no-compile"]
    fit(["--manifest", str(version.path), "--output", str(directory / "run"), "--device", "cpu", *recipe])


def _weights(directory: Path) -> object:
    names = ("best", "last")
    return [json.loads((directory / f"run/{name}.json").read_text())["weights_sha256"] for name in names]


def _checkpoint_problems(directory: Path) -> list[str]:
    """Load the checkpoints; UserError for one that can't be loaded."""
    for path in directory.rglob("*.safetensors"):
        if path.name in ("best.safetensors", "last.safetensors") and not path.name.startswith(TEMPORARY_PREFIX):
            load_checkpoint(path)
    return []


JOBS = {
    "worker": Job(_write_photographs, _generate, _rows, _version_problems),
    "fit": Job(_write_dataset, _fit, _weights, _checkpoint_problems),
}
