"""The process of an agent, as the SDK's transport to it starts and ends it."""

import os
import signal
from pathlib import Path
from unittest.mock import Mock

from claude_agent_sdk import ClaudeAgentOptions
from eventing.testing import eventually
from session.agent import Limits
from session.agent.frames import Frames

AGENT = """#!/bin/sh
sleep 600 &
echo $! > {pid}.new
mv {pid}.new {pid}
read end
"""
"""Ends when its input is closed, but a program that it has started keeps the pipe of its output."""


def descriptors() -> set[Path]:
    return {path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


async def test_the_pipes_of_an_agent_are_closed_while_a_program_holds_them(tmp_path: Path) -> None:
    agent, pid = tmp_path / "agent", tmp_path / "pid"
    agent.write_text(AGENT.format(pid=pid))
    agent.chmod(0o700)
    frames = Frames(ClaudeAgentOptions(cli_path=agent), Mock(), tmp_path, Limits(), Mock())
    before = descriptors()
    await frames.connect()
    await eventually(pid.exists)
    try:
        await frames.close()
        await eventually(lambda: not descriptors() - before)
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)
