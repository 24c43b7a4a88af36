"""The operations of the OpenAPI document, and requests to them that are made of its examples."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.openapi import EXAMPLES

from tests.contracts.openapi import FILE

DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
"""The golden; a test compares it with the document that the system serves."""
ADMIN_PREFIX, ACCOUNT_PREFIX = "/api/v1/admin/", "/api/v1/auth/"
SERVERS = '{"mcpServers": {"weather": {"url": "https://mcp.invalid/"}}}'
CONTENT: dict[str, dict[str, Any]] = {
    "application/octet-stream": {"content": b"one"},
    "multipart/form-data": {"files": {"file": ("servers.json", SERVERS)}},
}
"""Bodies that have no example, by media type."""

type Ids = Mapping[str, str]
"""Values of path parameters, by name."""


@dataclass(frozen=True)
class Operation:
    """One operation, as the document declares it."""

    method: str
    path: str
    declared: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.declared["operationId"]

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return re.findall(r"{(\w+)}", self.path)

    @property
    def is_public(self) -> bool:
        return "security" not in self.declared

    @property
    def scope(self) -> str:
        """The scope that an API key needs for it."""
        if self.path.startswith(ADMIN_PREFIX):
            return "admin"
        return "read" if self.method == "GET" else "write"

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.declared["responses"]}

    @property
    def names_resources(self) -> bool:
        """Whether the example of the body has the id of a resource."""
        text = json.dumps(self.example())
        return any(value in text for name, value in EXAMPLES.items() if name != "path")

    def codes(self, status: int) -> set[str]:
        """Return the error codes that the document names for a status."""
        content = _resolved(self.declared["responses"][str(status)]).get("content", {})
        return set(content.get("application/problem+json", {}).get("examples", ()))

    def query_parameters(self) -> set[str]:
        return {each["name"] for each in self._query()}

    def required_query(self) -> dict[str, Any]:
        """Return the examples of the query parameters that a request must have."""
        return {each["name"]: each["example"] for each in self._query() if each.get("required")}

    @property
    def has_cursors(self) -> bool:
        return {"after", "before"} <= self.query_parameters()

    def body_fields(self) -> dict[str, Any]:
        """Return the declared fields of a JSON body."""
        return self._schema().get("properties", {})

    def example(self) -> Any:
        """Return the example of a JSON body."""
        declared = self._content().get("application/json", {})
        return declared.get("example") or next(iter(self._schema().get("examples", ())), None)

    def body(self, ids: Ids) -> dict[str, Any]:
        """Return the arguments of `httpx` for a body like the example, with these ids; none if it has no body.

        Raises:
            KeyError: there is neither an example nor content for its media type.
        """
        if not self._content():
            return {}
        if (example := self.example()) is not None:
            text = json.dumps(example)
            for name, value in ids.items():
                text = text.replace(EXAMPLES[name], value) if name != "path" and name in EXAMPLES else text
            return {"json": json.loads(text)}
        return CONTENT[next(iter(self._content()))]

    def url(self, ids: Ids) -> str:
        return self.path.format(**self._filled(ids))

    def _query(self) -> Iterator[Mapping[str, Any]]:
        parameters = map(_resolved, self.declared.get("parameters", ()))
        return (parameter for parameter in parameters if parameter["in"] == "query")

    def _filled(self, ids: Ids) -> Ids:
        if "archived_id" not in ids or "/archive" not in self.path or self.method != "GET":
            return ids
        return {**ids, "session_id": ids["archived_id"]}

    def _content(self) -> Mapping[str, Any]:
        return self.declared.get("requestBody", {}).get("content", {})

    def _schema(self) -> Mapping[str, Any]:
        schema = self._content().get("application/json", {}).get("schema", {})
        return _resolved(schema)


def _resolved(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of the document, or the component that it refers to."""
    if "$ref" not in part:
        return part
    _, _, kind, name = part["$ref"].split("/")
    return DOCUMENT["components"][kind][name]


def operations(document: Mapping[str, Any] = DOCUMENT) -> Iterator[Operation]:
    """Yield all operations of a document."""
    for path, methods in document["paths"].items():
        for method, declared in methods.items():
            yield Operation(method.upper(), path, declared)
