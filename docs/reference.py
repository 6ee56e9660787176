"""The reference pages of the site, written from the code: commands, recipes, the API. `docs/conf.py` calls this."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manifests.cli.program import COMMANDS
from review_ui.web.api import router
from review_ui.web.openapi import openapi
from trainer.fit.recipe import MEANINGS, PRESETS

HELP_COLUMNS = 88  # as many as the site shows without scrolling
_SUBCOMMAND = re.compile(r"^    ([a-z-]+) ", re.MULTILINE)
_HELP = """
import contextlib, io, json, runpy, sys
texts = []
for module, *subcommands in json.load(sys.stdin):
    sys.argv = [module, *subcommands, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as text, contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__")
    texts.append(text.getvalue())
print(json.dumps(texts))
"""


def write_reference(directory: Path) -> None:
    """Write commands.md, recipes.md and api.md into the directory."""
    directory.mkdir(exist_ok=True)
    for name, text in (("commands", _commands()), ("recipes", _recipes()), ("api", _api())):
        path = directory / f"{name}.md"
        if not path.is_file() or path.read_text() != text:  # Sphinx reads changed pages again
            path.write_text(text)


def _commands() -> str:
    """The help of each command and subcommand, under its short name."""
    words = {name: tuple(module.split()) for name, (module, _) in COMMANDS.items() if name != "doctor"}
    [overview] = command_helps([("manifests",)])
    subcommands = [("manifests", name) for name in _SUBCOMMAND.findall(overview)]
    texts = dict(zip([*words.values(), *subcommands], command_helps([*words.values(), *subcommands]), strict=True))
    parts = ["# Commands", "The help of each command; `maskfoundry NAME` and `python -m MODULE` are the same.", ""]
    for name, module in words.items():
        parts += [f"## {name}", COMMANDS[name][1], f"```text\n{texts[module].rstrip()}\n```", ""]
        if module == ("manifests",):
            for subcommand in subcommands:
                parts += [f"### {' '.join(subcommand)}", f"```text\n{texts[subcommand].rstrip()}\n```", ""]
    return "\n\n".join(parts)


def command_helps(commands: Sequence[tuple[str, ...]]) -> list[str]:
    """The help of each (module, subcommand, ...), all in one process: importing their libraries takes seconds."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _HELP],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"COLUMNS": str(HELP_COLUMNS), "NO_COLOR": "1"},
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        check=True,
    )
    texts: list[str] = json.loads(done.stdout)
    return texts


def _recipes() -> str:
    """A table of every choice of a recipe with its value in each preset."""
    presets = {name: preset() for name, preset in PRESETS.items()}
    head = ["option", "meaning", *(f"`{name}`" for name in presets)]
    rows = [
        [f"`--{field.name.replace('_', '-')}`", MEANINGS[field.name]]
        + [_value(getattr(preset, field.name)) for preset in presets.values()]
        for field in dataclasses.fields(next(iter(presets.values())))
    ]
    text = "`trainer.fit --preset NAME` takes a column; an option of a row overrides it. [Training](../training.md)"
    return f"# Recipes\n\n{text}\n\n{_table(head, rows)}"


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _api() -> str:
    """The routes of the review server with their fields."""
    document = openapi(router.routes)
    parts = [
        "# The review server's API",
        "A signed-in user gets the whole description from `GET /api/openapi.json`. [Tokens and roles](../team.md), "
        "[who may call what](../security.md#roles-by-route)",
        _table(["method", "path", "what it does"], _operations(document)),
        "## Fields",
    ]
    for name, schema in sorted(document["components"]["schemas"].items()):
        rows = [[f"`{field}`", _type(about), about.get("description", "")] for field, about in
                schema.get("properties", {}).items()]  # fmt: skip
        if rows:
            parts += [f"### {name}", schema.get("description", "").strip(), _table(["field", "type", "meaning"], rows)]
    return "\n\n".join(parts) + "\n"


def _operations(document: dict[str, Any]) -> list[list[str]]:
    return [
        [method.upper(), f"`{path}`", " ".join(operation.get("description", operation["summary"]).split())]
        for path, methods in sorted(document["paths"].items())
        for method, operation in methods.items()
    ]


def _type(about: dict[str, Any]) -> str:
    """A field's type as a reader would write it."""
    if "$ref" in about:
        return str(about["$ref"]).rpartition("/")[2]
    if "anyOf" in about:
        return " or ".join(map(_type, about["anyOf"]))
    if "enum" in about:
        return ", ".join(f"`{value}`" for value in about["enum"])
    if "const" in about:
        return f"`{about['const']}`"
    if about.get("type") == "array":
        return f"list of {_type(about.get('items', {}))}"
    kind = about.get("type", "any")
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
