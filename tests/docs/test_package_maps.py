"""Every package's docstring lists what lies in it, and nothing is built on a command."""

import ast
import re
from pathlib import Path

import grimp
import pytest
from repository import ROOT

ROOMS = "manifests", "pipeline", "review_ui", "trainer"
PACKAGES = sorted(init.parent for room in ROOMS for init in (ROOT / room).rglob("__init__.py"))
ENTRY = re.compile(r"^ *([a-z0-9_]+(?:\.py|/)) {2,}\S", re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.relative_to(ROOT).as_posix())
def test_a_packages_docstring_lists_its_modules_and_packages(package: Path) -> None:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()), clean=False) or ""
    modules = {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert sorted(ENTRY.findall(docstring)) == sorted(modules | packages)


def test_no_module_imports_a_command() -> None:
    graph = grimp.build_graph(*ROOMS)
    commands = [module for module in graph.modules if module.endswith(".__main__")]
    assert len(commands) > 10
    assert [command for command in commands if graph.find_modules_that_directly_import(command)] == []
