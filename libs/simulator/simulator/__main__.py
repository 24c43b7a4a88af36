"""`python -m simulator`: serve until SIGTERM or SIGINT."""

import sys

from aiohttp import web
from pydantic import ValidationError

from simulator.app import create_app
from simulator.script import places
from simulator.settings import Settings

SHUTDOWN_SECONDS = 0.1  # aiohttp takes zero for "as long as it takes"


def main() -> None:
    """Run the simulator; one sentence on stderr and exit code 1 when it cannot start."""
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
        sys.exit(f"wrong settings: {places(error)}")
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
