"""`import --attributes`: a CSV file of attributes beside the pairs, read again by sample."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hostile_files import write_foreign_name

from manifests.__main__ import main
from manifests.errors import UserError
from manifests.files.storage import place
from manifests.imports.attributes_file import match_attributes, read_attributes_file
from manifests.samples.attributes import attribute_slices, read_attributes, write_attributes
from manifests.store.manifest import ManifestStore


def csv_file(directory: Path, *lines: str) -> Path:
    path = directory / "attributes.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def ids(*names: str) -> pa.ChunkedArray:
    return pa.chunked_array([list(names)], pa.string())


def values(data_root: Path, *names: str) -> dict[str, list[str | None]]:
    return {name: column.to_pylist() for name, column in read_attributes(data_root, ids(*names)).items()}


def test_a_later_file_overrides_what_it_states_and_nothing_else(tmp_path: Path):
    write_attributes(tmp_path, ["a", "b"], {"hair": ["curly", "straight"], "light": [None, "dim"]})
    second = write_attributes(tmp_path, ["b", "c"], {"hair": ["bald", None], "light": [None, "bright"]})
    assert second.name == "2.parquet"
    assert values(tmp_path, "c", "b", "a", "d") == {
        "hair": [None, "bald", "curly", None],
        "light": ["bright", "dim", None, None],
    }


def test_attributes_are_written_to_a_url_and_read_from_it():
    root = place("memory://attributes-of-samples")
    write_attributes(root, ["a"], {"hair": ["curly"]})
    write_attributes(root, ["a"], {"light": ["dim"]})
    assert values(root, "a") == {"hair": ["curly"], "light": ["dim"]}


def test_a_data_root_without_attributes_has_none(tmp_path: Path):
    assert values(tmp_path, "a") == {}


def test_samples_without_a_value_are_not_known(tmp_path: Path):
    write_attributes(tmp_path, ["a"], {"hair": ["curly"]})
    slices = attribute_slices(read_attributes(tmp_path, ids("b", "a")))
    assert [(part.by, part.name, part.members.tolist()) for part in slices] == [
        ("attribute hair", "curly", [1]),
        ("attribute hair", "not known", [0]),
    ]


@pytest.mark.parametrize("broken", [b"no Parquet", None])
def test_a_damaged_file_is_named(tmp_path: Path, broken: bytes | None):
    path = write_attributes(tmp_path, ["a"], {"hair": ["curly"]})
    if broken:
        path.write_bytes(broken)
    else:
        pq.write_table(pa.table({"other": [1]}), path)
    with pytest.raises(UserError, match=r"1\.parquet"):
        read_attributes(tmp_path, ids("a"))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["file,hair"], "expected the header"),
        (["image"], "expected the header"),
        (["image,hair,hair"], "expected the header"),
        (["image,sample_id"], "expected the header"),
        ([], "expected the header"),
        (["image,hair", "x.jpg"], "1 lines without an image and 1 values"),
        (["image,hair", ",curly"], "1 lines without an image and 1 values"),
        (["image,hair", "x.jpg,curly", "./x.jpg,bald"], r"1 repeated images \(\./x\.jpg\)"),
        (["image,age", *(f"{n}.jpg,{n}" for n in range(21))], r"1 columns of more than 20 values \(age: 21\)"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, lines: Sequence[str], message: str):
    with pytest.raises(UserError, match=message):
        read_attributes_file(csv_file(tmp_path, *lines))


def test_a_missing_file_and_other_bytes_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match="found none"):
        read_attributes_file(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"image,hair\n\xff\xfe,x\n")
    with pytest.raises(UserError, match="CSV in UTF-8"):
        read_attributes_file(tmp_path / "bytes.csv")


def test_names_fit_the_ends_of_paths(tmp_path: Path):
    file = read_attributes_file(csv_file(tmp_path, "image,hair", "a/x.jpg,curly", "y.jpg,", "z.jpg,bald"))
    stated = match_attributes(file, ["/data/a/x.jpg", "/data/b/x.jpg", "/data/y.jpg"])
    assert stated.values == {"/data/a/x.jpg": ("curly",), "/data/y.jpg": (None,)}
    assert any("1 names in" in note and "z.jpg" in note for note in stated.notes)
    assert "1 images have no attributes (x.jpg)" in stated.notes


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["x.jpg,curly"], r"1 names of several images \(x\.jpg\)"),
        (["a/x.jpg,curly", "data/a/x.jpg,bald"], r"1 images with two names \(/data/a/x\.jpg\)"),
        (["z.jpg,curly"], "found none among 2"),
    ],
)
def test_names_that_fit_no_or_several_images_are_refused(tmp_path: Path, lines: Sequence[str], message: str):
    file = read_attributes_file(csv_file(tmp_path, "image,hair", *lines))
    with pytest.raises(UserError, match=message):
        match_attributes(file, ["/data/a/x.jpg", "/data/b/x.jpg"])


def test_import_stores_the_attributes_and_adds_them_to_known_samples(
    tmp_path: Path, portraits: Path, capsys: pytest.CaptureFixture[str]
):
    first, second, *_ = sorted(path.name for path in (portraits / "images").iterdir())
    arguments = [
        "import", "--images", str(portraits / "images"), "--masks", str(portraits / "masks"), "--source", "portraits",
        "--limit", "3", "--manifests", str(tmp_path / "manifests"), "--data", str(tmp_path / "data"),
    ]  # fmt: skip
    main([*arguments, "--attributes", str(csv_file(tmp_path, "image,hair", f"{first},curly", f"{second},bald"))])
    assert "note: attributes hair of 2 images" in capsys.readouterr().err
    manifest = ManifestStore(tmp_path / "manifests").open()
    rows = manifest.read(["sample_id", "source_uri"])
    uris = [Path(uri).name for uri in rows["source_uri"].to_pylist()]
    hair = dict(zip(uris, read_attributes(tmp_path / "data", rows["sample_id"])["hair"].to_pylist(), strict=True))
    assert (hair.pop(first), hair.pop(second), *hair.values()) == ("curly", "bald", None)
    main([*arguments, "--attributes", str(csv_file(tmp_path, "image,hair", f"{first},short"))])
    assert "0 samples added, 3 in the dataset already" in capsys.readouterr().out
    assert ManifestStore(tmp_path / "manifests").latest() == manifest.version
    values = read_attributes(tmp_path / "data", rows["sample_id"])["hair"].to_pylist()
    assert set(values) == {"short", "bald", None}


def test_stored_attributes_whose_columns_name_is_not_utf8_are_refused(tmp_path: Path):
    path = write_attributes(tmp_path, ["a"], {"hair": ["curly"]})
    write_foreign_name(pq.read_table(path), path)
    with pytest.raises(UserError, match=r"expected a sound Parquet file at .*parquet, found damage"):
        read_attributes(tmp_path, ids("a"))
