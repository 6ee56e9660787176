"""CVAT's function: the SDK loads it, checks its spec, and decodes the masks it returns.

The SDK itself runs in the oracles' environment; here stands what the function makes of an image.
"""

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from oracles import run_cvat
from PIL import Image
from red_teacher import FixedFaces, RedIsPerson

from manifests.errors import UserError
from pipeline.bridges.cvat import PersonFunction, create
from pipeline.bridges.person_masks import PersonMasks
from pipeline.faces.face import Face

CVAT_RUNS_IT = """
import logging, types
import numpy as np
from PIL import Image
import cvat_sdk.auto_annotation as aa
from cvat_sdk import models
from cvat_sdk.auto_annotation.driver import _AnnotationMapper, _DetectionFunctionContextImpl
from cvat_sdk.masks import decode_mask
from cvat_cli._internal.common import FunctionLoader
import pipeline.bridges.cvat as module
from pipeline.bridges.person_masks import PersonMasks
from red_teacher import FixedFaces, RedIsPerson

module.load_person_masks = lambda teacher, device: PersonMasks(RedIsPerson(), FixedFaces())
function = FunctionLoader("pipeline.bridges.cvat", None, {"teacher": "red", "label": "human"}).load()
assert isinstance(function.spec, aa.DetectionFunctionSpec)
rgb = np.zeros((40, 60, 3), np.uint8)
rgb[5:30, 10:50, 0] = 255
rgb[10:15, 20:30, 0] = 0
for polygons in (False, True):
    label = types.SimpleNamespace(
        id=7, name="human", attributes=[], sublabels=[], type="polygon" if polygons else "mask"
    )
    mapper = _AnnotationMapper(
        logging.getLogger(), function.spec.labels, [label], allow_unmatched_labels=False, conv_mask_to_poly=polygons
    )
    context = _DetectionFunctionContextImpl(frame_name="a.jpg", conf_threshold=None, conv_mask_to_poly=polygons)
    shapes = list(function.detect(context, Image.fromarray(rgb)))
    _tags, [shape] = mapper.validate_and_remap(shapes, 3)
    assert (shape.label_id, shape.frame, str(shape.type)) == (7, 3, "polygon" if polygons else "mask"), shape
    if not polygons:
        assert np.array_equal(decode_mask(shape.points, image_width=60, image_height=40), rgb[..., 0] > 0)
assert function.detect(context, Image.fromarray(np.zeros((40, 60, 3), np.uint8))) == []
print("cvat agrees")
"""


def test_cvats_own_code_takes_the_functions_masks_and_polygons() -> None:
    assert run_cvat(CVAT_RUNS_IT).endswith("cvat agrees\n")


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of the SDK that the function calls, as plain records."""
    auto_annotation, masks = ModuleType("auto_annotation"), ModuleType("masks")
    auto_annotation.DetectionFunctionSpec = lambda labels: SimpleNamespace(labels=labels)  # type: ignore[attr-defined]
    auto_annotation.label_spec = lambda name, number, type: (name, number, type)  # type: ignore[attr-defined]  # noqa: A006
    auto_annotation.mask = lambda label, points: ("mask", label, points)  # type: ignore[attr-defined]
    auto_annotation.polygon = lambda label, points: ("polygon", label, points)  # type: ignore[attr-defined]
    masks.encode_mask = lambda person: person.copy()  # type: ignore[attr-defined]
    known = {"auto_annotation": auto_annotation, "masks": masks}
    monkeypatch.setattr("pipeline.bridges.cvat._sdk", known.__getitem__)


def bounds(points: list[float]) -> tuple[float, ...]:
    """The box of x1, y1, x2, y2, ...: left, upper, right, lower."""
    x, y = points[::2], points[1::2]
    return min(x), min(y), max(x), max(y)


@pytest.mark.usefixtures("sdk")
def test_the_function_returns_a_mask_or_a_polygon_for_each_piece() -> None:
    function = PersonFunction(PersonMasks(RedIsPerson(), FixedFaces()), "human")
    assert function.spec.labels == [("human", 0, "mask")]
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[5:10, 10:20, 0] = rgb[20:30, 40:50, 0] = 255
    [(kind, label, person)] = function.detect(SimpleNamespace(conv_mask_to_poly=False), Image.fromarray(rgb))
    assert (kind, label) == ("mask", 0)
    assert np.array_equal(person, rgb[..., 0] > 0)
    first, second = function.detect(SimpleNamespace(conv_mask_to_poly=True), Image.fromarray(rgb))
    assert [bounds(points) for _, _, points in (first, second)] == [(10, 5, 20, 10), (40, 20, 50, 30)]


@pytest.mark.usefixtures("sdk")
def test_an_image_without_a_person_has_no_shape() -> None:
    function = PersonFunction(PersonMasks(RedIsPerson(), FixedFaces()), "person")
    assert function.detect(SimpleNamespace(conv_mask_to_poly=False), Image.new("L", (30, 20))) == []


def test_the_mask_is_the_union_of_a_portrait_around_each_face() -> None:
    rgb = np.zeros((1000, 1000, 3), np.uint8)
    rgb[..., 0] = 255
    teacher = RedIsPerson()
    faces = FixedFaces(Face(180, 180, 40, 50, 1.0), Face(700, 700, 40, 50, 1.0))
    person = PersonMasks(teacher, faces).mask(rgb)
    assert len(teacher.seen) == 2
    assert [len(portrait.faces) for portrait in teacher.seen] == [1, 1]
    assert person[200, 200]
    assert person[725, 720]
    assert not person[500, 500]
    assert person.sum() == sum(portrait.rgb.shape[0] * portrait.rgb.shape[1] for portrait in teacher.seen)


def test_an_image_without_a_face_is_predicted_whole() -> None:
    rgb = np.full((40, 60, 3), 255, np.uint8)
    assert PersonMasks(RedIsPerson(), FixedFaces()).mask(rgb).all()


def test_the_function_without_the_sdk_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_module(name: str) -> ModuleType:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("pipeline.bridges.cvat.import_module", no_module)
    with pytest.raises(UserError, match=r"expected CVAT's SDK beside maskfoundry, found none; pip install cvat-cli"):
        create("grabcut")
