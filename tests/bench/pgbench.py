"""PostgreSQL's own benchmark: the statements of an append, without anything of ours around them."""

import asyncio
import json
import re
import shutil
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from onebox.programs import find_postgres
from runtime.bus.envelope import Envelope

EVENT = """
INSERT INTO events (originator_id, originator_version, topic, state, envelope, recorded_at, command_id, owner)
VALUES (gen_random_uuid(), 1, '{topic}', '{state}', '{envelope}', now(), gen_random_uuid(), gen_random_uuid());
"""
ROW = """
INSERT INTO sessions (id, user_id, name, mode, status, sdk_options, created_at, updated_at)
VALUES (gen_random_uuid(), '{user_id}', '{name}', 'interactive', 'created', '{options}', now(), now());
"""
_TPS = re.compile(r"tps = ([\d.]+)")


def find() -> str | None:
    """Find the program, beside the servers' programs or among Debian's."""
    beside = [find_postgres(None, None).folder, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = [str(folder / "pgbench") for folder in beside if (folder / "pgbench").is_file()]
    return found[0] if found else shutil.which("pgbench")


def event(topic: str, state: bytes, envelope: Envelope) -> str:
    """Write the INSERT of an event."""
    return EVENT.format(topic=topic, state=f"\\x{state.hex()}", envelope=_quiet(json.dumps(envelope.headers())))


def row(user_id: str, name: str, options: dict[str, Any]) -> str:
    """Write the INSERT of a session into its read model."""
    return ROW.format(user_id=user_id, name=name, options=_quiet(json.dumps(options)))


def together(*statements: str) -> str:
    """Put statements into one transaction."""
    return "".join(["BEGIN;", *statements, "END;\n"])


def _quiet(text: str) -> str:
    # pgbench takes a colon with a word behind it for one of its variables.
    return re.sub(r":(?=\w)", r"\\u003a", text)


async def transactions(program: str, url: str, schema: str, script: Path, *, clients: int, seconds: int) -> float:
    """Run a script in a schema as often as possible; return the number of runs per second.

    Raises:
        RuntimeError: pgbench failed.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        *("-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(script)),
        f"{url}&options=-csearch_path%3D{schema}",
        stdout=PIPE,
        stderr=PIPE,
    )
    output, complaints = await process.communicate()
    found = _TPS.search(output.decode())
    if process.returncode or not found:
        raise RuntimeError(f"pgbench: {complaints.decode()[:1000]}")
    return float(found[1])
