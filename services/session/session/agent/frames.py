"""What an agent's process writes, frame by frame: read no faster than it is worked off, and no more than it may.

The SDK reads as fast as it can, and keeps what nobody has used yet. What runs in a sandbox can write to the agent's
own output, and so could fill memory and database within seconds. Here the conversation is stored before the next frame
is read, and what is for the turn waits in a queue of bounded size. Only frames of the control protocol go to the SDK.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from claude_agent_sdk import ClaudeAgentOptions, CLIConnectionError, ProcessError

# Its name is not public, its base `Transport` is; a copy would have to follow each change of the CLI's options.
from claude_agent_sdk._internal.transport.subprocess_cli import SubprocessCLITransport
from contracts.refusals import Code, Refusal
from runtime.logging import get_logger

from session.agent.frame_queue import FrameQueue
from session.agent.options import Limits
from session.agent.transcript import Transcript, WriterReplaced

log = get_logger()

MAX_MESSAGE_BYTES = 4 * 2**20
MAX_COMMAS = 250_000
"""In one frame. Reading it holds up everybody, the longer the more values it has: some 20 ms for so many."""
LINE_OVERHEAD_BYTES = 100
"""What each line counts beside its own bytes: to look at one takes time, however short it is."""
DRAIN_TIMEOUT = 2.0
# Of an agent that is to end only these matter: what its turn used, and that it heard that it is to end.
FINAL_FRAMES = re.compile(rb'"type":\s?"(?:result|control_response)"')
RECORDED_TYPES = frozenset({"assistant", "user"})
STOPPED = "The agent was stopped."
NOT_STORED = "The agent's conversation could not be stored."

type Frame = dict[str, Any]


class AgentFailed(Exception):
    """The agent did not start, ended before its turn did, or went beyond a limit. The text is for users."""

    def __init__(self, detail: str, code: Code = Code.AGENT_FAILED) -> None:
        super().__init__(detail)
        self.detail, self.code = detail, code


@dataclass
class Allowance:
    """What an agent may still write for its run: bytes in all, and messages of its own and of its tools.

    `pending_requests` counts the requests that wait for an answer, approvals above all.
    """

    limits: Limits
    total_bytes: int = 0
    records: int = 0
    record_bytes: int = 0
    pending_requests: int = 0

    def read(self, size: int) -> None:
        """Count bytes of any kind. Raises `AgentFailed` when they are too many."""
        self.total_bytes += size
        self._check(self.total_bytes, self.limits.run_bytes, "bytes")

    def record(self, size: int) -> None:
        """Count a message of so many bytes. Raises as above."""
        self.records += 1
        self.record_bytes += size
        self._check(self.records, self.limits.run_records, "messages and results of tools")
        self._check(self.record_bytes, self.limits.run_record_bytes, "bytes of messages and results of tools")

    def ask(self) -> None:
        """Count a request. Raises as above."""
        self.pending_requests += 1
        self._check(self.pending_requests, self.limits.max_pending_requests, "requests at once")

    def _check(self, used: int, limit: int, unit: str) -> None:
        if used > limit:
            raise AgentFailed(f"The agent told too much: a run has at most {limit} {unit}.", Code.RUN_TOO_LARGE)


class Frames(SubprocessCLITransport):
    """The process of one agent, as the SDK speaks to it.

    `on_failure` is called once, when the agent is to be ended: it went beyond a limit, or its conversation is not its own
    any more. From then on nothing of it is stored.
    """

    def __init__(
        self,
        options: ClaudeAgentOptions,
        transcript: Transcript,
        projects: Path,
        limits: Limits,
        on_failure: Callable[[AgentFailed], None],
    ) -> None:
        super().__init__(_no_input(), options)
        self.queue, self.allowance = FrameQueue(), Allowance(limits)
        self._transcript, self._projects = transcript, projects
        self._limits, self._on_failure, self._failed = limits, on_failure, False

    async def begin_run(self) -> None:
        """Count from zero, and forget what the process wrote since its last turn ended."""
        self.allowance = Allowance(self._limits)
        await self.queue.clear()

    async def read_messages(self) -> AsyncIterator[Frame]:
        """Give the frames of the control protocol; all others are stored, or put where the turn takes them."""
        try:
            async for line in self._lines():
                frame = await self._frame(line)
                if frame is not None:
                    yield frame
        except Exception as error:
            if isinstance(error, AgentFailed):
                self.fail(error)
            await self.queue.close(error)
            raise
        finally:
            await self.queue.close()

    async def close(self) -> None:
        """End the process, and read to its end what nobody took: the pipe stays open otherwise."""
        process = self._process
        await super().close()
        if process and process.stdout:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_TIMEOUT):
                    async for _ in process.stdout:
                        pass

    def fail(self, failure: AgentFailed) -> None:
        """Let the agent be ended, and store nothing of it any more."""
        if not self._failed:
            self._failed = True
            self._on_failure(failure)

    async def _lines(self) -> AsyncGenerator[bytes]:
        line, process = bytearray(), self._process
        if process is None or process.stdout is None:
            raise CLIConnectionError("no process was started")
        async for chunk in process.stdout:
            await asyncio.sleep(0)  # what has come already is read without a pause, and short lines hold up everybody
            if not self._failed:
                self._count(len(chunk) + LINE_OVERHEAD_BYTES * chunk.count(b"\n"))
            first, *others = chunk.split(b"\n")
            line += first
            for other in others:
                yield bytes(line)
                line = bytearray(other)
            if len(line) > MAX_MESSAGE_BYTES:
                detail = f"A message of the agent has more than {MAX_MESSAGE_BYTES} bytes."
                raise AgentFailed(detail, Code.RUN_TOO_LARGE)
        if code := await process.wait():
            raise ProcessError("the agent ended", exit_code=code)

    def _count(self, size: int) -> None:
        try:
            self.allowance.read(size)
        except AgentFailed as failure:
            self.fail(failure)

    async def _frame(self, line: bytes) -> Frame | None:
        if self._failed and not FINAL_FRAMES.search(line, 0, 200):
            return None
        try:
            return await self._dispatch(_parse(line), len(line))
        except AgentFailed as failure:
            self.fail(failure)
        except Refusal as refusal:
            self.fail(AgentFailed(refusal.detail, refusal.code))
        except WriterReplaced:
            self.fail(AgentFailed(STOPPED))
        return None

    async def _dispatch(self, frame: Frame, size: int) -> Frame | None:
        match frame:
            case {"type": "control_response" | "control_cancel_request"}:
                return frame
            case {"type": "control_request"}:
                self.allowance.ask()
                return frame
            case {"type": "transcript_mirror"}:
                await self._store(frame)
            case {"type": kind}:
                if kind in RECORDED_TYPES:
                    self.allowance.record(size)
                await self.queue.put(frame, size)
            case _:  # the CLI writes more than frames there
                pass
        return None

    async def _store(self, frame: Frame) -> None:
        try:
            subpath = self._subpath(frame["filePath"])
            await self._transcript.append(subpath, frame["entries"])
        except (Refusal, WriterReplaced):
            raise
        except Exception as error:  # the database is away for long, or what runs in there has written something odd
            log.warning("a conversation could not be stored", error=repr(error))
            raise AgentFailed(NOT_STORED) from error

    def _subpath(self, path: str) -> str:
        """Return which conversation of its session the agent keeps in a file: '' or that of a subagent.

        Raises:
            ValueError: it is of another session, or none.
        """
        _project, *steps = Path(path).relative_to(self._projects).parts
        session, own = "/".join(steps).removesuffix(".jsonl"), self._transcript.session
        if not path.endswith(".jsonl") or not f"{session}/".startswith(f"{own}/"):
            raise ValueError(f"the agent of session {own} writes to {session!r}")
        return session.removeprefix(own).removeprefix("/")


def _parse(line: bytes) -> Frame:
    if not line.startswith(b"{"):
        return {}
    if line.count(b",") > MAX_COMMAS:
        raise AgentFailed(f"A message of the agent has more than {MAX_COMMAS} values.", Code.RUN_TOO_LARGE)
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise AgentFailed("The agent told what nobody can read.") from error


async def _no_input() -> AsyncGenerator[dict[str, Any]]:
    return
    yield  # so that it is a generator
