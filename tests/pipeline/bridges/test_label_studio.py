"""Label Studio's ML backend: its protocol, the names of the brush, and where images may come from."""

import io
import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_studio_converter.brush import decode_rle
from oracles import load_masks, run_oracle
from PIL import Image
from red_teacher import FixedFaces, RedIsPerson
from starlette.testclient import TestClient
from web_stand_in import Answer, serving

from manifests.errors import UserError
from manifests.exports.formats.label_studio import LABEL_CONFIG
from pipeline.bridges.label_studio.__main__ import main
from pipeline.bridges.label_studio.app import MAX_BODY_BYTES, make_app
from pipeline.bridges.label_studio.config import Brush, find_brush
from pipeline.bridges.label_studio.images import TaskImages
from pipeline.bridges.person_masks import PersonMasks

SDK_VALIDATES = """
import json, pathlib, sys
import numpy as np
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface
interface = LabelInterface(pathlib.Path(sys.argv[1]).read_text())
masks = {}
for number, prediction in enumerate(json.loads(pathlib.Path(sys.argv[2]).read_text())["results"]):
    assert interface.validate_prediction(prediction), prediction
    assert not interface.validate_prediction(json.loads(json.dumps(prediction).replace('"person"]', '"dog"]')))
    [region] = prediction["result"]
    size = region["original_height"], region["original_width"], 4
    masks[str(number)] = decode_rle(region["value"]["rle"]).reshape(size)[..., 3]
np.savez(sys.argv[3], **masks)
"""


def picture() -> bytes:
    """PNG of 60x40; red from column 20 on."""
    rgb = np.zeros((40, 60, 3), np.uint8)
    rgb[:, 20:, 0] = 255
    file = io.BytesIO()
    Image.fromarray(rgb).save(file, "PNG")
    return file.getvalue()


def backend(images: TaskImages, label: str = "person") -> TestClient:
    return TestClient(make_app(PersonMasks(RedIsPerson(), FixedFaces()), images, label=label))


def asked(*addresses: object, config: str = LABEL_CONFIG) -> dict[str, Any]:
    tasks = [{"id": number, "data": {"image": address}} for number, address in enumerate(addresses)]
    return {"tasks": tasks, "label_config": config, "project": "1.2", "params": {"login": None, "context": None}}


