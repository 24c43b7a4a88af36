"""Check whether programs can be confined here: `python -m sandbox [FOLDER]`, in a container of a service for example.

With a folder, such as that of workspaces, the check also reads and writes a file there from inside a sandbox.
"""

import asyncio
import sys
from argparse import ArgumentParser
from pathlib import Path
from tempfile import TemporaryDirectory

from runtime.logging import set_up
from runtime.starting import EXIT_CODE

from sandbox import Program, Sandbox
from sandbox.required import FIX

WRITES = ("/bin/sh", "-c", 'echo checked > file && test "$(cat file)" = checked && rm file')


async def check(folder: Path | None) -> str | None:
    """Return why programs cannot be confined, or cannot use workspaces in a folder; None if they can."""
    sandbox, reason = await Sandbox.find()
    if reason:
        return f"programs cannot be confined here: {reason} {FIX}"
    if folder is None:
        return None
    try:
        with TemporaryDirectory(prefix="sandbox-check-", dir=folder) as workspace:
            if reason := await sandbox.unavailable(Program(WRITES, workspace=Path(workspace))):
                return f"programs cannot use workspaces in {folder}: {reason}"
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None


def main(arguments: list[str]) -> int:
    """Say what was found, and return the exit code."""
    parser = ArgumentParser("python -m sandbox", description="Check whether programs can be confined here.")
    parser.add_argument("folder", type=Path, nargs="?", help="where workspaces are to be")
    set_up("sandbox", "INFO")
    if reason := asyncio.run(check(parser.parse_args(arguments).folder)):
        sys.stderr.write(f"{' '.join(reason.split())}\n")
        return EXIT_CODE
    sys.stdout.write("Programs can be confined here.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
