"""The files that an agent changed, from the inputs of its tool calls."""

from collections import defaultdict
from collections.abc import Iterable
from difflib import unified_diff
from typing import Any, cast

from contracts.session.conversation import ToolCallView

from report.collecting.budget import MAX_VALUE_BYTES, Budget
from report.content import ChangedFile, WorkspaceFile

WORKSPACE = "/workspace/"
PATHS = {"Write": "file_path", "Edit": "file_path", "MultiEdit": "file_path", "NotebookEdit": "notebook_path"}
"""The tools that change files, and the field of their input that has the path."""
MAX_DIFFED_LINES = 2000
MAX_CHANGED_FILES = 200
TOOL_FOLDERS = {
    *("__pycache__", ".git", ".hg", ".svn", ".venv", "node_modules"),
    *(".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox"),
}
COMPILED = (".pyc", ".pyo", ".class", ".o")
NOTE_ON_TOOL_FILES = "Files that tools keep, such as those in `.git` and `__pycache__`, are not listed."


def is_of_tools(path: str) -> bool:
    """Return whether a file belongs to tools, or is compiled: readers did not ask for it, and there are many."""
    return path.endswith(COMPILED) or not TOOL_FOLDERS.isdisjoint(path.split("/"))


def changed_path(call: ToolCallView) -> str | None:
    """Return the path in the workspace that a tool call changes, or None."""
    path = call.tool_input.get(PATHS.get(call.tool_name, ""))
    return path.removeprefix(WORKSPACE) if isinstance(path, str) else None


def diff_of(call: ToolCallView) -> str | None:
    """Return the unified diff of a tool call that edits a file; None if it edits none, or its input is not complete.

    It is computed from the input, so line numbers count from the beginning of the edited text. Blocks.
    """
    path = changed_path(call)
    edits = _edits(call.tool_name, call.tool_input) if path else []
    return "".join(_diff(str(path), old, new) for old, new in edits) or None


def changed_files(
    calls: Iterable[ToolCallView], diffs: dict[Any, str], workspace: list[WorkspaceFile], budget: Budget
) -> list[ChangedFile]:
    """Return the files that were changed, in the order of the first change; `diffs` are those of the calls by id."""
    sizes = {file.path: file.size_bytes for file in workspace}
    changes = defaultdict[str, list[ToolCallView]](list)
    for call in calls:
        if (path := changed_path(call)) and call.status == "success":
            changes[path].append(call)
    for path in filter(is_of_tools, list(changes)):
        budget.note(NOTE_ON_TOOL_FILES)
        del changes[path]
    if len(changes) > MAX_CHANGED_FILES:
        budget.note(f"{MAX_CHANGED_FILES} of {len(changes):,} changed files are listed.")
    found = list[ChangedFile]()
    for path, made in list(changes.items())[:MAX_CHANGED_FILES]:
        diff, _ = budget.text("".join(diffs.get(call.id, "") for call in made))
        found.append(ChangedFile(path=path, writes=len(made), size_bytes=sizes.get(path), diff=diff or None))
    return found


def _edits(tool: str, given: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the pairs of old and new text in the input of a tool."""
    if tool == "Write":
        return [("", _text(given, "content"))]
    if tool == "Edit":
        return [(_text(given, "old_string"), _text(given, "new_string"))]
    edits: Any = given.get("edits") if tool == "MultiEdit" else None
    if not isinstance(edits, list):
        return []
    return [(_text(edit, "old_string"), _text(edit, "new_string")) for edit in cast(list[Any], edits)]


def _text(given: Any, name: str) -> str:
    value = cast(dict[str, Any], given).get(name) if isinstance(given, dict) else None
    return value if isinstance(value, str) else ""


def _diff(path: str, old: str, new: str) -> str:
    before, after = _lines(old), _lines(new)
    if len(before) + len(after) > MAX_DIFFED_LINES:
        # Finding the lines in common takes time that grows with the square of their number.
        lines = [f"--- {path}\n", f"+++ {path}\n", *(f"-{line}" for line in before), *(f"+{line}" for line in after)]
        return "".join(lines)[:MAX_VALUE_BYTES]
    return "".join(unified_diff(before, after, path if old else "/dev/null", path))[:MAX_VALUE_BYTES]


def _lines(text: str) -> list[str]:
    """Return the lines of a text. Only line feeds end a line, as in a diff."""
    return [f"{line}\n" for line in text[:MAX_VALUE_BYTES].removesuffix("\n").split("\n")] if text else []
