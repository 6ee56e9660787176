"""The documentation tells the truth: every command, option, column and linked file in it exists."""

import re
from pathlib import Path

import pytest
from reference import command_helps
from repository import ROOT

from manifests.__main__ import COMMANDS as SUBCOMMANDS
from manifests.cli.program import COMMANDS
from manifests.store.schema import SCHEMA

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/experiments").glob("*.md")),
]
MODULE_COMMAND = re.compile(r"python -m ([a-z_]+(?:\.[a-z_]+)*)([^`\n#|]*)")
Words = tuple[str, ...]


def commands() -> list[tuple[str, str, str]]:
    return sorted({(page.name, *found) for page in PAGES for found in MODULE_COMMAND.findall(page.read_text())})


def named_by(module: str, arguments: str) -> Words:
    """The command that explains itself: a module, and its subcommands where there are some."""
    words = arguments.split()
    depth = {"manifests": 1, "review_ui": 2 if words[:1] == ["users"] else 0}.get(module, 0)
    return module, *(word for word in words[:depth] if word.isalpha())


@pytest.fixture(scope="module")
def helps() -> dict[Words, str]:
    """What every command says of itself, all in one process: importing their libraries takes seconds."""
    wanted = sorted({*every_command(), ("manifests",), *(named_by(module, words) for _, module, words in commands())})
    return dict(zip(wanted, command_helps(wanted), strict=True))


@pytest.fixture(scope="module")
def every_help(helps: dict[Words, str]) -> dict[Words, str]:
    return {words: helps[words] for words in every_command()}


def every_command() -> set[Words]:
    """Every command of `maskfoundry`, and every subcommand of `manifests`."""
    return {*(tuple(module.split()) for module, _ in COMMANDS.values()), *(("manifests", name) for name in SUBCOMMANDS)}


def test_every_help_ends_with_an_example_of_options_that_it_has(every_help: dict[Words, str]) -> None:
    for words, text in every_help.items():
        (example,) = re.findall(rf"^example: python -m {' '.join(words)}\b(.*)$", text, re.MULTILINE)
        for option in re.findall(r"--[a-z-]+", example.partition("=")[0]):
            assert re.search(rf"^  (-\w, )?{option}\b", text, re.MULTILINE), f"{words} has no {option}"


def test_every_help_states_defaults_alike(every_help: dict[Words, str]) -> None:
    for words, text in every_help.items():
        assert re.findall(r"(?<!\()[Dd]efault: .*", " ".join(text.split())) == [], words


@pytest.mark.parametrize(("page", "module", "arguments"), commands())
def test_every_command_in_the_docs_exists_with_its_options(
    page: str, module: str, arguments: str, helps: dict[Words, str]
) -> None:
    text = helps[named_by(module, arguments)]
    assert text.startswith("usage: "), f"{page}: {module} says nothing of itself"
    for option in re.findall(r"--[a-z-]+", re.sub(r'"[^"]*"', "", arguments)):  # quoted ones are trainer.fit's
        assert option in text, f"{page}: {module} has no {option}"


def test_docs_name_every_column_and_no_other() -> None:
    table = (ROOT / "docs/dataset.md").read_text().partition("## Columns")[2].partition("\n\nThe file")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [name for cell in first_cells for name in re.findall(r"`([a-z0-9_]+)`", cell)] == SCHEMA.names


def test_the_page_of_the_dataset_shows_every_subcommand(helps: dict[Words, str]) -> None:
    subcommands = re.findall(r"^    ([a-z]+) ", helps["manifests",], flags=re.MULTILINE)
    assert len(subcommands) >= 9
    text = (ROOT / "docs/dataset.md").read_text()
    assert [
        name for name in subcommands if not re.search(rf"^\$ python -m manifests {name}\b", text, re.MULTILINE)
    ] == []
    assert [name for name in subcommands if f"\n## {name}\n" not in text] == []


def test_exports_of_two_checkpoints_never_share_a_folder() -> None:
    exports = re.compile(r"trainer\.export --checkpoint (\S+)[^`]*?--output ([^\s`]+)")
    found = [match for page in PAGES for match in exports.findall(page.read_text())]
    assert len(found) >= 5
    folders = {(folder, checkpoint) for checkpoint, folder in found}
    assert len({folder for folder, _ in folders}) == len(folders)  # trainer.export refuses such a folder


def test_links_into_a_page_lead_to_a_heading() -> None:
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text()):
            headings = re.findall(r"^#+ (.+)$", (page.parent / target if target else page).read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^a-z0-9_ -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{page.name}: no heading for #{anchor} in {target or page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text())
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_readme_names_only_verbs_that_make_has() -> None:
    verbs = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z]+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    assert named <= verbs
    assert {"help", "setup", "run", "test", "lint", "bench"} <= verbs
