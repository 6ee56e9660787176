"""`trainer.compare` as its users call it, on made-up pictures: ellipses before noise."""

import contextlib
import csv
import fcntl
import io
import re
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from paired_import import import_ground_truth
from PIL import Image

from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore
from trainer.compare import __main__ as compare
from trainer.compare.arms import WrongArms, read_arms
from trainer.compare.per_image_metrics import PerImage
from trainer.compare.report import write_comparison
from trainer.compare.result import Comparison

SHARED = "--epochs 1 --size 32 --batch-size 8 --device cpu --no-compile"
ARMS = ["--arm", "default=", "--arm", "no boundary term=--boundary-weight 0"]
FAILING = "no such source=--weight selfies=2"
ROTATIONS = ["--rotations", "45"]


def ellipses(root: Path, *, first: int, count: int) -> Manifest:
    """`count` pictures of 64x48 with masks, from seeds `first` on."""
    for kind in ("images", "masks"):
        (root / kind).mkdir(parents=True)
    y, x = np.mgrid[:64, :48]
    for seed in range(first, first + count):
        rng = np.random.default_rng(seed)
        centre, radii = rng.uniform(20, 34, 2), rng.uniform(8, 18, 2)
        mask = ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1] + 6) / radii[1]) ** 2 < 1
        coarse = Image.fromarray(rng.integers(0, 256, (8, 6, 3), np.uint8)).resize((48, 64))
        rgb = np.where(mask[..., None], rng.integers(120, 255, 3), np.asarray(coarse) // 2).astype(np.uint8)
        Image.fromarray(rgb).save(root / f"images/{seed}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / f"masks/{seed}.png")
    return import_ground_truth(
        ManifestStore(root / "manifests"),
        images=root / "images",
        masks=root / "masks",
        source="ellipses",
        data_root=root / "data",
    ).manifest


class StoppedAtALine(io.StringIO):
    """A terminal whose user presses Ctrl-C at the first line."""

    def write(self, text: str) -> int:
        if "\n" in text:
            raise KeyboardInterrupt
        return super().write(text)


@dataclass(frozen=True, slots=True)
class Finished:
    """A comparison that was interrupted after its first run and then finished."""

    output: Path
    arguments: list[str]
    before: dict[Path, int]  # modification times of the first run's checkpoints then
    lines: list[str]


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Manifest]:
    """To fit on, to measure on."""
    root = tmp_path_factory.mktemp("ellipses")
    return ellipses(root / "train", first=0, count=24), ellipses(root / "valid", first=100, count=6)


def arguments(manifests: tuple[Manifest, Manifest], output: Path, *more: str) -> list[str]:
    train, valid = manifests
    return ["--manifest", str(train.path), "--on", str(valid.path), "--output", str(output), "--fit", SHARED, *more]


def checkpoints(output: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in output.glob("*/seed*/*.safetensors")}


@pytest.fixture(scope="module")
def finished(manifests: tuple[Manifest, Manifest], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    output = tmp_path_factory.mktemp("compare") / "recipe"
    words = arguments(manifests, output, "--seeds", "0", "1", *ARMS, *ROTATIONS)
    with pytest.raises(KeyboardInterrupt), contextlib.redirect_stdout(StoppedAtALine()):
        compare.main(words)
    before = checkpoints(output)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        compare.main(words)
    return Finished(output, words, before, said.getvalue().splitlines())


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_without_a_refit(finished: Finished):
    assert {path.name for path in finished.before} == {"best.safetensors", "last.safetensors", "resume.safetensors"}
    assert {path.parent.name for path in finished.before} == {"seed0"}
    after = checkpoints(finished.output)
    assert len(after) == 4 * 3
    assert after.items() >= finished.before.items()


@pytest.mark.slow
def test_each_run_has_a_line_and_the_last_line_is_the_path_of_the_table(finished: Finished):
    metrics = r"miou 0\.\d{4}  person_iou_per_image 0\.\d{4}  boundary_f1 0\.\d{4}  0\.\d min"
    expected = [
        rf"default, seed 0: {metrics}; 3 runs left",
        rf"no boundary term, seed 0: {metrics}; 2 runs left, about \d min",
        rf"default, seed 1: {metrics}; 1 runs left, about \d min",
        rf"no boundary term, seed 1: {metrics}; 0 runs left",
    ]
    for pattern, line in zip(expected, finished.lines[:4], strict=True):
        assert re.fullmatch(pattern, line), line
    assert finished.lines[-1] == str(finished.output / "table.md")


@pytest.mark.slow
def test_the_table_names_data_seeds_and_differences(finished: Finished, manifests: tuple[Manifest, Manifest]):
    page = (finished.output / "table.md").read_text()
    assert page in "\n".join(finished.lines) + "\n"
    for manifest in manifests:
        assert f"version 1, digest {manifest.digest[:12]}" in page
    assert "6 images" in page
    assert "Seeds 0, 1; 4 of 4 runs finished, 0 failed" in page
    number, points = r"0\.\d{4} \+- 0\.\d{4}", r"[+-]\d+\.\d\d \[[+-]\d+\.\d\d, [+-]\d+\.\d\d\](?: \*)?"
    assert len(re.findall(rf"\| default \(base\) +(?:\| {number} +\| - +){{3}}\|", page)) == 2
    assert len(re.findall(rf"\| no boundary term +(?:\| {number} +\| {points} +){{3}}\|", page)) == 2
    assert "Turned within +-45 degrees" in page
    assert all(len(line) <= 160 for line in page.splitlines() if line.startswith("| "))


@pytest.mark.slow
def test_the_csv_has_a_line_for_each_rotation_arm_and_metric(finished: Finished):
    with (finished.output / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [(line["rotation_degrees"], line["arm"]) for line in lines[::3]] == [
        *(("0", "default"), ("0", "no boundary term")),
        *(("45", "default"), ("45", "no boundary term")),
    ]
    assert [line["metric"] for line in lines[:3]] == ["miou", "person_iou_per_image", "boundary_f1"]
    difference = [float(lines[3][name]) for name in ("low_points", "difference_points", "high_points")]
    assert difference == sorted(difference)
    assert difference[1] == pytest.approx(100 * (float(lines[3]["mean"]) - float(lines[0]["mean"])), abs=1e-3)


@pytest.mark.slow
def test_the_plot_is_a_picture(finished: Finished):
    with Image.open(finished.output / "table.png") as picture:
        assert picture.width > picture.height > 100


@pytest.mark.slow
def test_a_finished_comparison_is_printed_without_a_process_or_a_prediction(
    finished: Finished, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(subprocess, "run", lambda *_words, **_options: pytest.fail("a run was fitted again"))
    monkeypatch.setattr("trainer.compare.run.measure", lambda *_words, **_options: pytest.fail("measured again"))
    compare.main(finished.arguments)
    assert capsys.readouterr().out.splitlines()[4:] == finished.lines[4:]


@pytest.mark.slow
def test_a_failing_arm_is_told_marked_and_leaves_the_others(finished: Finished, capsys: pytest.CaptureFixture[str]):
    words = [word for word in finished.arguments if word != "1"]  # of the two seeds the first
    with pytest.raises(UserError, match=r"expected 3 finished runs, found 1 failed: no such source seed 0; the same"):
        compare.main([*words, "--arm", FAILING])
    said = capsys.readouterr()
    assert re.fullmatch(
        r"no such source, seed 0 failed with exit status 1: error: expected --weight for sources out of ellipses, "
        r"found selfies; see \S+/no-such-source/seed0.log\n",
        said.err,
    )
    page = (finished.output / "table.md").read_text()
    assert re.search(r"\| no such source \(failed: seed 0\) +(\| - +){6}\|", page)
    assert "one seed gives no spread over seeds" in page
    assert said.out.splitlines()[-1] == str(finished.output / "table.md")


@pytest.mark.slow
def test_a_second_comparison_in_the_same_directory_waits_for_the_first(
    finished: Finished, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    first = (finished.output / ".lock").open("w")
    fcntl.flock(first, fcntl.LOCK_EX)
    threading.Timer(0.5, first.close).start()
    compare.main(finished.arguments)
    assert caplog.messages == [
        f"waiting: another comparison, or the last run of a killed one, is at work in {finished.output}"
    ]
    assert capsys.readouterr().out.splitlines()[-1] == finished.lines[-1]


def figures(value: float, count: int = 6) -> PerImage:
    return PerImage(np.tile(np.eye(2, dtype=np.int64), (count, 1, 1)), *[np.linspace(value, value + 0.1, count)] * 2)


def made_up(manifests: tuple[Manifest, Manifest]) -> Comparison:
    """The second arm is 5 points better with every seed, the third has lost a seed and equals the base."""
    arms = read_arms(["default=", "better|=--ema-decay 0", "same=--limit 7"], "--size 32")
    comparison = Comparison(*manifests, "all", 6, 2, arms, "--size 32", (0, 1))
    for seed in (0, 1):
        for arm, value in zip(arms, (0.5, 0.55, 0.5), strict=True):
            if (arm.name, seed) == ("same", 1):
                comparison.failed[arm.name, seed] = "failed"
                continue
            comparison.add(arm, seed, 0.0, figures(value + 0.1 * seed))
            comparison.seconds[arm.name, seed] = 30.0
    return comparison


def test_a_difference_that_excludes_0_is_marked_in_the_page_and_the_csv(
    manifests: tuple[Manifest, Manifest], tmp_path: Path
):
    page = write_comparison(tmp_path, made_up(manifests))
    mean, points = r"0\.6500 \+- 0\.0707", r"\+5\.00 \[\+5\.00, \+5\.00\] \*"
    assert re.search(rf"\| better\\\| +\| .* \| {mean} +\| {points} +\| {mean} +\| {points} \|", page)
    lines = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [line["excludes_zero"] for line in lines] == [*[""] * 3, *("false", "true", "true"), *["false"] * 3]
    assert [line["seeds"] for line in lines[::3]] == ["0 1", "0 1", "0"]


def test_a_lost_seed_is_marked_and_its_arm_compared_over_the_others(
    manifests: tuple[Manifest, Manifest], tmp_path: Path
):
    page = write_comparison(tmp_path, made_up(manifests))
    assert re.search(
        r"\| same \(failed: seed 1\) \| .* \| 0\.5500 +\| \+0\.00 \[\+0\.00, \+0\.00\] +\|$", page, re.MULTILINE
    )
    assert "Seeds 0, 1; 5 of 6 runs finished, 1 failed; 2.5 minutes of fitting in all." in page
    assert "2 of the images also selected the best epochs" in page
    assert re.search(r"7 or \d\d training rows", page)


def test_all_wrong_arms_are_told_at_once_before_anything_runs(
    manifests: tuple[Manifest, Manifest], tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    wrong = [
        "a=--ema-dekay 0",
        "b=--epochs none",
        "c=--seed 3",
        "d=--out elsewhere",
        "e",
        "A=",
        "f=--help",
        "g='",
        "h=--minutes 3",
    ]
    words = arguments(manifests, tmp_path / "out", *(word for arm in wrong for word in ("--arm", arm)))
    with pytest.raises(SystemExit) as caught:
        compare.main(words)
    assert caught.value.code == 2
    told = capsys.readouterr().err
    for message in (
        *("'a': unrecognized arguments: --ema-dekay 0", "'b': argument --epochs: expected a whole number"),
        *("'c': --seed can't be given", "'d': --output can't be given", "expected NAME=OPTIONS, found 'e'"),
        "'h': --minutes can't be given: the comparison fits every run to its end",
        *("found 'a' twice", "'f': expected options of a run, found --help", "'g': No closing quotation"),
    ):
        assert message in told
    assert not (tmp_path / "out").exists()


def test_wrong_options_of_every_arm_are_told_once():
    with pytest.raises(WrongArms, match=r"\A--fit: unrecognized arguments: --epoch-count 3\Z"):
        read_arms(["a=", "b="], "--epoch-count 3")


def test_an_arms_options_come_after_those_of_every_arm():
    arm = read_arms(["Its own name!=--epochs 3"], "--epochs 2 --size 64")[0]
    assert (arm.options.epochs, arm.options.size, arm.slug) == (3, 64, "its-own-name")


@pytest.mark.parametrize("more", [["--arm", "only="], ["--arm", "a=", "--arm", "b=", "--seeds", "1", "1"]])
def test_one_arm_and_a_seed_twice_are_wrong_arguments(
    manifests: tuple[Manifest, Manifest], tmp_path: Path, more: list[str]
):
    with pytest.raises(SystemExit) as caught:
        compare.main(arguments(manifests, tmp_path / "out", *more))
    assert caught.value.code == 2


def test_pictures_that_are_trained_on_are_refused(manifests: tuple[Manifest, Manifest], tmp_path: Path):
    train, _ = manifests
    accepted = [row for row in train.read().to_pylist() if row["split"] == "train"]
    first = min(row["sample_id"] for row in accepted)
    with pytest.raises(UserError, match=rf"found {len(accepted)} of them .*, the first is sample {first}; give"):
        compare.main(arguments((train, train), tmp_path / "out", *ARMS))
    assert not (tmp_path / "out").exists()


def test_an_arms_own_manifest_is_what_it_trains_on_and_is_checked_too(
    manifests: tuple[Manifest, Manifest], tmp_path: Path
):
    train, valid = manifests
    more = ellipses(tmp_path / "more", first=200, count=30)
    arms = read_arms(["base=", f"more=--manifest {more.path}"], "--size 32")
    comparison = Comparison(train, valid, "all", 6, 0, arms, "--size 32", (0,), own={"more": more})
    assert [comparison.trained_on(arm) for arm in arms] == [train, more]
    assert arms[0].manifest is None
    page = write_comparison(tmp_path, comparison)
    assert f"digest {train.digest[:12]}, {more.path}, version 1, digest {more.digest[:12]}: " in page
    with pytest.raises(UserError, match=f"among the accepted train rows of {re.escape(str(valid.path))}"):
        compare.main(arguments(manifests, tmp_path / "out", "--arm", "base=", "--arm", f"leak=--manifest {valid.path}"))


def test_the_same_image_under_another_sample_id_is_refused(manifests: tuple[Manifest, Manifest], tmp_path: Path):
    train, valid = manifests
    rows = train.read().to_pylist()
    taken = next(row for row in rows if row["split"] == "train")["image_sha256"]
    column = valid.read()["image_sha256"].to_pylist()
    table = valid.read()
    place = table.schema.get_field_index("image_sha256")
    table = table.set_column(place, table.schema.field(place), [[taken, *column[1:]]])
    other = ManifestStore(tmp_path / "manifests").commit(
        table, parent=None, operation="import", parameters={}, data_root=valid.data_root
    )
    with pytest.raises(UserError, match="found 1 of them among the accepted train rows"):
        compare.main(arguments((train, other), tmp_path / "out", *ARMS))
