"""Run the simulator until SIGTERM or SIGINT: `python -m simulator`."""

import sys
from argparse import ArgumentParser

from aiohttp import web
from pydantic import ValidationError

from simulator.app import create_app
from simulator.script import describe_errors
from simulator.settings import Settings

SHUTDOWN_SECONDS = 0.1  # for aiohttp, zero means no limit


def main() -> None:
    """Run the simulator. If it cannot start, write the reason to stderr and exit with 1."""
    about = "Run the simulator until SIGTERM or SIGINT, at HOST (127.0.0.1) and PORT (8099)."
    ArgumentParser("python -m simulator", description=about).parse_args()
    try:
        settings = Settings()
        web.run_app(
            create_app(),
            host=settings.host,
            port=settings.port,
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )
    except ValidationError as error:
        sys.exit(f"invalid settings: {describe_errors(error)}")
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
