"""The tool Bash."""

import os
import shlex
import signal
from typing import Any

from simulator.claude_code.arguments import VERSION
from simulator.claude_code.channel import Channel, Interrupted, new_uuid
from simulator.claude_code.tool import ToolFailed, ToolResult, check

MAX_CHARACTERS, PREVIEW_CHARACTERS = 30_000, 2_000
BASH = "/bin/bash"


class Shell:
    """Runs commands; each starts in the folder in which the one before it ended, if that is in the workspace."""

    def __init__(self, channel: Channel, folder: str) -> None:
        self._channel, self._folder = channel, folder
        self._workspace = self._cwd = os.getcwd()

    def run(self, arguments: dict[str, Any]) -> ToolResult:
        """Run a command, and return its output.

        Raises:
            ToolFailed: it failed, or did not end in time.
            Interrupted: the client interrupted the turn; the command was ended.
        """
        check(arguments, ("command",), ("description", "timeout"))
        milliseconds = int(arguments.get("timeout") or os.environ.get("BASH_DEFAULT_TIMEOUT_MS", "120000"))
        seconds = min(milliseconds, int(os.environ.get("BASH_MAX_TIMEOUT_MS", "600000"))) / 1000
        status, output, note = self._execute(str(arguments["command"]), seconds)
        text = output.decode(errors="replace").strip("\n").rstrip()
        if status is None:
            raise ToolFailed(f"Exit code 143\nCommand timed out after {seconds:.0f}s\n{text}".rstrip())
        if status:
            raise ToolFailed(f"Exit code {status}\n{text}".rstrip())
        shown = self._shortened(text) if len(text) > MAX_CHARACTERS else text
        shown = "\n".join(filter(None, [shown, note])) or "(Bash completed with no output)"
        return ToolResult(shown, {"stdout": text, "stderr": note, "interrupted": False, "isImage": False})

    def _execute(self, command: str, seconds: float) -> tuple[int | None, bytes, str]:
        output, cwd = os.memfd_create("output"), os.memfd_create("cwd", 0)
        try:
            pid = self._start(command, output, cwd)
            status = self._wait(pid, seconds)
            return status, _content(output), self._follow(_content(cwd).decode(errors="replace").strip())
        finally:
            os.close(output)
            os.close(cwd)

    def _start(self, command: str, output: int, cwd: int) -> int:
        setup = ""
        if path := os.environ.get("CLAUDE_ENV_FILE"):
            with open(path, encoding="utf-8") as file:
                setup = file.read()
        # As the CLI does: the setup precedes each command, and the folder is noted if it succeeds.
        script = f"{setup}\neval {shlex.quote(command)} < /dev/null && pwd -P >&{cwd}"
        variables = os.environ | {"CLAUDECODE": "1", "SHELL": BASH, "AI_AGENT": f"claude-code_{VERSION}_agent"}
        os.chdir(self._cwd)
        try:
            actions = [(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)]
            actions.append((os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0))  # type: ignore[arg-type]
            return os.posix_spawn(BASH, [BASH, "-c", script], variables, file_actions=actions, setsid=True)
        finally:
            os.chdir(self._workspace)

    def _wait(self, pid: int, seconds: float) -> int | None:
        """Return the exit status of a shell; None if it had to be ended."""
        ended = os.pidfd_open(pid)
        try:
            in_time = self._channel.wait(seconds, ended)
        except Interrupted:
            _end(pid)
            raise
        finally:
            os.close(ended)
        if not in_time:
            _end(pid)
            return None
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return code if code >= 0 else 128 - code

    def _follow(self, folder: str) -> str:
        """Let the next command start in the folder where this one ended; return a note if that is not allowed."""
        if not folder or f"{folder}/".startswith(f"{self._workspace}/"):
            self._cwd = folder or self._cwd
            return ""
        self._cwd = self._workspace
        return f"Shell cwd was reset to {self._workspace}"

    def _shortened(self, text: str) -> str:
        path = f"{self._folder}/tool-results/{new_uuid()[:8]}.txt"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        size = f"{len(text) / 1024:.1f}KB"
        head = f"Output too large ({size}). Full output saved to: {path}\n\nPreview (first 2KB):"
        return f"<persisted-output>\n{head}\n{text[:PREVIEW_CHARACTERS]}\n...\n</persisted-output>"


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)


def _end(pid: int) -> None:
    os.killpg(pid, signal.SIGKILL)  # it exists: it has not been waited for
    os.waitpid(pid, 0)
