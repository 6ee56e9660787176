"""Real files to mutate: images, masks, a dataset in the layout of each importer, an ONNX network."""

import base64
import io
import json
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from export_rows import HEIGHT, WIDTH, asymmetric, commit_rows, picture
from onnx import TensorProto, helper, numpy_helper
from PIL import Image, ImageCms

from manifests.exports import export_version
from manifests.pixels.geometry import Pixels
from manifests.pixels.images import encode_jpeg

PERSON = "person"


def write_images(root: Path) -> list[Path]:
    """An image in each format and mode, with EXIF, an ICC profile, several scans, several frames."""
    image = Image.fromarray(picture(0))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    wide = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    saved: list[tuple[str, Image.Image, dict[str, Any]]] = [
        ("plain.jpg", image, {"exif": exif, "icc_profile": profile}),
        ("progressive.jpg", image, {"progressive": True}),
        ("cmyk.jpg", image.convert("CMYK"), {}),
        ("plain.png", image, {"icc_profile": profile}),
        ("palette.png", image.quantize(), {"transparency": 3}),
        ("wide.png", wide, {}),
        ("alpha.png", image.convert("RGBA"), {"exif": exif}),
        ("bits.png", image.convert("1"), {}),
        ("plain.webp", image, {"exif": exif}),
        ("alpha.webp", image.convert("RGBA"), {"lossless": True}),
        ("plain.gif", image.quantize(), {}),
        ("frames.gif", image, {"save_all": True, "append_images": [image.rotate(90)]}),
        ("plain.bmp", image, {}),
        ("plain.tif", image, {"compression": "tiff_lzw"}),
        ("wide.tif", wide, {}),
        ("float.tif", Image.fromarray(np.ones((HEIGHT, WIDTH), np.float32)), {}),
        ("plain.ppm", image, {}),
        ("plain.avif", image, {}),
    ]
    for name, each, options in saved:
        each.save(root / name, **options)
    return [root / name for name, _, _ in saved]


