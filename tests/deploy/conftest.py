"""Tests of the images and of docker-compose.yml. Those with the marker `deploy` need an engine: `make deploy-check`."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.deploy.installation import Installation

DEPLOY = "deploy"
MAX_SECONDS = 3600
"""How long a test may take on a busy machine before it is given up: a guard, not the aim."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", f"{DEPLOY}: needs a container engine and the images: `make deploy-check` runs it"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that need an engine, unless they are asked for.

    Those that share the system of docker-compose.yml are the last ones, so that it does not run beside the others.
    """
    if DEPLOY in config.option.markexpr:
        for item in items:
            item.add_marker(pytest.mark.timeout(MAX_SECONDS))
        items.sort(key=lambda item: "installation" in getattr(item, "fixturenames", ()))
        return
    left_out = [item for item in items if item.get_closest_marker(DEPLOY)]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker(DEPLOY)]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def installation(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Installation]:
    """The system of docker-compose.yml, with secrets of its own, started once for all tests."""
    with Installation(Path(tmp_path_factory.mktemp("secrets"))) as running:
        running.up()
        yield running
        if request.session.testsfailed:
            running.show_logs()
