"""A client that `openapi-python-client` generates from the OpenAPI document, as a user would have it."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from tests.contracts.openapi import FILE

PACKAGE = "generated_agentapi"


def generate(folder: Path) -> str:
    """Generate the package in a folder, and return the warnings; empty if no operation or response is left out."""
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n")  # it need not be formatted
    command = [
        *(str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--meta", "none"),
        *("--path", str(FILE), "--output-path", str(folder / PACKAGE), "--config", str(config)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).partition("\n")[2]


@contextmanager
def importable(folder: Path) -> Generator["GeneratedClient"]:
    """Make the package in a folder importable; none of it stays imported."""
    sys.path.insert(0, str(folder))
    client = GeneratedClient()
    try:
        yield client
    finally:
        client.close()
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]


class GeneratedClient:
    """The generated functions and models. Their types are known only after the generation."""

    http: Any = None

    def connect(self, base_url: str, token: str | None = None) -> None:
        """Send the following requests to this address, with this access token."""
        self.close()
        module = import_module(f"{PACKAGE}.client")
        more: dict[str, Any] = {"base_url": base_url, "timeout": 120, "raise_on_unexpected_status": True}
        self.http = module.AuthenticatedClient(token=token, **more) if token else module.Client(**more)

    def close(self) -> None:
        """Close the connections."""
        if self.http:
            self.http.get_httpx_client().close()

    def call(self, function: str, *path: object, **arguments: Any) -> Any:
        """Call a function like `sessions.create_session`, and return the parsed body of the response."""
        module = cast(Any, import_module(f"{PACKAGE}.api.{function}"))
        result = module.sync(*path, client=self.http, **arguments)
        assert type(result).__name__ not in ("Problem", "NoneType"), result
        return result

    def model(self, model: str, **fields: Any) -> Any:
        """Return a model of a body with these fields."""
        return getattr(import_module(f"{PACKAGE}.models"), model).from_dict(fields)

    def form(self, model: str, content: bytes) -> Any:
        """Return a model of a form with a file."""
        return getattr(import_module(f"{PACKAGE}.models"), model)(file=self.file(content))

    def file(self, content: bytes) -> Any:
        """Return a file to upload."""
        types = import_module(f"{PACKAGE}.types")
        return types.File(payload=content, file_name="file")
