"""Two builds of an image have the same layers."""

import os

import pytest

from tests.deploy.docker import docker, inspected

pytestmark = [pytest.mark.deploy, pytest.mark.long, pytest.mark.timeout(1800)]


def layers_of_a_build(number: int) -> list[str]:
    """Return the digests of the layers of an image that is built without anything from an earlier build."""
    arguments = ["--build-arg=SOURCE_DATE_EPOCH=1700000000"]
    # Those that the machine needs to build at all, as docker-compose.yml passes them on.
    arguments += [f"--build-arg={name}" for name in ("BASE", "UV_SYSTEM_CERTS") if name in os.environ]  # noqa: TID251
    tag = f"agentapi-check:{number}"
    docker(
        "build", "--no-cache", "--target=gateway", "--file=deploy/images/Dockerfile", f"--tag={tag}", *arguments, "."
    )
    try:
        return inspected("image", tag)["RootFS"]["Layers"]
    finally:
        docker("image", "rm", tag)


def test_two_builds_have_the_same_layers() -> None:
    assert layers_of_a_build(1) == layers_of_a_build(2)
