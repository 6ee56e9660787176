"""Pictures that something is wrong with, or odd about, made from one good portrait."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

EXIF_ORIENTATION = 0x0112

# What becomes of each: a quarantine reason, or None for a picture that is odd but usable.
EXPECTED_REASON: dict[str, str | None] = {
    "animated.gif": "animated",
    "cmyk.jpg": None,
    "empty.jpg": "empty file",
    "good.jpg": None,
    "no_face.jpg": "no face",
    "one_pixel.png": "too small",
    "rotated.jpg": None,
    "sixteen_bit.png": None,
    "text.jpg": "not an image",
    "truncated.jpg": "truncated",
}


def write_bad_pictures(directory: Path, portrait: Image.Image) -> Path:
    """Write one file per name in EXPECTED_REASON; the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    good = io.BytesIO()
    portrait.save(good, "JPEG", quality=95)
    (directory / "good.jpg").write_bytes(good.getvalue())
    (directory / "truncated.jpg").write_bytes(good.getvalue()[: len(good.getvalue()) // 2])
    (directory / "text.jpg").write_text("this is not a picture\n" * 20)
    (directory / "empty.jpg").write_bytes(b"")
    portrait.convert("CMYK").save(directory / "cmyk.jpg", quality=95)
    grey = np.asarray(portrait.convert("L"))
    Image.fromarray(grey.astype(np.uint16) * 257).save(directory / "sixteen_bit.png")
    frames = [portrait, portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    frames[0].save(directory / "animated.gif", save_all=True, append_images=frames[1:], duration=100)
    Image.new("RGB", (1, 1)).save(directory / "one_pixel.png")
    Image.new("RGB", (300, 300), (90, 120, 60)).save(directory / "no_face.jpg")
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6  # shown upright only after a quarter turn clockwise
    portrait.transpose(Image.Transpose.ROTATE_90).save(directory / "rotated.jpg", quality=95, exif=exif)
    return directory
