"""Every option of a session reaches the command line of Claude Code, or what runs it."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import session.agent.sandbox
from contracts.session.values import SdkOptions
from session.agent.sandbox import Sandbox

from services.session.tests.replica import NewReplica, Replica

FORM: dict[str, Any] = {
    "type": "json_schema",
    "schema": {"type": "object", "properties": {"n": {}, "a": {}}, "required": ["n"]},
}


def rules(kind: str, *names: str) -> str:
    """Write the settings of an agent with rules of one kind."""
    return json.dumps({"permissions": {"allow": [], "deny": []} | {kind: names}})


TOLD: dict[str, tuple[Any, list[str]]] = {
    "model": ("claude-x", ["--model", "claude-x"]),
    "fallback_model": ("claude-y", ["--fallback-model", "claude-y"]),
    "system_prompt": ("You are a boat.", ["--system-prompt-file", "You are a boat."]),
    "allowed_tools": (["Read", "Bash(git log:*)"], ["--settings", rules("allow", "Read", "Bash(git log:*)")]),
    "disallowed_tools": (["Bash", "Write"], ["--settings", rules("deny", "Bash", "Write")]),
    "permission_mode": ("plan", ["--permission-mode", "plan"]),
    "max_turns": (7, ["--max-turns", "7"]),
    "max_budget_usd": (1.5, ["--max-budget-usd", "1.5"]),
    "effort": ("xhigh", ["--effort", "xhigh"]),
    "output_format": (FORM, ["--json-schema", json.dumps(FORM["schema"])]),
    "env": ({"TOKEN": "sesame"}, ["TOKEN", "sesame"]),
}
ELSEWHERE = {
    "timeout_seconds": "the service ends the run: test_service",
    "mcp_servers": "there is no registry yet, so none is accepted: test_changes",
}
STANDIN = """#!/usr/bin/python3
import json, os, sys
words = sys.argv[1:]
for n, word in enumerate(words):
    if word in ("--system-prompt-file", "--settings"):
        words[n + 1] = open(words[n + 1]).read()
with open("seen", "w") as seen:
    json.dump([*words, *(part for pair in os.environ.items() for part in pair)], seen)
sys.exit(1)
"""
"""Stands where Claude Code does, notes what it was told, and fails."""


@pytest.fixture
def standin(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sandbox.bwrap  # found with the real one
    program = tmp_path / "claude"
    program.write_text(STANDIN)
    program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    monkeypatch.setattr(session.agent.sandbox, "AGENT", program)


async def told(replica: Replica, **options: Any) -> list[str]:
    """Give the words and variables that an agent with these options is started with."""
    await replica.ask("Hello", **options)
    return json.loads((replica.workspaces / "one" / "seen").read_text())


def follow(words: list[str], all_words: list[str]) -> bool:
    return any(all_words[n : n + len(words)] == words for n in range(len(all_words)))


def test_no_option_is_forgotten_here() -> None:
    assert TOLD.keys() | ELSEWHERE.keys() == SdkOptions.model_fields.keys()
    assert not TOLD.keys() & ELSEWHERE.keys()


@pytest.mark.usefixtures("standin")
@pytest.mark.parametrize("name", TOLD)
async def test_an_option_is_told_to_the_agent(new_replica: NewReplica, name: str) -> None:
    value, words = TOLD[name]
    async with new_replica() as replica:
        assert follow(words, await told(replica, **{name: value}))
        assert not follow(words, await told(replica))
