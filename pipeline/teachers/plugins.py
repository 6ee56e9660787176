"""Teachers of other packages, by the entry points of the group `maskfoundry.teachers`: name -> factory.

    [project.entry-points."maskfoundry.teachers"]
    mine = "my_package:load"

`load(options: TeacherOptions) -> Teacher` is called once per process. What it returns is tried on one synthetic image,
and every prediction is checked: a network that gives logits, NaN or another size must not become ground truth.
"""

import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import numpy as np

from manifests.errors import UserError
from pipeline.teachers.options import TeacherOptions
from pipeline.teachers.teacher import Portrait, Prediction, Teacher

GROUP = "maskfoundry.teachers"

_NAME = re.compile(r"[\w.+-]{1,64}@[0-9a-f]{12}")
_PROBE_SHAPE = (64, 48, 3)


class PluginTeacher:
    """A teacher of another package whose predictions are checked; UserError names the package for a wrong one."""

    def __init__(self, teacher: Teacher, origin: str) -> None:
        self._teacher = teacher
        self._origin = origin
        self.name, self.settings, self.batch_size = self._described()
        noise = np.random.default_rng(0).integers(0, 256, _PROBE_SHAPE, np.uint8)
        self.predict([Portrait(noise, [])])

    def predict(self, portraits: Sequence[Portrait]) -> list[Prediction]:
        predictions = self._teacher.predict(portraits)
        if len(predictions) != len(portraits):
            raise self._problem(f"{len(portraits)} predictions", f"{len(predictions)}")
        return [
            self._checked(prediction, portrait) for prediction, portrait in zip(predictions, portraits, strict=True)
        ]

    def _checked(self, prediction: Prediction, portrait: Portrait) -> Prediction:
        prob = np.asarray(prediction.prob)
        height, width = portrait.rgb.shape[:2]
        if prob.shape != (height, width):
            raise self._problem(f"probabilities {(height, width)} (H, W)", f"{prob.shape}")
        low, high = float(prob.min()), float(prob.max())  # NaN when one value is
        if not (low >= 0 and high <= 1):
            raise self._problem("probabilities in 0..1", f"values from {low:g} to {high:g}")
        return Prediction(prob.astype(np.float32, copy=False), prediction.disagreement)

    def _described(self) -> tuple[str, str, int]:
        name, settings, batch_size = (getattr(self._teacher, key, None) for key in ("name", "settings", "batch_size"))
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self._problem("a name such as mine@0123456789ab, with 12 hex digits of its weights", f"{name!a}")
        if not isinstance(settings, str):
            raise self._problem("its settings as text", f"{settings!a}")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise self._problem("a batch_size of at least 1", f"{batch_size!a}")
        return name, settings, batch_size

    def _problem(self, expected: str, found: str) -> UserError:
        return UserError(f"expected {expected} of the teacher {self._origin}, found {found}; its package must mend it")


def plugin_names() -> list[str]:
    """The names of installed teachers."""
    return sorted(entry_points(group=GROUP).names)


def load_plugin(name: str, options: TeacherOptions) -> Teacher:
    """Load an installed teacher by its name; UserError for two of that name, and for one that fails."""
    (first, *others) = entry_points(group=GROUP, name=name)
    if others:
        packages = ", ".join(sorted(map(_package, (first, *others))))
        raise UserError(f"expected one teacher called {name}, found it in {packages}; uninstall all but one")
    origin = f"{name} of {_package(first)}"
    try:
        teacher = first.load()(options)
    except UserError:
        raise
    except Exception as error:  # another package's code raises anything
        reason = str(error).splitlines()[0] if str(error) else ""
        raise UserError(f"expected the teacher {origin} to load, found {type(error).__name__}: {reason}") from error
    return PluginTeacher(teacher, origin)


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value
