"""`python -m manifests`: exit statuses, one line on standard error, the path of what was made as the last line."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from joined_rows import join_dataset
from PIL import Image

from manifests.__main__ import main
from manifests.cli.arguments import run_command
from manifests.decisions.decision import Decision
from manifests.decisions.log import DecisionLog, sqlite_url
from manifests.files.blobs import BlobStore
from manifests.pixels.geometry import Box, Pixels
from manifests.pixels.images import decode_image
from manifests.samples.sample import Source, store_sample
from manifests.store.manifest import Manifest, ManifestStore

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def last_line(self) -> str:
        return self.out.splitlines()[-1] if self.out else ""


def picture(seed: int) -> Pixels:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC))


def mask(level: int = 255) -> Pixels:
    values = np.zeros((64, 48), np.uint8)
    values[20:, :30] = level
    return values


def write_pairs(root: Path, names: dict[str, int]) -> None:
    for folder in ("images", "masks"):
        (root / folder).mkdir(exist_ok=True)
    for name, seed in names.items():
        Image.fromarray(picture(seed)).save(root / f"images/{name}.jpg")
        Image.fromarray(mask()).save(root / f"masks/{name}.png")


def in_process(*arguments: object, cwd: Path) -> Ended:
    """The command as a user runs it: another process, in `cwd`."""
    done = subprocess.run(
        [sys.executable, "-m", "manifests", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def assert_refused(ended: Ended, *words: str) -> None:
    """Exit status 1 and one line on standard error that holds `words`."""
    assert ended.code == 1, ended
    assert len(ended.err.splitlines()) == 1, ended.err
    assert ended.err.startswith("error: expected ")
    for word in words:
        assert word in ended.err


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `manifests/v1.parquet` and `data/`: two pending samples. Copied, never changed."""
    root = tmp_path_factory.mktemp("dataset")
    blobs = BlobStore(root / "data")
    rows = [
        store_sample(
            blobs,
            picture(seed),
            mask(level),
            source=Source("web", f"/web/{seed}.jpg", f"{seed:064x}"),
            roi=Box(0, 0, 48, 64),
            origin="teacher",
            teacher="toy@0123456789ab",
            others={"doubt": 0.5},
        )
        for seed, level in ((101, 240), (102, 230))
    ]
    ManifestStore(root / "manifests").update(
        lambda table, version: join_dataset(rows, table, version=version),
        operation="generate",
        parameters={"images": "/web"},
        data_root=root / "data",
    )
    return root


@pytest.fixture
def root(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "set"))


Run = Callable[..., Ended]


