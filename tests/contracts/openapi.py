"""The REST API as a file, so that a change of it is a diff that someone reviews.

`python -m tests.contracts.openapi` writes it.
"""

import json
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from gateway.app import create_app
from gateway.state import Gateway

FILE = Path(__file__).parent / "golden" / "openapi.json"


def application() -> FastAPI:
    """Return the gateway, without the parts that only serving needs."""
    return create_app(cast(Gateway, None))


def document(app: FastAPI) -> str:
    """Return an application's OpenAPI document as it stands in the file."""
    return json.dumps(app.openapi(), indent=2) + "\n"


if __name__ == "__main__":
    FILE.write_text(document(application()))
