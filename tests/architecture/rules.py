"""The rules of the repository. Each takes the root of a tree and returns its violations, one sentence each."""

import ast
import re
import tomllib
from collections import Counter
from pathlib import Path

from contracts.wire import PUBLIC_NAMES

from tests.architecture import columns, house, refusals, sizes
from tests.architecture.rule import RULES, Rule, rule

__all__ = ["RULES", "Rule", "columns", "refusals", "sizes"]

ROOMS = ("__init__", "__main__", "app", "settings", "handlers", "aggregate", "projections", "queries", "dependencies")
TESTS = ("aggregate", "handlers", "projections", "queries", "service")
GATEWAY = ("__init__", "__main__", "app", "settings", "clients", "entry", "problems", "routes")

FORBIDDEN = {"utils", "util", "common", "core", "helpers", "helper", "manager", "managers"}
FREE = ("libs/runtime", "libs/onebox", "services/gateway")
"""Where the clock, ids, the environment and tasks come from, each with its reason."""
PARDONED = {"libs/sandbox/sandbox/launcher/__main__.py"}
"""Runs alone inside the sandbox, where there is no `runtime`."""


MINTING = {"ids.py", "clients/api_calls.py", "entry/audit_reports.py", "state.py"}
"""The modules of the gateway that take new ids: the source of those of resources; ids of entries in the audit log, and
of the process itself."""

LEFT_TO_EVENTING = {
    "puts SQL together": r"noqa:[\w, ]*S608",
    "pages in SQL": r"\bOFFSET\b|\bLIMIT (?!1\b)",
    "compares owners": r"\bmay_see\b|[!=]=.*\b(owner|user_id)\b|\b(owner|user_id)\b\S* [!=]=",
}
"""What `eventing.handling.reading` and the unit of work do for all services; LIMIT 1 reads one row, and is no page."""

SENT = re.compile(r"\b([A-Z]\w+)(?:\.model_validate)?\(")
"""A message that is created: a handler only names it as the type of its parameter."""


@rule
def every_service_has_the_same_rooms(root: Path) -> list[str]:
    wanted = [f"services/gateway/gateway/{room}" for room in GATEWAY]
    for service in house.event_sourced(root):
        name, folder = service.package, service.folder.relative_to(root)
        wanted += [f"{folder}/{name}/{room}" for room in ROOMS]
        wanted += [f"{folder}/tests/test_{subject}" for subject in TESTS]
        wanted += [f"libs/contracts/contracts/{name}", _routes(root, name)]
    return [f"{room} is missing" for room in wanted if not _is_module(root / room)]


