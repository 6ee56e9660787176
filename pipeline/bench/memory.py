"""Peak memory of labelling, by the number of images."""

import resource
import tempfile
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path

from manifests.files.blobs import BlobStore
from pipeline.bench.lines import print_line
from pipeline.faces.mtcnn import default_detector
from pipeline.labelling.label import LabelWork
from pipeline.labelling.labeller import Labeller
from pipeline.labelling.shards import label_all
from pipeline.ordered_map import one_thread_an_item
from pipeline.sources import Origins, Picture
from pipeline.teachers import load_teacher


def report_memory(pictures: list[Picture], counts: list[int], teacher: str, threads: int) -> None:
    """Print peak memory for each count of images, in a new process each; the images are repeated."""
    print(f"peak memory of labelling with {teacher}, {len(pictures)} images in turn, {threads} threads")
    peaks = []
    for count in counts:
        with get_context("spawn").Pool(1) as pool:
            peaks.append(pool.apply(_peak_bytes, (list(islice(cycle(pictures), count)), teacher, threads)))
        print_line(f"{count} images", peaks[-1] / 1e6, "MB", peaks[-1] / peaks[0])


def _peak_bytes(pictures: list[Picture], teacher: str, threads: int) -> int:
    one_thread_an_item()
    with tempfile.TemporaryDirectory() as directory:
        work, blobs = LabelWork(Origins("bench")), BlobStore(Path(directory))
        for _ in label_all(Labeller(work, default_detector(), load_teacher(teacher), blobs), pictures, threads=threads):
            pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
