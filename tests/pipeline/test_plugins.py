"""Teachers of other packages, installed for real, and `python -m pipeline.try_teacher`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from repository import ROOT

from manifests.errors import UserError
from pipeline.teachers import Portrait, TeacherOptions, load_teacher
from pipeline.teachers.plugins import GROUP, PluginTeacher, plugin_names
from pipeline.teachers.teacher import Prediction
from pipeline.try_teacher import main

MODULE = '''
import numpy as np
from pipeline.teachers.teacher import Prediction

class Upper:
    """The upper half is person."""
    name, settings, batch_size = "upper@0123456789ab", "", 2

    def predict(self, portraits):
        return [Prediction(self.half(*portrait.rgb.shape[:2])) for portrait in portraits]

    def half(self, height, width):
        prob = np.zeros((height, width), np.float32)
        prob[: height // 2] = 1
        return prob

def load(options):
    return Upper()

def fail(options):
    raise RuntimeError("no weights here")
'''


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """A package with two teachers, built and installed by pip into a directory that is then on the path."""
    source, target = tmp_path / "source", tmp_path / "site"
    source.mkdir()
    (source / "upper_teacher.py").write_text(MODULE)
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "upper-teacher"\nversion = "1"\n[tool.setuptools]\npy-modules = ["upper_teacher"]\n'
        f'[project.entry-points."{GROUP}"]\nupper = "upper_teacher:load"\nbroken = "upper_teacher:fail"\n'
    )
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True)
    sys.path.insert(0, str(target))
    load_teacher.cache_clear()
    yield target
    sys.path.remove(str(target))
    sys.modules.pop("upper_teacher", None)
    load_teacher.cache_clear()


@pytest.mark.slow
def test_an_installed_package_brings_a_teacher_by_its_name(installed: Path, tmp_path: Path, portraits: Path) -> None:
    assert plugin_names() == ["broken", "upper"]
    teacher = load_teacher("upper", TeacherOptions(flip=True))
    assert "upper@0123456789ab" in teacher.name
    prob = teacher.predict([Portrait(np.zeros((8, 6, 3), np.uint8), [])])[0].prob
    assert np.array_equal(prob, np.repeat([1.0, 0.0], 4)[:, None] * np.ones((1, 6)))
    with pytest.raises(UserError, match="teacher broken of upper-teacher to load, found RuntimeError: no weights here"):
        load_teacher("broken")
    environment = {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    command = [
        sys.executable,
        "-m",
        "pipeline.generate",
        "--images",
        str(portraits / "images/train_000*"),
        "--teacher",
        "upper",
    ]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "manifests/v1.parquet").is_file()


class Wrong:
    """A teacher with one fault."""

    name, settings, batch_size = "wrong@0123456789ab", "", 1

    def __init__(self, prob: np.ndarray | None = None, **changes: object) -> None:
        self._prob = prob
        for name, value in changes.items():
            setattr(self, name, value)

    def predict(self, portraits):
        shape = portraits[0].rgb.shape[:2]
        return [] if self._prob is None else [Prediction(np.broadcast_to(self._prob, shape).copy())]


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (Wrong(np.array(7.0)), "expected probabilities in 0..1 of the teacher w of p, found values from 7 to 7"),
        (Wrong(np.array(np.nan)), "found values from nan to nan"),
        (Wrong(), "expected 1 predictions of the teacher w of p, found 0"),
        (Wrong(np.array(0.5), name="wrong"), "expected a name such as mine@0123456789ab"),
        (Wrong(np.array(0.5), settings=None), "expected its settings as text"),
        (Wrong(np.array(0.5), batch_size=0), "expected a batch_size of at least 1"),
    ],
)
def test_a_wrong_teacher_of_another_package_is_named(teacher: Wrong, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PluginTeacher(teacher, "w of p")


def test_probabilities_of_another_size_are_named() -> None:
    teacher = Wrong(np.array(0.5))
    checked = PluginTeacher(teacher, "w of p")
    teacher.predict = lambda portraits: [Prediction(np.zeros((2, 2), np.float32))]
    with pytest.raises(
        UserError, match=r"expected probabilities \(4, 3\) \(H, W\) of the teacher w of p, found \(2, 2\)"
    ):
        checked.predict([Portrait(np.zeros((4, 3, 3), np.uint8), [])])


def test_a_few_masks_are_one_image(tmp_path: Path, portraits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "masks.png"
    images = str(portraits / "images/train_000*")
    main(["--images", images, "--teacher", "grabcut", "starter", "--portraits", "2", "--output", str(output)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert lines[-1] == str(output)
    assert all("% person" in line for line in lines[:-1])
    with Image.open(output) as sheet:
        width, height = sheet.size
    assert abs(width - height) < 60  # two columns, two rows


def test_what_cannot_be_tried_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (200, 200)).save(tmp_path / "black.png")
    arguments = ["--images", str(tmp_path), "--teacher", "grabcut", "--output"]
    with pytest.raises(UserError, match=r"expected a portrait in .*, found none: .*black\.png: expected a face"):
        main([*arguments, str(tmp_path / "a.png")])
    with pytest.raises(SystemExit):
        main([*arguments, str(tmp_path / "a.txt")])
    assert "expected a file in .png or .jpg" in capsys.readouterr().err