def assert_red(result: dict[str, Any]) -> None:
    [region] = result["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("mask", "image", "brushlabels")
    assert (region["original_width"], region["original_height"], region["image_rotation"]) == (60, 40, 0)
    assert region["value"]["brushlabels"] == ["person"]
    person = decode_rle(region["value"]["rle"]).reshape(40, 60, 4)[..., 3] > 0
    assert np.array_equal(person, np.tile(np.arange(60) >= 20, (40, 1)))


def test_a_task_gets_the_teachers_mask_as_a_brush_stroke(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(picture())
    client = backend(TaskImages(tmp_path))
    assert client.get("/health").json()["status"] == "UP"
    assert client.post("/setup", json={"schema": LABEL_CONFIG}).json() == {"model_version": "red@0123456789ab"}
    answer = client.post("/predict", json=asked("/data/local-files/?d=a%20b.png", "a b.png"))
    assert answer.status_code == 200
    assert answer.json()["model_version"] == "red@0123456789ab"
    for result in answer.json()["results"]:
        assert result["model_version"] == "red@0123456789ab"
        assert_red(result)


def test_label_studios_sdk_finds_the_predictions_valid_and_their_masks(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "config.xml").write_text(LABEL_CONFIG)
    answer = backend(TaskImages(tmp_path)).post("/predict", json=asked("a.png"))
    (tmp_path / "answer.json").write_bytes(answer.content)
    run_oracle(SDK_VALIDATES, tmp_path / "config.xml", tmp_path / "answer.json", tmp_path / "masks.npz")
    [mask] = load_masks(tmp_path / "masks.npz").values()
    assert np.array_equal(mask, np.tile(np.where(np.arange(60) >= 20, 255, 0), (40, 1)))


def test_an_image_that_cannot_be_read_gets_no_prediction_and_a_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (tmp_path / "text.png").write_bytes(b"text")
    (tmp_path.parent / "outside.png").write_bytes(picture())
    addresses = ["/data/local-files/?d=gone.png", "text.png", "../outside.png", "/data/upload/1/a.png", 7, "a.png"]
    with caplog.at_level(logging.WARNING):
        answer = backend(TaskImages(tmp_path)).post("/predict", json=asked(*addresses))
    *failed, last = answer.json()["results"]
    assert failed == [[]] * 5
    assert_red(last)
    messages = [message for message in caplog.messages if message.startswith("no prediction: ")]
    words = ["found no file", "not an image", "inside the directory", "--label-studio URL", "a text as data.image"]
    assert len(messages) == len(words)
    assert [word for word, message in zip(words, messages, strict=True) if word not in message] == []


def test_uploads_are_fetched_with_the_token_from_label_studio_alone(tmp_path: Path) -> None:
    asked_for: list[tuple[str, str | None]] = []

    def answer(method: str, path: str, headers: dict[str, str], _body: bytes) -> Answer:
        asked_for.append((path, headers.get("authorization")))
        if path == "/api/token/refresh":
            return Answer(200, b'{"access": "short"}')
        known = headers.get("authorization") in ("Token legacy", "Bearer short")
        return Answer(200, picture()) if known else Answer(401, b"{}")

    with serving(answer) as url:
        assert TaskImages(host=url, token="legacy").read("/data/upload/1/a.png") == picture()
        assert TaskImages(host=url, token="a.b.c").read(f"{url}/data/upload/1/a.png") == picture()
        with pytest.raises(UserError, match=r"found status 401; set LABEL_STUDIO_API_KEY to an access token"):
            TaskImages(host=url).read("/data/upload/1/a.png")
        with pytest.raises(UserError, match=r"expected an image at http://localhost:\d+/a.png, found none"):
            TaskImages(host=url, token="legacy").read(url.replace("127.0.0.1", "localhost") + "/a.png")
    assert asked_for == [
        ("/data/upload/1/a.png", "Token legacy"),
        ("/api/token/refresh", None),
        ("/data/upload/1/a.png", "Bearer short"),
        ("/data/upload/1/a.png", None),
    ]


def test_a_label_studio_that_is_away_is_one_line() -> None:
    with serving(lambda *_: Answer(200, b"")) as url:
        pass
    with pytest.raises(UserError, match=r"expected Label Studio at http://127.0.0.1:\d+, found none"):
        TaskImages(host=url).read("/data/upload/1/a.png")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (asked("a.png", config="<View/>"), "expected BrushLabels with the label person"),
        (asked("a.png", config="<View"), "expected a labelling interface in XML"),
        (asked("a.png", config='<!DOCTYPE x [<!ENTITY a "b">]><View/>'), "found another text (a document type"),
        (asked("a.png", config="<View>\ud800</View>"), "expected a labelling interface in XML"),
        ({"tasks": 1, "label_config": LABEL_CONFIG}, "expected a list of tasks, found int"),
        ({"tasks": []}, "expected a text as label_config, found NoneType"),
        ([1], "expected a JSON object"),
    ],
)
def test_a_request_that_cannot_be_answered_is_400_with_the_reason(tmp_path: Path, body: Any, words: str) -> None:
    answer = backend(TaskImages(tmp_path)).post("/predict", content=json.dumps(body))
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_setup_refuses_an_interface_without_the_label(tmp_path: Path) -> None:
    client = backend(TaskImages(tmp_path), label="hair")
    answer = client.post("/setup", json={"schema": LABEL_CONFIG})
    assert answer.status_code == 400
    assert "expected BrushLabels with the label hair in the labelling interface, found person" in answer.json()["error"]
    assert client.post("/setup", json={"schema": ""}).status_code == 200


def test_a_body_without_end_is_cut_off(tmp_path: Path) -> None:
    answer = backend(TaskImages(tmp_path)).post("/predict", content=b" " * (MAX_BODY_BYTES + 1))
    assert answer.status_code == 413


def test_the_brush_is_the_one_with_the_label_in_any_case() -> None:
    config = """<View><Image name="i" value="$photo"/><Image name="j" value="x"/>
    <BrushLabels name="a" toName="i"><Label value="Dog"/></BrushLabels>
    <BrushLabels name="b" toName="i"><Label value="Person"/></BrushLabels>
    <BrushLabels name="c" toName="j"><Label value="Cat"/></BrushLabels></View>"""
    assert find_brush(config, "person") == Brush("b", "i", "photo", "Person")
    with pytest.raises(UserError, match=r"expected an Image called j with a value such as \$image, found 'x'"):
        find_brush(config, "cat")


def test_the_web_is_reached_for_public_addresses_only() -> None:
    with pytest.raises(UserError, match=r"expected an image at http://169\.254\.169\.254/a\.png, found none"):
        TaskImages().read("http://169.254.169.254/a.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label-studio", "ftp://x"], "expected --label-studio as http://HOST:PORT, found 'ftp://x'"),
        (["--images", "/nowhere/at/all"], "expected a directory at --images /nowhere/at/all, found none"),
    ],
)
def test_options_that_cannot_be_used_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(arguments)
