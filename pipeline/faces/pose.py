"""The head's pose from a face's five landmarks.

A rigid head is fitted to them in scaled orthographic projection: the five points determine a 2x4 affine map by least
squares, and the nearest rotation is the pose. Faces differ from the mean head, and landmarks are off by a pixel or two:
the angles are good for slices of 15 degrees, not for measuring one head.
"""

from dataclasses import astuple, dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from pipeline.faces.face import Landmarks

# Left eye, right eye, nose tip, left and right corner of the mouth, in mm: x to the image's right, y down, z away from
# the camera. Pupils 63 mm apart, mouth 50 mm wide, the distances of an adult's face in anthropometric tables.
HEAD_MM = np.array([(-31.5, 0, 0), (31.5, 0, 0), (0, 40, -33), (-25, 70, -8), (25, 70, -8)])


@dataclass(frozen=True, slots=True)
class Pose:
    """Angles in degrees, -180 to 180.

    `yaw` turns the face towards the image's right, `roll` tilts the head clockwise.
    """

    yaw: float
    roll: float


def head_pose(landmarks: Landmarks) -> Pose:
    """Estimate the pose of the head with these landmarks; any scale, any unit."""
    points = np.array(astuple(landmarks), np.float64)  # (5, 2)
    affine, *_ = np.linalg.lstsq(HEAD_MM - HEAD_MM.mean(axis=0), points - points.mean(axis=0), rcond=None)  # (3, 2)
    left, _, right = np.linalg.svd(affine.T, full_matrices=False)
    across, down = left @ right  # the nearest pair of orthonormal rows
    rotation = Rotation.from_matrix(np.stack([across, down, np.cross(across, down)]))
    roll, _pitch, yaw = rotation.as_euler("ZXY", degrees=True)
    return Pose(yaw=-float(yaw), roll=float(roll))
