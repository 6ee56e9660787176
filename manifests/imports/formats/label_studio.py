"""Label Studio's JSON export -> trusted pairs: a task's regions of the label, united into one mask.

The annotation marked as ground truth counts, else the one changed last. Cancelled ones never do: a task with no other
was skipped, and is left out whatever its predictions. A task without annotations takes its last prediction. Tasks
without a region of the label are left out: the annotator may not have looked for one. Tasks left out are counted and
listed; so are masks whose annotators differ, and masks made of rectangles or ellipses.

`image_rotation` is the rotation of the view while annotating. It changes no coordinate: Label Studio writes those of
the unrotated image (label-studio, `serialize` of its regions), and its own converter ignores it.
"""

import logging
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from manifests.errors import UserError, lines_on, listed
from manifests.imports.categories import labels_in, listing
from manifests.imports.drawn_person import person_reader
from manifests.imports.error_list import Problems
from manifests.imports.formats.label_studio_shapes import AREAS, Drawing, Kind, Region, Value, drawing_of, kind_of
from manifests.imports.ground_truth import LeftOut, TrustedPair, left_out
from manifests.imports.json_file import dicts, read_json, text
from manifests.pixels.image_files import PICTURE_SUFFIXES, read_file, source_uri
from manifests.pixels.metrics import mask_iou

logger = logging.getLogger(__name__)

COARSE: tuple[Kind, ...] = ("ellipse", "rectangle")  # often drawn around a person, as a box or a prompt
AGREEMENT_IOU = 0.9  # below it two masks of one image differ by more than their edges

Json = dict[str, Any]

_TASKS = "tasks.json"
_SKIPPED = "skipped tasks"


@dataclass(slots=True)
class _Reader:
    """Takes one task at a time; keeps the pairs, the problems and, by kind, the names of images left out or noted."""

    root: Path
    category: str
    problems: Problems = field(default_factory=Problems)
    pairs: dict[str, TrustedPair] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    labels: set[str] = field(default_factory=set)

    def take(self, task: Json, number: int) -> None:
        """Make a pair of a task, or add the reason why not."""
        name = _image_name(task["data"])
        if name is None:
            self.problems.add("tasks without an image", task.get("id", number))
            return
        entries, are_annotations = _candidates(task)
        if not entries:
            self.left_out[_SKIPPED if are_annotations else "tasks without an annotation"].append(name)
            return
        regions = self._labelled(_regions(entries[-1]))
        if not regions:
            self.left_out[f"tasks without a region of {self.category}"].append(name)
            return
        path = self.problems.find(self.root, name)
        drawing = self._drawing(regions, name)
        if path is None or drawing is None:
            return
        if name in self.pairs:
            self.problems.add("images listed twice", name)
        self._note(name, entries, drawing, are_annotations)
        mask_name = f"annotation of {name}"
        may_be_empty = not are_annotations and drawing.fault is None  # `export label-studio` writes such predictions
        self.pairs[name] = TrustedPair(
            name=name,
            mask_name=mask_name,
            uri=source_uri(path),
            read_image=partial(read_file, path),
            read_mask=drawing.mask if may_be_empty else person_reader(drawing.mask, mask_name, drawing.fault),
            license=text(task["data"].get("license")),
            attribution=text(task["data"].get("attribution")),
        )

    def _labelled(self, regions: list[Region]) -> list[Region]:
        """The shapes that have the label: their own, or that of another region with the same id."""
        labels_of: dict[str, set[str]] = defaultdict(set)
        named = [(str(region.get("id", f"#{number}")), region) for number, region in enumerate(regions)]
        for name, region in named:
            labels_of[name].update(_labels(region["value"]))
        shapes = [(name, region) for name, region in named if kind_of(region["value"])]
        self.labels.update(*(labels_of[name] for name, _ in shapes))
        return [region for name, region in shapes if labels_in(self.category, labels_of[name])]

    def _drawing(self, regions: list[Region], name: str) -> Drawing | None:
        """The drawing of the label's regions; None, with a reason added, for those that can't be drawn."""
        areas = [region for region in regions if _kind(region) in AREAS]
        others = [region for region in regions if _kind(region) not in AREAS]
        if not areas or any(_kind(region) != "keypoint" for region in others):
            found = ", ".join(sorted({str(region.get("type") or _kind(region)) for region in others}))
            self.left_out[f"images with a {self.category} that can't be drawn"].append(f"{name}: {found}")
            return None
        try:
            drawing = drawing_of(areas)
        except (ValueError, TypeError, OverflowError) as error:
            self.problems.add_broken("broken annotations", f"{name}: {error}")
            return None
        if others:
            self.notes[f"images whose keypoints of {self.category} draw nothing beside its areas"].append(name)
        for coarse in {_kind(region) for region in areas} & set(COARSE):
            self.notes[f"masks with {coarse}s drawn whole, coarser than a person's outline"].append(name)
        if any(drawing.faults) and not drawing.fault:
            self.notes["images with a region that draws nothing beside others"].append(name)
        if any((region.get("image_rotation") or 0) for region in areas):
            self.notes["images annotated in a turned view, read as they lie"].append(name)
        return drawing

    def _note(self, name: str, entries: list[Json], drawing: Drawing, are_annotations: bool) -> None:
        if not are_annotations:
            self.notes["masks that are predictions, as their tasks have no annotation"].append(name)
        elif not entries[-1].get("ground_truth") and self._differ(entries[:-1], drawing):
            self.notes["images whose annotators' masks differ; the one changed last counts"].append(name)

    def _differ(self, others: list[Json], drawing: Drawing) -> bool:
        return any(self._agreement(other, drawing) < AGREEMENT_IOU for other in others)

    def _agreement(self, other: Json, drawing: Drawing) -> float:
        """The IoU with another annotation's mask; 0 when that one can't be drawn."""
        areas = [region for region in self._labelled(_regions(other)) if _kind(region) in AREAS]
        if not areas:
            return 0.0
        try:
            second = drawing_of(areas)
        except (ValueError, TypeError, OverflowError):
            return 0.0
        same_size = (second.height, second.width) == (drawing.height, drawing.width)
        return mask_iou(second.person(), drawing.person()) if same_size else 0.0


