"""What manifests must have to work together, which the schema of no single one says."""

from collections.abc import Callable, Iterator

from tests.kubernetes.cluster import Cluster
from tests.kubernetes.rendering import Manifest

GRACE_SECONDS = 10
"""How much longer than its work in progress a service may take to stop."""

AGENT_AT_WORK_MIB, WARM_AGENT_MIB = 1024, 384


def memory_of_agents(runs: int, warm: int) -> float:
    """Return how many MiB a session service needs in a container, by the formula in docs/guides/operation.md."""
    return 300 + 1.5 * runs * AGENT_AT_WORK_MIB + warm * WARM_AGENT_MIB


type Rule = Callable[[Cluster], Iterator[str]]


def names_are_unique(cluster: Cluster) -> Iterator[str]:
    """No manifest replaces another one."""
    keys = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in cluster.manifests]
    yield from (f"{key} is there twice" for key in {*keys} if keys.count(key) > 1)


def pods_are_confined(cluster: Cluster) -> Iterator[str]:
    """Pods have what Pod Security `restricted` asks for, and a read-only root, except what sandboxes need."""
    for one in cluster.workloads:
        pod, container = one.pod.get("securityContext", {}), one.container["securityContext"]
        default = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        exceptions = {"procMount", "seccompProfile", "appArmorProfile"} if one.has_sandboxes else set[str]()
        if one.is_installer:
            exceptions = {"seccompProfile", "runAsUser"}
        elif not (pod.get("runAsNonRoot") and pod.get("runAsUser") and pod.get("seccompProfile")):
            yield f"{one.title}: its pods may run as root or without a seccomp profile"
        if {name: value for name, value in container.items() if name not in exceptions} != default:
            yield f"{one.title}: {container}"
        if {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & {*one.pod}:
            yield f"{one.title}: shares namespaces of the node"


def sandboxes_are_apart(cluster: Cluster) -> Iterator[str]:
    """What sandboxes need is in user namespaces, and in another namespace than pods without it that hold data."""
    for one in cluster.workloads:
        if one.has_sandboxes != (one.pod.get("hostUsers") is False):
            yield f"{one.title}: an unmasked /proc needs a user namespace of the pod, and nothing else does"
    apart = {one.namespace for one in cluster.workloads if one.has_sandboxes}
    for one in cluster.workloads:
        if one.namespace in apart and "SECRETS_KEY_FILE" in one.environment and not one.has_sandboxes:
            yield f"{one.title}: does not belong to the namespace of sandboxes"


def pods_have_no_token(cluster: Cluster) -> Iterator[str]:
    """Each component has an account of its own, and no pod has its token or variables of other services."""
    accounts = [
        (one.namespace, one.pod["serviceAccountName"]) for one in cluster.workloads if one.manifest["kind"] != "Job"
    ]
    for one in cluster.workloads:
        account = one.pod["serviceAccountName"]
        if not cluster.has("ServiceAccount", one.namespace, account) or accounts.count((one.namespace, account)) > 1:
            yield f"{one.title}: has no account of its own"
        if one.pod["automountServiceAccountToken"] or one.pod["enableServiceLinks"]:
            yield f"{one.title}: has a token or variables of other services"
    yield from (
        f"{one['metadata']['name']}: its account has a token"
        for one in cluster.of_kind("ServiceAccount")
        if one["automountServiceAccountToken"]
    )


def selectors_find_pods(cluster: Cluster) -> Iterator[str]:
    """What selects pods finds some, and services and policies name ports that these have."""
    for one in cluster.workloads:
        if (
            one.manifest["kind"] != "Job"
            and not one.manifest["spec"]["selector"]["matchLabels"].items() <= one.labels.items()
        ):
            yield f"{one.title}: does not select its own pods"
    for one in cluster.of_kind("Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = one["spec"]
        found = spec.get("selector", spec.get("podSelector", {}))
        labels = found.get("matchLabels", {}) if one["kind"] != "Service" else found
        pods = cluster.selected(one["metadata"]["namespace"], labels)
        ports = [port["targetPort"] for port in spec.get("ports", [])]
        ports += [port["port"] for rule in spec.get("ingress", []) for port in rule["ports"]]
        if spec.get("type") == "ExternalName":
            continue
        if not pods or not all(port in pod.ports for port in ports for pod in pods):
            yield f"{one['kind']} {one['metadata']['name']}: finds no pods with the ports {ports}"


def everything_is_behind_policies(cluster: Cluster) -> Iterator[str]:
    """Each namespace denies by default, and each component has a policy."""
    policies = cluster.of_kind("NetworkPolicy")
    for namespace in {one.namespace for one in cluster.workloads if not one.is_installer}:
        denied = [one["spec"] for one in policies if one["metadata"]["namespace"] == namespace]
        if not any(not one["podSelector"] and one["policyTypes"] == ["Ingress", "Egress"] for one in denied):
            yield f"{namespace}: does not deny by default"
    for one in policies:
        if any("ports" not in rule and rule["to"] != INTERNET for rule in one["spec"].get("egress", [])):
            yield f"{one['metadata']['name']}: may connect to any port"


INTERNET = [
    {
        "ipBlock": {
            "cidr": "0.0.0.0/0",
            "except": [
                "0.0.0.0/8",
                "10.0.0.0/8",
                "100.64.0.0/10",
                "127.0.0.0/8",
                "169.254.0.0/16",
                "172.16.0.0/12",
                "192.168.0.0/16",
                "224.0.0.0/3",
            ],
        }
    },
    {"ipBlock": {"cidr": "::/0", "except": ["::/96", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8"]}},
]
"""Public addresses."""


def volumes_exist(cluster: Cluster) -> Iterator[str]:
    """Volumes are defined and mounted, claims and configuration exist, and files of secrets are there."""
    for one in cluster.workloads:
        mounted = {mount["name"] for mount in one.container["volumeMounts"]}
        if mounted != {*one.volumes}:
            yield f"{one.title}: mounts {sorted(mounted)} of {sorted(one.volumes)}"
        for volume in one.volumes.values():
            for kind, key, field in (
                ("PersistentVolumeClaim", "persistentVolumeClaim", "claimName"),
                ("ConfigMap", "configMap", "name"),
            ):
                if key in volume and not cluster.has(kind, one.namespace, volume[key][field]):
                    yield f"{one.title}: {kind} {volume[key][field]} is missing"
        items = one.volumes.get("secrets", {}).get("secret", {}).get("items", [])
        files = {f"/run/secrets/{item['path']}" for item in items}
        named = {value for name, value in one.environment.items() if name.endswith("_FILE") and value}
        if not named <= files:
            yield f"{one.title}: {sorted(named - files)} are not mounted"


def shared_volumes_can_be_shared(cluster: Cluster) -> Iterator[str]:
    """Pods that share a volume of one node are on that node."""
    modes = {one["metadata"]["name"]: one["spec"]["accessModes"] for one in cluster.of_kind("PersistentVolumeClaim")}
    for one in cluster.workloads:
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in one.pod["volumes"]
            if "persistentVolumeClaim" in volume
        ]
        alone = any(modes.get(claim) == ["ReadWriteOnce"] for claim in claims)
        if one.manifest["kind"] == "Deployment" and alone != ("affinity" in one.pod):
            yield f"{one.title}: is bound to one node, or should be"


def updates_lose_nothing(cluster: Cluster) -> Iterator[str]:
    """Services are replaced one by one, with time for their work in progress, and found by probes."""
    for one in cluster.workloads:
        if "NATS_URL_FILE" not in one.environment:
            continue
        if one.manifest["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
            yield f"{one.title}: has fewer replicas during an update"
        if not cluster.has("PodDisruptionBudget", one.namespace, one.manifest["metadata"]["name"]):
            yield f"{one.title}: has no budget for disruptions"
        drain = int(one.environment.get("DRAIN_SECONDS") or one.environment["DRAIN_DELAY_SECONDS"])
        streams = 0 if "DRAIN_SECONDS" in one.environment else GRACE_SECONDS
        if one.pod["terminationGracePeriodSeconds"] != drain + streams + GRACE_SECONDS:
            yield f"{one.title}: is killed before it has stopped"
        probes = {
            name: one.container[f"{name}Probe"]["httpGet"]["port"] for name in ("startup", "readiness", "liveness")
        }
        if {*probes.values()} != {"ops"} or "ops" not in one.ports:
            yield f"{one.title}: {probes}"


def images_are_pinned(cluster: Cluster) -> Iterator[str]:
    """Every image has a version."""
    for one in cluster.workloads:
        if one.container["image"].rpartition(":")[2] in ("latest", one.container["image"]):
            yield f"{one.title}: {one.container['image']}"


def resources_are_limited(cluster: Cluster) -> Iterator[str]:
    """Every container has a memory limit, requests, and a priority class that exists, except what is on every node."""
    for one in cluster.workloads:
        resources = one.container["resources"]
        if "memory" not in resources["limits"] or {*resources["requests"]} != {"cpu", "memory"}:
            yield f"{one.title}: {resources}"
        if not one.is_installer and not cluster.has("PriorityClass", None, one.pod["priorityClassName"]):
            yield f"{one.title}: its priority class is missing"


def agents_have_their_memory(cluster: Cluster) -> Iterator[str]:
    """The memory of a pod is enough for its agents, and no process of one may take more than half of it."""
    for one in cluster.workloads:
        if "RUNS_AT_ONCE" in one.environment:
            runs, warm = int(one.environment["RUNS_AT_ONCE"]), int(one.environment["WARM_AGENTS"])
            mebibytes = int(one.container["resources"]["limits"].get("memory", "0Gi").removesuffix("Gi")) * 1024
            process = int(one.environment["AGENT_MEMORY_BYTES"]) / 2**20
            if mebibytes < max(memory_of_agents(runs, warm), 2 * process):
                yield f"{one.title}: {mebibytes} MiB for {runs} runs and {warm} warm agents"


def scaling_finds_its_target(cluster: Cluster) -> Iterator[str]:
    """What is scaled exists, and has no number of replicas of its own."""
    for one in cluster.of_kind("HorizontalPodAutoscaler"):
        target, namespace = one["spec"]["scaleTargetRef"], one["metadata"]["namespace"]
        found = [load for load in cluster.workloads if load.title == f"{target['kind']} {target['name']}"]
        if [load.namespace for load in found] != [namespace] or "replicas" in found[0].manifest["spec"]:
            yield f"{one['metadata']['name']}: its target does not exist, or has a number of replicas"
        if one["spec"]["minReplicas"] > one["spec"]["maxReplicas"]:
            yield f"{one['metadata']['name']}: has a minimum above the maximum"


RULES: list[Rule] = [
    names_are_unique,
    pods_are_confined,
    sandboxes_are_apart,
    pods_have_no_token,
    selectors_find_pods,
    everything_is_behind_policies,
    volumes_exist,
    shared_volumes_can_be_shared,
    updates_lose_nothing,
    images_are_pinned,
    resources_are_limited,
    agents_have_their_memory,
    scaling_finds_its_target,
]


def mistakes(manifests: list[Manifest]) -> list[str]:
    """Return what any rule finds."""
    cluster = Cluster(manifests)
    return [f"{rule.__name__}: {found}" for rule in RULES for found in rule(cluster)]
