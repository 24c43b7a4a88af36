"""The console's files: what browsers are told about them, and that nothing else is served."""

import re
from pathlib import Path

import httpx
import pytest
from gateway.routes.console import FILES, PAGE, TYPES

from services.gateway.tests.door import Door


@pytest.mark.parametrize("path", ["/", "/console"])
async def test_a_browser_is_led_to_the_page(stranger: httpx.AsyncClient, path: str):
    answer = await stranger.get(path)
    assert (answer.status_code, answer.headers["location"]) == (307, "/console/")


async def test_the_page_is_served_to_anyone(stranger: httpx.AsyncClient):
    answer = await stranger.get("/console/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == (PAGE / "index.html").read_bytes()


@pytest.mark.parametrize("name", FILES)
async def test_every_file_has_its_type_and_is_guarded(stranger: httpx.AsyncClient, name: str):
    answer = await stranger.get(f"/console/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


async def test_the_policy_lets_in_what_the_gateway_serves_and_nothing_else(stranger: httpx.AsyncClient):
    policy = (await stranger.get("/console/")).headers["content-security-policy"]
    given = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert given.pop("require-trusted-types-for") == "'script'"
    loaded = {"script-src", "style-src", "img-src", "connect-src"}
    assert given == {name: "'self'" if name in loaded else "'none'" for name in given}
    assert given.keys() >= {*loaded, "default-src", "base-uri", "form-action", "frame-ancestors"}


async def test_a_page_that_a_browser_has_is_not_sent_again(stranger: httpx.AsyncClient):
    first = await stranger.get("/console/main.js")
    again = await stranger.get("/console/main.js", headers={"if-none-match": first.headers["etag"]})
    assert first.headers["etag"] != (await stranger.get("/console/api.js")).headers["etag"]
    assert (first.headers["cache-control"], again.status_code, again.content) == ("no-cache", 304, b"")


@pytest.mark.parametrize("name", ["index.html", *(name for name in FILES if name.endswith(".js"))])
def test_a_file_refers_to_files_of_the_page_alone(name: str):
    text = (PAGE / name).read_text()
    loaded: list[str] = re.findall(r"""(?:src=|<link [^>]*href=|from )"([^"]+)\"""", text)
    assert {address.removeprefix("./") for address in loaded} <= FILES.keys()
    assert "innerHTML" not in text


@pytest.mark.parametrize(
    "path",
    ["/console/app.py", "/console/../app.py", "/console/%2e%2e/app.py", "/console//etc/passwd", "/console/..%2fapp.py"],
)
async def test_nothing_else_is_served(stranger: httpx.AsyncClient, path: str):
    answer = await stranger.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_the_page_takes_no_posts(stranger: httpx.AsyncClient):
    answer = await stranger.post("/console/", json={})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_the_page_is_no_part_of_the_api(door: Door):
    assert not [path for path in door.app.openapi()["paths"] if "console" in path or path == "/"]
