"""What every image promises."""

from functools import cache

import pytest
from onebox.testing.cases import every_case

from tests.deploy.docker import IMAGES, SERVICES, configured, image_of, in_image, inspected

pytestmark = pytest.mark.deploy
MEGABYTES = {"gateway": 250, "session": 700, "backup": 300}
VOLUMES = {"backup": ["/var/lib/reports", "/var/lib/workspaces"]}
PROGRAMS = {"session": {"bwrap", "claude", "tini"}, "mcp-registry": {"bwrap", "tini"}}
LABELS = ("title", "version", "revision", "source", "licenses")
LOOK = {
    "installers": "for name in pip pip3 uv gcc cc g++ make; do command -v $name; done; "
    "find / -xdev -type d '(' -name pip -o -name ensurepip -o -name uv ')'",
    "programs": "find /opt/agentapi /usr -name bwrap -o -name claude -type f -o -name tini -type f",
    "fonts": "ls -d /usr/lib/*/libpango-1.0.so.0 /usr/share/fonts",
    "owned": "find / -xdev -user 10001",
    "times": "stat --format=%Y /opt/agentapi /var/lib",
}
"""Commands that find what images should not have, and the times of what was installed and of the root."""


@cache
def contents(image: str) -> dict[str, list[str]]:
    """Return what each command of `LOOK` prints in an image."""
    script = "; ".join(f"echo =; ({command}) 2>/dev/null" for command in LOOK.values())
    _, *found = f"{in_image(image, 'sh', '-c', f'{script}; true')}\n".split("=\n")
    return {name: output.split() for name, output in zip(LOOK, found, strict=True)}


@every_case("image", IMAGES)
def test_an_image_has_a_numeric_user_and_labels(image: str) -> None:
    config = configured(image)
    assert config["User"] == "10001:10001"
    assert {f"org.opencontainers.image.{label}" for label in LABELS} <= {*config["Labels"]}


@every_case("image", [image for image in IMAGES if image != "backup"])
def test_an_image_of_a_server_has_a_health_check(image: str) -> None:
    assert configured(image)["Healthcheck"]["Test"][-1] == "healthcheck"


@every_case("image", IMAGES)
def test_an_image_has_no_compiler_and_no_installer(image: str) -> None:
    assert contents(image)["installers"] == []


@every_case("image", IMAGES)
def test_the_programs_of_agents_are_only_where_agents_run(image: str) -> None:
    assert {path.rpartition("/")[2] for path in contents(image)["programs"]} == PROGRAMS.get(image, set())


@every_case("image", IMAGES)
def test_only_the_report_image_has_pango_and_fonts(image: str) -> None:
    assert bool(contents(image)["fonts"]) == (image == "report")


@every_case("image", MEGABYTES)
def test_an_image_is_not_larger_than_promised(image: str) -> None:
    assert inspected("image", image_of(image))["Size"] <= MEGABYTES[image] * 1_000_000


@every_case("image", SERVICES)
def test_a_service_says_what_it_needs_with_a_read_only_root(image: str) -> None:
    module = image.replace("-", "_")
    script = f"python -P -m {module} 2>&1; test $? = 2"
    assert "NATS_URL: this variable must be set" in in_image(image, "sh", "-c", script)


@every_case("image", IMAGES)
def test_only_the_folders_of_volumes_belong_to_the_user(image: str) -> None:
    assert sorted(contents(image)["owned"]) == VOLUMES.get(image, ["/var/lib/agentapi"])


@every_case("image", IMAGES)
def test_all_of_an_image_has_the_time_of_its_source(image: str) -> None:
    assert len({*contents(image)["times"]}) == 1