@pytest.fixture
def run(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The same command without the second that a new process costs; its warnings are errors."""

    def run(*arguments: object, cwd: Path = root) -> Ended:
        monkeypatch.chdir(cwd)
        monkeypatch.setattr(sys, "argv", ["manifests", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            run_command(main)
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Ended(caught.value.code, captured.out, captured.err)

    return run


def review(root: Path, *verdicts: str) -> None:
    log = DecisionLog(sqlite_url(root / "data"))
    rows = ManifestStore(root / "manifests").open().read().to_pylist()
    log.append(
        [
            Decision(f"d{n}-{verdict}", row["sample_id"], row["mask_sha256"], verdict, "ana", NOON, "hair", 1200)  # type: ignore[arg-type]
            for n, (row, verdict) in enumerate(zip(rows, verdicts, strict=False))
        ]
    )
    log.close()


def flip_one_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# As a user runs it


def test_a_dataset_is_made_and_looked_at_from_an_empty_directory(tmp_path: Path) -> None:
    write_pairs(tmp_path, {"p0": 0, "p1": 1, "p2": 2})
    taking = ("import", "--images", "images", "--masks", "masks", "--source", "studio", "--license", "CC0")
    made = in_process(*taking, cwd=tmp_path)
    assert (made.code, made.err, made.last_line) == (0, "", "manifests/v1.parquet")
    assert "masks: 0/255; 3 samples added" in made.out
    assert (tmp_path / "manifests/v1.parquet").is_file()
    assert (tmp_path / "data/blobs").is_dir()

    assert_refused(in_process(*taking, cwd=tmp_path), "found all 3 of them in it; nothing to import")

    verified = in_process("verify", cwd=tmp_path)  # with a directory `manifests` that is no package in the way
    assert (verified.code, verified.err) == (0, "")
    assert verified.last_line == "manifests/v1.parquet: 3 rows, every blob present and unaltered"

    blob = min((tmp_path / "data/blobs").rglob("*.png"))
    flip_one_bit(blob)
    damaged = in_process("verify", "v1", cwd=tmp_path)
    assert_refused(damaged, "expected manifests/v1.parquet to be sound")
    assert str(blob.relative_to(tmp_path)) in damaged.out


def test_wrong_arguments_exit_with_2(tmp_path: Path) -> None:
    assert in_process("import", "--source", "x", cwd=tmp_path).code == 2


def test_nothing_there_is_one_line_and_exit_status_1(tmp_path: Path) -> None:
    assert_refused(in_process("log", cwd=tmp_path), "found none", "pipeline.generate")


def test_reviews_are_published_to_the_next_version(root: Path) -> None:
    review(root, "accept", "reject")
    published = in_process("publish", cwd=root)
    assert (published.code, published.err, published.out) == (0, "", "manifests/v2.parquet\n")
    manifest = Manifest.open(root / "manifests/v2.parquet")
    assert manifest.counts == {"rows": 2, "accepted": 1, "rejected": 1}


# The same commands, more of them


def test_log_lists_every_version_newest_first(root: Path, run: Run) -> None:
    review(root, "accept")
    run("publish")
    ended = run("log")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err, len(lines)) == (0, "", 2)
    assert lines[0].startswith("v2  ")
    assert "review     2 rows, 1 accepted, 1 pending" in lines[0]
    assert lines[1].startswith("v1  ")
    assert "generate   2 rows, 2 pending" in lines[1]


def test_log_names_the_part_of_a_version_of_a_run_at_work(root: Path, run: Run) -> None:
    store = ManifestStore(root / "manifests")
    rows, parameters = store.open().read(), {"images": "/web", "part": "2 of 9 images"}
    store.commit(rows, parent=1, operation="generate", parameters=parameters, data_root=root / "data")
    lines = run("log").out.splitlines()
    assert lines[0].endswith("generate   2 rows, 2 pending; part: 2 of 9 images")
    assert lines[1].endswith("generate   2 rows, 2 pending")


def test_show_prints_metadata_and_rows(root: Path, run: Run) -> None:
    ended = run("show")
    manifest = Manifest.open(root / "manifests/v1.parquet")
    assert (ended.code, ended.err) == (0, "")
    for word in ("version 1, parent none, generate", f"digest    {manifest.digest}", "images = /web", "/web/102.jpg"):
        assert word in ended.out


@pytest.mark.parametrize("version", ["1", "v1", "manifests/v1.parquet"])
def test_a_version_is_named_by_number_or_path(run: Run, version: str) -> None:
    assert "version 1," in run("show", version).out


def test_limit_says_how_many_rows_are_shown(run: Run) -> None:
    assert "/web/102.jpg" not in run("show", "--limit", "1").out


def test_a_sheet_is_a_picture_and_its_path_the_last_line(root: Path, run: Run) -> None:
    ended = run("show", "--sheet", "sheets/new.png")
    assert (ended.code, ended.last_line) == (0, "sheets/new.png")
    assert decode_image((root / "sheets/new.png").read_bytes()).shape == (230 + 6, 2 * 230 + 6, 3)


def test_stats_counts_by_source_split_and_status(root: Path, run: Run) -> None:
    review(root, "accept", "reject")
    run("publish")
    ended = run("stats")
    assert (ended.code, ended.err) == (0, "")
    assert "manifests/v2.parquet: 2 samples, 2 near-duplicate groups" in ended.out
    assert "seconds per decision: median 1.20, interquartile range 1.20 to 1.20, 2 decisions" in ended.out
    assert "hair" in ended.out
    assert "web    teacher         1         1" in ended.out


def test_stats_of_an_imported_version_has_no_decisions(tmp_path: Path, run: Run) -> None:
    write_pairs(tmp_path, {"p0": 0})
    run("import", "--images", "images", "--masks", "masks", "--source", "studio", cwd=tmp_path)
    ended = run("stats", cwd=tmp_path)
    assert (ended.code, ended.err) == (0, "")
    assert "seconds per decision" not in ended.out


def test_verify_names_a_missing_and_an_altered_blob(root: Path, run: Run) -> None:
    images, masks = (sorted((root / "data/blobs").rglob(f"*{suffix}")) for suffix in (".jpg", ".png"))
    images[0].unlink()
    flip_one_bit(masks[1])
    ended = run("verify")
    assert_refused(ended, "found 2 problem(s), listed above")
    assert len(ended.out.splitlines()) == 2
    assert images[0].name in ended.out
    assert masks[1].name in ended.out


def test_verify_tells_orphan_blobs_as_information(root: Path, run: Run) -> None:
    orphan = BlobStore(root / "data").put(b"nothing names this", ".png")
    ended = run("verify")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        "orphan blobs: 0 blobs (0 bytes) of 5 named by nothing; 1 blob (18 bytes) too young to tell; "
        "see python -m manifests gc",
        "manifests/v1.parquet: 2 rows, every blob present and unaltered",
    ]
    day_ago = time.time() - 86_400
    os.utime(root / "data" / orphan.path, (day_ago, day_ago))
    assert "orphan blobs: 1 blob (18 bytes) of 5 named by nothing; see" in run("verify").out


@pytest.mark.parametrize("command", ["verify", "stats", "show"])
def test_a_damaged_version_is_one_line(root: Path, run: Run, command: str) -> None:
    path = root / "manifests/v1.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert_refused(run(command), "found a damaged or other file")
    data = bytearray(whole)
    data[4:400] = bytes(396)  # the pages of the first columns; the footer is whole
    path.write_bytes(data)
    assert_refused(run(command), "found damage", "restore the file from a backup")


def test_nothing_to_publish_is_one_line(run: Run) -> None:
    assert_refused(run("publish"), "expected decisions that v1 doesn't hold, found none")


def test_a_database_that_can_not_be_opened_is_one_line(run: Run) -> None:
    assert_refused(run("publish", "--database-url", "nonsense"), "check --database-url")


def test_another_database_can_be_published(root: Path, run: Run) -> None:
    review(root, "accept")
    (root / "data/decisions.sqlite3").rename(root / "moved.sqlite3")
    assert run("publish", "--database-url", "sqlite:///moved.sqlite3").last_line == "manifests/v2.parquet"


def test_skipped_pairs_are_named_on_standard_error(tmp_path: Path, run: Run) -> None:
    write_pairs(tmp_path, {"p0": 0, "p1": 1})
    (tmp_path / "images/p0.jpg").write_bytes(b"")
    ended = run("import", "--images", "images", "--masks", "masks", "--source", "studio", cwd=tmp_path)
    assert (ended.code, ended.last_line) == (0, "manifests/v1.parquet")
    assert ended.err == "skipped p0.jpg: empty file: expected an image, found 0 bytes\n"
    assert "1 samples added, 0 in the dataset already, 1 unusable pairs skipped" in ended.out


def test_a_second_import_goes_into_the_data_root_of_the_dataset(tmp_path: Path, run: Run) -> None:
    write_pairs(tmp_path, {"p0": 0, "p1": 1})
    taking = ("import", "--masks", "masks", "--source", "studio", "--images")
    (tmp_path / "more").mkdir()
    (tmp_path / "images/p1.jpg").rename(tmp_path / "more/p1.jpg")
    (tmp_path / "masks/p1.png").rename(tmp_path / "more/p1.png")
    assert run(*taking, "images", "--data", "pixels", cwd=tmp_path).code == 0
    second = run("import", "--images", "more/*.jpg", "--masks", "more/*.png", "--source", "web", cwd=tmp_path)
    assert (second.code, second.last_line) == (0, "manifests/v2.parquet")
    assert run("verify", cwd=tmp_path).code == 0
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "9"), "found no file; manifests holds v1"),
        (("show", "elsewhere/v1.parquet"), "expected a manifest at elsewhere/v1.parquet, found no file"),
        (("show", "latest"), "expected a version such as 3, v3 or a path, found 'latest'"),
        (("show", "v²"), "expected a version such as 3"),
        (("show", ""), "expected a version such as 3"),
        (("show", "--sheet", "sheet.nonsense"), "expected an image's name such as sheet.png, found sheet.nonsense"),
        (("verify", "--data", "elsewhere"), "to be sound, found 4 problem(s)"),
        (("show", "--sheet", "s.png", "--data", "elsewhere"), "restore it or pass the right --data"),
        (("import", "--images", "none", "--masks", "none", "--source", "x"), "found nothing there; check the path"),
        (("log", "--manifests", "none"), "expected versions in none, found none"),
    ],
)
def test_a_state_of_the_world_is_one_line_and_exit_status_1(run: Run, arguments: tuple[str, ...], words: str) -> None:
    assert_refused(run(*arguments), words)


@pytest.mark.parametrize(
    "arguments",
    [(), ("nonsense",), ("show", "--limit", "0"), ("show", "--limit", "x"), ("import",), ("show", "1", "2"), ("-x",)],
)
def test_wrong_arguments_are_told_with_the_usage(run: Run, arguments: tuple[str, ...]) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: python -m manifests")


@pytest.mark.parametrize("command", ["log", "show", "stats", "diff", "verify", "gc", "select", "publish", "import"])
def test_every_command_explains_itself(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert f"usage: python -m manifests {command}" in ended.out


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "/data/x"), "error: Permission denied: /data/x\n"),
        (OSError(28, "No space left on device"), "error: No space left on device; free some space and run it again\n"),
    ],
)
def test_what_the_operating_system_refuses_is_one_line(
    error: OSError, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_arguments: object) -> None:
        raise error

    with pytest.raises(SystemExit) as caught:
        run_command(refuse)
    assert (caught.value.code, capsys.readouterr().err) == (1, line)


@pytest.mark.parametrize(
    ("interruption", "line"),
    [(KeyboardInterrupt(), "interrupted\n"), (KeyboardInterrupt("stopped: 3 kept"), "stopped: 3 kept\n")],
)
def test_an_interrupt_is_no_traceback(
    interruption: KeyboardInterrupt, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_arguments: object) -> None:
        raise interruption

    with pytest.raises(SystemExit) as caught:
        run_command(interrupt)
    assert (caught.value.code, capsys.readouterr().err) == (130, line)


def test_a_librarys_warning_is_one_line_whatever_hears_the_root_logger(capsys: pytest.CaptureFixture[str]) -> None:
    def warn(_arguments: object) -> None:
        logging.getLogger("pipeline.teachers").warning("out of memory with %d images", 8)

    prefects = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(prefects)
    try:
        with pytest.raises(SystemExit):
            run_command(warn)
    finally:
        logging.getLogger().removeHandler(prefects)
    assert capsys.readouterr().err == "warning: out of memory with 8 images\n"
