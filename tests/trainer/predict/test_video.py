"""Cutting people out of videos: any length, no flicker, and every bad video one line."""

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from red_network import red_is_person
from repository import ROOT

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict import __main__ as predict
from trainer.predict import videos
from trainer.predict.inputs import Camera, find_inputs
from trainer.predict.video.footage import open_video
from trainer.predict.video.frames import Frame, Video
from trainer.predict.video.optical_flow import Motion, flow_frame
from trainer.predict.video.smoothing import Exponential, unsmoothed
from trainer.predict.video.writing import ENCODINGS, Layout, writing_video

WIDTH, HEIGHT, FPS = 96, 64, Fraction(25, 2)


def write_video(path: Path, frames: int, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """A red square that goes from left to right over blue."""
    width, height = size
    with writing_video(path, Layout(width, height, FPS, FPS)) as writer:
        for number in range(frames):
            rgb = np.full((height, width, 3), (20, 20, 180), np.uint8)
            left = number * (width - 32) // max(1, frames - 1)
            rgb[16:48, left : left + 32] = 255, 0, 0
            writer.write(rgb)
    return path


def read_video(path: Path) -> tuple[list[Pixels], float]:
    with open_video(path) as video:
        return [frame.rgb for frame in video.frames()], float(video.fps)


@pytest.fixture
def red(tmp_path: Path) -> str:
    return str(red_is_person(tmp_path / "red.onnx"))


def run(red: str, *more: str) -> None:
    predict.main(["--checkpoint", red, "--device", "cpu", *more])


@pytest.mark.parametrize("suffix", ENCODINGS)
def test_a_videos_mask_has_its_frames_size_and_rate(suffix: str, red: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / f"walk{suffix}", 9)
    options = ["--output", str(tmp_path / "o"), "--video", suffix[1:], "--smooth", "none"]
    run(red, "--input", str(source), *options)
    masks, fps = read_video(tmp_path / f"o/walk{suffix}")
    assert (len(masks), fps, masks[0].shape) == (9, pytest.approx(12.5, abs=0.01), (HEIGHT, WIDTH, 3))
    assert masks[0][32, 16].min() > 200
    assert masks[0][32, 80].max() < 60
    assert masks[-1][32, 80].min() > 200
    assert masks[-1][32, 16].max() < 60


def test_lossless_video_gives_the_masks_back_exactly(tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 256, (4, HEIGHT, WIDTH), np.uint8)
    with writing_video(tmp_path / "a.mkv", Layout(WIDTH, HEIGHT, FPS, FPS)) as writer:
        for frame in levels:
            writer.write(frame)
    frames, _ = read_video(tmp_path / "a.mkv")
    np.testing.assert_array_equal(np.stack(frames)[..., 1], levels)


def test_pictures_and_videos_of_a_folder_are_cut_in_one_go(
    red: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    write_video(inputs / "walk.avi", 4)
    Image.new("RGB", (64, 48), (255, 0, 0)).save(inputs / "red.png")
    (inputs / "broken.mp4").write_bytes(b"nothing at all")
    run(red, "--input", str(inputs), "--output", str(tmp_path / "o"), "--write", "mask", "cutout", "side-by-side")
    names = sorted(str(path.relative_to(tmp_path / "o")) for path in (tmp_path / "o").rglob("*") if path.is_file())
    frames = [f"walk-cutout/{number:06d}.png" for number in range(1, 5)]
    assert names == ["red-cutout.png", "red-side-by-side.jpg", "red.png", *frames, "walk-side-by-side.mp4", "walk.mp4"]
    said = capsys.readouterr()
    assert sum("broken.mp4" in line for line in caplog.messages) == 1
    assert said.out.splitlines()[-1] == str(tmp_path / "o")
    with pytest.raises(UserError, match=r"expected no frames in .*walk-cutout yet"):
        run(red, "--input", str(inputs), "--output", str(tmp_path / "o"), "--write", "cutout")


def test_a_frame_is_written_before_the_next_but_one_is_read(
    red: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_flight, most = 0, 0
    frames, write = Video.frames, videos.FrameFiles.write

    def counted(video: Video) -> Iterator[Frame]:
        nonlocal in_flight, most
        for frame in frames(video):
            in_flight += 1
            most = max(most, in_flight)
            yield frame

    def written(files: videos.FrameFiles, pixels: Pixels, seconds: Fraction, duration: Fraction | None) -> None:
        nonlocal in_flight
        write(files, pixels, seconds, duration)
        in_flight -= 1

    monkeypatch.setattr(Video, "frames", counted)
    monkeypatch.setattr(videos.FrameFiles, "write", written)
    run(red, "--input", str(write_video(tmp_path / "a.avi", 20)), "--output", str(tmp_path / "o"), "--write", "cutout")
    assert (in_flight, most) == (0, 1)


PEAK = "import resource, sys; from trainer.predict import __main__ as predict; predict.main(sys.argv[1:]); " + (
    "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
)


@pytest.mark.slow
def test_a_long_video_takes_no_more_memory_than_a_short_one(red: str, tmp_path: Path) -> None:
    peaks = []
    for frames in (10, 160):
        source = write_video(tmp_path / f"{frames}.mp4", frames, size=(640, 480))
        command = [
            sys.executable,
            "-c",
            PEAK,
            "--checkpoint",
            red,
            "--input",
            str(source),
            "--output",
            str(tmp_path / "o"),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.splitlines()[-1]))
    assert peaks[1] - peaks[0] < 60_000, "160 frames are 147 MB"


def test_a_video_may_be_ended_early(red: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / "a.avi", 9)
    run(red, "--input", str(source), "--output", str(tmp_path / "o"), "--frames", "3")
    assert len(read_video(tmp_path / "o/a.mp4")[0]) == 3


def test_odd_sides_get_one_more_row_or_column(tmp_path: Path) -> None:
    frames, _ = read_video(write_video(tmp_path / "a.mkv", 2, size=(97, 65)))
    assert frames[0].shape == (66, 98, 3)
    np.testing.assert_array_equal(frames[0][:, 96], frames[0][:, 97])


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "expected a video, found 0 bytes"), (b"no video" * 100, "expected a video that FFmpeg can open")],
)
def test_an_unreadable_video_is_one_line_on_standard_error(
    content: bytes,
    said: str,
    red: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    arguments = ["--checkpoint", red, "--input", str(tmp_path / "a.mp4"), "--output", str(tmp_path / "o")]
    monkeypatch.setattr(sys, "argv", ["trainer.predict", *arguments])
    with pytest.raises(SystemExit, match="1"):
        run_command(predict.main)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "o").exists()


