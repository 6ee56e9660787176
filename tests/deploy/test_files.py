"""The files of deploy/: what they name exists, and they agree with one another."""

import re
from pathlib import Path

import yaml
from reference import command_helps
from repository import ROOT

DEPLOY = ROOT / "deploy"


def compose() -> dict[str, dict[str, object]]:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert isinstance(services, dict)
    return services


def test_the_review_service_has_options_that_the_command_has() -> None:
    command = compose()["review"]["command"]
    assert isinstance(command, list)
    assert command[:3] == ["python", "-m", "review_ui"]
    [text] = command_helps([("review_ui",)])
    for option in command[3:]:
        assert option.partition("=")[0] in text


def test_caddy_hands_on_to_the_port_of_the_review_service() -> None:
    command = compose()["review"]["command"]
    assert isinstance(command, list)
    [port] = [word.removeprefix("--port=") for word in command if word.startswith("--port=")]
    assert f"reverse_proxy review:{port}" in (DEPLOY / "Caddyfile").read_text()


def test_only_caddy_is_published_beyond_this_host() -> None:
    published = {name: service["ports"] for name, service in compose().items() if "ports" in service}
    assert published == {"prefect": ["127.0.0.1:4200:4200"], "caddy": ["80:80", "443:443"]}


def test_mounted_files_exist() -> None:
    mounts = [mount for service in compose().values() for mount in service.get("volumes", [])]  # type: ignore[attr-defined]
    files = [mount.partition(":")[0] for mount in mounts if mount.startswith("./")]
    assert files
    assert [file for file in files if not (DEPLOY / file).is_file()] == []


def test_the_image_gets_every_package_and_no_data() -> None:
    lines = (ROOT / ".dockerignore").read_text().split()
    taken = {line.strip("!/") for line in lines if line.startswith("!")}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages | {"Makefile", "pyproject.toml", "prefect.yaml", "requirements", "deploy/worker.sh"} <= taken
    assert "manifests/*.parquet" in lines
    assert [name for name in taken if not (ROOT / name).exists()] == []


def test_the_image_runs_as_a_user_without_rights() -> None:
    assert re.search(r"^USER 10001$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_kubernetes_reads_the_work_pool() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes/work-pool.yaml").read_text()))
    assert [each["kind"] for each in documents] == [
        "PersistentVolumeClaim", "ServiceAccount", "Role", "RoleBinding", "Deployment",
    ]  # fmt: skip
    account = documents[-1]["spec"]["template"]["spec"]["serviceAccountName"]
    assert {each["metadata"]["name"] for each in documents[1:]} == {account}


def named_in(page: Path) -> set[str]:
    return set(re.findall(r"deploy/[\w./-]+\w", page.read_text()))


def test_the_documentation_names_files_that_exist() -> None:
    named = named_in(ROOT / "docs/containers.md") | named_in(DEPLOY / "Dockerfile") | named_in(DEPLOY / "compose.yaml")
    named -= {"deploy/.env"}  # which the reader makes
    assert [name for name in named if not (ROOT / name).exists()] == []
