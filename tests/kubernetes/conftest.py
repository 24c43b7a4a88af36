"""Manifests for tests: those that are stored, and those that Helm and kustomize render where they are installed."""

import pytest

from tests.kubernetes import rendering
from tests.kubernetes.rendering import Manifest

INSTALLED = ("helm", "kustomize")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests of programs that are not installed, with the reason."""
    for item in items:
        for program in INSTALLED:
            if item.get_closest_marker(program) and not rendering.program(program):
                item.add_marker(pytest.mark.skip(reason=f"{program} is not installed"))


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers."""
    for program in INSTALLED:
        config.addinivalue_line("markers", f"{program}: needs the program {program}")


@pytest.fixture(scope="session")
def everything() -> list[Manifest]:
    """The base with all components and the check of sandboxes, as they are stored."""
    return [found for text in rendering.stored().values() for found in rendering.manifests(text) if "metadata" in found]
