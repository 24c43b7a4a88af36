"""The documentation pages. Their scripts and styles come from a package, never from a CDN."""

from importlib.resources import files
from pathlib import Path

import fastapi_standalone_docs
from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

OPENAPI = "/api/v1/openapi.json"
ASSETS = Path(str(files(fastapi_standalone_docs))) / "static"
ICON = "/docs/icon/favicon.png"


async def swagger(request: Request) -> HTMLResponse:
    """Give the page to read and to try operations."""
    return get_swagger_ui_html(
        openapi_url=OPENAPI,
        title=f"{request.app.title} - Swagger UI",
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url=ICON,
        swagger_ui_parameters={"validatorUrl": None},  # it would send the address to swagger.io
    )


async def redoc(request: Request) -> HTMLResponse:
    """Give the page to read."""
    return get_redoc_html(
        openapi_url=OPENAPI,
        title=f"{request.app.title} - ReDoc",
        redoc_js_url="/redoc/redoc.standalone.js",
        redoc_favicon_url=ICON,
        with_google_fonts=False,
    )


def add(app: FastAPI) -> None:
    """Serve the pages and what they load."""
    app.router.routes += [
        Route("/docs", swagger),
        Route("/redoc", redoc),
        Mount("/docs/icon", StaticFiles(directory=ASSETS / "fastapi")),
        Mount("/docs", StaticFiles(directory=ASSETS / "swagger")),
        Mount("/redoc", StaticFiles(directory=ASSETS / "redoc")),
    ]