def test_a_video_without_a_frame_is_refused(red: str, tmp_path: Path) -> None:
    with writing_video(tmp_path / "a.avi", Layout(WIDTH, HEIGHT, FPS, FPS)):
        pass
    with pytest.raises(UserError, match=r"a\.avi"):
        run(red, "--input", str(tmp_path / "a.avi"), "--output", str(tmp_path / "o"))


def test_a_video_that_breaks_off_says_how_much_of_it_there_was(
    red: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_video(tmp_path / "a.avi", 40)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    run(red, "--input", str(source), "--output", str(tmp_path / "o"))
    count = len(read_video(tmp_path / "o/a.mp4")[0])
    assert 5 < count < 40
    assert caplog.messages == [f"expected 40 frames in {source}, as stated, found {count}"]


def test_frames_that_change_their_size_are_scaled_to_the_first(red: str, tmp_path: Path) -> None:
    with (tmp_path / "a.mjpeg").open("wb") as stream:
        for size in [(96, 64)] * 3 + [(64, 48)] * 3:
            Image.new("RGB", size, (255, 0, 0)).save(stream, "JPEG")
    run(red, "--input", str(tmp_path / "a.mjpeg"), "--output", str(tmp_path / "o"))
    assert [frame.shape for frame in read_video(tmp_path / "o/a.mp4")[0]] == [(64, 96, 3)] * 6


def test_a_camera_that_is_not_there_is_one_line(red: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert find_inputs("webcam").footage == [Camera(0)]
    with pytest.raises(UserError, match="expected a camera number 97, found none that opens"):
        run(red, "--input", "webcam:97", "--output", str(tmp_path / "o"))
    assert capfd.readouterr().err == ""
    with pytest.raises(UserError, match="expected a number after webcam:"):
        find_inputs("webcam:front")


def photograph(astronaut: Image.Image, x: int, noise: np.random.Generator) -> Pixels:
    rgb = np.asarray(astronaut)[100:400, x : x + 300]
    return np.clip(rgb + noise.normal(0, 3, rgb.shape), 0, 255).astype(np.uint8)


def test_motion_is_found_and_carries_a_map_along(astronaut: Image.Image) -> None:
    noise = np.random.default_rng(0)
    before, now = photograph(astronaut, 100, noise), photograph(astronaut, 106, noise)
    motion = Motion.between(flow_frame(now), flow_frame(before))
    carried = motion.carried(np.asarray(astronaut)[100:400, 100:400, 0].astype(np.float32), outside=-1.0)
    wanted = np.asarray(astronaut)[100:400, 106:406, 0].astype(np.float32)
    inside = (slice(20, -20), slice(20, -20))
    still = np.asarray(astronaut)[100:400, 100:400, 0].astype(np.float32)
    assert np.abs(carried - wanted)[inside].mean() < 0.3 * np.abs(still - wanted)[inside].mean()
    assert (carried[:, -3:] == -1).mean() > 0.8, "what came into the picture was nowhere before"


def flicker(smoother, astronaut: Image.Image) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Under a pan, of trembling masks: how the shown ones change on the same pixels, and their distance from truth."""
    noise, before, changes, errors = np.random.default_rng(1), None, [], []
    truth = np.zeros((300, 512), np.float32)
    cv2.circle(truth, (230, 150), 90, 1.0, -1)
    for number in range(12):
        x = 40 + 6 * number
        trembling = cv2.GaussianBlur(noise.normal(0, 3, (300, 300)).astype(np.float32), (0, 0), 6)
        prob = np.clip(cv2.GaussianBlur(truth[:, x : x + 300], (0, 0), 4) + trembling, 0, 1)
        shown: Prob = smoother(photograph(astronaut, x, noise), prob)
        if before is not None:
            changes.append(np.abs(shown[:, :-6] - before[:, 6:]).mean())
        errors.append(np.abs(shown - truth[:, x : x + 300]).mean())
        before = shown
    return float(np.mean(changes)), float(np.mean(errors))


def test_smoothing_halves_the_flicker_of_a_pan_and_lags_behind_nothing(astronaut: Image.Image) -> None:
    plain, smooth = flicker(unsmoothed, astronaut), flicker(Exponential(), astronaut)
    assert smooth[0] < 0.5 * plain[0]
    assert smooth[1] < plain[1]


def test_where_the_scene_changes_the_new_mask_counts(astronaut: Image.Image) -> None:
    noise, smoother = np.random.default_rng(0), Exponential()
    smoother(photograph(astronaut, 100, noise), np.ones((300, 300), np.float32))
    other = 255 - photograph(astronaut, 100, noise)[::-1]
    shown = smoother(other, np.zeros((300, 300), np.float32))
    assert shown.mean() < 0.1
