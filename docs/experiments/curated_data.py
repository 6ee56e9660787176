"""Do curated pseudo-labels make a better SINet? The question of the paper's table 3, asked with its own commands.

    python docs/experiments/curated_data.py --photographs DIR --teachers DIR --init SINet.pth --output DIR [--small]

The photographs lie as portraits/, fullbody/, raw_portraits/ and raw_fullbody/, each with images/ and the first two with
masks/; the teachers are ONNX files with their JSON beside them. The same command goes on where it was stopped. In
the end OUTPUT holds tables of the arms (table_valid/, table_held_back/), curves.png and cost.json; curated_data.md
tells the story.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.pixels.masks import PERSON_LEVEL, decode_mask
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.training_rows import accepted_rows

STRONG = ("mediapipe_selfie", "google_meet")  # their mean, and that of the mirrored picture
WEAK = "deeplab_mnv2_050"  # one mask in six is bad
GOOD_IOU = 0.9  # the oracle accepts a mask from here on
REJECTED = Path(__file__).parent / "rejected.txt"  # sample ids, from looking at contact sheets
BATCH_SIZE = 24
LONGER = 3  # times the steps, for two arms
PARTS = {f"1/{part} of SINet's": part for part in (8, 4, 2)}  # arms of the learning curve: fewer portraits
RAW = ("raw_portraits", "raw_fullbody")

Row = Mapping[str, Any]
Verdict = Callable[[Row], bool]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it: every n-th picture, steps of each fit, pictures' side, seeds."""

    every: int
    steps: int
    size_px: int
    seeds: tuple[int, ...]


