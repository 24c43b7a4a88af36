"""The manifests of an installation, and what they say of its pods."""

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from runtime.settings import Settings

from tests.kubernetes.rendering import Manifest

OF_OPENSSL = {"SSL_CERT_DIR"}
"""Variables of containers that no service reads itself."""


def settings_of(service: str) -> type[Settings]:
    """Return the settings of a service."""
    return importlib.import_module(f"{service.replace('-', '_')}.settings").Settings


@dataclass(frozen=True)
class Workload:
    """A manifest that creates pods."""

    manifest: Manifest

    @property
    def title(self) -> str:
        """Its kind and name."""
        return f"{self.manifest['kind']} {self.manifest['metadata']['name']}"

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.manifest["metadata"]["namespace"]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        return self.manifest["spec"]["template"]["metadata"]["labels"]

    @property
    def pod(self) -> dict[str, Any]:
        """The specification of its pods."""
        return self.manifest["spec"]["template"]["spec"]

    @property
    def container(self) -> dict[str, Any]:
        """The only container of its pods."""
        [container] = self.pod["containers"]
        return container

    @property
    def ports(self) -> dict[str, int]:
        """The ports of its container."""
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of its container."""
        return {one["name"]: one["value"] for one in self.container.get("env", [])}

    @property
    def volumes(self) -> dict[str, dict[str, Any]]:
        """The volumes of its pods, also those of each pod."""
        claimed = self.manifest["spec"].get("volumeClaimTemplates", [])
        return {volume["name"]: volume for volume in self.pod["volumes"]} | {
            claim["metadata"]["name"]: claim for claim in claimed
        }

    @property
    def has_sandboxes(self) -> bool:
        """Whether it may have what sandboxes need."""
        return self.container["securityContext"].get("procMount") == "Unmasked"

    @property
    def is_installer(self) -> bool:
        """Whether it writes to nodes."""
        return any("hostPath" in volume for volume in self.pod["volumes"])


@dataclass(frozen=True)
class Cluster:
    """The manifests of one installation."""

    manifests: list[Manifest]

    @cached_property
    def workloads(self) -> list[Workload]:
        """Everything that creates pods."""
        return [Workload(one) for one in self.manifests if "template" in one.get("spec", {})]

    def of_kind(self, *kinds: str) -> list[Manifest]:
        """Return the manifests of some kinds."""
        return [one for one in self.manifests if one["kind"] in kinds]

    def has(self, kind: str, namespace: str | None, name: str) -> bool:
        """Return whether a manifest is there."""
        names = [(one["metadata"].get("namespace"), one["metadata"]["name"]) for one in self.of_kind(kind)]
        return (namespace, name) in names

    def selected(self, namespace: str, selector: dict[str, str]) -> list[Workload]:
        """Return the workloads whose pods a selector finds in a namespace."""
        found = [one for one in self.workloads if one.namespace == namespace]
        return [one for one in found if selector.items() <= one.labels.items()]
