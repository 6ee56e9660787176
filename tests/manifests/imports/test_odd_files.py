"""`import` of odd folders: masks at another scale, odd names, and two imports at the same time."""

import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from paired_folder import Folder, person, picture, refusal
from PIL import Image

from manifests.pixels.masks import resize_mask, same_aspect
from manifests.upkeep.verify import verify


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def put_mask(folder: Folder, name: str, values: np.ndarray) -> None:
    Image.fromarray(values).save(folder.masks / f"{name}.png")


# Another scale


def test_a_mask_at_another_scale_is_resized_and_told(folder: Folder) -> None:
    for seed, scale in enumerate((1, 2, 3)):
        folder.add(f"p{seed}", seed)
        put_mask(folder, f"p{seed}", np.kron(person() * np.uint8(255), np.ones((scale, scale), np.uint8)))
    done = folder.take()
    assert done.notes == [
        "2 masks resized to their images "
        "(p1.png of 96x128 for an image of 48x64, p2.png of 144x192 for an image of 48x64)"
    ]
    assert verify(done.manifest) == []
    assert all(np.array_equal(mask, person() * np.uint8(255)) for mask in folder.stored_masks())


def test_a_smaller_mask_is_resized_without_a_shift(folder: Folder) -> None:
    folder.add("p", 1)
    picture(1, 96, 128).save(folder.images / "p.jpg")
    put_mask(folder, "p", person().astype(np.uint8))
    folder.take()
    assert np.array_equal(folder.stored_masks()[0], np.kron(person() * np.uint8(255), np.ones((2, 2), np.uint8)))


def test_a_mask_of_another_shape_is_refused_beside_one_at_another_scale(folder: Folder) -> None:
    for seed, shape in enumerate(((128, 96), (64, 64), (32, 25))):
        folder.add(f"p{seed}", seed)
        put_mask(folder, f"p{seed}", np.zeros(shape, np.uint8))
    message = refusal(folder.take)
    assert "found 2 others (p1.png of 64x64 for an image of 48x64, p2.png of 25x32 for an image of 48x64)" in message
    assert folder.store.versions() == []


@pytest.mark.parametrize(
    ("shape", "other", "same"),
    [
        ((427, 640), (853, 1280), True),  # 853 / 2 = 426.5
        ((428, 640), (853, 1280), False),
        ((640, 427), (853, 1280), False),
        ((640, 481), (64, 48), True),
        ((64, 47), (64, 48), False),
        ((48, 48), (480, 480), True),
        ((1, 1), (48, 48), False),
    ],
)
def test_one_picture_at_two_scales_but_for_rounding(shape: tuple[int, int], other: tuple[int, int], same: bool) -> None:
    assert same_aspect(shape, other) is same


def test_resized_masks_stay_0_and_255_and_probabilities_keep_their_mean() -> None:
    odd = cv2.resize(person().astype(np.uint8) * np.uint8(255), (77, 103), interpolation=cv2.INTER_NEAREST_EXACT)
    assert set(np.unique(resize_mask(odd, (64, 48)))) == {0, 255}
    ramp = np.tile(np.linspace(0, 255, 96).astype(np.uint8), (128, 1))
    for shape in ((64, 48), (256, 192)):
        assert resize_mask(ramp, shape).mean() == pytest.approx(ramp.mean(), abs=1)


# Names


def test_names_of_255_bytes_are_imported(folder: Folder) -> None:
    folder.add("ä" * 125, 1)
    assert folder.take().rows_added == 1


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_names_that_are_no_utf8_are_imported_and_written_out(folder: Folder, mode: str) -> None:
    try:
        folder.add("caf\udce9", 1)
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    done = folder.take(blob_mode=mode)
    assert [Path(uri).name for uri in done.manifest.read()["source_uri"].to_pylist()] == ["caf\\xe9.jpg"]
    assert verify(done.manifest) == []


def test_the_same_stem_in_two_directories_is_refused_by_name(folder: Folder) -> None:
    folder.add("p", 1)
    (folder.images / "more").mkdir()
    picture(2).save(folder.images / "more/p.jpg")
    assert "1 names that occur twice (p.jpg)" in refusal(folder.take)


# Two at once, in processes of their own

RACER = """
import sys, time
from pathlib import Path
from manifests.__main__ import main
from manifests.cli.arguments import run_command
ready, go, arguments = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
ready.touch()
while not go.exists():
    time.sleep(0.001)
sys.argv = ["manifests", *arguments]
run_command(main)
"""


def race(root: Path, folders: list[Folder]) -> list[tuple[int, str, str]]:
    """Import all the folders into root/manifests at the same moment: exit statuses, outputs, errors."""
    go = root / "go"
    racers = []
    for number, folder in enumerate(folders):
        given = ["--images", str(folder.images), "--masks", str(folder.masks), "--source", f"s{number}"]
        where = ["--manifests", str(root / "manifests"), "--data", str(root / "data")]
        command = [sys.executable, "-c", RACER, str(root / f"ready{number}"), str(go), "import", *given, *where]
        racers.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    try:
        deadline = time.monotonic() + 120
        while not all((root / f"ready{number}").exists() for number in range(len(folders))):
            assert time.monotonic() < deadline, "the processes didn't start"
            assert all(racer.poll() is None for racer in racers)
            time.sleep(0.01)
        go.touch()
        ended = [racer.communicate(timeout=120) for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
    return [(racer.returncode, *texts) for racer, texts in zip(racers, ended, strict=True)]


def test_of_two_imports_at_once_both_end_in_the_history_or_one_says_that_it_lost(tmp_path: Path) -> None:
    folders = [Folder(tmp_path / name) for name in "ab"]
    for number, folder in enumerate(folders):
        for seed in range(3):
            folder.add(f"p{seed}", 10 * number + seed)
    folders[0].store.root = tmp_path / "manifests"
    ended = race(tmp_path, folders)
    won = [number for number, (code, _, _) in enumerate(ended) if code == 0]
    for number, (code, out, error) in enumerate(ended):
        if number in won:
            assert out.splitlines()[-1].endswith(".parquet")
        else:
            assert (code, "reload and commit again" in error, error.count("\n")) == (1, True, 1)
    store = folders[0].store
    assert len(won) >= 1
    assert store.versions() == list(range(1, len(won) + 1))
    assert sorted(set(store.open().read()["source"].to_pylist())) == [f"s{number}" for number in won]
    assert store.open().counts["rows"] == 3 * len(won)
    assert [problem for manifest in store.history() for problem in verify(manifest)] == []


@pytest.mark.slow
def test_of_two_imports_of_the_same_pictures_at_once_one_finds_nothing_to_do(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a")
    folder.add("p", 1)
    folder.store.root = tmp_path / "manifests"
    ended = race(tmp_path, [folder, folder])
    assert sorted(code for code, _, _ in ended) == [0, 1]
    assert [error for code, _, error in ended if code == 1] == [
        "error: expected images that v1 doesn't hold, found all 1 of them in it; nothing to import\n"
    ]
    assert verify(folder.store.open()) == []
    assert [name for _, _, files in os.walk(tmp_path / "data") for name in files if name.startswith(".tmp-")] == []