FULL = Scale(every=1, steps=400, size_px=128, seeds=(0, 1, 2))
SMALL = Scale(every=8, steps=20, size_px=96, seeds=(0, 1))


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is."""

    output: Path
    teachers: Path

    @property
    def strong(self) -> str:
        return "+".join(f"onnx:{self.teachers / name}.onnx" for name in STRONG)

    @property
    def weak(self) -> str:
        return f"onnx:{self.teachers / WEAK}.onnx"

    def store(self, name: str) -> ManifestStore:
        return ManifestStore(self.output / name / "manifests")


def main() -> None:
    options = _parse()
    scale = SMALL if options.small else FULL
    place = Place(options.output.absolute(), options.teachers.absolute())
    pictures = place.output / "pictures"
    once(place, "pictures", lambda: link_pictures(options.photographs.absolute(), pictures, scale.every))
    once(place, "valid", lambda: import_portraits(place, pictures, "valid", "valid_*"))
    once(place, "curated", lambda: curated(place, pictures))
    once(place, "weak", lambda: weak(place, pictures))
    arms = all_arms(place, scale)
    fit = f"--size {scale.size_px} --low-res-epochs 0 --ema-decay 0.99 --learning-rate 0.003"
    fit += f" --preset default --init {options.init.absolute()}" if options.init else ""
    words = ["--fit", fit, "--seeds", *map(str, scale.seeds)]
    words += [word for name, own in arms.items() for word in ("--arm", f"{name}={own}")]
    base = place.store("curated").path(1)
    measured: dict[str, list[str | Path]] = {
        "table_valid": ["--on", place.store("valid").path(1)],
        "table_held_back": ["--on", place.store("curated").path(3), "--split", "test"],
    }
    for table, on in measured.items():
        run("trainer.compare", "--manifest", base, *on, "--output", place.output / "arms", *words)
        keep_tables(place.output / "arms", place.output / table)
    runs = [place.output / "arms" / arm / f"seed{seed}" for arm in ("sinet", "negatives") for seed in scale.seeds]
    on = ["--manifest", place.store("valid").path(1), "--split", "all"]
    run("trainer.evaluate", "--checkpoint", *runs, *on, "--person-free", saved_as=place.output / "person_free.txt")
    draw(place)


def curated(place: Place, pictures: Path) -> None:
    """v1 portraits, v3 and accepted face crops (case 1), v6 and reviewed pseudo-labels (case 2)."""
    import_portraits(place, pictures, "curated", "train_*")
    fullbody = pictures / "fullbody"
    generate(place, "curated", "fullbody", "--images", fullbody / "images", "--masks", fullbody / "masks")
    review(place, "curated", "oracle: their own masks", lambda row: True)
    for source in RAW:
        generate(
            place, "curated", source, "--images", pictures / source / "images", "--teacher", place.strong, "--flip"
        )
    rejected = set(REJECTED.read_text().split())
    review(place, "curated", "contact sheet", lambda row: row["sample_id"] not in rejected)


def weak(place: Place, pictures: Path) -> None:
    """Four datasets of the same portraits and raw pictures, labelled by a weak teacher; what is accepted differs."""
    import_portraits(place, pictures, "weak", "train_*")
    for source in RAW:
        generate(place, "weak", source, "--images", pictures / source / "images", "--teacher", place.weak)
    good = oracle(place.store("curated").open())
    pending = [row for row in place.store("weak").open().read().to_pylist() if row["status"] == "pending"]
    accepted = sum(good(place.store("weak").open(), row) for row in pending)
    least = {row["sample_id"] for row in sorted(pending, key=lambda row: row["doubt"])[:accepted]}
    for name, verdict in {
        "weak_all": lambda store: lambda row: True,
        "weak_doubt": lambda store: lambda row: row["sample_id"] in least,
        "weak_accepted": lambda store: lambda row: good(store.open(), row),
    }.items():
        shutil.copytree(place.output / "weak", place.output / name)
        review(place, name, "oracle", verdict(place.store(name)))
    shutil.copytree(place.output / "weak_accepted", place.output / "weak_again")
    run("pipeline.generate", "--relabel", "rejected", "--teacher", "starter", "--flip", cwd=place.output / "weak_again")
    store = place.store("weak_again")
    review(place, "weak_again", "oracle", lambda row: good(store.open(), row))


def oracle(truth: Manifest) -> Callable[[Manifest, Row], bool]:
    """Who stands in for a reviewer: accepts what agrees with the mask that `truth` has accepted, by person IoU."""
    blobs = BlobStore(truth.data_root)
    known = {row["sample_id"]: row for row in truth.read().to_pylist() if row["status"] == "accepted"}

    def good(manifest: Manifest, row: Row) -> bool:
        if row["sample_id"] not in known:
            return False
        ours = decode_mask(BlobStore(manifest.data_root).read(row["mask"], row["mask_sha256"])) >= PERSON_LEVEL
        other = known[row["sample_id"]]
        theirs = decode_mask(blobs.read(other["mask"], other["mask_sha256"])) >= PERSON_LEVEL
        return bool((ours & theirs).sum() >= GOOD_IOU * max(1, (ours | theirs).sum()))

    return good


def review(place: Place, name: str, reviewer: str, verdict: Verdict) -> None:
    """A verdict on every pending sample of the latest version, published as the next one."""
    manifest = place.store(name).open()
    log = DecisionLog(sqlite_url(manifest.data_root))
    log.append(
        [
            Decision(
                decision_id=str(uuid.uuid4()),
                sample_id=row["sample_id"],
                mask_sha256=row["mask_sha256"],
                verdict="accept" if verdict(row) else "reject",
                reviewer=reviewer,
                decided_at=datetime.now(UTC),
            )
            for row in manifest.read().to_pylist()
            if row["status"] == "pending"
        ]
    )
    log.close()
    run("manifests", "publish", cwd=place.output / name)


def all_arms(place: Place, scale: Scale) -> dict[str, str]:
    """Options of trainer.fit by name; the first one is the base. All but the last two take as many steps."""
    portraits = len(accepted_rows(place.store("curated").open(1), "train"))

    def own(name: str, version: int | None = None, more: str = "", longer: int = 1) -> str:
        manifest = place.store(name).open(version)
        rows = len(accepted_rows(manifest, "train"))
        return f"--manifest {manifest.path} {epochs(rows, scale, longer)} {more}".strip()

    arms = {
        "SINet": epochs(portraits, scale),
        "SINet+ case 1": own("curated", 3),
        "SINet+ case 2": own("curated", more="--weight fullbody=0"),
        "SINet+ both": own("curated"),
        "negatives": f"--negatives 0.1 {epochs(portraits, scale)}",
        "weak: all": own("weak_all"),
        "weak: least doubtful": own("weak_doubt"),
        "weak: accepted": own("weak_accepted"),
        "weak: round two": own("weak_again"),
    }
    for name, part in PARTS.items():
        arms[name] = f"--limit {portraits // part} {epochs(portraits // part, scale)}"
    arms[f"SINet, {LONGER}x the steps"] = epochs(portraits, scale, LONGER)
    arms[f"SINet+ both, {LONGER}x the steps"] = own("curated", longer=LONGER)
    return arms


def epochs(rows: int, scale: Scale, longer: int = 1) -> str:
    """As many as come nearest to the steps."""
    return f"--epochs {max(1, round(longer * scale.steps / max(1, rows // BATCH_SIZE)))}"


def import_portraits(place: Place, pictures: Path, name: str, pattern: str) -> None:
    """Version 1 of the dataset `name`: portraits with their own masks."""
    (place.output / name).mkdir()
    folder = pictures / "portraits"
    pairs = ["--images", str(folder / "images" / pattern), "--masks", str(folder / "masks" / pattern)]
    run("manifests", "import", "--source", "portraits", *pairs, cwd=place.output / name)


def generate(place: Place, name: str, source: str, *words: str | Path) -> None:
    run("pipeline.generate", "--source", source, *words, cwd=place.output / name)


def link_pictures(photographs: Path, pictures: Path, every: int) -> None:
    """Links to every n-th picture and its mask."""
    for source in ("portraits", "fullbody", *RAW):
        for kind in ("images", "masks"):
            (pictures / source / kind).mkdir(parents=True)
        images = sorted((photographs / source / "images").iterdir())
        for image in images[::every]:
            (pictures / source / "images" / image.name).symlink_to(image)
            mask = photographs / source / "masks" / f"{image.stem}.png"
            if mask.exists():
                (pictures / source / "masks" / mask.name).symlink_to(mask)


def once(place: Place, name: str, make: Callable[[], None]) -> None:
    """`make` unless it is done; what a stopped run left of it is thrown away. Its seconds go to cost.json."""
    cost = place.output / "cost.json"
    known = json.loads(cost.read_text()) if cost.is_file() else {}
    if name in known:
        return
    for left in place.output.glob(f"{name}*"):
        shutil.rmtree(left)
    place.output.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    make()
    cost.write_text(json.dumps(known | {name: round(time.perf_counter() - started)}, indent=2) + "\n")


def run(module: str, *words: str | Path, cwd: Path | None = None, saved_as: Path | None = None) -> None:
    """A command as its user types it, what it says kept in a file where asked; this program ends when it fails."""
    command = [sys.executable, "-m", module, *map(str, words)]
    print(f"$ python -m {module} {' '.join(map(str, words))}"[:200], flush=True)
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE if saved_as else None, text=True, check=False)
    if done.returncode:
        sys.exit(f"expected {module} to succeed, found that it failed; the same command goes on from there")
    if saved_as:
        saved_as.write_text(done.stdout)


def keep_tables(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for name in ("table.md", "table.csv", "table.png"):
        shutil.copy(source / name, target / name)


def draw(place: Place) -> None:
    """curves.png: person_iou_per_image over the number of portraits, and of the arms that take all of them."""
    tables = {"portraits (valid)": "table_valid", "held-back portraits and face crops": "table_held_back"}
    portraits = len(accepted_rows(place.store("curated").open(1), "train"))
    learning = {portraits // part: name for name, part in PARTS.items()} | {portraits: "SINet"}
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(2, 3))
    for (title, table), colour, marker in zip(tables.items(), ("black", "tab:blue"), ("o", "s"), strict=True):
        found = mean_and_deviation(place.output / table / "table.csv")
        arms = [name for name in found if name not in PARTS]
        style: dict[str, Any] = {"marker": marker, "color": colour, "capsize": 3, "label": title}
        left.errorbar(list(learning), *np.array([found[name] for name in learning.values()]).T, **style)
        right.errorbar(range(len(arms)), *np.array([found[name] for name in arms]).T, linestyle="none", **style)
        right.axhline(found["SINet"][0], color=colour, linewidth=0.5)
        right.set_xticks(range(len(arms)), arms, rotation=30, ha="right")
    left.set_xscale("log", base=2)
    left.set_xticks(list(learning), [str(count) for count in learning])
    left.set_xlabel("portraits with ground truth")
    left.set_ylabel("person_iou_per_image, %")
    left.legend()
    figure.savefig(place.output / "curves.png", dpi=120)


def mean_and_deviation(table: Path) -> dict[str, tuple[float, float]]:
    """Of person_iou_per_image, in percent, by arm."""
    with table.open() as file:
        return {
            line["arm"]: (100 * float(line["mean"]), 100 * float(line["deviation"] or 0))
            for line in csv.DictReader(file)
            if line["metric"] == "person_iou_per_image" and line["mean"]
        }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Do curated pseudo-labels make a better SINet?")
    add = parser.add_argument
    add("--photographs", type=Path, required=True)
    add("--teachers", type=Path, required=True, help="directory of ONNX files, each with its JSON")
    add("--init", type=Path, help="weights that every arm starts from, SINet.pth say (default: none)")
    add("--output", type=Path, required=True)
    add("--small", action="store_true", help="an eighth of the pictures and a few steps: does everything run?")
    return parser.parse_args()


if __name__ == "__main__":
    main()
