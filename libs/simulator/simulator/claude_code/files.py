"""The tools that read, write and search files."""

import os
import re
from collections.abc import Iterator
from typing import Any

from simulator.claude_code.tool import ToolFailed, ToolResult, check, invalid_use

CURRENT = "(file state is current in your context — no need to Read it back)"
MAX_LINES = 2000


class Files:
    """Reads and writes files. Those that exist are changed only after they were read."""

    def __init__(self) -> None:
        self._known = set[str]()

    def read(self, arguments: dict[str, Any]) -> ToolResult:
        """Return the lines of a file, with their numbers."""
        check(arguments, ("file_path",), ("offset", "limit"))
        path = arguments["file_path"]
        text = _text(path)
        first, limit = int(arguments.get("offset") or 1), int(arguments.get("limit") or MAX_LINES)
        lines = text.split("\n")[first - 1 :][:limit]
        self._known.add(os.path.abspath(path))
        numbered = "\n".join(f"{first + n}\t{line}" for n, line in enumerate(lines))
        empty = "<system-reminder>Warning: the file exists but the contents are empty.</system-reminder>"
        file = {"filePath": path, "content": "\n".join(lines), "numLines": len(lines), "startLine": first}
        return ToolResult(numbered if text else empty, {"type": "text", "file": file})

    def write(self, arguments: dict[str, Any]) -> ToolResult:
        """Write a file."""
        check(arguments, ("file_path", "content"))
        path = arguments["file_path"]
        exists = self._check_known(path)
        self._put(path, arguments["content"])
        done = f"The file {path} has been updated successfully." if exists else f"File created successfully at: {path}"
        details = {"type": "update" if exists else "create", "filePath": path, "content": arguments["content"]}
        return ToolResult(f"{done} {CURRENT}", details)

    def edit(self, arguments: dict[str, Any]) -> ToolResult:
        """Replace a text in a file."""
        check(arguments, ("file_path", "old_string", "new_string"), ("replace_all",))
        path, old, new = arguments["file_path"], arguments["old_string"], arguments["new_string"]
        if not self._check_known(path):
            raise invalid_use("File does not exist.")
        text = _text(path)
        if old not in text:
            raise invalid_use(f"String to replace not found in file.\nString: {old}")
        if (count := text.count(old)) > 1 and not arguments.get("replace_all"):
            raise invalid_use(f"Found {count} matches of the string to replace, but replace_all is false.")
        self._put(path, text.replace(old, new))
        details = {"filePath": path, "oldString": old, "newString": new}
        return ToolResult(f"The file {path} has been updated successfully. {CURRENT}", details)

    def _check_known(self, path: str) -> bool:
        """Return whether a file exists; it must have been read then."""
        exists = os.path.exists(path)
        if exists and os.path.abspath(path) not in self._known:
            raise invalid_use("File has not been read yet. Read it first before writing to it.")
        return exists

    def _put(self, path: str, text: str) -> None:
        try:
            os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
            with open(path, "w", encoding="utf-8", errors="replace") as file:
                file.write(text)
        except OSError as error:
            raise ToolFailed(f"{error.strerror}: {path}") from None
        self._known.add(os.path.abspath(path))


def glob(arguments: dict[str, Any]) -> ToolResult:
    """Return the paths of the files that match a pattern."""
    check(arguments, ("pattern",), ("path",))
    from glob import glob as matching  # it takes long to import

    folder = arguments.get("path") or "."
    found = matching(arguments["pattern"], root_dir=folder, recursive=True)
    paths = [os.path.normpath(f"{folder}/{name}") for name in found]
    names = [path for path in paths if os.path.isfile(path)]
    return ToolResult("\n".join(names) or "No files found", {"filenames": names, "numFiles": len(names)})


def grep(arguments: dict[str, Any]) -> ToolResult:
    """Return the files, or the lines, in which a regular expression is found."""
    check(arguments, ("pattern",), ("path", "output_mode"))
    mode, pattern = arguments.get("output_mode", "files_with_matches"), re.compile(arguments["pattern"])
    lines = list(_matching(pattern, arguments.get("path") or "."))
    names = list(dict.fromkeys(name for name, _, _ in lines))
    if mode == "content":
        return ToolResult("\n".join(f"{name}:{n}:{line}" for name, n, line in lines) or "No matches found")
    if mode != "files_with_matches":
        raise NotImplementedError(f"the output mode {mode!r} of Grep")
    found = f"Found {len(names)} file{'s' if len(names) > 1 else ''}\n" + "\n".join(names)
    return ToolResult(found if names else "No files found", {"mode": mode, "filenames": names})


def _matching(pattern: re.Pattern[str], path: str) -> Iterator[tuple[str, int, str]]:
    for name in [path] if os.path.isfile(path) else _below(path):
        try:
            lines = _text(name).split("\n")
        except ToolFailed:  # it is not readable
            continue
        yield from ((name, n, line) for n, line in enumerate(lines, 1) if pattern.search(line))


def _below(folder: str) -> Iterator[str]:
    for root, _, names in os.walk(folder):
        yield from (os.path.normpath(f"{root}/{name}") for name in names)


def _text(path: str) -> str:
    if path.endswith((".png", ".jpg", ".jpeg", ".gif", ".webp", ".pdf", ".ipynb")):
        raise NotImplementedError("files that are not text")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        here = os.getcwd()
        raise ToolFailed(f"File does not exist. Note: your current working directory is {here}.") from None
    except OSError as error:
        raise ToolFailed(f"{error.strerror}: {path}") from None
