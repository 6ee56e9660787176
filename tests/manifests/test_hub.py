"""`export --push`: huggingface_hub's client against a stand-in of its API; a refusal leaves nothing half written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from export_rows import commit_rows, files
from hub_stand_in import REPOSITORY, TOKEN, HubStandIn
from repository import ROOT
from web_stand_in import serving

from manifests.__main__ import main
from manifests.errors import UserError


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    commit_rows(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client talks to the stand-in, whatever the environment or another test says."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    state = HubStandIn()
    with serving(state) as url:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield state


def push(dataset: Path, *arguments: str, to: str = REPOSITORY, target: str = "imagefolder") -> Path:
    out = dataset / "out"
    main(["export", target, str(out), "--manifests", str(dataset / "manifests"), "--push", to, *arguments])
    return out


def test_a_version_is_a_private_revision_with_the_exports_files(
    dataset: Path, hub: HubStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    out = push(dataset)
    assert hub.private is True
    assert hub.tags == {"v1": files(out)}
    pushed, path = capsys.readouterr().out.splitlines()[-2:]
    assert pushed.startswith("pushed to http://127.0.0.1:")
    assert pushed.endswith(f"/datasets/{REPOSITORY}/tree/v1")
    assert path == str(out)


def test_a_repository_that_is_there_holds_this_versions_files_alone(dataset: Path, hub: HubStandIn) -> None:
    hub.private, hub.files, hub.tags = True, {"old.jpg": b"x", ".gitattributes": b"y"}, {"v0": {}}
    out = push(dataset, target="webdataset")
    assert hub.tags["v1"] == files(out) | {".gitattributes": b"y"}
    assert hub.commits == 1


def test_public_has_to_be_asked_for(dataset: Path, hub: HubStandIn) -> None:
    push(dataset, "--public")
    assert hub.private is False


@pytest.mark.parametrize(
    ("state", "arguments", "message"),
    [
        ({"private": False}, [], r"expected a private dataset at ada/portraits, found a public one; pass --public"),
        ({"private": True}, ["--public"], r"expected a public dataset .*, found a private one; leave --public out"),
        ({"private": True, "tags": {"v1": {}}}, [], r"expected no revision v1 in ada/portraits, found one; delete"),
    ],
)
def test_a_repository_that_cannot_take_the_version_is_refused_before_anything_is_written(
    dataset: Path, hub: HubStandIn, state: dict[str, object], arguments: list[str], message: str
) -> None:
    for name, value in state.items():
        setattr(hub, name, value)
    with pytest.raises(UserError, match=message):
        push(dataset, *arguments)
    assert not (dataset / "out").exists()
    assert {method for method, _ in hub.asked} == {"GET"}


def test_a_wrong_token_is_one_line_and_nothing_is_written(
    dataset: Path, hub: HubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(UserError, match=r"expected the hub to take ada/portraits, found status 401 .*; check the to"):
        push(dataset)
    assert not (dataset / "out").exists()
    assert hub.private is None


def test_a_refused_commit_leaves_the_repository_as_it_was(dataset: Path, hub: HubStandIn) -> None:
    hub.private, hub.files, hub.refuse_commits = True, {"old.jpg": b"x"}, 403
    with pytest.raises(UserError, match=r"found status 403 .*; take a token that may write there"):
        push(dataset)
    assert (hub.files, hub.tags) == ({"old.jpg": b"x"}, {})


def test_a_hub_that_is_away_is_one_line_and_nothing_is_written(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(HubStandIn()) as url:
        pass
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(UserError, match=r"expected the Hugging Face hub for ada/portraits, found no way to it"):
        push(dataset)
    assert not (dataset / "out").exists()


def test_without_a_token_the_login_is_named(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"found none; set HF_TOKEN, or log in: hf auth login"):
        push(dataset)


def test_a_name_that_is_no_repository_is_refused(dataset: Path, hub: HubStandIn) -> None:
    with pytest.raises(UserError, match=r"expected a repository OWNER/NAME, found 'a/b/c'"):
        push(dataset, to="a/b/c")
    assert not (dataset / "out").exists()


@pytest.mark.parametrize("arguments", [["coco", "out", "--push", "a/b"], ["imagefolder", "out", "--public"]])
def test_options_that_do_not_go_together_are_wrong_arguments(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments])
    assert ended.value.code == 2
    assert "--pu" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_takes_endpoint_and_token_from_the_environment(dataset: Path) -> None:
    state = HubStandIn()
    with serving(state) as url:
        done = subprocess.run(
            [sys.executable, "-m", "manifests", "export", "imagefolder", "out", "--push", REPOSITORY],
            cwd=dataset,
            env=os.environ | {"HF_ENDPOINT": url, "HF_TOKEN": TOKEN, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.splitlines()[-1] == "out"
    assert state.tags["v1"] == files(dataset / "out")
