"""What is written of a video keeps its frames' times, its sound, its pixels' shape and the way up that players show."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from made_videos import Clip, cut_at_the_start, frame_seconds, heard, square, write_clip
from red_network import red_is_person

from manifests.pixels.geometry import Pixels
from trainer.predict import __main__ as predict
from trainer.predict import videos
from trainer.predict.video.footage import open_video
from trainer.predict.video.writing import Layout, writing_video

UNEVEN = [*range(0, 400, 40), *range(400, 2000, 200), 2013, 2900]  # ms
EVEN = list(range(0, 1000, 40))


@pytest.fixture
def red(tmp_path: Path) -> str:
    return str(red_is_person(tmp_path / "red.onnx"))


def cut(red: str, source: Path, *more: str) -> Path:
    """The mask of `source`."""
    output = source.parent / "o"
    options = ["--output", str(output), "--smooth", "none", "--localizer", "none", "--refine", "none", *more]
    predict.main(["--checkpoint", red, "--device", "cpu", "--input", str(source), *options])
    return next(output.glob(f"{source.stem}.*"))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("written", ["mp4", "mkv"])
def test_uneven_frames_keep_their_times(suffix: str, written: str, red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / f"a{suffix}", Clip(UNEVEN))
    found = frame_seconds(cut(red, source, "--video", written))
    assert found == pytest.approx([ms / 1000 for ms in UNEVEN], abs=0.001)


@pytest.mark.parametrize("seed", range(3))
def test_times_of_any_jitter_are_kept(seed: int, red: str, tmp_path: Path) -> None:
    gaps = np.random.default_rng(seed).integers(5, 300, 20).tolist()
    times = list(accumulate(gaps))
    assert frame_seconds(cut(red, write_clip(tmp_path / "a.mkv", Clip(times)))) == pytest.approx(
        [ms / 1000 for ms in times], abs=0.001
    )


def test_avi_has_an_even_rate_and_holds_each_frame_at_the_nearest_time(red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip([*EVEN[:10], *EVEN[10::5]]))
    assert frame_seconds(cut(red, source, "--video", "avi")) == pytest.approx(frame_seconds(source), abs=0.021)


def test_the_last_frame_is_shown_as_long_as_it_was(tmp_path: Path) -> None:
    with writing_video(tmp_path / "a.mp4", Layout(96, 64, Fraction(25), Fraction(25))) as writer:
        for at, duration in ((Fraction(0), Fraction(1, 25)), (Fraction(1, 25), Fraction(2))):
            writer.write(square(0, 1, (96, 64)), at, duration)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration == pytest.approx(2.04 * av.time_base, rel=0.001)


def test_a_broadcasts_clock_is_taken_off(red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.ts", Clip([ms + 90_000 for ms in EVEN]))
    assert frame_seconds(source)[0] == 90
    found = frame_seconds(cut(red, source))
    assert found == pytest.approx([ms / 1000 for ms in EVEN], abs=0.001)


def test_a_clock_that_starts_anew_is_reported_and_frames_go_on(
    red: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts = [write_clip(tmp_path / f"{part}.ts", Clip([ms + 5000 for ms in EVEN])) for part in "bc"]
    source = tmp_path / "a.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = frame_seconds(cut(red, source))
    assert len(found) > 45
    assert all(0 < after - before < 0.1 for before, after in pairwise(found))
    assert sum("time runs back" in line for line in caplog.messages) == 1


@pytest.mark.parametrize("frames_starting", [0.0, 0.4])
def test_frames_before_an_edit_lists_start_are_not_cut(
    frames_starting: float, red: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_clip(tmp_path / "whole.mp4", Clip(EVEN, options={"bf": "0"}, sound_codec="aac"))
    source = cut_at_the_start(whole, tmp_path / "a.mp4", frames_starting)
    mask = cut(red, source)
    assert len(frame_seconds(mask)) == sum(ms >= 1000 * frames_starting for ms in EVEN)
    assert frame_seconds(mask) == pytest.approx(frame_seconds(source), abs=0.001)
    assert not caplog.messages


@pytest.mark.parametrize(
    ("suffix", "codec", "sound", "written", "kept"),
    [
        (".mp4", "libx264", "aac", "mp4", "aac"),
        (".mp4", "libx264", "aac", "mkv", "aac"),
        (".mp4", "libx264", "aac", "avi", "mp3"),
        (".mov", "libx264", "pcm_s16le", "mp4", "aac"),
        (".avi", "mpeg4", "libmp3lame", "mp4", "mp3"),
        (".mkv", "libx264", "flac", "mp4", "flac"),
        (".webm", "libvpx-vp9", "libopus", "mp4", "opus"),
        (".webm", "libvpx-vp9", "libopus", "mkv", "opus"),
        (".ts", "libx264", "aac", "mp4", "aac"),
        (".mpg", "mpeg2video", "mp2", "mp4", "aac"),
    ],
)
def test_sound_is_kept(
    suffix: str,
    codec: str,
    sound: str,
    written: str,
    kept: str,
    red: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tick = Fraction(1, 25) if "mpeg" in codec else Fraction(1, 1000)
    options = {"deadline": "realtime"} if "vp9" in codec else {}
    clip = Clip(EVEN, codec=codec, sound_codec=sound, options=options, tick=tick)
    names, seconds = heard(cut(red, write_clip(tmp_path / f"a{suffix}", clip), "--video", written))
    assert names == [kept]
    assert seconds == pytest.approx(1.0, abs=0.1)
    assert not caplog.messages


def test_sound_ends_with_the_frames_of_a_video_that_is_ended_early(red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN, sound_codec="aac"))
    names, seconds = heard(cut(red, source, "--frames", "10"))
    assert (names, seconds) == (["aac"], pytest.approx(0.4, abs=0.06))


def test_sound_that_outlasts_the_frames_is_kept_whole(red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN, sound_codec="aac", sound_seconds=2.0))
    assert heard(cut(red, source))[1] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("written", ["mp4", "avi"])
def test_pixels_that_are_not_square_stay_so(written: str, red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN[:3], pixel_aspect=Fraction(2)))
    with av.open(str(cut(red, source, "--video", written))) as container:
        assert container.streams.video[0].sample_aspect_ratio == 2


def test_a_container_that_does_not_state_the_shape_of_pixels_is_reported(
    red: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN[:3], pixel_aspect=Fraction(2)))
    cut(red, source, "--video", "mkv")
    assert [line for line in caplog.messages if "its pixels are 2:1" in line] == caplog.messages[-1:]


def test_turned_frames_have_turned_pixels(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN[:3], pixel_aspect=Fraction(2), display=(90, False)))
    with open_video(source) as video:
        assert (video.width, video.height, video.pixel_aspect) == (64, 96, Fraction(1, 2))


def test_a_network_sees_people_as_wide_as_players_show_them() -> None:
    seen = []

    class Watching:
        digest = ""

        def person_prob(self, rgb: Pixels) -> np.ndarray:
            seen.append(rgb.shape)
            return np.zeros(rgb.shape[:2], np.float32)

    prob = videos.person_prob_of_frame(Watching(), np.zeros((64, 96, 3), np.uint8), Fraction(2))
    assert (seen, prob.shape) == ([(64, 192, 3)], (64, 96))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
def test_frames_are_turned_as_players_show_them(degrees: int, mirrored: bool, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN[:2], display=(degrees, mirrored), options={"crf": "1"}))
    with av.open(str(source)) as container:
        stored = next(container.decode(video=0)).to_ndarray(format="rgb24")
    with open_video(source) as video:
        shown = next(video.frames()).rgb
    turned = np.rot90(stored, degrees // 90)
    wanted = turned[:, ::-1] if mirrored else turned
    assert shown.shape == wanted.shape == (video.height, video.width, 3)
    assert np.abs(shown.astype(int) - wanted).mean() < 3


@pytest.mark.parametrize("codec", ["libsvtav1", "libx265", "libvpx-vp9", "mjpeg", "prores_ks"])
def test_codecs_in_use_are_read(codec: str, tmp_path: Path) -> None:
    pixel_format = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
    options = (
        {"preset": "12"} if codec == "libsvtav1" else {"x265-params": "log-level=none"} if codec == "libx265" else {}
    )
    source = write_clip(
        tmp_path / ("a.mov" if codec == "prores_ks" else "a.mkv"), Clip(EVEN[:5], codec, pixel_format, options)
    )
    with open_video(source) as video:
        frames = [frame.rgb for frame in video.frames()]
    assert len(frames) == 5
    assert frames[0][32, 16].argmax() == 0
    assert frames[0][32, 80].argmax() == 2


@pytest.mark.parametrize("rows", [64, 720])
def test_colours_of_what_is_written_are_those_of_the_frames(rows: int, tmp_path: Path) -> None:
    colours = square(0, 1, (128, rows))
    with writing_video(tmp_path / "a.mp4", Layout(128, rows, Fraction(25), Fraction(25))) as writer:
        writer.write(colours)
    with open_video(tmp_path / "a.mp4") as video:
        assert np.abs(next(video.frames()).rgb.astype(int) - colours).mean() < 3
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert next(container.decode(video=0)).colorspace == (1 if rows >= 720 else 6)


@contextmanager
def room_for(size_bytes: int) -> Iterator[None]:
    """No file of more than `size_bytes`, as on a disk that fills up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def noise(path: Path, frames: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    with writing_video(path, Layout(96, 64, Fraction(25), Fraction(25))) as writer:
        for _ in range(frames):
            writer.write(pixels)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
@pytest.mark.parametrize("lacking_fraction", [0.02, 0.5, 1.0])  # x264's threads don't give the same size each time
def test_a_video_without_room_is_an_error_that_names_it_and_leaves_nothing(
    suffix: str, lacking_fraction: float, tmp_path: Path
) -> None:
    noise(tmp_path / f"whole{suffix}", 30)
    size = (tmp_path / f"whole{suffix}").stat().st_size
    with room_for(round(size * (1 - lacking_fraction))), pytest.raises(OSError, match=rf"too large: '.*/o/a{suffix}'"):
        noise(tmp_path / f"o/a{suffix}", 30)
    assert not list((tmp_path / "o").iterdir())


def test_an_older_video_stays_where_the_new_one_has_no_room(red: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", Clip(EVEN))
    (tmp_path / "o").mkdir()
    (tmp_path / "o/a.mkv").write_bytes(b"older")
    with room_for(500), pytest.raises(OSError, match="too large"):
        cut(red, source, "--video", "mkv")
    assert [path.read_bytes() for path in (tmp_path / "o").iterdir()] == [b"older"]
