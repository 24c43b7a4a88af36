"""The files of the console: headers, references, and that no other files are served."""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from gateway.routes.console import FILES, PAGE, TYPES

from services.gateway.tests.cases import each


@each("path", ["/", "/console"])
async def test_a_browser_is_redirected_to_the_page(anonymous: httpx.AsyncClient, path: str):
    response = await anonymous.get(path)
    assert (response.status_code, response.headers["location"]) == (307, "/console/")


async def test_the_page_is_served_without_a_token(anonymous: httpx.AsyncClient):
    response = await anonymous.get("/console/")
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.content == (PAGE / "index.html").read_bytes()


@each("name", FILES)
async def test_every_file_has_its_media_type_and_security_headers(anonymous: httpx.AsyncClient, name: str):
    response = await anonymous.get(f"/console/{name}")
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-opener-policy"] == "same-origin"


async def test_the_policy_allows_only_content_of_the_gateway(anonymous: httpx.AsyncClient):
    policy = (await anonymous.get("/console/")).headers["content-security-policy"]
    sources = dict(directive.split(" ", 1) for directive in policy.split("; "))
    assert sources.pop("require-trusted-types-for") == "'script'"
    assert sources.pop("trusted-types") == "dompurify"
    loaded = {"script-src", "style-src", "img-src", "connect-src"}
    assert sources == {name: "'self'" if name in loaded else "'none'" for name in sources}
    assert sources.keys() >= {*loaded, "default-src", "base-uri", "form-action", "frame-ancestors"}


async def test_an_unchanged_file_is_not_sent_again(anonymous: httpx.AsyncClient):
    first = await anonymous.get("/console/main.js")
    again = await anonymous.get("/console/main.js", headers={"if-none-match": first.headers["etag"]})
    assert first.headers["etag"] != (await anonymous.get("/console/api.js")).headers["etag"]
    assert (first.headers["cache-control"], again.status_code, again.content) == ("no-cache", 304, b"")


@each("name", ["index.html", *(name for name in FILES if name.endswith(".js") and not name.startswith("vendor/"))])
def test_a_file_refers_only_to_files_of_the_console(name: str):
    text = (PAGE / name).read_text()
    loaded: list[str] = re.findall(r"""(?:src=|<link [^>]*href=|from |import\()"([^"]+)\"""", text)
    assert {address.removeprefix("./") for address in loaded} <= FILES.keys()
    assert "innerHTML" not in text


def test_every_vendored_file_is_recorded_and_unchanged():
    folder = PAGE / "vendor"
    libraries: list[dict[str, str]] = json.loads((folder / "libraries.json").read_text())
    for library in libraries:
        assert sha256((folder / library["file"]).read_bytes()).hexdigest() == library["sha256"], library["file"]
    recorded = {library[kind] for library in libraries for kind in ("file", "license_file")}
    assert {path.name for path in folder.iterdir()} == recorded | {"libraries.json"}


@each(
    "path",
    ["/console/app.py", "/console/../app.py", "/console/%2e%2e/app.py", "/console//etc/passwd", "/console/..%2fapp.py"],
)
async def test_other_paths_are_not_served(anonymous: httpx.AsyncClient, path: str):
    response = await anonymous.get(path)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")


async def test_a_post_to_the_page_is_405(anonymous: httpx.AsyncClient):
    response = await anonymous.post("/console/", json={})
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


def test_the_page_is_not_in_the_api_document(document: dict[str, Any]):
    assert not [path for path in document["paths"] if "console" in path or path == "/"]
