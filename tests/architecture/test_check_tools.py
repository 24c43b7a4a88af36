"""The tools of `make check` are set up so that they notice what the house forbids."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.house import ROOT

LINT = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
RUFF = (Path(sys.executable).with_name("ruff"), "check", "--no-cache")
BANNED = LINT["flake8-tidy-imports"]["banned-api"]


def run(*command: str | Path, given: str | None = None) -> tuple[int, str]:
    done = subprocess.run(command, cwd=ROOT, input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", BANNED)
def test_ruff_reports_a_banned_name(name: str) -> None:
    module, _, attribute = name.partition(".")
    text = f"from {module} import {attribute.split('.')[0]}\n\nvalue = {attribute}()\n"
    code, output = run(*RUFF, "--stdin-filename=services/shop/shop/dependencies.py", "-", given=text)
    assert (code, "TID251" in output) == (1, True), output


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """Return a copy of a member that declares little."""
    compiled = shutil.ignore_patterns("__pycache__")  # other processes write there
    return shutil.copytree(ROOT / "libs" / "contracts", tmp_path / "contracts", ignore=compiled)


def dependencies(member: Path) -> tuple[int, str]:
    return run("make", "--assume-old=environment", "dependencies", f"MEMBER={member}")


def test_deptry_accepts_a_member_that_declares_its_imports(member: Path) -> None:
    assert dependencies(member)[0] == 0


@pytest.mark.parametrize("line", ["import httpx", "import runtime.clock", "import pydantic_core"])
def test_deptry_reports_an_undeclared_import(line: str, member: Path) -> None:
    (member / "contracts" / "samples.py").write_text(line)
    code, output = dependencies(member)
    assert (code, "'" + line.removeprefix("import ").split(".")[0] + "' imported but" in output) == (2, True), output


def test_deptry_reports_an_unused_dependency(member: Path) -> None:
    project = member / "pyproject.toml"
    project.write_text(project.read_text().replace("dependencies = [", 'dependencies = [\n    "httpx",'))
    code, output = dependencies(member)
    assert (code, "'httpx' defined as a dependency but not used" in output) == (2, True), output
