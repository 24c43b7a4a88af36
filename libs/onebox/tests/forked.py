"""A program that is forked by `forking_parent`. With its first argument in `OUTCOME`, it ends in a way of its own."""

import json
import os
import signal
import sys
from pathlib import Path

env = os.environ  # noqa: TID251  as the settings of a service


def observed() -> dict[str, object]:
    """Return what a program can see of how it was started."""
    process = Path("/proc/self")
    return {
        "environment": {**env},
        "shown environment": (process / "environ").read_text().strip("\0"),
        "name": (process / "comm").read_text().strip(),
        "command line": (process / "cmdline").read_text().strip("\0"),
        "arguments": sys.argv,
        "folder": str(Path.cwd()),
        "leads its session": os.getsid(0) == os.getpid(),
        "open": sorted(str(file.readlink()) for file in (process / "fd").iterdir() if file.exists()),
        "input": sys.stdin.read(),
        "ignores SIGTERM": signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL,
        "blocked": [*signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    }


match env.get("OUTCOME"):
    case "status":
        sys.exit(3)
    case "message":
        sys.exit("cannot do it")
    case "exception":
        raise LookupError("nothing there")
    case "sleep":
        sys.stdout.write("asleep\n")
        sys.stdout.flush()
        signal.pause()
    case _:
        sys.stdout.write(json.dumps(observed()))
