"""The settings of the mcp-registry service."""

from pathlib import Path
from typing import Annotated

from eventing.service import SecretServiceSettings
from mcp_connection import PROGRAM_MEMORY_BYTES
from pydantic import AfterValidator, Field, FilePath, HttpUrl, PositiveFloat
from runtime.http.addresses import AddressRules
from runtime.settings import AddressList, FolderList, folders
from sandbox.required import SandboxSettings


def _public_url(url: HttpUrl) -> HttpUrl:
    if url.scheme != "https" and url.host not in ("localhost", "127.0.0.1", "[::1]"):
        raise ValueError("must begin with https://, unless it leads to localhost")
    if url.query or url.fragment or url.username or url.password:
        raise ValueError("must have no user, query or fragment")
    return url


CALLBACK_PATH = "/api/v1/mcp-servers/oauth/callback"


class Settings(SecretServiceSettings, SandboxSettings):
    """Settings, read from the environment.

    Users who are not administrators may start only the programs in `mcp_allowed_commands`. HTTP and SSE servers may be
    at a loopback, private or other special address only if that is in `mcp_allowed_addresses`. A healthy server is
    checked every `mcp_check_seconds`. `mcp_catalog_file` is a snapshot of the public registry. Authorization servers
    send users back to `public_url`, the address of the API for browsers; without it, servers cannot be authorized. The
    programs of STDIO servers may read the folders in `mcp_program_dirs`, besides /usr; each may use
    `mcp_program_memory_bytes`.
    """

    mcp_allowed_commands: str = ""
    mcp_allowed_addresses: AddressList = ""
    mcp_program_dirs: FolderList = ""
    mcp_program_memory_bytes: int = Field(default=PROGRAM_MEMORY_BYTES, ge=2**28, le=2**50)
    mcp_check_seconds: PositiveFloat = 900.0
    mcp_catalog_file: FilePath | None = None
    public_url: Annotated[HttpUrl, AfterValidator(_public_url)] | None = None

    @property
    def address_rules(self) -> AddressRules:
        """The addresses that HTTP and SSE servers may have."""
        return AddressRules.parse(self.mcp_allowed_addresses)

    @property
    def program_dirs(self) -> tuple[Path, ...]:
        """The folders that the programs of STDIO servers may read."""
        return folders(self.mcp_program_dirs)

    @property
    def redirect_uri(self) -> str | None:
        """The URL to which authorization servers send users back."""
        return f"{str(self.public_url).rstrip('/')}{CALLBACK_PATH}" if self.public_url else None

    @property
    def allowed_commands(self) -> frozenset[str]:
        """The commands in `mcp_allowed_commands`, which are separated by commas."""
        return frozenset(filter(None, map(str.strip, self.mcp_allowed_commands.split(","))))
