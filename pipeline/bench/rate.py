"""The pipeline against the baseline: images per second."""

import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from manifests.bench.headline import Figure
from manifests.files.blobs import BlobStore
from manifests.pixels.images import decode_image
from pipeline.bench.lines import print_line, timed
from pipeline.bench.precision import untrained_network
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import label_all
from pipeline.ordered_map import in_batches
from pipeline.sources import Origins, Picture
from pipeline.teachers import Portrait, Teacher, pick_device
from pipeline.teachers.network import NetworkTeacher, use_bf16
from pipeline.teachers.options import DEFAULT_INPUT_PX, TeacherOptions

ROUND = 8  # images per thread and turn


def untrained_teacher(options: TeacherOptions) -> NetworkTeacher:
    """The paper's network with random weights, as a teacher; UserError for a device that isn't here."""
    device = pick_device(options.device)
    return NetworkTeacher(
        untrained_network,
        name="deeplabv3plus with random weights",
        person_class=0,
        input_px=options.input_px[0] if options.input_px else DEFAULT_INPUT_PX,
        device=device,
        bf16=use_bf16(options.precision, device),
        batch_size=options.batch_size,
    )


def report_rate(teacher: Teacher, pictures: list[Picture], directory: Path, seconds: float, threads: int) -> Figure:
    """Print images and masks per second, over turns of about `seconds` in all; return the pipeline's."""
    labeller = Labeller(LabelWork(Origins("bench")), default_detector(), teacher, BlobStore(directory / "data"))
    bare, whole, masks = [], [], []  # seconds per image of both, masks per image
    rounds = in_batches(pictures, ROUND * threads)
    _bare_loop(teacher, pictures[:threads], threads)  # warm-up
    end = time.perf_counter() + seconds
    for batch in rounds:
        bare.append(timed(_bare_loop, teacher, batch, threads)[0] / len(batch))
        took, counts = timed(_run_pipeline, labeller, batch, threads)
        whole.append(took / len(batch))
        masks.append(sum(counts) / len(batch))
        if time.perf_counter() > end:
            break
    print(f"labelling with {teacher.name}, {teacher.settings}: {len(bare) * ROUND * threads} images, {threads} threads")
    baseline, ours, masks_each = (statistics.median(turns) for turns in (bare, whole, masks))
    print_line("decode -> teacher (baseline)", 1 / baseline, "images/s", 1.0)
    print_line("the pipeline", 1 / ours, "images/s", baseline / ours)
    print_line("the pipeline, by the masks it makes", masks_each / ours, "masks/s", baseline * masks_each / ours)
    what = f"label photographs with {teacher.name}, {threads} threads"
    return Figure(what, 1 / ours, "images/s", "python -m pipeline.bench", "decode -> teacher alone", baseline / ours)


def _bare_loop(teacher: Teacher, pictures: Iterable[Picture], threads: int) -> None:
    def one(batch: list[Picture]) -> None:
        teacher.predict([Portrait(decode_image(picture.read()), []) for picture in batch])

    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(one, in_batches(pictures, teacher.batch_size)))


def _run_pipeline(labeller: Labeller[Picture], pictures: list[Picture], threads: int) -> list[int]:
    """Label the images; return the number of masks of each."""
    results = label_all(labeller, pictures, threads=threads)
    return [len(rows) if isinstance(rows, list) else 0 for rows in results]
