"""Every package's docstring lists what lies in it."""

import ast
import re
from pathlib import Path

import pytest
from repository import ROOT

PACKAGES = sorted(
    init.parent
    for room in ("manifests", "pipeline", "review_ui", "trainer")
    for init in (ROOT / room).rglob("__init__.py")
)
ENTRY = re.compile(r"^ *([a-z0-9_]+(?:\.py|/)) {2,}\S", re.MULTILINE)


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.relative_to(ROOT).as_posix())
def test_a_packages_docstring_lists_its_modules_and_packages(package: Path) -> None:
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text()), clean=False) or ""
    modules = {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    assert sorted(ENTRY.findall(docstring)) == sorted(modules | packages)
