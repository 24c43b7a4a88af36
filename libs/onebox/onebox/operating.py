"""Run a command of a service of the running system: `python -m onebox.operating SERVICE COMMAND …`."""

import os
import re
import sys
from argparse import REMAINDER, ArgumentParser
from pathlib import Path
from typing import NoReturn

from contracts.catalogue import SERVICES
from pydantic import Field
from runtime.settings import InvalidSettings, Settings, load

from onebox.children import allowed_environment
from onebox.cluster import NAME, SERVICE_ROLE
from onebox.postgres import url_of_running
from onebox.terminal import fail

LISTEN = re.compile(r'^listen: "(.*?)"', re.MULTILINE)
OPERATOR = re.compile(r'user: operator, password: "(.*?)"')


class OperatingSettings(Settings):
    """Where the stores and the keys are. A system of `make run` needs DATA_DIR only."""

    data_dir: Path = Path(".data")
    database_url: str | None = Field(default=None, repr=False)
    migration_database_url: str | None = Field(default=None, repr=False)
    nats_url: str | None = Field(default=None, repr=False)
    key_ring_file: Path | None = None

    def stores(self) -> dict[str, str]:
        """Return where data and keys are, as the commands of services read it; what does not exist is missing."""
        folder = self.data_dir.expanduser().resolve()
        owner = None if self.database_url else url_of_running(folder / "postgres")
        ring = self.key_ring_file or folder / "keys" / "ring.json"
        found = {
            "DATABASE_URL": self.database_url or (owner and owner.replace(f"//{NAME}@", f"//{SERVICE_ROLE}@", 1)),
            "MIGRATION_DATABASE_URL": self.migration_database_url or owner,
            "NATS_URL": self.nats_url or _bus_of(folder / "nats" / "nats.conf"),
            "KEY_RING_FILE": str(ring.absolute()) if ring.is_file() else None,
        }
        return {name: place for name, place in found.items() if place}


def _bus_of(file: Path) -> str | None:
    try:
        text = file.read_text()
    except OSError:
        return None
    address, password = LISTEN.search(text), OPERATOR.search(text)
    return f"nats://operator:{password[1]}@{address[1]}" if address and password else None


def main(arguments: list[str]) -> int:
    """Become the command of the service; return an exit code if that is not possible."""
    parser = ArgumentParser("python -m onebox.operating", description="Run a command of a service of `make run`.")
    parser.add_argument("service", help=", ".join(SERVICES))
    parser.add_argument("command", nargs=REMAINDER, help="such as rebuild or dead-letters, with its arguments")
    parsed = parser.parse_args(arguments)
    service = parsed.service.replace("-", "_")
    if service not in SERVICES:
        return fail(f"There is no service {parsed.service!r}. There are: {', '.join(SERVICES)}.", 2)
    try:
        environment = load(OperatingSettings).stores()
    except InvalidSettings as error:
        return fail(f"Invalid settings. Correct or unset them:\n{error}", 2)
    if "DATABASE_URL" not in environment:
        return fail("No system is running there. Start it, set DATA_DIR, or set DATABASE_URL to your own PostgreSQL.")
    return _become([sys.executable, "-P", "-m", service, *parsed.command], allowed_environment() | environment)


def _become(program: list[str], environment: dict[str, str]) -> NoReturn:
    os.execve(program[0], program, environment)  # noqa: S606  a shell is not wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
