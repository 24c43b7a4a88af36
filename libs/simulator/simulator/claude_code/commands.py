"""Effects of a shell command, as far as permissions depend on them."""

import os
import re
import shlex

READ_ONLY = frozenset(
    {
        *("basename", "cat", "cut", "date", "diff", "dirname", "du", "echo", "expr", "false", "file", "grep", "head"),
        *("hostname", "id", "ls", "nl", "printf", "pwd", "seq", "sleep", "sort", "stat", "tail", "test", "tr", "true"),
        *("uname", "uniq", "wc", "which", "whoami"),
    }
)
CHANGING = frozenset({"cp", "mkdir", "mv", "rm", "rmdir", "sed", "touch"})
"""Commands that the mode `acceptEdits` allows in the workspace."""
SEPARATORS = frozenset({";", "&&", "||", "|", "&"})


def simple_commands(command: str) -> list[str] | None:
    """Return the commands that a command line consists of; None if it has redirections, expansions or a structure."""
    if re.search(r"[$`\n]", command):
        return None
    words = shlex.shlex(command, posix=False, punctuation_chars=True)
    words.whitespace_split = True
    commands: list[list[str]] = [[]]
    try:
        for word in words:
            if word in SEPARATORS:
                commands.append([])
            elif set(word) & set("();<>|&") and word[0] not in "'\"":
                return None
            else:
                commands[-1].append(word)
    except ValueError:  # a quotation does not end
        return None
    return [" ".join(each) for each in commands if each]


def matches(pattern: str, command: str) -> bool:
    """Return whether the content of a rule, such as `git:*`, `git *` or `git status`, is about a command."""
    if pattern.endswith(":*"):
        prefix = pattern[:-2]
        return command == prefix or command.startswith(f"{prefix} ")
    if "*" not in pattern:
        return command == pattern
    regex = ".*".join(re.escape(part) for part in pattern.split("*"))
    return (
        re.fullmatch(regex.removesuffix("\\ .*") + "( .*)?" if pattern.endswith(" *") else regex, command) is not None
    )


def is_read_only(command: str) -> bool:
    """Return whether a command, without a structure, changes nothing and reads only in the workspace."""
    return _runs(command, READ_ONLY)


def changes_files(command: str) -> bool:
    """Return whether a command, without a structure, changes nothing but files in the workspace."""
    return _runs(command, CHANGING)


def _runs(command: str, names: frozenset[str]) -> bool:
    name, *arguments = shlex.split(command) or [""]
    here = f"{os.getcwd()}/"
    paths = [os.path.abspath(word) for word in arguments if "/" in word or ".." in word]
    return name in names and all(f"{path}/".startswith(here) for path in paths)
