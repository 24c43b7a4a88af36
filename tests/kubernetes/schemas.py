"""The schemas of Kubernetes and of custom resources, in which every field that they do not name is an error."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.kubernetes.rendering import Manifest

VERSIONS = ("v1.35.0", "v1.37.0")
"""The earliest one that the chart supports, and the latest one that has been tried."""
SCHEMAS = Path(kubernetes_validate.__file__).with_name("kubernetes-json-schema")
CUSTOM: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("custom_resources.yaml").read_text())


def violations(manifest: Manifest, version: str) -> Iterator[str]:
    """Yield what a version of Kubernetes would not accept, and a kind without a schema."""
    title = f"{manifest['kind']} {manifest['metadata']['name']}"
    if (validator := _validator(version, manifest["apiVersion"], manifest["kind"])) is None:
        yield f"{title}: no schema of {manifest['apiVersion']} is known"
        return
    for error in validator.iter_errors(manifest):  # pyright: ignore[reportUnknownMemberType]
        yield f"{title}: {error.json_path}: {error.message[:200]}"


@cache
def _validator(version: str, api_version: str, kind: str) -> Draft202012Validator | None:
    group, _, api = api_version.rpartition("/")
    if "." in group and not group.endswith(".k8s.io"):
        spec = CUSTOM["kinds"].get(f"{api_version} {kind}")
        return spec and Draft202012Validator(_custom(spec))
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], api)))
    return Draft202012Validator(_read(version, name), registry=_definitions(version))


def _custom(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a custom resource with this specification."""
    fields: dict[str, Any] = {"apiVersion": {}, "kind": {}, "metadata": {"$ref": "#/definitions/metadata"}}
    fields["spec"] = {"type": "object", "additionalProperties": False, **spec}
    closed = {"type": "object", "required": [*fields], "properties": fields, "additionalProperties": False}
    return {**closed, "definitions": CUSTOM["definitions"]}


@cache
def _definitions(version: str) -> Registry[Any]:
    found = Resource[Any].from_contents(_read(version, "_definitions"))
    return found @ Registry[Any]()


def _read(version: str, name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / f"{version}-local-strict" / f"{name}.json").read_text())
