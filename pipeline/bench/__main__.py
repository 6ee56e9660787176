"""`python -m pipeline.bench`: the arguments."""

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from manifests.bench.headline import add_headline_option, record
from manifests.cli.arguments import run_command
from pipeline.teachers.options import add_teacher_options, teacher_options

VARIANTS = 64


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    # imported here: these load torch
    from pipeline.bench.memory import report_memory
    from pipeline.bench.precision import report_precision
    from pipeline.bench.rate import report_rate, untrained_teacher
    from pipeline.bench.variants import make_variants
    from pipeline.ordered_map import one_thread_an_item
    from pipeline.sources import find_pictures
    from pipeline.teachers import load_teacher

    settings = teacher_options(options)
    one_thread_an_item()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if options.images:
            images = find_pictures(options.images)[: options.limit]
        else:
            images = make_variants(directory, options.limit or VARIANTS)
        if options.memory:
            report_memory(images, options.memory, options.teacher or "grabcut", options.threads)
            return
        if not options.pipeline_alone:
            report_precision(options.seconds / 4)
        teacher = load_teacher(options.teacher, settings) if options.teacher else untrained_teacher(settings)
        record(options.headline, report_rate(teacher, images, directory, options.seconds, options.threads))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m pipeline.bench", description="Measure the pipeline on this machine.")
    parser.add_argument("--seconds", type=float, default=120.0, help="approximate duration (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="(default: %(default)s)")
    parser.add_argument("--images", help="as in pipeline.generate (default: variants of one portrait)")
    parser.add_argument("--limit", type=int, help=f"only the first N images (default: all, or {VARIANTS} variants)")
    parser.add_argument("--teacher", help="as in pipeline.generate (default: the paper's network, random weights)")
    parser.add_argument("--pipeline-alone", action="store_true", help="skip the comparison of precisions")
    parser.add_argument(
        "--memory", type=int, nargs="+", metavar="N", help="measure peak memory with each N images instead"
    )
    add_headline_option(parser)
    add_teacher_options(parser)
    return parser


if __name__ == "__main__":
    run_command(main)
