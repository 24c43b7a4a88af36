"""The schemas of Kubernetes, in which every field that they do not name is an error."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.kubernetes.rendering import Manifest

VERSIONS = ("v1.35.0", "v1.37.0")
"""The earliest one that the chart supports, and the latest one that has been tried."""
SCHEMAS = Path(kubernetes_validate.__file__).with_name("kubernetes-json-schema")


def violations(manifest: Manifest, version: str) -> Iterator[str]:
    """Yield what a version of Kubernetes would not accept. Kinds that are not its own are not checked."""
    group, _, api = manifest["apiVersion"].rpartition("/")
    name = "-".join(filter(None, (manifest["kind"].lower(), group.partition(".")[0], api)))
    if _is_own(group):
        for error in _validator(version, name).iter_errors(manifest):  # pyright: ignore[reportUnknownMemberType]
            yield f"{manifest['kind']} {manifest['metadata']['name']}: {error.json_path}: {error.message[:200]}"


def _is_own(group: str) -> bool:
    return "." not in group or group.endswith(".k8s.io")


@cache
def _validator(version: str, name: str) -> Draft202012Validator:
    schema = _read(version, name)
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    found = Resource[Any].from_contents(_read(version, "_definitions"))
    return found @ Registry[Any]()


def _read(version: str, name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{version}-local-strict" / f"{name}.json").read_text())