@rule
def every_part_of_a_room_is_put_together(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        for room in ("handlers", "queries", "reactions"):
            wrong += _forgotten(root, service.source / room)
    return wrong


@rule
def the_box_knows_every_service(root: Path) -> list[str]:
    box, catalogue = root / "libs/onebox", root / "libs/contracts/contracts/catalogue.py"
    needed = tomllib.loads((box / "pyproject.toml").read_text())["project"]["dependencies"]
    known = catalogue.read_text()
    wrong: list[str] = []
    for service in house.event_sourced(root):
        name = service.package
        wrong += [] if f'"{name}": events_of(' in known else [f"{name} is not in contracts/catalogue.py"]
        wrong += [] if f"agentapi-{service.folder.name}" in needed else [f"onebox does not depend on {name}"]
    return wrong


@rule
def every_metric_names_its_owner(root: Path) -> list[str]:
    wrong: list[str] = []
    for path in (path for path in house.python(root, tests=False) if "prometheus_client" in house.read(path)):
        calls = [node for node in ast.walk(house.parse(path)) if isinstance(node, ast.Call)]
        metrics = [call for call in calls if re.search(r"\b(Counter|Gauge|Histogram|Summary)$", ast.unparse(call.func))]
        ownerless = [call for call in metrics if all(each.arg != "registry" for each in call.keywords)]
        wrong += [f"{path.relative_to(root)}:{call.lineno} declares a metric without a registry" for call in ownerless]
    return wrong


@rule
def migrations_are_numbered_without_a_gap(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        files = sorted(path.name for path in (service.migrations).glob("*"))
        numbers = [int(name[:4]) for name in files if re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", name)]
        if not files or numbers != list(range(1, len(files) + 1)):
            folder = service.migrations.relative_to(root)
            wrong.append(f"{folder} is not 0001_….sql, 0002_….sql and so on: {files}")
    return wrong


@rule
def every_member_is_under_import_contracts(root: Path) -> list[str]:
    linter = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    contracts = {contract["id"]: contract for contract in linter["contracts"]}
    layered = {*linter["root_packages"]} & {*re.findall(r"\w+", " ".join(contracts["members"]["layers"]))}
    lines = [line.partition(":")[0] for line in contracts["service-rooms"]["services"]]
    outside = [member.package for member in house.members(root) if member.package not in layered]
    without = [service.package for service in house.event_sourced(root) if service.package not in lines]
    wrong = [f"{member} is not in importlinter's root_packages and in the contract `members`" for member in outside]
    return wrong + [f"{service} has no line in the import contract `service-rooms`" for service in without]


@rule
def one_name_everywhere(root: Path) -> list[str]:
    wrong: list[str] = []
    for member in house.members(root):
        project = tomllib.loads((member.folder / "pyproject.toml").read_text())["project"]["name"]
        if project != f"agentapi-{member.folder.name}":
            wrong.append(f"{member.folder.name} is distributed as {project}")
        if not (member.source / "__init__.py").exists():
            wrong.append(f"{member.folder.name} has no package {member.package}")
    for service in house.event_sourced(root):
        app = "".join(house.read(path) for path in service.room("app"))
        wrong += [] if f'name="{service.package}"' in app else [f"{service.folder.name} calls itself something else"]
    return wrong


@rule
def module_names_say_something(root: Path) -> list[str]:
    paths = [path.relative_to(root).with_suffix("") for path in house.python(root, tests=True)]
    return [f"{path} is no name for a module" for path in paths if FORBIDDEN & set(re.split(r"[/_-]", str(path)))]


@rule
def bans_are_lifted_where_the_house_says(root: Path) -> list[str]:
    pardons = [path for path in house.python(root, tests=False) if re.search(r"noqa: [\w, ]*TID251", house.read(path))]
    lifted = [str(path.relative_to(root)) for path in pardons]
    return [f"{path} lifts a ban of its own" for path in lifted if not path.startswith(FREE) and path not in PARDONED]


@rule
def the_gateway_derives_ids(root: Path) -> list[str]:
    gateway = root / "services/gateway/gateway"
    modules = {path.relative_to(gateway).as_posix(): house.read(path) for path in gateway.rglob("*.py")}
    own = [name for name, text in modules.items() if re.search(r"clock\.new_id|import .*\bnew_id\b", text)]
    return [f"{name} does not take ids from gateway.ids" for name in own if name not in MINTING]


@rule
def reads_and_ownership_are_left_to_the_library(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        for path in service.room("queries") + service.room("handlers"):
            text, where = house.read(path), path.relative_to(root)
            wrong += [f"{where} {what}" for what, pattern in LEFT_TO_EVENTING.items() if re.search(pattern, text)]
    return wrong


@rule
def one_subject_one_class(root: Path) -> list[str]:
    counted = Counter(message.subject for message in house.messages(root))
    return [f"{subject} is the subject of {n} classes" for subject, n in counted.items() if n > 1]


@rule
def subjects_have_their_form(root: Path) -> list[str]:
    wrong: list[str] = []
    for message in house.messages(root):
        if message.kind is None:
            wrong.append(f"{message.name} has no base Command[…], Query[…] or Event")
        elif not re.fullmatch(rf"{house.PREFIXES[message.kind]}\.{message.service}\.[a-z][a-z_]*", message.subject):
            wrong.append(f"{message.name} has the subject {message.subject}")
    return wrong


@rule
def every_command_and_query_has_one_handler(root: Path) -> list[str]:
    found = {service.package: house.handlers(service) for service in house.event_sourced(root)}
    asked = [message for message in house.messages(root) if message.kind in ("Command", "Query")]
    wrong: list[str] = []
    for message in asked:
        names = [h.name for h in found.get(message.subject.split(".")[1], []) if h.message == message.name]
        if len(names) != 1:
            wrong.append(f"{message.name} has {len(names)} handlers")
    known = {(message.subject.split(".")[1], message.name) for message in asked}
    strange = [(name, h) for name, all_of in found.items() for h in all_of if (name, h.message) not in known]
    return wrong + [f"{name}'s {h.name} takes {h.message or 'nothing'}, which is not sent there" for name, h in strange]


@rule
def every_command_and_query_is_sent(root: Path) -> list[str]:
    paths = [path for path in house.python(root, tests=False) if not path.is_relative_to(root / "libs/contracts")]
    sent = {name for path in paths for name in SENT.findall(house.read(path))}
    asked = [message.name for message in house.messages(root) if message.kind in ("Command", "Query")]
    return [f"no route sends {name}, and no service" for name in asked if name not in sent]


@rule
def handlers_give_what_the_contract_says(root: Path) -> list[str]:
    asked = {message.name: message for message in house.messages(root)}
    wrong: list[str] = []
    for service in house.event_sourced(root):
        for handler in house.handlers(service):
            if message := asked.get(handler.message):
                answer = "None" if message.has_outcome else message.answer
                decorator = "handles" if message.kind == "Command" else "answers"
                if (handler.answer, handler.decorator) != (answer, decorator):
                    wrong.append(f"{service.package}'s {handler.name} is not `@{decorator}` or does not give {answer}")
    return wrong


@rule
def handlers_lie_where_their_subject_does(root: Path) -> list[str]:
    modules = {message.name: message.module for message in house.messages(root)}
    found = [handler for service in house.event_sourced(root) for handler in house.handlers(service)]
    strays = [h for h in found if h.module and h.message in modules and h.module != modules[h.message]]
    return [f"{h.name} lies in {h.module}, its message in {modules[h.message]}" for h in strays]


@rule
def every_event_is_an_event_of_one_aggregate(root: Path) -> list[str]:
    owners = Counter(
        (service.package, event)
        for service in house.event_sourced(root)
        for aggregate in house.aggregates(root, service)
        for event in aggregate.events
    )
    events = [message for message in house.messages(root) if message.kind == "Event"]
    counted = {event.name: owners[event.service, event.name] for event in events}
    return [f"{name} is an event of {n} aggregates" for name, n in counted.items() if n != 1]


@rule
def every_event_is_folded(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        for aggregate in house.aggregates(root, service):
            folds = [match for fold in aggregate.folds for match in house.matches(fold)]
            wrong += _unhandled(f"{aggregate.name}.apply", folds, aggregate.events)
    return wrong


@rule
def every_event_is_projected(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        events = frozenset[str]().union(*(aggregate.events for aggregate in house.aggregates(root, service)))
        found = [match for path in service.room("projections") for match in house.matches(house.parse(path))]
        wrong += _unhandled(f"{service.package}'s projection", found, events)
    return wrong


def _forgotten(root: Path, room: Path) -> list[str]:
    together = room / "__init__.py"
    text, wrong = house.read(together) if together.exists() else "", list[str]()
    for path in sorted(room.glob("[!_]*.py")):
        parts = re.findall(r"^(\w+)(?:: \w+)? = (?:Handlers|Reactions)\(", house.read(path), re.MULTILINE)
        forgotten = [part for part in parts if not re.search(rf"\b{path.stem}\.{part}\b", text)]
        wrong += [f"{path.relative_to(root)}: `{part}` is not in {together.relative_to(root)}" for part in forgotten]
    return wrong


def _routes(root: Path, service: str) -> str:
    """Return the routes of a service, by its own or its public name, or of a subject of its contracts."""
    subjects = [path.stem for path in (root / f"libs/contracts/contracts/{service}").glob("[!_]*.py")]
    routes = [
        f"services/gateway/gateway/routes/{name}" for name in (service, PUBLIC_NAMES.get(service, service), *subjects)
    ]
    return next((each for each in routes if _is_module(root / each)), routes[0])


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def _unhandled(where: str, found: list[ast.Match], events: frozenset[str]) -> list[str]:
    about = [match for match in found if house.cases(match) & events]
    handled = set[str]().union(*map(house.cases, about))
    wrong = [f"{where} has no case for {event}" for event in sorted(events - handled)]
    return wrong + [f"{where} does not end in assert_never" for match in about if not house.is_exhaustive(match)]
