"""Cutting people out of pictures: where they are looked for, how masks are touched up, and what is written."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from bad_pictures import write_bad_pictures
from PIL import Image
from red_network import red_is_person
from repository import ROOT

from manifests.cli.arguments import run_command
from manifests.errors import UserError
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.masks import decode_mask
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict import __main__ as predict
from trainer.predict import strips
from trainer.predict.components import fill_holes, largest_component
from trainer.predict.localize.localizers import LOCALIZERS, MaskLocalizer
from trainer.predict.localize.roi import predict_in_rois
from trainer.predict.matting.background import composite, out_of_focus
from trainer.predict.matting.closed_form import matting_refinement
from trainer.predict.matting.foreground import foreground_colours
from trainer.predict.matting.guided_filter import LinearFit, guided_refinement
from trainer.predict.matting.opacity import opacity
from trainer.predict.output_kinds import VIEWS, Cutout
from trainer.predict.outputs import STILL_SUFFIXES
from trainer.predict.person_predictor import PersonPredictor
from trainer.predict.postprocess import Postprocess

RED, GREEN = (230, 20, 20), (20, 200, 20)


class RedIsPerson:
    """As a network that sees 32 x 32 pixels, whatever it is shown."""

    digest = "red"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def person_prob(self, rgb: Pixels) -> Prob:
        self.shapes.append(rgb.shape)
        seen = cv2.resize(rgb, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        prob = np.clip((seen[..., 0] - seen[..., 1]) / 255 + 0.2, 0, 1)
        return np.asarray(cv2.resize(prob, rgb.shape[1::-1]), np.float32)


def scene(height: int, width: int, *people: Box) -> tuple[Pixels, np.ndarray]:
    """Red boxes on green, and their mask."""
    rgb, mask = np.full((height, width, 3), GREEN, np.uint8), np.zeros((height, width), bool)
    for box in people:
        rgb[box.y : box.bottom, box.x : box.right] = RED
        mask[box.y : box.bottom, box.x : box.right] = True
    return rgb, mask


def disc(side: int, radius: int) -> tuple[Pixels, Prob]:
    """A red disc on green, blended at its edge, and its true opacity."""
    truth = np.zeros((side * 4, side * 4), np.float32)
    cv2.circle(truth, (side * 2, side * 2), radius * 4, 1.0, -1)
    alpha = cv2.GaussianBlur(cv2.resize(truth, (side, side), interpolation=cv2.INTER_AREA), (0, 0), 2)
    mixed = alpha[..., None] * np.array(RED, np.float32) + (1 - alpha[..., None]) * np.array(GREEN, np.float32)
    return np.rint(mixed).astype(np.uint8), alpha


def iou(found: Prob, truth: np.ndarray) -> float:
    person = found >= 0.5
    return float((person & truth).sum() / (person | truth).sum())


def test_a_second_look_sees_a_small_person_better_than_the_whole_picture() -> None:
    rgb, truth = scene(600, 800, Box(300, 200, 61, 173))
    whole = PersonPredictor(RedIsPerson()).person_prob(rgb)
    twice = PersonPredictor(RedIsPerson(), MaskLocalizer()).person_prob(rgb)
    assert iou(twice, truth) > 0.9
    assert iou(twice, truth) > iou(whole, truth) + 0.05


def test_every_person_of_a_scene_gets_a_look_of_their_own() -> None:
    people = Box(80, 150, 70, 180), Box(500, 140, 73, 190)
    rgb, truth = scene(600, 800, *people)
    network = RedIsPerson()
    prob = PersonPredictor(network, MaskLocalizer()).person_prob(rgb)
    assert len(network.shapes) == 3
    assert iou(prob, truth) > 0.85


def test_a_portrait_is_looked_at_once() -> None:
    rgb, _ = scene(400, 300, Box(30, 40, 240, 360))
    network = RedIsPerson()
    PersonPredictor(network, MaskLocalizer()).person_prob(rgb)
    assert network.shapes == [(400, 300, 3)]


def test_what_a_roi_says_is_blended_in_without_a_step() -> None:
    class Sure:
        digest = ""

        def person_prob(self, rgb: Pixels) -> Prob:
            return np.ones(rgb.shape[:2], np.float32)

    whole = np.zeros((200, 200), np.float32)
    found = predict_in_rois(Sure(), np.zeros((200, 200, 3), np.uint8), [Box(50, 50, 100, 150)], whole)
    assert found[100, 100] == 1
    assert found[199, 100] == 1, "no ramp where the ROI ends with the picture"
    assert found[:, 100].max() == 1
    assert np.abs(np.diff(found[:180, 100])).max() < 0.2
    assert found[:50].max() == 0


def test_overlapping_rois_are_merged_by_the_larger_probability() -> None:
    class Share:
        digest = ""

        def person_prob(self, rgb: Pixels) -> Prob:
            return np.full(rgb.shape[:2], 0.9 if rgb.shape[1] == 100 else 0.4, np.float32)

    rois = [Box(20, 20, 100, 100), Box(60, 20, 80, 100)]
    found = predict_in_rois(Share(), np.zeros((200, 200, 3), np.uint8), rois, np.zeros((200, 200), np.float32))
    assert found[70, 90] == pytest.approx(0.9)
    assert found[70, 127] == pytest.approx(0.4)


def test_a_face_leads_to_the_body_below_it(astronaut: Image.Image) -> None:
    rgb = np.full((600, 800, 3), 90, np.uint8)
    small = np.asarray(astronaut.resize((128, 128)))
    rgb[150:278, 250:378] = small
    rois = LOCALIZERS["face"]()(rgb, np.zeros((600, 800), np.float32))
    assert len(rois) == 1
    roi = rois[0]
    assert Box(295, 155, 25, 123).inside(roi)
    assert roi.w * roi.h < 0.5 * 600 * 800
    assert LOCALIZERS["face"]()(np.full((200, 300, 3), 90, np.uint8), np.zeros((200, 300), np.float32)) == []


def test_the_largest_piece_stays_as_it_is_and_others_go_with_their_soft_edges() -> None:
    prob = np.zeros((100, 200), np.float32)
    prob[20:80, 20:80] = 0.9
    prob[40:60, 150:170] = 0.8
    prob[38:62, 148:172] = np.maximum(prob[38:62, 148:172], 0.3)
    kept = largest_component(prob)
    np.testing.assert_array_equal(kept[:, :100], prob[:, :100])
    assert kept[40:60, 150:170].max() == 0
    assert kept[:, 140:].max() < 0.3


def test_only_small_enclosed_holes_are_filled() -> None:
    prob = np.zeros((100, 100), np.float32)
    prob[10:90, 10:90] = 1
    prob[20:24, 20:24] = 0.1
    prob[40:70, 40:70] = 0.1
    prob[50:53, 0:20] = 0.1
    filled = fill_holes(prob, 0.02)
    assert filled[20:24, 20:24].min() == 1
    assert filled[40:70, 40:70].max() == pytest.approx(0.1)
    assert filled[50:53, 10:20].max() == pytest.approx(0.1)


def test_opening_takes_thin_things_away_and_closing_fills_thin_gaps() -> None:
    rgb, _ = scene(60, 60, Box(0, 0, 60, 60))
    prob = np.zeros((60, 60), np.float32)
    prob[10:50, 10:30] = 1
    prob[20:22, 30:60] = 1
    prob[40:42, 10:30] = 0
    assert Postprocess(open_px=5)(prob, rgb)[21, 50] == 0
    assert Postprocess(close_px=5)(prob, rgb)[41, 20] == 1
    np.testing.assert_array_equal(Postprocess()(prob, rgb), prob)


def naive_guided(guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """The paper's equations, window by window, mirrored at the edges."""
    pad = ((radius, radius), (radius, radius))
    guide_padded, values_padded = np.pad(guide, (*pad, (0, 0)), "symmetric"), np.pad(values, pad, "symmetric")
    side, (height, width) = 2 * radius + 1, values.shape
    slopes, offsets = np.zeros((height, width, 3)), np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            colours = guide_padded[y : y + side, x : x + side].reshape(-1, 3)
            wanted = values_padded[y : y + side, x : x + side].ravel()
            centred = colours - colours.mean(0)
            matrix = centred.T @ centred / len(colours) + epsilon * np.eye(3)
            slopes[y, x] = np.linalg.solve(matrix, (centred * (wanted - wanted.mean())[:, None]).mean(0))
            offsets[y, x] = wanted.mean() - slopes[y, x] @ colours.mean(0)
    slopes = cv2.blur(slopes, (side, side), borderType=cv2.BORDER_REFLECT)
    offsets = cv2.blur(offsets, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.clip((slopes * guide).sum(-1) + offsets, 0, 1)


def test_the_guided_filter_is_the_papers(astronaut: Image.Image) -> None:
    rgb = np.asarray(astronaut)[60:84, 190:220]
    values = np.asarray(cv2.GaussianBlur((rgb[..., 0] > 120).astype(np.float32), (0, 0), 2))
    found = LinearFit.of(rgb, values, radius_px=3, epsilon=1e-3).applied(rgb)
    np.testing.assert_allclose(found, naive_guided(rgb / 255.0, values, 3, 1e-3), atol=2e-4)


@pytest.mark.parametrize("refine", [guided_refinement, matting_refinement])
def test_refining_moves_a_displaced_edge_to_the_photographs(refine) -> None:  # type: ignore[no-untyped-def]
    rgb, alpha = disc(400, 120)
    truth = alpha >= 0.5
    blurred = cv2.GaussianBlur(np.roll(truth, 3, axis=1).astype(np.float32), (0, 0), 3)
    refined = refine(blurred, rgb)
    assert refined.dtype == np.float32
    assert 1 - iou(refined, truth) < 0.75 * (1 - iou(blurred, truth))


@pytest.mark.parametrize("shape", [(3, 33_000), (33_000, 3)])
def test_maps_are_enlarged_to_sides_beyond_opencvs_limit(shape: tuple[int, int]) -> None:
    ramp = np.linspace(0, 1, 11, dtype=np.float32)
    small = np.tile(ramp, (11, 1)) if shape[1] > shape[0] else np.tile(ramp[:, None], (1, 11))
    enlarged = strips.enlarged(small, *shape)
    whole = np.concatenate([enlarged(rows) for rows in strips.bands(*shape)])
    along = whole[1] if shape[1] > shape[0] else whole[:, 1]
    assert whole.shape == shape
    np.testing.assert_allclose(along, np.clip((np.arange(33_000) + 0.5) / 3000 - 0.5, 0, 10) / 10, atol=0.01)


def test_maps_made_small_are_applied_band_by_band_as_in_one_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb, alpha = disc(301, 90)
    monkeypatch.setattr(strips, "BAND_PIXELS", 10**9)
    whole = guided_refinement(alpha, rgb), foreground_colours(rgb, alpha), out_of_focus(rgb, alpha)
    monkeypatch.setattr(strips, "BAND_PIXELS", 301 * 7)
    for once, banded in zip(
        whole, (guided_refinement(alpha, rgb), foreground_colours(rgb, alpha), out_of_focus(rgb, alpha)), strict=True
    ):
        np.testing.assert_array_equal(once, banded)
    small = np.arange(12, dtype=np.float32).reshape(3, 4)
    enlarged = strips.enlarged(small, 9, 20)
    banded = np.concatenate([enlarged(slice(0, 4)), enlarged(slice(4, 9))])
    np.testing.assert_allclose(banded, cv2.resize(small, (20, 9)), atol=0.2)


def test_the_edges_colours_are_the_persons_own() -> None:
    rgb, alpha = disc(200, 60)
    edge = (alpha > 0.2) & (alpha < 0.8)
    own = foreground_colours(rgb, alpha)
    before = np.abs(rgb[edge].astype(int) - RED).mean()
    assert np.abs(own[edge].astype(int) - RED).mean() < before / 5
    np.testing.assert_array_equal(own[alpha == 1], rgb[alpha == 1])


def test_a_person_cut_out_and_put_back_gives_the_photograph() -> None:
    rgb, alpha = disc(200, 60)
    behind = np.full_like(rgb, GREEN)
    again = composite(foreground_colours(rgb, alpha), alpha, behind)
    difference = np.abs(again.astype(int) - rgb)
    assert difference.max() <= 12
    assert difference.mean() < 0.5


def test_a_background_out_of_focus_holds_none_of_the_persons_colours() -> None:
    rgb, alpha = disc(200, 60)
    blurred = out_of_focus(rgb, alpha)
    assert np.abs(blurred.astype(int) - GREEN).max() <= 8


def test_opacity_keeps_the_middle_and_makes_the_nearly_sure_sure() -> None:
    found = opacity(np.array([[0.0, 0.15, 0.5, 0.85, 1.0]], np.float32))
    np.testing.assert_allclose(found, [[0, 0, 0.5, 1, 1]], atol=1e-6)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_pictures_without_people_or_of_nothing_else_make_every_view(view: str, level: float) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    shown = VIEWS[view](Cutout(rgb, np.full((64, 48), level, np.float32)))
    assert shown.dtype == np.uint8
    assert shown.shape[:2] == (64, 96 if view == "side-by-side" else 48)
    if view in ("mask", "alpha"):
        assert (shown == 255 * level).all()
    if view == "replace":
        np.testing.assert_array_equal(shown, rgb if level else np.full_like(rgb, 255))


@pytest.mark.parametrize("localizer", LOCALIZERS)
@pytest.mark.parametrize("refine", ["guided", "matting"])
def test_nobody_in_the_picture_is_an_empty_mask(localizer: str, refine: str) -> None:
    rgb = np.full((120, 90, 3), GREEN, np.uint8)
    touch_up = Postprocess(open_px=3, close_px=3, largest=True, max_hole_fraction=0.1, refine=refine)
    prob = PersonPredictor(RedIsPerson(), LOCALIZERS[localizer](), touch_up).person_prob(rgb)
    assert prob.max() < 0.5


@pytest.fixture
def red(tmp_path: Path) -> str:
    return str(red_is_person(tmp_path / "red.onnx"))


def run(red: str, *more: str) -> None:
    predict.main(["--checkpoint", red, "--device", "cpu", *more])


def test_every_view_is_written_under_its_own_name(red: str, tmp_path: Path, astronaut: Image.Image) -> None:
    astronaut.save(tmp_path / "eileen.png")
    output = tmp_path / "output"
    views = [*VIEWS]
    run(
        red,
        "--input",
        str(tmp_path / "eileen.png"),
        "--output",
        str(output),
        "--background",
        "#0000ff",
        "--write",
        *views,
    )
    expected = {f"eileen{'' if view == 'mask' else '-' + view}{STILL_SUFFIXES[view]}" for view in views}
    assert {path.name for path in output.iterdir()} == expected
    assert decode_mask((output / "eileen.png").read_bytes()).shape == (512, 512)
    with Image.open(output / "eileen-cutout.png") as cutout, Image.open(output / "eileen-side-by-side.jpg") as both:
        assert (cutout.mode, cutout.size, both.size) == ("RGBA", (512, 512), (1024, 512))


def test_a_background_picture_covers_whatever_its_shape(red: str, tmp_path: Path) -> None:
    rgb, _ = scene(80, 120, Box(70, 20, 40, 60))
    Image.fromarray(rgb).save(tmp_path / "a.png")
    Image.new("RGB", (37, 200), (0, 0, 255)).save(tmp_path / "sea.png")
    where = str(tmp_path / "output")
    run(
        red,
        "--input",
        str(tmp_path / "a.png"),
        "--output",
        where,
        "--write",
        "replace",
        "--background",
        str(tmp_path / "sea.png"),
    )
    with Image.open(tmp_path / "output/a-replace.jpg") as shown:
        assert np.abs(np.asarray(shown)[:, :40].astype(int) - (0, 0, 255)).max() < 12


@pytest.mark.parametrize(
    ("background", "said"),
    [
        ("nowhere.jpg", "expected an image or #rrggbb for --background, found no file nowhere.jpg"),
        ("#12345", "expected a colour as #rrggbb"),
        (str(ROOT / "pyproject.toml"), "expected an image for --background, found .*not an image"),
    ],
)
def test_a_background_that_is_none_is_one_clear_line(red: str, tmp_path: Path, background: str, said: str) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=said):
        run(
            red,
            "--input",
            str(tmp_path / "a.png"),
            "--output",
            str(tmp_path / "o"),
            "--write",
            "replace",
            "--background",
            background,
        )
    with pytest.raises(UserError, match="--background and --write replace together"):
        run(red, "--input", str(tmp_path / "a.png"), "--output", str(tmp_path / "o"), "--write", "replace")


