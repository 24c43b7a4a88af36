"""Whether a tool may be called: allowed or denied by rules and the permission mode, or to be asked for."""

import os
import re
from typing import Any

from simulator.claude_code.commands import changes_files, is_read_only, matches, simple_commands

READING = ("Read", "Glob", "Grep", "ListMcpResourcesTool", "ReadMcpResourceTool")
EDITING = ("Write", "Edit")
FREE = ("Task", "StructuredOutput")
"""Tools that need no permission."""
DONT_ASK = (
    "Permission to use {} has been denied because Claude Code is running in don't ask mode. IMPORTANT: You *may* "
    "attempt to accomplish this action using other tools that might naturally be used to accomplish this goal, but you "
    "*should not* attempt to work around this denial in malicious ways."
)


class Rule:
    """A permission rule, such as `Bash`, `Bash(git:*)`, `Read(docs/**)` or `mcp__server`."""

    def __init__(self, text: str) -> None:
        self.tool, _, content = text.partition("(")
        self.content = "" if content in ("*)", ")") else content.removesuffix(")")

    def names(self, tool: str) -> bool:
        """Return whether the rule is about this tool, perhaps only with some inputs."""
        if self.tool.startswith("mcp__"):
            server = self.tool.removesuffix("__*")
            return tool == self.tool or (server.count("__") == 1 and tool.startswith(f"{server}__"))
        file_tools = {"Edit": EDITING, "Read": ("Read", "Glob", "Grep")}
        return tool == self.tool or (bool(self.content) and tool in file_tools.get(self.tool, ()))

    def covers(self, tool: str, text: str) -> bool:
        """Return whether the rule is about a call with this command, or about this file."""
        if not self.names(tool):
            return False
        if not self.content or tool.startswith("mcp__"):
            return True
        if tool == "Bash":
            return matches(self.content, text)
        if tool in EDITING or tool in READING:
            return _covers_path(self.content, text)
        raise NotImplementedError(f"the rule {self.tool}({self.content})")


class Permissions:
    """The rules of a session, and its permission mode."""

    def __init__(self, allowed: list[str], denied: list[str], mode: str) -> None:
        self._allowed, self._denied = [Rule(text) for text in allowed], [Rule(text) for text in denied]
        self.mode = mode

    def forbids(self, tool: str) -> bool:
        """Return whether a rule removes the tool, whatever its input is."""
        return any(rule.names(tool) and not rule.content for rule in self._denied)

    def decide(self, tool: str, arguments: dict[str, Any]) -> tuple[str, str, str]:
        """Return a decision: `allow`, `deny` or `ask`; the kind of its reason; and the message if it is denied."""
        text = _subject(tool, arguments)
        if self._is_denied(tool, text):
            command = f" with command {text}" if tool == "Bash" else ""
            return "deny", "rule", f"Permission to use {tool}{command} has been denied."
        if self.mode == "bypassPermissions" or tool in FREE:
            return "allow", "mode", ""
        if self.mode == "plan":
            return self._planning(tool, text)
        if self._is_allowed(tool, text) or self._is_harmless(tool, text):
            return "allow", "rule", ""
        if self.mode == "dontAsk":
            return "deny", "mode", DONT_ASK.format(tool)
        return "ask", "mode", ""

    def _planning(self, tool: str, text: str) -> tuple[str, str, str]:
        if self._is_harmless(tool, text):
            return "allow", "mode", ""
        if tool == "Bash":
            raise NotImplementedError("commands that change something in the permission mode `plan`")
        return "ask", "mode", ""

    def _is_denied(self, tool: str, text: str) -> bool:
        commands = simple_commands(text) or [text] if tool == "Bash" else [text]
        return any(rule.covers(tool, command) for rule in self._denied for command in commands)

    def _is_allowed(self, tool: str, text: str) -> bool:
        rules = [rule for rule in self._allowed if rule.names(tool)]
        if any(not rule.content or (rule.covers(tool, text) and tool != "Bash") for rule in rules):
            return True
        if tool != "Bash":
            return False
        commands = simple_commands(text)
        if commands is None:  # too complex for patterns
            return any(rule.content == text for rule in rules)
        return all(any(rule.covers(tool, each) for rule in rules) or is_read_only(each) for each in commands)

    def _is_harmless(self, tool: str, text: str) -> bool:
        if tool in READING:
            return tool.endswith("Tool") or _is_inside(text)
        if tool in EDITING:
            return self.mode == "acceptEdits" and _is_inside(text)
        if tool == "Bash":
            commands = simple_commands(text)
            accepted = self.mode == "acceptEdits"
            return commands is not None and all(
                is_read_only(each) or (accepted and changes_files(each)) for each in commands
            )
        return False


def _subject(tool: str, arguments: dict[str, Any]) -> str:
    """Return what rules are about: the command, or the absolute path."""
    if tool == "Bash":
        return str(arguments.get("command", ""))
    path = arguments.get("file_path") or arguments.get("path") or "."
    return os.path.abspath(str(path))


def _is_inside(path: str) -> bool:
    return f"{path}/".startswith(f"{os.getcwd()}/")


def _covers_path(pattern: str, path: str) -> bool:
    if pattern.startswith("~"):
        pattern = f"/{os.environ['HOME']}{pattern[1:]}"
    absolute = pattern[1:] if pattern.startswith("//") else f"{os.getcwd()}/{pattern.removeprefix('./').lstrip('/')}"
    parts = {"**": ".*", "*": "[^/]*"}
    regex = "".join(parts.get(part, re.escape(part)) for part in re.split(r"(\*\*|\*)", absolute))
    return re.fullmatch(f"{regex}(/.*)?", path) is not None
