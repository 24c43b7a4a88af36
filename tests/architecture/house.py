"""Input of the rules, read from the files of a tree: members, services, messages, handlers, aggregates."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).parents[2]
PREFIXES = {"Command": "cmd", "Query": "qry", "Event": "evt"}


@dataclass(frozen=True)
class Member:
    """A package of the workspace."""

    folder: Path

    @property
    def package(self) -> str:
        return self.folder.name.replace("-", "_")

    @property
    def source(self) -> Path:
        return self.folder / self.package

    @property
    def migrations(self) -> Path:
        return self.source / "migrations"

    def room(self, name: str) -> list[Path]:
        """The files of a room: one file, or a package of the same name."""
        file = self.source / f"{name}.py"
        return [file] if file.exists() else sorted((self.source / name).rglob("*.py"))


@dataclass(frozen=True)
class Message:
    """A class of contracts with a subject. It lies in a `module` of a `service`; `kind` is None if no base says it."""

    name: str
    service: str
    module: str
    subject: str
    kind: str | None
    answer: str
    has_outcome: bool


@dataclass(frozen=True)
class Handler:
    """A function that is decorated with `@handles` or `@answers`, in a `module` of its room, or in its only one."""

    name: str
    module: str | None
    decorator: str
    message: str
    answer: str


@dataclass(frozen=True)
class Aggregate:
    """A class `X(Aggregate[Events])`, and the methods `apply…` of its room: its own, and those of its bases."""

    name: str
    events: frozenset[str]
    folds: list[ast.FunctionDef]


def members(root: Path) -> list[Member]:
    return [Member(file.parent) for file in sorted(root.glob("*/*/pyproject.toml"))]


def event_sourced(root: Path) -> list[Member]:
    services = [member for member in members(root) if member.folder.parent.name == "services"]
    return [service for service in services if service.package != "gateway"]


@cache
def python(root: Path, tests: bool) -> list[Path]:
    """All Python files of the members, without or with those of the tests. No rule changes a tree."""
    if not tests:
        return [path for path in python(root, tests=True) if "tests" not in path.relative_to(root).parts]
    return [path for top in ("examples", "libs", "services", "tests") for path in sorted((root / top).rglob("*.py"))]


@cache
def read(path: Path) -> str:
    return path.read_text()


def parse(path: Path) -> ast.Module:
    return _parsed(read(path))


@cache
def _parsed(text: str) -> ast.Module:
    return ast.parse(text)


def forget() -> None:
    """Forget all files: their trees are millions of objects, which the garbage collector would visit ever again."""
    for cached in (python, read, _parsed):
        cached.cache_clear()


def messages(root: Path) -> list[Message]:
    contracts = root / "libs/contracts/contracts"
    return [
        _message(node, subject, path.relative_to(contracts))
        for path in sorted(contracts.glob("*/**/*.py"))
        for node in parse(path).body
        if isinstance(node, ast.ClassDef) and (subject := _subject(node))
    ]


def handlers(service: Member) -> list[Handler]:
    return [
        Handler(
            node.name,
            path.stem if path.parent != service.source else None,
            decorator.id,
            _unparsed(node.args.args[0].annotation),
            _unparsed(node.returns),
        )
        for path in service.room("handlers") + service.room("queries")
        for node in parse(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Name) and decorator.id in ("handles", "answers")
    ]


def aggregates(root: Path, service: Member) -> list[Aggregate]:
    unions = _unions(root / "libs/contracts/contracts" / service.package)
    classes = [n for path in service.room("aggregate") for n in parse(path).body if isinstance(n, ast.ClassDef)]
    methods = [part for node in classes for part in node.body if isinstance(part, ast.FunctionDef)]
    folds = [method for method in methods if method.name.startswith("apply")]
    found = [(node.name, events) for node in classes if (events := _type_argument(node, "Aggregate"))]
    return [Aggregate(name, frozenset(_members(events, unions)), folds) for name, events in found]


def cases(match: ast.Match) -> set[str]:
    """The classes that a `match` has a case for, whatever their fields; a case with a guard does not count."""
    parts = [part for case in match.cases if case.guard is None for part in ast.walk(case.pattern)]
    classes = [part for part in parts if isinstance(part, ast.MatchClass)]
    return {_unparsed(part.cls) for part in classes if not part.patterns and not part.kwd_patterns}


def is_exhaustive(match: ast.Match) -> bool:
    """Whether the last case is `case _: assert_never(...)`."""
    last = match.cases[-1]
    return _unparsed(last.pattern) == "_" and _unparsed(last.body[0]).startswith("assert_never(")


def matches(node: ast.AST) -> list[ast.Match]:
    return [part for part in ast.walk(node) if isinstance(part, ast.Match)]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes: list[ast.AST] = [parse(path)]
    while nodes:
        node = nodes.pop()
        nodes += [part for part in ast.iter_child_nodes(node) if isinstance(part, _STATEMENTS)]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def nesting(node: ast.AST) -> int:
    """How deep branches, loops and `try` lie in each other; an `elif` lies beside its `if`, `with` does not branch."""
    deepest = 0
    for field, value in ast.iter_fields(node):
        parts = cast(list[Any], value if isinstance(value, list) else [value])
        for part in (part for part in parts if isinstance(part, _STATEMENTS) and not isinstance(part, _OTHERS)):
            is_elif = isinstance(node, ast.If) and field == "orelse" and len(parts) == 1 and isinstance(part, ast.If)
            deepest = max(deepest, nesting(part) + (isinstance(part, _NESTING) and not is_elif))
    return deepest


def complexity(node: ast.AST) -> int:
    """The complexity that ruff measures, without the cases of exhaustive matches: only what is in them counts.

    Such a `match` is a table, one entry for each event, and grows with every new one.
    """
    parts = [part for part in ast.iter_child_nodes(node) if isinstance(part, _STATEMENTS)]
    return _branches(node) + sum(map(complexity, parts))


def _branches(node: ast.AST) -> int:
    match node:
        case ast.Match():
            last = node.cases[-1]
            is_else = last.guard is None and isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None
            return 0 if is_exhaustive(node) else len(node.cases) - is_else
        case ast.Try() | ast.TryStar():
            return bool(node.orelse)
        case _:
            return isinstance(node, _BRANCHES)


_BRANCHES = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef)
_NESTING = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.Match)
_OTHERS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
"""What lies in a statement that can itself contain statements: no expression does."""


def _message(node: ast.ClassDef, subject: str, path: Path) -> Message:
    bases = [re.fullmatch(r"(?:Progress)?(Command|Query|Event)(?:\[(.*)\])?", _unparsed(base)) for base in node.bases]
    base = next(filter(None, bases), None)
    has_outcome = any(_says_outcome(part) for part in node.body)
    return Message(
        node.name, path.parts[0], path.stem, subject, base and base[1], (base and base[2]) or "", has_outcome
    )


def _says_outcome(part: ast.stmt) -> bool:
    if isinstance(part, ast.Assign):
        return _unparsed(part.targets[0]) == "outcome_query"
    return isinstance(part, ast.FunctionDef) and part.name == "outcome"


def _subject(node: ast.ClassDef) -> str | None:
    for part in node.body:
        if isinstance(part, ast.Assign) and _unparsed(part.targets[0]) == "subject":
            return ast.literal_eval(part.value)
    return None


def _type_argument(node: ast.ClassDef, generic: str) -> str | None:
    bases = (re.fullmatch(rf"{generic}\[(.*)\]", _unparsed(base)) for base in node.bases)
    return next((base[1] for base in bases if base), None)


def _unions(package: Path) -> dict[str, set[str]]:
    """The aliases of a package that are unions, also the plain ones, which `isinstance` takes."""
    nodes = [node for path in package.rglob("*.py") for node in parse(path).body]
    pairs = [(_unparsed(node.name), node.value) for node in nodes if isinstance(node, ast.TypeAlias)]
    pairs += [(_unparsed(node.targets[0]), node.value) for node in nodes if isinstance(node, ast.Assign)]
    unions = (ast.BinOp, ast.Name)  # a service may record a single kind of event
    return {name: set(_unparsed(value).split(" | ")) for name, value in pairs if isinstance(value, unions)}


def _members(name: str, unions: dict[str, set[str]]) -> set[str]:
    """The classes of a union, also of those that it is made of."""
    return set[str]().union(*(_members(part, unions) for part in unions[name])) if name in unions else {name}


def _unparsed(node: ast.AST | None) -> str:
    return ast.unparse(node) if node else ""
