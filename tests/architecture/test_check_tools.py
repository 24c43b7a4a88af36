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


def test_ruff_reports_every_banned_name() -> None:
    names = [name.partition(".")[::2] for name in BANNED]
    imports = [f"from {module} import {attribute.split('.')[0]}\n" for module, attribute in names]
    uses = [f"value = {attribute}()\n" for _, attribute in names]
    _, output = run(
        *RUFF,
        "--output-format=concise",
        "--stdin-filename=services/shop/shop/app.py",
        "-",
        given="".join(imports + uses),
    )
    assert [name for name in BANNED if f"TID251 `{name}` is banned" not in output] == [], output


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """Return a copy of a member that declares little."""
    compiled = shutil.ignore_patterns("__pycache__")  # other processes write there
    return shutil.copytree(ROOT / "libs" / "contracts", tmp_path / "contracts", ignore=compiled)


def dependencies(member: Path) -> tuple[int, str]:
    return run("make", "--assume-old=environment", "dependencies", f"MEMBER={member}")


def test_deptry_accepts_a_member_that_declares_its_imports(member: Path) -> None:
    assert dependencies(member)[0] == 0


def test_deptry_reports_undeclared_imports_and_unused_dependencies(member: Path) -> None:
    (member / "contracts" / "samples.py").write_text("import httpx, runtime.clock, pydantic_core")
    project = member / "pyproject.toml"
    project.write_text(project.read_text().replace("dependencies = [", 'dependencies = [\n    "moto",'))
    code, output = dependencies(member)
    undeclared = [name for name in ("httpx", "runtime", "pydantic_core") if f"'{name}' imported but" not in output]
    unused = "'moto' defined as a dependency but not used" in output
    assert (code, undeclared, unused) == (2, [], True), output