def read_label_studio(annotations: Path, images: Path | None, category: str) -> list[TrustedPair | LeftOut]:
    """The tasks with a region of the label `category`, by their images' names; then each kind left out.

    `annotations` is the JSON file, or a directory that holds it as tasks.json. `images` is the directory that Label
    Studio serves files from, or that of its uploads; by default the JSON's own. UserError listing every problem: images
    that are missing or lie outside, regions that are damaged or of another size.
    """
    file = annotations / _TASKS if annotations.is_dir() else annotations
    root = images or file.parent
    if not root.is_dir():
        raise UserError(f"expected a directory of images at {root}, found none; check --images")
    reader = _Reader(root, category)
    for number, task in enumerate(_tasks(file), 1):
        reader.take(task, number)
    reader.problems.check(f"sound Label Studio tasks in {file}", pairs=reader.pairs)
    if not reader.pairs:
        labels = listing(reader.labels)
        raise UserError(
            f"expected tasks labelled {category} in {file}, found the labels {labels} and "
            f"{'; '.join(lines_on(reader.left_out))}; pass --category NAME"
        )
    for what, names in reader.notes.items():
        logger.warning("%s", listed(what, names))
    return [*(reader.pairs[name] for name in sorted(reader.pairs)), *left_out(reader.left_out), *reader.problems.broken]


def _candidates(task: Json) -> tuple[list[Json], bool]:
    """A task's usable entries, the one that counts last, and whether they are annotations, not predictions.

    A task whose annotations are all cancelled has none.
    """
    annotations = dicts(task.get("annotations"))
    if not annotations and not task.get("cancelled_annotations"):
        return dicts(task.get("predictions"))[-1:], False
    usable = [entry for entry in annotations if not entry.get("was_cancelled") and not entry.get("skipped")]
    return sorted(usable, key=lambda entry: (bool(entry.get("ground_truth")), _changed(entry))), True


def _changed(entry: Json) -> datetime:
    """The time of an annotation's last change, else of its creation; datetime.min when unknown."""
    for stated in (entry.get("updated_at"), entry.get("created_at")):
        try:
            if isinstance(stated, int | float):  # seconds, in old exports
                return datetime.fromtimestamp(stated, UTC)
            if stated:
                time = datetime.fromisoformat(str(stated))
                return time if time.tzinfo else time.replace(tzinfo=UTC)
        except (ValueError, OverflowError, OSError):
            continue
    return datetime.min.replace(tzinfo=UTC)


def _regions(entry: Json) -> list[Region]:
    return [region for region in dicts(entry.get("result")) if isinstance(region.get("value"), dict)]


def _labels(value: Value) -> Iterator[str]:
    """The labels that a region's `value` names: `labels`, `brushlabels`, ..."""
    for key, stated in value.items():
        if key.endswith("labels") and isinstance(stated, list):
            yield from map(str, stated)


def _kind(region: Region) -> Kind | None:
    return kind_of(region["value"])


def _tasks(file: Path) -> list[dict[str, Any]]:
    content = read_json(file, "Label Studio tasks")
    if not isinstance(content, list) or not content or not all(_is_task(task) for task in content):
        raise UserError(
            f"expected Label Studio tasks in {file}, found something else; export the project as JSON (not JSON-MIN)"
        )
    return content


def _is_task(task: Any) -> bool:
    return isinstance(task, dict) and isinstance(task.get("data"), dict)


def _image_name(data: dict[str, Any]) -> str | None:
    """The image's file name: for a locally served file its path below that directory, else the URL's last part."""
    for value in (data.get("image"), *data.values()):
        if not isinstance(value, str):
            continue
        url = urlsplit(value)
        local_path = parse_qs(url.query).get("d") if url.path.endswith("/local-files/") else None
        name = local_path[0] if local_path else PurePosixPath(unquote(url.path)).name
        if PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES:
            return name
    return None
