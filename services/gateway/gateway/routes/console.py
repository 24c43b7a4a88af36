"""The console: a page that shows sessions in a browser. A client of the API, and nothing more."""

from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

PAGE = Path(__file__).parents[1] / "console"
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",  # a form whose script is missing never sends a password
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",  # the browser itself refuses innerHTML and the like
    "trusted-types": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # may be kept, but is asked for again: names do not change with what they hold
}


def _file(path: Path) -> Response:
    body = path.read_bytes()
    # By what it holds: all files in a wheel have one date, so an ETag made of it would lie.
    return Response(body, headers=HEADERS | {"ETag": f'"{sha256(body).hexdigest()}"'}, media_type=TYPES[path.suffix])


FILES = {path.name: _file(path) for path in PAGE.iterdir() if path.suffix in TYPES}


async def show(request: Request) -> Response:
    """Give a file of the page."""
    file = FILES.get(request.path_params["name"] or "index.html")
    if file is None:
        raise HTTPException(404)
    etag = file.headers["etag"]
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=HEADERS | {"ETag": etag})
    return file


async def lead(request: Request) -> Response:
    """Lead to the page."""
    return RedirectResponse("/console/")


def add(app: FastAPI) -> None:
    """Serve the page, and lead to it from the root."""
    app.router.routes += [Route("/", lead), Route("/console", lead), Route("/console/{name:path}", show)]
