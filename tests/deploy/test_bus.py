"""Programs outside of the containers receive events from NATS when deploy/bus.yml publishes its port."""

from collections.abc import Generator
from pathlib import Path

import pytest
from onebox.testing.system import until

from tests.deploy.installation import READY_SECONDS, Installation
from tests.deploy.pods import free_port
from tests.e2e.test_bus_users import COMMANDS, Program, bus_user
from tests.e2e.user import User

pytestmark = pytest.mark.deploy


@pytest.fixture(scope="module")
def opened(installation: Installation) -> Generator[Installation]:
    """Publish NATS, and afterwards no more."""
    port, before = f"{free_port()}", installation.compose_file
    opened = f"{before}:deploy/bus.yml"
    installation.change(COMPOSE_FILE=opened, BUS_PORT=port, BUS_URL=f"tls://127.0.0.1:{port}")
    yield installation
    installation.change(COMPOSE_FILE=before, BUS_URL="")


@pytest.mark.parametrize("language", COMMANDS)
def test_a_program_outside_of_the_containers_receives_events(
    language: str, opened: Installation, tmp_path: Path
) -> None:
    authority, user = str(opened.secrets / "nats-ca.pem"), User(opened.gateways[0])
    trusted = dict.fromkeys(("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), authority)
    with user.http:
        user.register()
        user.log_in()
        program = Program(COMMANDS[language], bus_user(user, types=["session.*"]), tmp_path, **trusted)
        try:
            until(lambda: program.says("connected"), READY_SECONDS)
            session = user.create()
            until(lambda: session in program.out.read_text(), READY_SECONDS)
        finally:
            program.process.kill()
            program.process.wait()
