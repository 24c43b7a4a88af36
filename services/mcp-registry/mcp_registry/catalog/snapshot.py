"""The snapshot of the public registry that an operator provides as a file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self, cast

from contracts.mcp_registry.catalog import CatalogEntry
from contracts.messages import Page
from contracts.refusals import Code, Refusal
from pydantic import ValidationError
from runtime.logging import get_logger

from mcp_registry.catalog.options import entry
from mcp_registry.catalog.server_json import ServerJson

log = get_logger()

OFFICIAL = "io.modelcontextprotocol.registry/official"
"""The key of what the public registry says about an entry."""


class SnapshotInvalid(Exception):
    """The file is no snapshot of a registry."""


class Catalog:
    """The servers of a snapshot, by name and version."""

    def __init__(self, entries: Iterable[tuple[ServerJson, bool]]) -> None:
        """Take the versions of servers, oldest first, and whether each of them is marked as the latest."""
        self._versions: dict[str, dict[str, ServerJson]] = {}
        self._latest: dict[str, tuple[bool, ServerJson]] = {}
        for server, is_latest in entries:
            self._versions.setdefault(server.name, {})[server.version] = server
            if is_latest or not self._latest.get(server.name, (False,))[0]:
                self._latest[server.name] = (is_latest, server)

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """Read a snapshot: a list of `server.json`, or the lists that the API of a registry returns.

        Entries that are not valid are left out.

        Raises:
            OSError, ValueError: the file cannot be read, or is not JSON.
            SnapshotInvalid: it is no snapshot.
        """
        content: Any = json.loads(path.read_bytes()) if path else []
        items = _object(content).get("servers", content)
        if not isinstance(items, list):
            raise SnapshotInvalid(f"{path} is no snapshot: it must be a list, or an object with a list `servers`")
        items = cast(list[Any], items)
        entries = [found for item in items if (found := _read(_object(item)))]
        if left_out := len(items) - len(entries):
            log.warning("entries of the catalog left out", count=left_out)
        return cls(entries)

    def find(self, reference: str, version: str | None) -> ServerJson:
        """Return a version of a server, by default the latest.

        Raises:
            Refusal: CATALOG_ENTRY_NOT_FOUND.
        """
        if reference not in self._versions:
            raise Refusal(Code.CATALOG_ENTRY_NOT_FOUND, f"The catalog has no server {reference!r}.")
        if version is None:
            return self._latest[reference][1]
        if version not in self._versions[reference]:
            raise Refusal(Code.CATALOG_ENTRY_NOT_FOUND, f"The catalog has no version {version!r} of {reference}.")
        return self._versions[reference][version]

    def search(self, text: str | None, skip: int, limit: int) -> Page[CatalogEntry]:
        """Return the latest versions of the servers that contain a text, by name."""
        wanted = (text or "").casefold()
        latest = (server for _, (_, server) in sorted(self._latest.items()))
        found = [each for each in latest if wanted in f"{each.name}\n{each.title}\n{each.description}".casefold()]
        return Page(items=[entry(each) for each in found[skip : skip + limit]], total=len(found))


def _read(item: dict[str, Any]) -> tuple[ServerJson, bool] | None:
    about = _object(_object(item.get("_meta")).get(OFFICIAL))
    try:
        server = ServerJson.model_validate(item.get("server", item))
    except ValidationError:
        return None
    return None if about.get("status") == "deleted" else (server, about.get("isLatest") is True)


def _object(value: Any) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
