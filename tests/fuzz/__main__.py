"""`python -m tests.fuzz [--help]`: send generated requests to the API, and generated messages to WebSockets."""

import argparse
import secrets
import sys

from tests.fuzz import api, sockets

MINUTES = 10


def main() -> int:
    """Run the command line, and return the exit code: 1 if an answer does not conform."""
    wanted = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    wanted.add_argument("what", choices=["api", "sockets", "all"], nargs="?", default="all")
    wanted.add_argument("--minutes", type=float, default=MINUTES, help="for each of the two")
    wanted.add_argument("--examples", type=int, default=1000, help="at most, for each operation")
    wanted.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    given = wanted.parse_args()
    budget = api.Budget(int(given.minutes * 60), given.examples, given.seed)
    sys.stdout.write(f"seed: {budget.seed}\n")
    sys.stdout.flush()
    codes = [
        fuzz(budget) for name, fuzz in (("api", api.fuzz), ("sockets", sockets.fuzz)) if given.what in (name, "all")
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
