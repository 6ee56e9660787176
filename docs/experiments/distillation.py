"""Live against stored distillation, its losses, and a learning curve over generated images.

    python docs/experiments/distillation.py --photographs DIR --teachers DIR --init SINet.pth --output DIR [--tiny]

The photographs lie as portraits/images and portraits/masks, and the source images without masks as NAME/images for each
NAME of --raw. The teachers are ONNX files with their JSON beside them. The same command resumes an interrupted one.
OUTPUT then holds table.md, table.csv and table.png of trainer.compare, curves.png, and cost.md with the seconds of each
arm.
"""

import argparse
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from curated_data import (
    Place,
    Scale,
    epochs,
    generate,
    import_portraits,
    keep_tables,
    mean_and_deviation,
    once,
    run,
)
from matplotlib.figure import Figure

from manifests.cli.arguments import run_command
from manifests.cli.converters import positive
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.errors import UserError
from manifests.store.training_rows import accepted_rows
from trainer.compare.arms import read_arms
from trainer.fit.metrics_log import read_log

DATASET = "generated"
MAX_DOUBT = 0.5  # generated masks above it stay out
PARTS = (4, 2, 1)  # of the generated images that are accepted: a quarter, half, all
PORTRAITS = "portraits"  # the arm without generated images, and the folder
BASE = "+ all generated"
LEARNING = (PORTRAITS, "+ 1/4 generated", "+ 1/2 generated", BASE)  # the arms of the learning curve
TINY = Scale(every=30, steps=4, size_px=96, seeds=(0, 1))


@dataclass(frozen=True, slots=True)
class Choices:
    """What is fitted: the teachers' files, the folders of source images without masks, and the amount of it all."""

    teachers: Sequence[Path]
    raw: Sequence[str]
    scale: Scale


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    output, photographs = options.output.absolute(), options.photographs.absolute()
    place, pictures = Place(output, options.teachers.absolute()), output / "pictures"
    own = Scale(every=1, steps=options.steps, size_px=options.size, seeds=tuple(options.seeds))
    scale = TINY if options.tiny else own
    files = [place.teachers / f"{name}.onnx" for name in options.teacher]
    choices = Choices(files, options.raw, scale)
    sources = (PORTRAITS, *choices.raw)
    once(place, "pictures", lambda: link_images(photographs, pictures, sources, scale.every))
    once(place, "valid", lambda: import_portraits(place, pictures, "valid", "valid_*"))
    once(place, DATASET, lambda: generate_and_accept(place, pictures, choices))
    arms = chosen_arms(all_arms(place, choices), options.arms)
    fit = f"--size {scale.size_px} --low-res-epochs 0 --ema-decay 0.99 --learning-rate 0.003"
    fit += f" --preset default --init {options.init.absolute()}" if options.init else ""
    words = ["--fit", fit, "--seeds", *map(str, scale.seeds)]
    words += [word for name, more in arms.items() for word in ("--arm", f"{name}={more}")]
    train, on = place.store(DATASET).path(1), place.store("valid").path(1)
    run("trainer.compare", "--manifest", train, "--on", on, "--output", output / "arms", *words)
    keep_tables(output / "arms", output)
    read = read_arms([f"{name}={more}" for name, more in arms.items()], fit)
    runs = {arm.name: [output / "arms" / arm.slug / f"seed{seed}" for seed in scale.seeds] for arm in read}
    (output / "cost.md").write_text(cost_table(runs))
    draw(place, runs, output)
    print(output / "table.md")


