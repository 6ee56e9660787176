"""An image's faces as attributes: their number, and the pose of the largest in fixed steps."""

from collections.abc import Sequence

from manifests.samples.slices import Limits
from pipeline.faces.face import Face, large_enough
from pipeline.faces.pose import head_pose

FACES, YAW, ROLL = NAMES = ("faces", "face yaw", "face roll")

# Absolute angles in degrees. Portraits are taken within 15 of the camera; from 30 on one cheek is out of sight.
YAW_STEPS = Limits((15, 30), ("under 15 degrees", "15 to 30 degrees", "30 degrees and more"))
ROLL_STEPS = Limits((5, 15), ("under 5 degrees", "5 to 15 degrees", "15 degrees and more"))
FACES_STEPS = Limits((1, 2, 3), ("none", "1", "2", "3 and more"))


def face_attributes(faces: Sequence[Face]) -> dict[str, str | None]:
    """Values of NAMES from the faces that a detector found, largest first; those too small to count are left out.

    Yaw and roll are None without a face.
    """
    faces = large_enough(faces)
    number = FACES_STEPS.name(len(faces))
    if not faces or faces[0].landmarks is None:
        return {FACES: number, YAW: None, ROLL: None}
    pose = head_pose(faces[0].landmarks)
    return {FACES: number, YAW: YAW_STEPS.name(abs(pose.yaw)), ROLL: ROLL_STEPS.name(abs(pose.roll))}
