"""One input that can't be used ends no run over several: it is named and skipped, and what shows nobody is reported."""

import sys
from pathlib import Path

import pytest
from made_videos import Clip, write_clip
from PIL import Image
from red_network import red_is_person

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from trainer.predict import __main__ as predict

RED, BLUE = (255, 0, 0), (0, 0, 255)
FRAMES = [0, 40, 80]  # ms


@pytest.fixture
def red(tmp_path: Path) -> str:
    return str(red_is_person(tmp_path / "red.onnx"))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def run(red: str, inputs: Path, *more: str) -> list[str]:
    """The names of what was written."""
    output = inputs.parent / "o"
    predict.main(["--checkpoint", red, "--device", "cpu", "--input", str(inputs), "--output", str(output), *more])
    return sorted(path.name for path in output.iterdir())


def still(path: Path, colour: tuple[int, int, int] = RED) -> Path:
    Image.new("RGB", (64, 48), colour).save(path)
    return path


def animated(path: Path) -> Path:
    frames = [Image.new("RGB", (32, 32), colour) for colour in (RED, BLUE)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


def dangling(path: Path) -> Path:
    path.symlink_to(path.parent / "gone")
    return path


def closed(path: Path) -> Path:
    path.symlink_to("/proc/self/mem")  # a file whose bytes not even root can read
    return path


def not_an_image(path: Path) -> Path:
    path.write_bytes(b"<html>")
    return path


BAD = [(animated, "b.gif"), (dangling, "b.png"), (closed, "b.jpg"), (not_an_image, "b.webp"), (dangling, "b.mp4")]
BAD += [(closed, "b.mkv"), (not_an_image, "b.avi")]


@pytest.mark.parametrize(("make", "name"), BAD)
@pytest.mark.parametrize("beside", ["images", "videos", "both"])
def test_one_bad_input_of_several_is_named_and_skipped(  # type: ignore[no-untyped-def]
    make, name: str, beside: str, red: str, inputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad, wanted = make(inputs / name), []
    if beside != "videos":
        wanted += [f"{still(inputs / f'{stem}.png').stem}.png" for stem in "ac"]
    if beside != "images":
        wanted += [f"{write_clip(inputs / f'{stem}.mp4', Clip(FRAMES)).stem}.mp4" for stem in "xz"]
    assert run(red, inputs) == sorted(wanted)
    assert sum(str(bad) in line for line in caplog.messages) == 1
    assert caplog.messages[-1] == f"skipped 1 of {len(wanted) + 1} inputs, named above"


def test_a_folder_of_bad_inputs_alone_is_an_error(red: str, inputs: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = [make(inputs / f"{number}{name}") for number, (make, name) in enumerate(BAD)]
    with pytest.raises(UserError, match=r"expected a usable image or video in .*, found none; see the lines above"):
        run(red, inputs)
    assert all(sum(str(path) in line for line in caplog.messages) == 1 for path in bad)


@pytest.mark.parametrize(("make", "name"), [pair for pair in BAD if pair[0] is not dangling])
def test_a_bad_input_alone_is_one_line(  # type: ignore[no-untyped-def]
    make, name: str, red: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--checkpoint", red, "--input", str(make(inputs / name)), "--output", str(inputs.parent / "o")]
    monkeypatch.setattr(sys, "argv", ["trainer.predict", *arguments])
    with pytest.raises(SystemExit, match="1"):
        run_command(predict.main)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: expected")


@pytest.mark.parametrize("views", [["mask"], ["mask", "cutout"]])
def test_names_of_245_characters_are_cut_as_all_others(views: list[str], red: str, inputs: Path) -> None:
    stem = "n" * 241
    write_clip(inputs / f"{stem}.mp4", Clip(FRAMES))
    write_clip(inputs / "z.mp4", Clip(FRAMES))
    still(inputs / f"{stem[:-1]}m.jpg")
    written = run(red, inputs, "--write", *views)
    assert len(written) == 3 * len(views)
    assert {f"{stem}.mp4", "z.mp4", f"{stem[:-1]}m.png"} <= set(written)


def test_names_too_long_to_be_written_are_skipped_before_they_are_cut(
    red: str, inputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = write_clip(inputs / f"{'n' * 245}.mp4", Clip(FRAMES))
    write_clip(inputs / "z.mp4", Clip(FRAMES))
    assert run(red, inputs, "--write", "side-by-side") == ["z-side-by-side.mp4"]
    assert sum(str(long) in line for line in caplog.messages) == 1
    with pytest.raises(
        UserError, match=r"expected output names of at most 255 bytes, found n+-side-by-side.mp4; rename"
    ):
        run(red, long, "--write", "side-by-side")


def test_what_shows_nobody_is_written_named_and_counted(
    red: str, inputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    still(inputs / "a.png")
    empty = [still(inputs / f"{stem}.png", BLUE) for stem in "bc"]
    assert run(red, inputs) == ["a.png", "b.png", "c.png"]
    assert caplog.messages == [
        *(f"found no person in {path}" for path in empty),
        "found no person in 2 of 3 images, named above",
    ]


def test_an_image_alone_that_shows_nobody_is_named(red: str, inputs: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = still(inputs / "a.png", BLUE)
    predict.main(["--checkpoint", red, "--device", "cpu", "--input", str(path), "--output", str(inputs.parent / "o")])
    assert caplog.messages == [f"found no person in {path}"]


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_without_a_person_is_named(
    suffix: str, red: str, inputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for stem, colour in (("a", RED), ("b", BLUE)):
        Image.new("RGB", (64, 48), colour).save(inputs / f"{stem}.png")
    write_clip(inputs / f"x{suffix}", Clip(FRAMES, codec="mpeg4", tick=Clip(()).tick * 40))
    empty = inputs / f"y{suffix}"
    write_clip(empty, Clip(FRAMES, codec="mpeg4", tick=Clip(()).tick * 40, colour=BLUE))
    run(red, inputs)
    assert caplog.messages[-1] == f"found no person in any of 3 frames of {empty}"
    assert sum("found no person" in line for line in caplog.messages) == 3
