"""Every option of a session reaches the command line, the first request or the environment of Claude Code."""

import json
import stat
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from contracts.session.values import SdkOptions
from sandbox import Sandbox

from services.session.tests.replica import NewReplica, Replica

OUTPUT_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {"n": {}, "a": {}}, "required": ["n"]},
}


ALLOWED, DISALLOWED = ["Read", "Bash(git log:*)"], ["Bash", "Write"]
RULES = json.dumps({"permissions": {"allow": ALLOWED, "deny": DISALLOWED}})


ARGUMENTS: dict[str, tuple[Any, list[str]]] = {
    "model": ("claude-x", ["--model", "claude-x"]),
    "fallback_model": ("claude-y", ["--fallback-model", "claude-y"]),
    "system_prompt": ("You are a boat.", ["--system-prompt-file", "You are a boat."]),
    "allowed_tools": (ALLOWED, ["--settings", RULES]),
    "disallowed_tools": (DISALLOWED, ["--settings", RULES]),
    "permission_mode": ("plan", ["--permission-mode", "plan"]),
    "max_turns": (7, ["--max-turns", "7"]),
    "max_budget_usd": (1.5, ["--max-budget-usd", "1.5"]),
    "effort": ("xhigh", ["--effort", "xhigh"]),
    "output_format": (OUTPUT_FORMAT, ["initialize", json.dumps(OUTPUT_FORMAT["schema"])]),
    "env": ({"TOKEN": "plantedsecret"}, ["CLAUDE_ENV_FILE", "export TOKEN=plantedsecret\n"]),
}
TESTED_ELSEWHERE = {
    "after_crash": "the service continues or ends the run: test_crashes_in_calls.py",
    "timeout_seconds": "the service ends the run: test_service.py",
    "mcp_servers": "the service connects to them: test_mcp_service.py",
}
# Takes the place of Claude Code, writes its arguments, its first request and its variables to a file, and fails.
FAKE_CLI = """#!/usr/bin/python3
import json, os, sys
words = sys.argv[1:]
for n, word in enumerate(words):
    if word in ("--system-prompt-file", "--settings"):
        words[n + 1] = open(words[n + 1]).read()
words += ["initialize", json.dumps(json.loads(sys.stdin.readline())["request"].get("jsonSchema"))]
variables = dict(os.environ)
if setup := variables.get("CLAUDE_ENV_FILE"):
    variables["CLAUDE_ENV_FILE"] = open(open(setup).read().split()[1]).read()
with open("seen", "w") as seen:
    json.dump([*words, *(part for pair in variables.items() for part in pair)], seen)
sys.exit(1)
"""


@dataclass
class Words:
    """The arguments and variables of an agent with all options, and of one with none."""

    with_options: list[str]
    without_options: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def words(module_replica: NewReplica, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Words:
    assert sandbox.bwrap  # it was found with another program
    program = tmp_path_factory.mktemp("cli") / "claude"
    program.write_text(FAKE_CLI)
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    async with module_replica(program=program) as replica:
        options = {name: value for name, (value, _) in ARGUMENTS.items()}
        return Words(await start(replica, **options), await start(replica))


async def start(replica: Replica, **options: Any) -> list[str]:
    """Start an agent with these options, and return its arguments and variables."""
    await replica.ask("Hello", **options)
    return json.loads((replica.workspaces / "one" / "seen").read_text())


def contains(all_words: list[str], words: list[str]) -> bool:
    return any(all_words[n : n + len(words)] == words for n in range(len(all_words)))


def test_every_option_is_covered_here() -> None:
    assert ARGUMENTS.keys() | TESTED_ELSEWHERE.keys() == SdkOptions.model_fields.keys()
    assert not ARGUMENTS.keys() & TESTED_ELSEWHERE.keys()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_an_option_reaches_the_agent(words: Words, name: str) -> None:
    _, arguments = ARGUMENTS[name]
    assert contains(words.with_options, arguments)
    assert not contains(words.without_options, arguments)
