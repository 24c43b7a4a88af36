"""The OpenAPI document, and the pages that show it. Their scripts and styles come from a package, not from a CDN."""

import json
import re
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastapi_standalone_docs
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from gateway.asyncapi import document

OPENAPI = "/api/v1/openapi.json"
ASYNCAPI = "/asyncapi.json"
PAGE = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>{title} - Events</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: 1px solid #ccc; padding: .4rem; text-align: left; vertical-align: top }}
pre {{ overflow: auto; background: #f6f6f6; padding: .5rem }}</style></head><body><main>
<h1>Events</h1><p>What streams, WebSockets, webhooks and the bus send, and what WebSockets receive
(<code>client.</code>). For programs:
<a href="/asyncapi.json">AsyncAPI</a>.</p>
<h2>Where</h2><table><tr><th>path</th><th></th></tr>{channels}</table>
<h2>What</h2><table><tr><th>event</th><th>over a WebSocket</th><th>when</th></tr>{messages}</table>
</main></body></html>"""
ASSETS = Path(str(files(fastapi_standalone_docs))) / "static"
ICON = "/docs/icon/favicon.png"
_CODE = re.compile(r"`([^`]+)`")
_SCRIPT = re.compile(r"<script>(.+?)</script>", re.DOTALL)


async def openapi(request: Request) -> Response:
    """Return the OpenAPI document."""
    return Response(_document(request.app), media_type="application/json")


@lru_cache(maxsize=4)
def _document(app: FastAPI) -> bytes:
    """Return the document as JSON, which takes longer to write than to send."""
    return json.dumps(app.openapi(), separators=(",", ":")).encode()


async def asyncapi(request: Request) -> Response:
    """Return the AsyncAPI document."""
    return Response(json.dumps(document(request.app.title, request.app.version)), media_type="application/json")


async def events(request: Request) -> HTMLResponse:
    """Return the page about events: each with when it happens, and an example."""
    shown = document(request.app.title, request.app.version)
    channels = "".join(
        f"<tr><td><code>{escape(each['address'])}</code></td><td>{_prose(each['description'])}</td></tr>"
        for each in shown["channels"].values()
    )
    over_socket = shown["channels"]["socket"]["messages"]
    messages = "".join(
        _row(name, message, is_over_socket=name in over_socket)
        for name, message in shown["components"]["messages"].items()
    )
    return _with_policy(
        HTMLResponse(PAGE.format(title=escape(request.app.title), channels=channels, messages=messages))
    )


def _row(name: str, message: dict[str, Any], *, is_over_socket: bool) -> str:
    example = escape(json.dumps(message["examples"][0]["payload"], indent=1))
    over_socket = message.get("x-websocket-type", message["name"]) if is_over_socket else ""
    details = f"<details><summary>example</summary><pre>{example}</pre></details>"
    cells = (
        f"<code>{escape(name)}</code>",
        f"<code>{escape(over_socket)}</code>",
        _prose(message["summary"]) + details,
    )
    return f'<tr id="{escape(name)}">{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _prose(text: str) -> str:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


async def swagger(request: Request) -> HTMLResponse:
    """Return the Swagger UI page, where operations can be tried."""
    page = get_swagger_ui_html(
        openapi_url=OPENAPI,
        title=f"{request.app.title} - Swagger UI",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url=ICON,
        swagger_ui_parameters={"validatorUrl": None},  # the validator would send the address to swagger.io
    )
    return _with_policy(page)


async def redoc(request: Request) -> HTMLResponse:
    """Return the ReDoc page."""
    page = get_redoc_html(
        openapi_url=OPENAPI,
        title=f"{request.app.title} - ReDoc",
        redoc_js_url="/redoc/redoc.standalone.js",
        redoc_favicon_url=ICON,
        with_google_fonts=False,
    )
    return _with_policy(page)


def _with_policy(page: HTMLResponse) -> HTMLResponse:
    """Name the language of a page, and allow it only its own scripts, an inline one by its hash, and this server."""
    text = bytes(page.body).decode().replace("<html>", '<html lang="en">', 1)
    scripts: list[str] = _SCRIPT.findall(text)
    hashes = (f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts)
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *hashes]),
        "style-src": "'self' 'unsafe-inline'",  # both pages create styles at run time
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "worker-src": "blob:",  # ReDoc searches in a worker
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    directives = "; ".join(f"{name} {sources}" for name, sources in policy.items())
    return HTMLResponse(text, headers={"Content-Security-Policy": directives})


def add(app: FastAPI) -> None:
    """Serve the pages and their assets."""
    app.router.routes += [
        Route(OPENAPI, openapi),
        Route(ASYNCAPI, asyncapi),
        Route("/docs", swagger),
        Route("/docs/events", events),
        Route("/redoc", redoc),
        Mount("/docs/icon", StaticFiles(directory=ASSETS / "fastapi")),
        Mount("/docs", StaticFiles(directory=ASSETS / "swagger")),
        Mount("/redoc", StaticFiles(directory=ASSETS / "redoc")),
    ]
