"""The stand-in for Claude Code as a program; the tests of the session service compare it with Claude Code."""

import subprocess
import sys
from pathlib import Path

import pytest
from simulator.claude_code.commands import matches, simple_commands
from simulator.claude_code.packing import pack
from simulator.claude_code.permissions import Rule
from simulator.claude_code.schema import check_schema, mistakes


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("agent") / "claude")


def test_the_packed_program_reports_its_version(program: Path) -> None:
    ran = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.endswith("(stand-in for Claude Code)\n")


def test_help_is_shown_and_nothing_is_packed(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "simulator.claude_code.packing", "--help"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.startswith("usage: ")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_option_ends_the_program(program: Path) -> None:
    ran = subprocess.run([program, "--add-dir", "/"], capture_output=True, text=True, check=False)  # noqa: S603
    assert (ran.returncode, "does not implement the option '--add-dir'" in ran.stderr) == (1, True)


@pytest.mark.parametrize(
    ("command", "commands"),
    [
        ("git log && rm x; ls | wc", ["git log", "rm x", "ls", "wc"]),
        ("printf 'a;b'", ["printf 'a;b'"]),
        ("echo $(id)", None),
        ("echo a > b", None),
        ("(ls)", None),
        ("echo 'a", None),
    ],
)
def test_a_command_line_is_divided_into_its_commands(command: str, commands: list[str] | None) -> None:
    assert simple_commands(command) == commands


@pytest.mark.parametrize(
    ("pattern", "command", "matching"),
    [
        ("git:*", "git log", True),
        ("git:*", "gitk", False),
        ("git log:*", "git status", False),
        ("touch *", "touch a b", True),
        ("touch *", "touch", True),
        ("touch *", "touched", False),
        ("ls", "ls -l", False),
    ],
)
def test_a_rule_is_about_matching_commands(pattern: str, command: str, matching: bool) -> None:
    assert matches(pattern, command) is matching


@pytest.mark.parametrize(
    ("rule", "tool", "text", "covered"),
    [
        ("mcp__lab", "mcp__lab__echo", "", True),
        ("mcp__lab", "mcp__lab_2__echo", "", False),
        ("mcp__lab__*", "mcp__lab__echo", "", True),
        ("Edit(//srv/**)", "Write", "/srv/a/b", True),
        ("Read(//srv/*.txt)", "Read", "/srv/a/b.txt", False),
        ("Read", "Write", "/srv/a", False),
    ],
)
def test_a_rule_covers_calls(rule: str, tool: str, text: str, covered: bool) -> None:
    assert Rule(rule).covers(tool, text) is covered


def test_a_value_is_checked_against_a_schema() -> None:
    items = {"type": "array", "items": {"type": "string", "pattern": "^a"}}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "of": items}, "required": ["m"]}
    check_schema(schema)
    assert list(mistakes(schema, {"n": "x", "of": ["b"]})) == [
        "root: must have required property 'm'",
        "/n: must be integer",
        '/of/0: must match pattern "^a"',
    ]


def test_a_keyword_that_is_not_known_is_an_error() -> None:
    with pytest.raises(NotImplementedError, match="oneOf"):
        check_schema({"oneOf": []})
