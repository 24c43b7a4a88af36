"""A build that uses nothing of an earlier one has the same layers."""

import os

import pytest

from tests.deploy.docker import docker, image_of, in_image, inspected

pytestmark = [pytest.mark.deploy, pytest.mark.long]
IMAGE, TAG = "gateway", "agentapi-check:again"


def test_a_second_build_has_the_same_layers() -> None:
    time = in_image(IMAGE, "stat", "--format=%Y", "/opt/agentapi")
    arguments = [f"--build-arg=SOURCE_DATE_EPOCH={time}"]
    # Those that the machine needs to build at all, as docker-compose.yml passes them on.
    arguments += [f"--build-arg={name}" for name in ("BASE", "UV_SYSTEM_CERTS") if name in os.environ]  # noqa: TID251
    file = "--file=deploy/images/Dockerfile"
    docker("build", "--no-cache", f"--target={IMAGE}", file, f"--tag={TAG}", *arguments, ".")
    try:
        assert inspected("image", TAG)["RootFS"]["Layers"] == inspected("image", image_of(IMAGE))["RootFS"]["Layers"]
    finally:
        docker("image", "rm", TAG)
