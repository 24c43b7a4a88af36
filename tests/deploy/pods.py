"""The pods of manifests of Kubernetes, run by `podman kube play`; what a cluster does besides is done or left out.

Left out: probes, for which podman needs programs that the images do not have; user namespaces; policies; scheduling.
"""

import json
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from onebox.installation.creating import create
from onebox.installation.kubernetes import SECRETS, STORES, contents
from onebox.testing.system import until

from tests.architecture.house import ROOT
from tests.deploy.docker import image_of
from tests.kubernetes.cluster import Cluster, Workload
from tests.kubernetes.rendering import Manifest

READY_SECONDS = 300
"""A guard, not the aim."""
IGNORED = ("startupProbe", "readinessProbe", "livenessProbe")


def podman(*arguments: str, given: str | None = None) -> str:
    """Run podman, and return what it wrote to its standard output.

    Raises:
        AssertionError: it failed; the message has its output.
    """
    done = subprocess.run(["podman", *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"podman {' '.join(arguments)}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


class Pods:
    """The pods of an installation, in a network of their own; use it as a context, which removes them."""

    def __init__(self, manifests: list[Manifest], folder: Path) -> None:
        self._cluster = Cluster(manifests)
        self._workloads = {one.manifest["metadata"]["name"]: one for one in self._cluster.workloads}
        self._profiles, self._secrets = folder / "node", folder / "secrets"
        self._name = f"agentapi-check-{secrets.token_hex(3)}"
        self._played: dict[str, None] = {}
        self.gateways: list[str] = []
        """The URL of the gateway; another one after it was killed."""

    def __enter__(self) -> Self:
        create(self._secrets)
        podman("network", "create", self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._played if error else ():
            subprocess.run(["podman", "logs", "--tail=15", self.container(name)], stdout=sys.stderr, check=False)
        podman("pod", "rm", "--force", "--time=5", *self._named("pod", "ps"))
        podman("volume", "rm", "--force", *self._named("volume", "ls"))
        podman("secret", "rm", *self._named("secret", "ls"))
        podman("network", "rm", self._name)

    def _named(self, *command: str) -> list[str]:
        """Return the names of what belongs to this installation."""
        return [name for name in podman(*command, "--format={{.Name}}").split() if name.startswith(self._name)]

    def start(self) -> None:
        """Start all pods in the order in which they become ready in a cluster, and wait until services are."""
        self._install_profile()
        names = [name for name, one in self._workloads.items() if one.manifest["kind"] != "DaemonSet"]
        jobs = [name for name in names if self._workloads[name].manifest["kind"] == "Job"]
        for name in [*STORES, "simulator"]:
            self._play(name)
        for name in jobs:
            self._play(name)
            until(lambda name=name: self._has_succeeded(name), READY_SECONDS)
        services = [name for name in SECRETS if name in names]
        for name in services:
            self._play(name)
        for name in services:
            until(lambda name=name: self._is_ready(name), READY_SECONDS)
        self._find_gateway()

    @property
    def names(self) -> list[str]:
        """The components that run all the time."""
        return [name for name in self._played if self._workloads[name].manifest["kind"] != "Job"]

    def kill(self, name: str) -> None:
        """End a pod without a grace, replace it by a new one with another address, and wait until that is ready."""
        podman("pod", "rm", "--force", "--time=0", f"{self._name}-{name}")
        self._play(name)
        until(lambda: name in STORES or self._is_ready(name), READY_SECONDS)
        self._find_gateway()

    def container(self, name: str) -> str:
        """Return the name of the container of a component."""
        return f"{self._name}-{name}-{self._workloads[name].container['name']}"

    def metrics(self, name: str) -> str:
        """Return the metrics of a service."""
        script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9000/metrics').read().decode())"
        return podman("exec", self.container(name), "python", "-c", script)

    def _find_gateway(self) -> None:
        self.gateways[:] = [f"http://{podman('port', self.container('gateway'), '8000')}"]

    def _has_succeeded(self, name: str) -> bool:
        state = "--format={{.State.Status}} {{.State.ExitCode}}"
        return podman("container", "inspect", state, self.container(name)) == "exited 0"

    def _is_ready(self, name: str) -> bool:
        ready = ["podman", "exec", self.container(name), "healthcheck"]
        return subprocess.run(ready, capture_output=True, check=False).returncode == 0

    def _install_profile(self) -> None:
        """Copy the profile to where the kubelet of a node has it, as the DaemonSet does."""
        [wanted] = {
            one.container["securityContext"]["seccompProfile"]["localhostProfile"]
            for one in self._workloads.values()
            if one.has_sandboxes
        }
        self._profiles.mkdir()
        shutil.copy(ROOT / "deploy/seccomp/session.json", self._profiles / Path(wanted).name)

    def _play(self, name: str) -> None:
        workload = self._workloads[name]
        user = _user_of(workload)
        for claim in _claims(workload):
            owned = f"{self._name}-{claim}:/volume"
            options = ("--rm", "--user=0", "--network=none", "--entrypoint=chown", f"--volume={owned}")
            podman("run", *options, image_of("identity"), f"{user}:{user}", "/volume")
        documents = [*self._configuration(name), self._pod(name, user)]
        text = "\n---\n".join(map(json.dumps, documents))
        network = f"--network={self._name}:alias={name}"
        self._played[name] = None
        podman(
            "kube", "play", "--quiet", "--replace", network, f"--seccomp-profile-root={self._profiles}", "-", given=text
        )

    def _configuration(self, name: str) -> Iterator[Manifest]:
        """Yield the Secret and the ConfigMap of a component, which podman keeps without a namespace."""
        secret = self._workloads[name].volumes.get("secrets", {}).get("secret", {}).get("secretName")
        if secret:
            metadata = {"name": f"{self._name}-{name}-secrets"}
            text = contents(self._secrets, secret)
            yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": text}
        for one in self._cluster.of_kind("ConfigMap"):
            if one["metadata"]["name"] == name:
                yield {**one, "metadata": {"name": f"{self._name}-{name}-files"}}

    def _pod(self, name: str, user: int) -> Manifest:
        workload = Workload(deepcopy(self._workloads[name].manifest))
        spec, container = workload.pod, workload.container
        spec.pop("hostUsers", None)
        if workload.manifest["kind"] == "Job":
            spec["restartPolicy"] = "OnFailure"  # a Job creates another pod
        spec.setdefault("securityContext", {}).update(runAsUser=user, runAsGroup=user)
        for probe in IGNORED:
            container.pop(probe, None)
        container["imagePullPolicy"] = "Never"
        # A folder in the volume, which is not empty at first in a cluster.
        container["env"] = [one for one in container.get("env", []) if one["name"] != "PGDATA"]
        for port in container.get("ports", []):
            if port["name"] == "http":
                port |= {"hostPort": _free_port(), "hostIP": "127.0.0.1"}
        claims = [
            {"name": one["metadata"]["name"], "persistentVolumeClaim": {"claimName": "data"}}
            for one in _templates(workload)
        ]
        spec["volumes"] = [self._volume(name, volume) for volume in [*spec["volumes"], *claims]]
        # Pods of podman share empty folders that have the same name.
        for one in [*spec["volumes"], *container["volumeMounts"]]:
            one["name"] = f"{self._name}-{name}-{one['name']}"
        metadata = {"name": f"{self._name}-{name}", "annotations": dict(_profile(container))}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _volume(self, name: str, volume: dict[str, Any]) -> dict[str, Any]:
        """Return a volume with names of this installation. Files have no group with podman, so all may read them."""
        if secret := volume.get("secret"):
            secret.update(secretName=f"{self._name}-{name}-secrets", defaultMode=0o444)
        elif configured := volume.get("configMap"):
            configured["name"] = f"{self._name}-{name}-files"
        elif claim := volume.get("persistentVolumeClaim"):
            claim["claimName"] = f"{self._name}-{name if claim['claimName'] == 'data' else claim['claimName']}"
        return volume


def _profile(container: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the seccomp profile of a container as an annotation, where podman reads it, without folders."""
    if profile := container["securityContext"].get("seccompProfile"):
        yield (
            f"container.seccomp.security.alpha.kubernetes.io/{container['name']}",
            f"localhost/{Path(profile['localhostProfile']).name}",
        )


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _templates(workload: Workload) -> list[Manifest]:
    return workload.manifest["spec"].get("volumeClaimTemplates", [])


def _claims(workload: Workload) -> list[str]:
    """Return the volumes of a workload that stay, by the names that they have here."""
    claims = [
        one["persistentVolumeClaim"]["claimName"] for one in workload.pod["volumes"] if "persistentVolumeClaim" in one
    ]
    return claims + [workload.manifest["metadata"]["name"] for _ in _templates(workload)]


def _user_of(workload: Workload) -> int:
    """Return the user of a workload, for PostgreSQL the one that its image has, as docker-compose.yml does."""
    if workload.container["name"] != "postgres":
        return workload.pod["securityContext"]["runAsUser"]
    return int(
        podman("run", "--rm", "--network=none", "--entrypoint=id", workload.container["image"], "-u", "postgres")
    )
