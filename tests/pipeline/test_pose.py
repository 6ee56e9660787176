"""Yaw and roll from landmarks: of a head turned by known angles, and of a photograph turned by known angles."""

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from pipeline.faces.face import Landmarks
from pipeline.faces.mtcnn import default_detector
from pipeline.faces.pose import HEAD_MM, head_pose


def seen(*, yaw: float = 0, pitch: float = 0, roll: float = 0) -> Landmarks:
    """The landmarks of the mean head after turns in degrees, projected orthographically, half a pixel a millimetre."""
    turn = Rotation.from_euler("ZXY", [roll, pitch, -yaw], degrees=True)
    return Landmarks(*((float(x), float(y)) for x, y in turn.apply(HEAD_MM)[:, :2] * 0.5 + (120, 80)))


@pytest.mark.parametrize("yaw", [-60, -20, 0, 5, 40])
@pytest.mark.parametrize("pitch", [-25, 0, 15])
@pytest.mark.parametrize("roll", [-80, -10, 0, 30, 170])
def test_a_turned_heads_angles_are_found(yaw: float, pitch: float, roll: float) -> None:
    pose = head_pose(seen(yaw=yaw, pitch=pitch, roll=roll))
    assert (pose.yaw, pose.roll) == pytest.approx((yaw, roll), abs=1e-6)


def test_signs_by_hand() -> None:
    """The nose right of the eyes' middle: turned to the image's right. The right eye lower: tilted clockwise."""
    upright = Landmarks((10, 10), (30, 10), (20, 23), (12, 32), (28, 32))
    assert (head_pose(upright).yaw, head_pose(upright).roll) == pytest.approx((0, 0), abs=1e-6)
    assert head_pose(Landmarks((10, 10), (30, 10), (24, 23), (12, 32), (28, 32))).yaw > 15
    tilted = Landmarks((10, 10), (27.32, 20), (12.16, 26.26), (0.73, 30.05), (14.59, 38.05))  # upright by 30 degrees
    assert head_pose(tilted).roll == pytest.approx(30, abs=0.1)


def test_a_turned_photographs_roll_is_its_own_plus_the_turn(astronaut: Image.Image) -> None:
    [upright] = default_detector().detect(np.asarray(astronaut))
    [turned] = default_detector().detect(np.asarray(astronaut.rotate(-20, Image.Resampling.BILINEAR)))
    assert upright.landmarks is not None
    assert turned.landmarks is not None
    first, second = head_pose(upright.landmarks), head_pose(turned.landmarks)
    assert second.roll - first.roll == pytest.approx(20, abs=4)
    [mirrored] = default_detector().detect(np.asarray(astronaut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))
    assert mirrored.landmarks is not None
    assert head_pose(mirrored.landmarks).yaw == pytest.approx(-first.yaw, abs=6)


def test_landmarks_lie_in_the_face_also_in_a_tile_of_a_large_image(astronaut: Image.Image) -> None:
    canvas = Image.new("RGB", (3000, 1400), (120, 130, 140))
    canvas.paste(astronaut.resize((180, 180)), (2500, 1100))
    [face] = default_detector().detect(np.asarray(canvas))
    assert face.landmarks is not None
    for x, y in (face.landmarks.left_eye, face.landmarks.right_eye, face.landmarks.nose, face.landmarks.left_mouth):
        assert face.x < x < face.x + face.w
        assert face.y < y < face.y + face.h
    inside = face.moved(-2500, -1100).landmarks
    assert inside is not None
    assert inside.nose == pytest.approx((face.landmarks.nose[0] - 2500, face.landmarks.nose[1] - 1100))