def write_masks(root: Path) -> list[Path]:
    """A mask in each mode that an import takes."""
    mask = asymmetric()
    coloured = Image.fromarray(mask // 255, "P")
    coloured.putpalette([0, 0, 0, 128, 0, 0])
    saved: list[tuple[str, Image.Image]] = [
        ("grey.png", Image.fromarray(mask)),
        ("labels.png", Image.fromarray(mask // 255)),
        ("palette.png", coloured),
        ("bits.png", Image.fromarray(mask).convert("1")),
        ("wide.png", Image.fromarray(mask.astype(np.uint16) * 257)),
        ("alpha.png", Image.fromarray(np.dstack([picture(0), mask]))),
        ("colours.png", Image.fromarray(mask).convert("RGB")),
        ("float.tif", Image.fromarray(mask.astype(np.float32) / 255)),
        ("grey.jpg", Image.fromarray(mask)),
        ("grey.bmp", Image.fromarray(mask)),
    ]
    for name, each in saved:
        each.save(root / name)
    return [root / name for name, _ in saved]


def write_layouts(root: Path) -> dict[str, Path]:
    """A small dataset in the layout of each importer; a name that ends in ` zip` is one inside a zip."""
    manifest = commit_rows(root / "dataset")
    layouts = {name: root / name for name in ("coco", "cvat", "label-studio", "fiftyone", "imagefolder", "yolo")}
    for name, path in layouts.items():
        export_version(manifest, name, path)
    for path in (*(layouts["coco"] / "images").iterdir(), *(layouts["coco"] / "annotations").iterdir()):
        path.rename(layouts["coco"] / path.name)
    export_version(manifest, "authors", root / "eg1800")
    others: dict[str, Callable[[Path], object]] = {
        "labelme": write_labelme,
        "supervisely": write_supervisely,
        "parquet": write_parquet,
        "baidu": write_baidu,
        "cutouts": write_cutouts,
        "aisegment": write_aisegment,
        "easyportrait": write_easyportrait,
    }
    for name, write in others.items():
        (root / name).mkdir()
        write(root / name)
    layouts |= {name: root / name for name in ("eg1800", *others)} | {"voc": layouts["cvat"]}
    for name in ("cvat", "yolo", "supervisely"):
        layouts[f"{name} zip"] = zipped(layouts[name], root / f"{name}.zip")
    return layouts


def zipped(directory: Path, target: Path) -> Path:
    """A directory that holds the files of `directory` in a zip."""
    target.mkdir()
    with zipfile.ZipFile(target / "all.zip", "w") as archive:
        for path in sorted(directory.rglob("*")):
            archive.write(path, path.relative_to(directory))
    return target


def put(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def png(values: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


def write_labelme(root: Path) -> None:
    points = [[5, 5], [40, 5], [40, 50], [5, 50]]
    shapes: list[dict[str, Any]] = [
        {"label": PERSON, "shape_type": "polygon", "points": points},
        {"label": PERSON, "shape_type": "circle", "points": [[20, 20], [20, 30]]},
        {
            "label": PERSON,
            "shape_type": "mask",
            "points": [[2, 2], [11, 9]],
            "mask": base64.b64encode(png(np.full((8, 10), 255, np.uint8))).decode(),
        },
    ]
    content = {"version": "5.5.0", "imagePath": "a.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH}
    inside = base64.b64encode(encode_jpeg(picture(1))).decode()
    put(root / "a.jpg", encode_jpeg(picture(0)))
    put(root / "a.json", json.dumps({**content, "shapes": shapes, "imageData": None}))
    put(root / "b.json", json.dumps({**content, "imagePath": "b.jpg", "shapes": shapes[:1], "imageData": inside}))


def write_supervisely(root: Path) -> None:
    bitmap = base64.b64encode(zlib.compress(png(np.full((20, 10), 255, np.uint8)))).decode()
    polygon = {"exterior": [[5, 5], [40, 5], [40, 50]], "interior": [[[10, 8], [20, 8], [20, 12]]]}
    objects = [
        {"classTitle": PERSON, "geometryType": "bitmap", "bitmap": {"data": bitmap, "origin": [4, 6]}},
        {"classTitle": PERSON, "geometryType": "polygon", "points": polygon},
    ]
    annotation = {"size": {"height": HEIGHT, "width": WIDTH}, "objects": objects}
    put(root / "meta.json", json.dumps({"classes": [{"title": PERSON, "shape": "any"}]}))
    for name, seed in (("a.jpg", 0), ("b.jpg", 1)):
        put(root / "all/img" / name, encode_jpeg(picture(seed)))
        put(root / f"all/ann/{name}.json", json.dumps(annotation))


def write_parquet(root: Path) -> None:
    rows = [
        {
            "image": {"bytes": encode_jpeg(picture(seed)), "path": f"{seed}.jpg"},
            "mask": {"bytes": png(asymmetric(seed)), "path": None},
            "license": "CC0",
        }
        for seed in range(3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), root / "train.parquet", row_group_size=1)


def write_baidu(root: Path) -> None:
    for seed in range(2):
        put(root / f"input/{seed}.jpg", encode_jpeg(picture(seed)))
        put(root / f"target/{seed}.png", png(asymmetric(seed)))
    put(root / "train.txt", "input/0.jpg target/0.png\n1.jpg\n")


def write_cutouts(root: Path) -> None:
    for seed in range(2):
        put(root / f"{seed}.png", png(np.dstack([picture(seed), asymmetric(seed)])))


def write_aisegment(root: Path) -> None:
    for seed in range(2):
        put(root / f"clip_img/18/clip_00/18-{seed}.jpg", encode_jpeg(picture(seed)))
        put(root / f"matting/18/matting_00/18-{seed}.png", png(np.dstack([picture(seed), asymmetric(seed)])))


def write_easyportrait(root: Path) -> None:
    for seed in range(2):
        put(root / f"images/train/{seed}.jpg", encode_jpeg(picture(seed)))
        put(root / f"annotations/train/{seed}.png", png(asymmetric(seed) // 255 * 3))


def write_network(path: Path) -> bytes:
    """An ONNX network whose probability is an image's red, and its description; the network's bytes."""
    constants = [
        numpy_helper.from_array(np.array([value]), name) for name, value in (("zero", 0), ("one", 1), ("axis", 1))
    ]
    graph = helper.make_graph(
        [helper.make_node("Slice", ["x", "zero", "one", "axis"], ["y"])],
        "red",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 48])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 32, 48])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    size = {"height": 32, "width": 48, "layout": "nchw", "colour_order": "rgb", "mean": [0, 0, 0], "std": [255] * 3}
    output = {"kind": "probability", "layout": "nchw", "person_channel": 0}
    path.with_suffix(".json").write_text(json.dumps({"input": size, "output": output}))
    return path.read_bytes()
