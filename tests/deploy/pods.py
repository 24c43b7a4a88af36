"""The pods of manifests of Kubernetes, run by `podman kube play`; what a cluster does besides is done or left out.

Left out: probes, for which podman needs programs that the images do not have; user namespaces; policies; scheduling.
"""

import json
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
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

READY_SECONDS = 900
"""A guard, not the aim."""
REGISTRY = "registry.example.org/"
"""That of the overlay `production`. Its images are those under test, without a registry."""
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
    """The pods of an installation, in a network of their own; use it as a context, which removes them.

    Args:
        manifests: what is applied to a cluster.
        folder: where the secrets and the files of a node are written.
        replicas: how many pods of each service there are.
        settings: environment variables of services that the manifests leave to the operator.
    """

    def __init__(
        self,
        manifests: list[Manifest],
        folder: Path,
        replicas: int = 1,
        settings: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._cluster, self._replicas, self._settings = Cluster(manifests), replicas, settings or {}
        self._workloads = {one.manifest["metadata"]["name"]: one for one in self._cluster.workloads}
        self._profiles, self._secrets = folder / "node", folder / "secrets"
        self._name = f"agentapi-check-{secrets.token_hex(3)}"
        self._played: dict[str, str] = {}
        """The names of the pods, and the component that each belongs to."""
        self.gateways: list[str] = []
        """The URLs of the gateways; other ones after one was killed."""

    def __enter__(self) -> Self:
        create(self._secrets)
        podman("network", "create", self._name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._played if error else ():
            subprocess.run(["podman", "logs", "--tail=15", self._container(name)], stdout=sys.stderr, check=False)
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
            self._play(name, name)
        for name in jobs:
            self._play(name, name)
            until(lambda name=name: self._has_succeeded(name), READY_SECONDS)
        pods = {f"{name}-{n}": name for n in range(self._replicas) for name in SECRETS if name in names}
        for pod, name in pods.items():
            self._play(pod, name)
        for pod in pods:
            until(lambda pod=pod: self._is_ready(pod), READY_SECONDS)
        self._find_gateways()

    @property
    def components(self) -> dict[str, str]:
        """The pods that run all the time, and the component that each belongs to."""
        return {pod: name for pod, name in self._played.items() if self._workloads[name].manifest["kind"] != "Job"}

    def kill(self, pod: str) -> None:
        """End a pod without a grace, replace it by a new one with another address, and wait until that is ready."""
        podman("pod", "rm", "--force", "--time=0", f"{self._name}-{pod}")
        self._play(pod, self._played[pod])
        until(lambda: pod in STORES or self._is_ready(pod), READY_SECONDS)
        self._find_gateways()

    def metrics(self, name: str) -> list[str]:
        """Return the metrics of each pod of a service."""
        script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9000/metrics').read().decode())"
        return [podman("exec", self._container(pod), "python", "-c", script) for pod in self._pods_of(name)]

    def _pods_of(self, name: str) -> list[str]:
        return [pod for pod, component in self._played.items() if component == name]

    def _container(self, pod: str) -> str:
        return f"{self._name}-{pod}-{self._workloads[self._played[pod]].container['name']}"

    def _find_gateways(self) -> None:
        self.gateways[:] = [
            f"http://{podman('port', self._container(pod), '8000')}" for pod in self._pods_of("gateway")
        ]

    def _has_succeeded(self, pod: str) -> bool:
        state = "--format={{.State.Status}} {{.State.ExitCode}}"
        return podman("container", "inspect", state, self._container(pod)) == "exited 0"

    def _is_ready(self, pod: str) -> bool:
        ready = ["podman", "exec", self._container(pod), "healthcheck"]
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

    def _play(self, pod: str, name: str) -> None:
        """Start a pod of a component."""
        workload = self._workloads[name]
        user = _user_of(workload)
        for claim in _claims(workload):
            owned = f"{self._name}-{claim}:/volume"
            options = ("--rm", "--user=0", "--network=none", "--entrypoint=chown", f"--volume={owned}")
            podman("run", *options, image_of("identity"), f"{user}:{user}", "/volume")
        documents = [*self._configuration(pod, name), self._pod(pod, name, user)]
        text = "\n---\n".join(map(json.dumps, documents))
        network = f"--network={self._name}:alias={name}"
        self._played[pod] = name
        podman(
            "kube", "play", "--quiet", "--replace", network, f"--seccomp-profile-root={self._profiles}", "-", given=text
        )

    def _configuration(self, pod: str, name: str) -> Iterator[Manifest]:
        """Yield the Secret and the ConfigMap of a component, which podman keeps without a namespace."""
        secret = self._workloads[name].volumes.get("secrets", {}).get("secret", {}).get("secretName")
        if secret:
            metadata = {"name": f"{self._name}-{pod}-secrets"}
            text = contents(self._secrets, secret)
            yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": text}
        for one in self._cluster.of_kind("ConfigMap"):
            if one["metadata"]["name"] == name:
                yield {**one, "metadata": {"name": f"{self._name}-{pod}-files"}}

    def _pod(self, pod: str, name: str, user: int) -> Manifest:
        workload = Workload(deepcopy(self._workloads[name].manifest))
        spec, container = workload.pod, workload.container
        spec.pop("hostUsers", None)
        if workload.manifest["kind"] == "Job":
            spec["restartPolicy"] = "OnFailure"  # a Job creates another pod
        spec.setdefault("securityContext", {}).update(runAsUser=user, runAsGroup=user)
        for probe in IGNORED:
            container.pop(probe, None)
        container["imagePullPolicy"], container["image"] = "Never", container["image"].removeprefix(REGISTRY)
        # A folder in the volume, which is not empty at first in a cluster.
        variables = {**workload.environment, **self._settings.get(name, {})}
        container["env"] = [{"name": key, "value": value} for key, value in variables.items() if key != "PGDATA"]
        for port in container.get("ports", []):
            if port["name"] == "http":
                port |= {"hostPort": free_port(), "hostIP": "127.0.0.1"}
        claims = [
            {"name": one["metadata"]["name"], "persistentVolumeClaim": {"claimName": "data"}}
            for one in _templates(workload)
        ]
        spec["volumes"] = [self._volume(pod, name, volume) for volume in [*spec["volumes"], *claims]]
        # Pods of podman share empty folders that have the same name.
        for one in [*spec["volumes"], *container["volumeMounts"]]:
            one["name"] = f"{self._name}-{pod}-{one['name']}"
        metadata = {"name": f"{self._name}-{pod}", "annotations": dict(_profile(container))}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _volume(self, pod: str, name: str, volume: dict[str, Any]) -> dict[str, Any]:
        """Return a volume with names of this installation. Files have no group with podman, so all may read them."""
        if secret := volume.get("secret"):
            secret.update(secretName=f"{self._name}-{pod}-secrets", defaultMode=0o444)
        elif configured := volume.get("configMap"):
            configured["name"] = f"{self._name}-{pod}-files"
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


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
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
