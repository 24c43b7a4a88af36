"""What several operations of the OpenAPI document have in common: components, to which the operations refer."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from gateway.problems import MEDIA_TYPE

NAME = re.compile(r"[A-Za-z0-9._-]+")
"""What components may be called."""
MAX_PROBLEMS = 2
"""Responses with more problems are rarely the same, and their names would be long."""

type Place = tuple[str, Any, Any]
"""The name of a part as a component, and the object and its key at which the part is."""


def share(document: dict[str, Any]) -> None:
    """Replace parameters and responses that several operations have by references: most of the document otherwise."""
    for kind, places in (("parameters", _parameters), ("responses", _responses)):
        document["components"][kind] = _shared(kind, [*places(document["paths"])])


def _parameters(paths: Mapping[str, Any]) -> Iterator[Place]:
    for operation in _operations(paths):
        for number, parameter in enumerate(operation.get("parameters", ())):
            if NAME.fullmatch(parameter["name"]):
                yield parameter["name"], operation["parameters"], number


def _responses(paths: Mapping[str, Any]) -> Iterator[Place]:
    """Yield the responses that have no content, and those with few problems."""
    for operation in _operations(paths):
        for status, response in operation["responses"].items():
            problems = response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).values()
            if "content" not in response:
                yield HTTPStatus(int(status)).name, operation["responses"], status
            elif 0 < len(problems) <= MAX_PROBLEMS:
                codes = [problem["$ref"].rpartition("/")[2] for problem in problems]
                yield "-".join(codes), operation["responses"], status


def _operations(paths: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in paths.values():
        yield from methods.values()


def _shared(kind: str, places: list[Place]) -> dict[str, Any]:
    """Return the components: of each name, the part that more than half of its places have, which now refer to it."""
    found = defaultdict[str, Counter[str]](Counter)
    for name, parent, key in places:
        found[name][json.dumps(parent[key])] += 1
    common = {
        name: part
        for name, parts in found.items()
        for part, count in parts.most_common(1)
        if count > 1 and 2 * count > parts.total()
    }
    for name, parent, key in places:
        if json.dumps(parent[key]) == common.get(name):
            parent[key] = {"$ref": f"#/components/{kind}/{name}"}
    return {name: json.loads(part) for name, part in sorted(common.items())}
