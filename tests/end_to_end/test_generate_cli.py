"""`python -m pipeline.generate` as a person runs it: real processes, a real Prefect server."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.csv
import pytest
from bad_pictures import EXPECTED_REASON, write_bad_pictures
from PIL import Image
from repository import ROOT

from manifests.cli.arguments import run_command
from manifests.store import labelling_runs
from manifests.store.labelling_runs import LabellingRuns
from manifests.store.manifest import ManifestStore
from pipeline.generate.__main__ import main
from pipeline.run import part_commits, progress_bar

START_SECONDS = 120

Environment = dict[str, str]


def generate(arguments: list[str], directory: Path, environment: Environment) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipeline.generate", *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_odd_pictures_go_to_quarantine_and_the_rest_goes_on(
    tmp_path: Path, prefect_server: Environment, astronaut: Image.Image
) -> None:
    pictures = write_bad_pictures(tmp_path / "pictures", astronaut)
    before = {path.name: path.read_bytes() for path in pictures.iterdir()}
    done = generate(["--images", "pictures", "--license", "public domain"], tmp_path, prefect_server)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "manifests/v1.parquet"
    assert "Traceback" not in done.stderr
    table = ManifestStore(tmp_path / "manifests").open().read()
    usable = {name for name, reason in EXPECTED_REASON.items() if reason is None}
    assert {Path(uri).name for uri in table["source_uri"].to_pylist()} == usable
    assert set(table["license"].to_pylist()) == {"public domain"}
    assert set(table["status"].to_pylist()) == {"pending"}
    [quarantine] = (tmp_path / "data/quarantine").glob("*.csv")
    reasons = {Path(row["source_uri"]).name: row["reason"] for row in pyarrow.csv.read_csv(quarantine).to_pylist()}
    assert reasons == {name: reason for name, reason in EXPECTED_REASON.items() if reason}
    assert {path.name: path.read_bytes() for path in pictures.iterdir()} == before

    again = generate(["--images", "pictures", "--license", "public domain"], tmp_path, prefect_server)
    assert again.returncode == 0, again.stderr
    assert "4 of them in the dataset already" in again.stdout
    assert again.stdout.splitlines()[-1] == "manifests/v1.parquet"
    assert ManifestStore(tmp_path / "manifests").versions() == [1]


@pytest.mark.slow
def test_no_face_anywhere_is_one_line(tmp_path: Path, prefect_server: Environment) -> None:
    (tmp_path / "walls").mkdir()
    for number in range(3):
        Image.new("RGB", (200, 200), (40 * number, 90, 90)).save(tmp_path / f"walls/{number}.png")
    failed = generate(["--images", "walls"], tmp_path, prefect_server)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith(
        "error: expected at least one portrait from walls, found none in 3"
    )
    assert "Traceback" not in failed.stderr
    assert not (tmp_path / "manifests").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--images", "nowhere"], 1, "error: expected a directory of images at nowhere, found nothing there"),
        (["--images", "empty"], 1, "error: expected images"),
        (
            ["--images", "some", "--teacher", "grabcup"],
            1,
            "error: expected a teacher out of starter, grabcut, deeplabv3plus",
        ),
        (["--images", "some", "--teacher", "deeplabv3plus"], 1, "error: expected weights for the teacher"),
        (["--images", "some", "--masks", "empty"], 1, "error: expected images"),
        (["--images", "some", "--manifests", "some/a.png"], 1, "error: expected a directory of versions at some/a.png"),
        (["--images", "some", "--source", "caf\udce9"], 1, "error: expected --source in UTF-8, found 'caf\\udce9'"),
        (["--images", "some", "--shard-size", "0"], 2, "expected 1 to 1024, found '0'"),
        (["--images", "some", "--shard-size", "many"], 2, "expected 1 to 1024, found 'many'"),
        (["--images", "some", "--commit-parts", "--runner", "dask"], 2, "expected --runner thread with it, found dask"),
        (["--relabel", "pending", "--teacher", "grabcut", "--commit-parts"], 2, "not allowed with --commit-parts"),
        ([], 2, "one of the arguments --images --relabel is required"),
    ],
)
def test_wrong_input_is_one_clear_line(
    tmp_path: Path,
    arguments: list[str],
    status: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In this process: a new one would import its libraries for each."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "some").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "some/a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["pipeline.generate", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    errors = capsys.readouterr().err
    assert ended.value.code == status
    assert message in errors
    if status == 1:
        assert len(errors.splitlines()) == 1


@pytest.mark.slow
def test_a_prefect_server_that_is_not_there_is_one_line(tmp_path: Path, astronaut: Image.Image) -> None:
    astronaut.save(tmp_path / "a.png")
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "home"), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    failed = generate(["--images", "a.png"], tmp_path, environment)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: expected a Prefect server, found: Failed to reach API")
    assert "Traceback" not in failed.stderr


def run_here(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> object:
    """Run the command in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["pipeline.generate", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    return ended.value.code


def test_ctrl_c_keeps_what_is_labelled_and_the_same_command_goes_on(
    tmp_path: Path,
    astronaut: Image.Image,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    (tmp_path / "pictures").mkdir()
    for size in range(200, 210):
        astronaut.resize((size, size)).save(tmp_path / f"pictures/{size}.png")
    monkeypatch.chdir(tmp_path)
    advance, labelled = progress_bar.advance, []

    def ctrl_c_at_the_third(images: int) -> None:
        advance(images)
        labelled.append(images)
        if sum(labelled) == 3:
            os.kill(os.getpid(), signal.SIGINT)  # to the main thread, as a terminal's

    monkeypatch.setattr(progress_bar, "advance", ctrl_c_at_the_third)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    assert run_here(["--images", "pictures", "--teacher", "grabcut"], monkeypatch) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    kept = int(re.fullmatch(r"stopped: (\d+) of 10 images are labelled and kept; run the same .* to go on", last)[1])
    assert 3 <= kept < 10
    labelled.clear()
    monkeypatch.setattr(progress_bar, "advance", lambda images: labelled.append(images) or advance(images))
    assert run_here(["--images", "pictures", "--teacher", "grabcut"], monkeypatch) == 0
    assert (labelled[0], sum(labelled)) == (kept, 10)
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "manifests/v1.parquet"
    sheet = printed[-2].removeprefix("contact sheet of the masks: ")
    assert (tmp_path / sheet).is_file()


def test_parts_of_a_run_are_versions_while_it_goes_on(
    tmp_path: Path, astronaut: Image.Image, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pictures").mkdir()
    for size in range(170, 176):
        astronaut.resize((size, size)).save(tmp_path / f"pictures/{size}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(part_commits, "FIRST_SAMPLES", 4)
    monkeypatch.setattr(labelling_runs, "LOOK_SECONDS", 0)
    runs, seen = LabellingRuns(tmp_path / "manifests"), []
    advance = progress_bar.advance

    def advance_when_seen(images: int) -> None:
        """Wait for the thread that announces the run: all six images may take it less time to label than to begin."""
        deadline = time.monotonic() + START_SECONDS
        while not (progress := runs.live()) and time.monotonic() < deadline:
            time.sleep(0.01)
        seen.append(progress)
        advance(images)

    monkeypatch.setattr(progress_bar, "advance", advance_when_seen)
    assert run_here(["--images", "pictures", "--teacher", "grabcut", "--commit-parts"], monkeypatch) == 0
    versions = ManifestStore(tmp_path / "manifests").history()
    assert [version.counts["rows"] for version in versions] == [4, 6]
    assert [version.parameters.get("part") for version in versions] == ["4 of 6 images", None]
    printed = capsys.readouterr().out.splitlines()
    assert (printed[0], printed[-1]) == ("6 portrait(s)", "manifests/v2.parquet")
    assert {progress and progress.total for progress in seen} == {6}
    assert [path.name for path in (tmp_path / "manifests").glob("*.json")] == []


@pytest.mark.slow
def test_a_terminals_ctrl_c_ends_without_a_word_of_prefect(tmp_path: Path, astronaut: Image.Image) -> None:
    """A terminal interrupts every process of the command; without PREFECT_API_URL no server is started at all."""
    (tmp_path / "pictures").mkdir()
    for size in range(400, 500):  # minutes of work, in one shard
        astronaut.resize((size, size)).save(tmp_path / f"pictures/{size}.png")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline.generate", "--images", "pictures"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + START_SECONDS
        while not (tmp_path / "data/blobs").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=START_SECONDS)
    assert process.returncode == 130
    assert errors.splitlines()[-1].startswith("stopped: ")
    assert "prefect" not in errors.lower()
    assert not (tmp_path / "home/prefect.db").exists()


def test_prefects_server_phones_nobody(tmp_path: Path) -> None:
    script = "from prefect.settings import get_current_settings; print(get_current_settings().server.analytics_enabled)"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-c", script]
    root = ROOT
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.slow
def test_case_1_is_recorded_as_such(tmp_path: Path, prefect_server: Environment, shared: Path) -> None:
    for kind, name in (("images", "0001.jpg"), ("masks", "0001.png")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / name).write_bytes((shared / "data/fullbody" / kind / name).read_bytes())
    done = generate(["--images", "images", "--masks", "masks", "--source", "people"], tmp_path, prefect_server)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "cropping with masks"
    manifest = ManifestStore(tmp_path / "manifests").open()
    expected = {"images": "images", "masks": "masks", "encoding": "0/255", "source": "people"}
    assert manifest.parameters == expected | {"samples": 1, "quarantined": 0}
    assert manifest.read(["origin"])["origin"].to_pylist() == ["face_crop"]


def test_the_sample_is_a_portrait(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline.sample", "--output", str(tmp_path / "sample")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(tmp_path / "sample")
    with Image.open(tmp_path / "sample/astronaut.png") as portrait:
        assert portrait.size == (512, 512)
