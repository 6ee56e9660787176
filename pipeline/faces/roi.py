"""Face -> ROI: the box around head, shoulders, chest and some background that makes a full-body photo a portrait.

The paper (section 3.4) says only that the detector's tight box is grown "to include parts of the upper body and
background". The margins below, in face heights, were chosen by looking at sheets of crops: hair, hats and
raised chins stay whole, shoulders are in, the face fills about a quarter of the crop's height as it does in
portraits people take.
"""

from manifests.pixels.geometry import Box
from pipeline.faces.face import Face

ABOVE_FACE_HEIGHTS = 0.9  # hair and hats reach 0.3-0.6 above the brows' box; the rest is background
BELOW_FACE_HEIGHTS = 2.0  # neck, shoulders and the upper chest
BESIDE_FACE_HEIGHTS = 1.95  # from the face's centre: shoulders are about 3 face heights wide, plus background

PORTRAIT_AREA_FRACTION = 0.45  # an image of which the ROI fills this share is a portrait already


def portrait_roi(face: Face, image: Box) -> Box:
    """The ROI around one face, in whole pixels, clamped to the image."""
    center_x, _ = face.center
    left = center_x - BESIDE_FACE_HEIGHTS * face.h
    top = face.y - ABOVE_FACE_HEIGHTS * face.h
    right = center_x + BESIDE_FACE_HEIGHTS * face.h
    bottom = face.y + (1.0 + BELOW_FACE_HEIGHTS) * face.h
    x, y = round(left), round(top)
    return Box(x, y, round(right) - x, round(bottom) - y).clamped(image)


def sample_rois(faces: list[Face], image: Box) -> list[tuple[Box, Face]]:
    """One ROI per face of an image without mask; the whole image once if `is_portrait`. `faces` are largest first."""
    if faces and is_portrait(faces[0], image):
        return [(image, faces[0])]
    return [(portrait_roi(face, image), face) for face in faces]


def is_portrait(largest: Face, image: Box) -> bool:
    """Whether the ROI of the largest face fills PORTRAIT_AREA_FRACTION of the image."""
    roi = portrait_roi(largest, image)
    return roi.w * roi.h >= PORTRAIT_AREA_FRACTION * image.w * image.h
