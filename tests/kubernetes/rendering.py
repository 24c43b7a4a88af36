"""Renders the chart with Helm, and what comes from it in deploy/kubernetes: `python -m tests.kubernetes.rendering`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from tests.architecture.house import ROOT

CHART = ROOT / "deploy/helm/ai-agent-api"
FOLDER = ROOT / "deploy/kubernetes"
NAMESPACE = "agentapi"
HEAD = "# Rendered from deploy/helm/ai-agent-api by `make golden`.\n"
COMPONENTS = {
    "monitoring": ("monitoring.enabled=true", "templates/monitoring.yaml"),
    "external-secrets": ("externalSecrets.enabled=true", "templates/external-secrets.yaml"),
    "profile-installer": ("profileInstaller.enabled=true", "templates/profile-installer.yaml"),
    "development": ("development.enabled=true", "templates/development.yaml"),
}
"""What overlays add to the base: the value that enables it, and the template that has it."""
CHECK = "templates/sandbox-check.yaml"
ELSEWHERE = {"base": ["../namespaces"], "components/monitoring": ["../../../monitoring/dashboards"]}
"""What is not rendered, by the folder that it belongs to: namespaces, and the files of dashboards."""

type Manifest = dict[str, Any]


def program(name: str) -> list[str]:
    """Return the beginning of a command, `helm template` or `kustomize build`; nothing if it is not installed."""
    commands = {"helm": [["helm", "template"]], "kustomize": [["kustomize", "build"], ["kubectl", "kustomize"]]}
    installed = [command for command in commands[name] if shutil.which(command[0])]
    return installed[0] if installed else []


def helm(*options: str) -> str:
    """Render the chart.

    Raises:
        ValueError: Helm refuses it; the text is its reason.
    """
    return _run([*program("helm"), NAMESPACE, str(CHART), f"--namespace={NAMESPACE}", *options])


def kustomize(folder: str) -> str:
    """Render a folder below deploy/kubernetes.

    Raises:
        ValueError: kustomize refuses it; the text is its reason.
    """
    return _run([*program("kustomize"), str(FOLDER / folder)])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(done.stderr)
    return done.stdout


def manifests(text: str) -> list[Manifest]:
    """Return the objects in a text of YAML."""
    return [found for found in yaml.load_all(text, yaml.CSafeLoader) if found]


def rendered() -> dict[str, str]:
    """Return the content of each rendered file by its path below deploy/kubernetes."""
    files = dict(_files("base", helm("--skip-tests")))
    for name, (enabled, template) in COMPONENTS.items():
        files |= dict(_files(f"components/{name}", helm(f"--set={enabled}", f"--show-only={template}"), "Component"))
    return files | dict(_files("sandbox-check", helm(f"--show-only={CHECK}")))


def _files(folder: str, text: str, kind: str = "Kustomization") -> Iterator[tuple[str, str]]:
    """Yield the files of a folder, with a folder for each component, and what kustomize needs to find them."""
    parts: dict[str, list[str]] = {}
    for part in text.split("\n---\n"):
        lines = [line for line in part.removeprefix("---\n").splitlines() if not line.startswith("# Source: ")]
        for found in manifests("\n".join(lines)):
            if "grafana_dashboard" not in found["metadata"]["labels"]:
                parts.setdefault(_path(found), []).append("\n".join(lines).strip())
    version = "v1alpha1" if kind == "Component" else "v1beta1"
    resources = ELSEWHERE.get(folder, []) + sorted(parts)
    index = {"apiVersion": f"kustomize.config.k8s.io/{version}", "kind": kind, "resources": resources}
    yield f"{folder}/kustomization.yaml", HEAD + yaml.safe_dump(index, sort_keys=False)
    for path, documents in parts.items():
        yield f"{folder}/{path}", HEAD + "\n---\n".join(documents) + "\n"


def _path(manifest: Manifest) -> str:
    component = manifest["metadata"]["labels"].get("app.kubernetes.io/name", "common")
    return f"{component}/{manifest['kind'].lower()}.yaml"


def stored() -> dict[str, str]:
    """Return the content of each file of deploy/kubernetes that says that it was rendered."""
    files = {path.relative_to(FOLDER).as_posix(): path.read_text() for path in FOLDER.rglob("*.yaml")}
    return {path: text for path, text in files.items() if text.startswith(HEAD)}


def main() -> None:
    """Write the files again."""
    if not program("helm"):
        sys.stderr.write("deploy/kubernetes was not rendered: helm is missing (https://helm.sh/docs/intro/install).\n")
        return
    for path in stored():
        (FOLDER / path).unlink()
    for path, text in rendered().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text)


if __name__ == "__main__":
    main()
