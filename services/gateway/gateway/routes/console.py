"""The console: static files of a page that uses the public API in a browser."""

from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

PAGE = Path(__file__).parents[1] / "console"
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",  # a form never sends a password by itself if its script is missing
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",  # the browser blocks innerHTML and similar sinks
    "trusted-types": "dompurify",  # the only exception, which sanitises Markdown; the browser allows it to exist once
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",  # may be cached, but is revalidated: file names do not change with their content
}


def _file(path: Path) -> Response:
    body = path.read_bytes()
    # Hashed by content: all files in a wheel have the same date, so an ETag derived from it would not change.
    return Response(body, headers=HEADERS | {"ETag": f'"{sha256(body).hexdigest()}"'}, media_type=TYPES[path.suffix])


FILES = {str(path.relative_to(PAGE)): _file(path) for path in PAGE.rglob("*") if path.suffix in TYPES}


async def serve_file(request: Request) -> Response:
    """Return a file of the console."""
    file = FILES.get(request.path_params["name"] or "index.html")
    if file is None:
        raise HTTPException(404)
    etag = file.headers["etag"]
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=HEADERS | {"ETag": etag})
    return file


async def redirect(request: Request) -> Response:
    """Redirect to the console."""
    return RedirectResponse("/console/")


def add(app: FastAPI) -> None:
    """Serve the console, and redirect to it from the root."""
    app.router.routes += [Route("/", redirect), Route("/console", redirect), Route("/console/{name:path}", serve_file)]