def generate_and_accept(place: Place, pictures: Path, choices: Choices) -> None:
    """v1 portraits; the source images, labelled by the teachers; a quarter, half and all of the sure ones accepted."""
    import_portraits(place, pictures, DATASET, "train_*")
    teacher = "+".join(f"onnx:{path}" for path in choices.teachers)
    for name in choices.raw:
        source = name.replace("/", "-")
        generate(place, DATASET, source, "--images", pictures / name / "images", "--teacher", teacher, "--flip")
    pending = [row for row in place.store(DATASET).open().read().to_pylist() if row["status"] == "pending"]
    sure = sorted(row["sample_id"] for row in pending if row["doubt"] is None or row["doubt"] <= MAX_DOUBT)
    print(f"{len(pending)} generated, {len(sure)} of doubt up to {MAX_DOUBT}", flush=True)
    for part in PARTS:
        accept(place, set(sure[: len(sure) // part]))


def accept(place: Place, sample_ids: set[str]) -> None:
    """Accept those of the samples that are pending, and publish the next version; the others stay pending."""
    manifest = place.store(DATASET).open()
    log = DecisionLog(sqlite_url(manifest.data_root))
    log.append(
        [
            Decision(
                decision_id=str(uuid.uuid4()),
                sample_id=row["sample_id"],
                mask_sha256=row["mask_sha256"],
                verdict="accept",
                reviewer="experiment",
                decided_at=datetime.now(UTC),
            )
            for row in manifest.read().to_pylist()
            if row["status"] == "pending" and row["sample_id"] in sample_ids
        ]
    )
    log.close()
    run("manifests", "publish", cwd=place.output / DATASET)


def all_arms(place: Place, choices: Choices) -> dict[str, str]:
    """Options of trainer.fit by name; the first arm is the base. All take as many steps."""
    store, scale = place.store(DATASET), choices.scale
    last = store.open().version
    by_part = {part: store.open(last - i) for i, part in enumerate(reversed(PARTS))}
    rows = {part: len(accepted_rows(manifest, "train")) for part, manifest in by_part.items()}
    everything = f"--manifest {by_part[1].path} {epochs(rows[1], scale)}"
    teachers = " ".join(map(str, choices.teachers))
    live = f"{everything} --distill-live {teachers}"
    return {
        BASE: everything,
        PORTRAITS: epochs(len(accepted_rows(store.open(1), "train")), scale),
        LEARNING[1]: f"--manifest {by_part[4].path} {epochs(rows[4], scale)}",
        LEARNING[2]: f"--manifest {by_part[2].path} {epochs(rows[2], scale)}",
        "stored": f"{everything} --distill {teachers}",
        "live": live,
        "live, no masks": f"{live} --distill-share 1",
        "live, channel-wise": f"{live} --distill-loss cwd --temperature 4",
        "live, boundary and body": f"{live} --distill-loss bpkd",
        "live, connectivity": f"{live} --connectivity 0.1",
    }


def chosen_arms(arms: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """The base and the arms named; all without a name. UserError for an unknown one."""
    if unknown := sorted(set(names) - set(arms)):
        raise UserError(f"expected --arms out of {', '.join(arms)}, found {', '.join(unknown)}")
    return {name: more for name, more in arms.items() if not names or name == BASE or name in names}


def link_images(photographs: Path, pictures: Path, sources: Sequence[str], every: int) -> None:
    """Links to every n-th image of each source, and to its mask if there is one."""
    for source in sources:
        for kind in ("images", "masks"):
            (pictures / source / kind).mkdir(parents=True)
        for image in sorted((photographs / source / "images").iterdir())[::every]:
            (pictures / source / "images" / image.name).symlink_to(image)
            mask = photographs / source / "masks" / f"{image.stem}.png"
            if mask.exists():
                (pictures / source / "masks" / mask.name).symlink_to(mask)


def cost_table(runs: Mapping[str, Sequence[Path]]) -> str:
    """Markdown by arm: the seconds of its fastest fit, which other work disturbed least, and medians of its steps'."""
    lines = ["| arm | seconds, the fastest fit | teachers, s a step | waiting, s a step |", "|---|---|---|---|"]
    for name, directories in runs.items():
        seconds = [json.loads(directory.with_suffix(".json").read_text())["seconds"] for directory in directories]
        logged = [line for directory in directories for line in read_log(directory)]
        columns = ("teacher_seconds_per_step", "waiting_seconds_per_step")
        values = [[float(line[column]) for line in logged if line[column]] for column in columns]
        per_step = [f"{np.median(column):.3f}" if column else "" for column in values]
        lines.append(f"| {name} | {min(seconds):.1f} | {' | '.join(per_step)} |")
    return "\n".join(lines) + "\n"


def draw(place: Place, runs: Mapping[str, Sequence[Path]], output: Path) -> None:
    """curves.png: the learning curve over generated images, and miou on val over the epochs of each arm."""
    store = place.store(DATASET)
    last = store.open().version
    portraits = len(accepted_rows(store.open(1), "train"))
    counts = [0, *(len(accepted_rows(store.open(last - i), "train")) - portraits for i in (2, 1, 0))]
    measured = mean_and_deviation(output / "table.csv")
    figure = Figure(figsize=(12, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(2, 3))
    points = [(count, *measured[name]) for count, name in zip(counts, LEARNING, strict=True) if name in measured]
    style: dict[str, Any] = {"marker": "o", "color": "black", "capsize": 3}
    left.errorbar(*np.array(points).T, **style)
    left.set_xlabel(f"generated images beside {portraits} portraits")
    left.set_ylabel("person_iou_per_image, %")
    for i, (name, directories) in enumerate(runs.items()):
        mious = [[float(line["miou"]) for line in read_log(directory) if line["miou"]] for directory in directories]
        if all(mious):
            mean = np.mean(mious, axis=0)
            done = np.arange(1, len(mean) + 1) / len(mean)
            right.plot(done, mean, label=name, color=f"C{i}", linestyle="--" if name in LEARNING else "-")
    right.set_xlabel("share of the epochs")
    right.set_ylabel("miou on val, mean over seeds")
    right.legend(fontsize="small", ncols=2)
    figure.savefig(output / "curves.png", dpi=120)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Does a live teacher make a better SINet than stored outputs?")
    add = parser.add_argument
    add("--photographs", type=Path, required=True)
    add("--teachers", type=Path, required=True, help="directory of ONNX files, each with its JSON")
    add("--teacher", nargs="+", default=["mediapipe_selfie"], help="names of those files (default: mediapipe_selfie)")
    add("--raw", nargs="+", default=["raw_portraits"], help="folders of source images (default: raw_portraits)")
    add("--init", type=Path, help="weights that every arm starts from, SINet.pth say (default: none)")
    add("--output", type=Path, required=True)
    add("--steps", type=positive, default=80, help="of each fit, 24 images each (default: %(default)s)")
    add("--size", type=positive, default=96, help="image side in pixels (default: %(default)s)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    add("--arms", nargs="+", default=[], metavar="NAME", help="arms beside the base (default: all)")
    add("--tiny", action="store_true", help="every 30th image, 4 steps, 2 seeds: does everything run?")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
