"""The HTTP protocol of Label Studio's ML backends: /health, /setup, /predict, /webhook, /versions.

    POST /setup    {"schema": labelling interface}                  -> {"model_version"}
    POST /predict  {"tasks": [{"data": {...}}], "label_config": XML} -> {"results": [...], "model_version"}

Each result is a prediction with one brush stroke; [] for a task whose image can't be read, with a warning in the log:
an empty stroke would claim that nobody is in the image.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from manifests.errors import UserError
from manifests.files.json_text import parse_json
from manifests.pixels.brush_rle import encode_brush
from manifests.pixels.images import UnusableImage, decode_image
from pipeline.bridges.label_studio.config import Brush, find_brush
from pipeline.bridges.label_studio.images import TaskImages
from pipeline.bridges.person_masks import PersonMasks

MAX_BODY_BYTES = 16 * 2**20  # tasks hold no pixels, but annotations as brush strokes

Body = dict[str, Any]
Answer = Callable[[Body], Body]

logger = logging.getLogger(__name__)


def make_app(masks: PersonMasks, images: TaskImages, *, label: str) -> Starlette:
    """Build the backend; it holds no state between requests."""

    def setup(body: Body) -> Body:
        if config := body.get("schema"):  # Label Studio sends none for an empty project
            find_brush(_text(config, "schema"), label)
        return {"model_version": masks.name}

    def predict(body: Body) -> Body:
        brush = find_brush(_text(body.get("label_config"), "label_config"), label)
        tasks = body.get("tasks")
        if not isinstance(tasks, list):
            raise UserError(f"expected a list of tasks, found {type(tasks).__name__}")
        return {"results": [_result(task, brush, masks, images) for task in tasks], "model_version": masks.name}

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "UP", "model_class": masks.name})

    async def nothing(_request: Request) -> JSONResponse:
        return JSONResponse({})

    async def versions(_request: Request) -> JSONResponse:
        return JSONResponse({"versions": [masks.name]})

    return Starlette(
        routes=[
            Route("/", health),
            Route("/health", health),
            Route("/setup", _posted(setup), methods=["POST"]),
            Route("/predict", _posted(predict), methods=["POST"]),
            Route("/webhook", nothing, methods=["POST"]),  # of annotations: nothing is fitted here
            Route("/versions", versions, methods=["GET", "POST"]),
        ]
    )


def _posted(answer: Answer) -> Callable[[Request], Awaitable[JSONResponse]]:
    """An endpoint that answers a JSON object in a thread of its own; 400 with the reason for what can't be used."""

    async def endpoint(request: Request) -> JSONResponse:
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > MAX_BODY_BYTES:
                return JSONResponse({"error": f"expected at most {MAX_BODY_BYTES} bytes, found more"}, 413)
        try:
            body = parse_json(data.decode())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return JSONResponse({"error": "expected a JSON object, found something else"}, 400)
        try:
            return JSONResponse(await run_in_threadpool(answer, body))
        except UserError as error:
            logger.warning("%s", error)
            return JSONResponse({"error": str(error)}, 400)

    return endpoint


def _result(task: Any, brush: Brush, masks: PersonMasks, images: TaskImages) -> Any:
    """The prediction of one task, or [] for an image that can't be read."""
    data = task.get("data") if isinstance(task, dict) else None
    address = data.get(brush.data_key) if isinstance(data, dict) else None
    try:
        rgb = decode_image(images.read(_text(address, f"data.{brush.data_key}")))
    except (UserError, UnusableImage) as error:
        logger.warning("no prediction: %s", error)
        return []
    person = masks.mask(rgb)
    height, width = person.shape
    region = {
        "id": "person",
        "type": "brushlabels",
        "from_name": brush.from_name,
        "to_name": brush.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": list(encode_brush(person)), "brushlabels": [brush.label]},
    }
    return {"model_version": masks.name, "result": [region]}


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise UserError(f"expected a text as {name}, found {type(value).__name__}")
    return value
