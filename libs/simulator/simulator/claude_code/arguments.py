"""The command line: the options with which the SDK and the session service start the CLI."""

import json
import os
import sys

VERSION = "2.1.332"
"""The version of Claude Code whose frames the stand-in writes."""
WITH_VALUE = frozenset(
    {
        *("--output-format", "--input-format", "--system-prompt-file", "--system-prompt", "--tools", "--max-turns"),
        *("--max-budget-usd", "--model", "--fallback-model", "--permission-mode", "--permission-prompt-tool"),
        *("--resume", "--session-id", "--settings", "--mcp-config", "--setting-sources", "--effort", "--json-schema"),
        "--system-prompt-snapshot",
    }
)
FLAGS = frozenset(
    {"--verbose", "--include-partial-messages", "--strict-mcp-config", "--session-mirror", "--await-claim"}
)
REQUIRED = {
    "--output-format": "stream-json",
    "--input-format": "stream-json",
    "--permission-prompt-tool": "stdio",
    "--setting-sources": "",
    "--system-prompt-snapshot": "off",
}
"""Values without which the CLI would behave as the stand-in cannot."""
MODES = ("default", "acceptEdits", "plan", "bypassPermissions", "dontAsk")
FAMILIES = {name: f"claude-{name}-5-5" for name in ("opus", "sonnet", "haiku", "fable")}
LONG_CONTEXT = "[1m]"


class Arguments:
    """The parsed command line.

    Raises:
        SystemExit: an option is not known, or needs what the stand-in does not implement.
    """

    def __init__(self, words: list[str]) -> None:
        values = _parsed(words)
        for name, value in REQUIRED.items():
            if values.get(name) != value:
                sys.exit(f"error: the stand-in needs {name} {value!r}")
        self.partial_messages = "--include-partial-messages" in values
        self.resumes, self.session_id = "--resume" in values, values.get("--resume") or values["--session-id"]
        self.tools = [name for name in values.get("--tools", "").split(",") if name]
        self.mode = values.get("--permission-mode", "default")
        if self.mode not in MODES:
            sys.exit(f"error: the stand-in does not implement the permission mode {self.mode!r}")
        self.model = values.get("--model", "opus")
        self.fallback_model, self.effort = values.get("--fallback-model"), values.get("--effort", "medium")
        self.max_turns = int(values["--max-turns"]) if "--max-turns" in values else None
        self.max_budget_usd = float(values["--max-budget-usd"]) if "--max-budget-usd" in values else None
        self.schema = json.loads(values["--json-schema"]) if "--json-schema" in values else None
        self.system_prompt = values.get("--system-prompt")
        if path := values.get("--system-prompt-file"):
            self.system_prompt = _read(path)
        rules: dict[str, list[str]] = {}
        if path := values.get("--settings"):
            rules = json.loads(_read(path))["permissions"]
        self.allowed, self.denied = rules.get("allow", []), rules.get("deny", [])
        servers = json.loads(values.get("--mcp-config", "{}")).get("mcpServers", {})
        if others := [name for name, server in servers.items() if server.get("type") != "sdk"]:
            sys.exit(f"error: the stand-in only knows MCP servers of the SDK: {others}")
        self.servers = list(servers)


def _parsed(words: list[str]) -> dict[str, str]:
    values, rest = dict[str, str](), iter(words)
    for word in rest:
        name, has_value, value = word.partition("=")
        if name in FLAGS:
            values[name] = ""
        elif name in WITH_VALUE:
            values[name] = value if has_value else next(rest)
        else:
            sys.exit(f"error: the stand-in does not implement the option {name!r}")
    return values


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def model_name(name: str) -> str:
    """Return the name of a model as the provider knows it; a family stands for its newest model."""
    base = name.removesuffix(LONG_CONTEXT)
    family = "opus" if base == "default" else base
    if family not in FAMILIES:
        return base
    return os.environ.get(f"ANTHROPIC_DEFAULT_{family.upper()}_MODEL", FAMILIES[family]).removesuffix(LONG_CONTEXT)