def test_an_input_is_never_overwritten(red: str, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UserError, match=r"expected an --output where no input lies, found .*a.png to be overwritten"):
        run(red, "--input", str(tmp_path / "a.png"), "--output", str(tmp_path / "link"))
    assert (tmp_path / "a.png").read_bytes() == before


def test_names_that_meet_across_views_are_refused(red: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("a.png", "a-alpha.png"):
        Image.new("RGB", (64, 64)).save(pictures / name)
    with pytest.raises(UserError, match=r"expected outputs of different names, found .*a-alpha.png more than once"):
        run(red, "--input", str(pictures), "--output", str(tmp_path / "o"), "--write", "mask", "alpha")
    assert not (tmp_path / "o").exists()


def test_odd_pictures_are_taken_and_bad_ones_named(
    red: str, tmp_path: Path, astronaut: Image.Image, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = write_bad_pictures(tmp_path / "pictures", astronaut)
    half_transparent = astronaut.copy()
    half_transparent.putalpha(128)
    half_transparent.save(pictures / "half_transparent.png")
    run(red, "--input", str(pictures), "--output", str(tmp_path / "o"))
    written = {path.stem for path in (tmp_path / "o").iterdir()}
    assert written == {"cmyk", "good", "half_transparent", "no_face", "rotated", "sixteen_bit"}
    skipped = [line.split(":")[0] for line in caplog.messages if line.startswith(f"skipped {pictures}")]
    assert sorted(Path(line).stem for line in skipped) == [
        "animated",
        "empty",
        "one_pixel",
        "text",
        "truncated",
    ]
    assert "skipped 5 of 11 inputs, named above" in caplog.messages
    assert [line for line in caplog.messages if line.startswith("found no person")] == [
        f"found no person in {pictures / 'no_face.jpg'}",
        "found no person in 1 of 11 images, named above",
    ]


def test_one_bad_picture_is_one_line(
    red: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    arguments = ["--checkpoint", red, "--input", str(tmp_path / "a.jpg"), "--output", str(tmp_path / "o")]
    monkeypatch.setattr(sys, "argv", ["trainer.predict", *arguments])
    with pytest.raises(SystemExit, match="1"):
        run_command(predict.main)
    assert capfd.readouterr().err.splitlines() == [
        f"error: expected a usable image, found {tmp_path / 'a.jpg'}: empty file: expected an image, found 0 bytes"
    ]


def test_an_output_on_a_disk_that_takes_nothing_is_one_line(
    red: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    place = "/proc/masks"  # where not even root can make a directory
    monkeypatch.setattr(sys, "argv", ["", "--checkpoint", red, "--input", str(tmp_path / "a.png"), "--output", place])
    with pytest.raises(SystemExit, match="1"):
        run_command(predict.main)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert lines[0].endswith(place)


LARGE = """
import resource, sys
from trainer.predict import __main__ as predict
predict.main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_an_8k_photograph_is_cut_out_within_four_gigabytes(red: str, tmp_path: Path, astronaut: Image.Image) -> None:
    astronaut.resize((7680, 4320)).save(tmp_path / "a.jpg")
    command = [sys.executable, "-c", LARGE, "--checkpoint", red, "--input", str(tmp_path / "a.jpg"), "--output"]
    options = ["--refine", "guided", "--localizer", "mask", "--fill-holes", "0.02", "--background", "#102030"]
    done = subprocess.run(
        [*command, str(tmp_path / "o"), *options, "--write", *VIEWS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.splitlines()[-1]) < 4096
    with Image.open(tmp_path / "o/a-blur.jpg") as blurred:
        assert blurred.size == (7680, 4320)
