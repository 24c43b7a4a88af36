"""The rules on sizes: of files, functions, and of what silences a check."""

import ast
import re
from pathlib import Path

from tests.architecture import house
from tests.architecture.rule import rule

LINES = 300
FUNCTION_LINES, PARAMETERS, NESTING, COMPLEXITY, TEST_NAME = 40, 6, 3, 8, 70
FOLDING = ("aggregate", "projections")
"""The rooms in which ruff does not measure complexity, since it counts the cases of an exhaustive `match`, too."""
TEST = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)
SUPPRESSIONS = 5.0
"""In 1,000 lines of source: comments that silence a check."""
SILENCED = re.compile(r"# ?(noqa|ruff: noqa|pyright:|type: ignore)")


@rule
def files_are_short(root: Path) -> list[str]:
    lengths = {path: len(house.read(path).splitlines()) for path in house.python(root, tests=True)}
    return [f"{path.relative_to(root)} has {n} lines, {LINES} is the limit" for path, n in lengths.items() if n > LINES]


@rule
def functions_are_small(root: Path) -> list[str]:
    wrong: list[str] = []
    for path in house.python(root, tests=False):
        for function in house.functions(path):
            where, larger = f"{path.relative_to(root)}: {function.name}", _larger(function)
            if larger:
                wrong.append(f"{where} has {larger}")
    return wrong


@rule
def folds_and_projections_are_simple(root: Path) -> list[str]:
    paths = [path for service in house.event_sourced(root) for room in FOLDING for path in service.room(room)]
    measured = [(path, each.name, house.complexity(each)) for path in paths for each in house.functions(path)]
    return [f"{path.relative_to(root)}: {name} has complexity {n}" for path, name, n in measured if n > COMPLEXITY]


@rule
def names_of_tests_are_short(root: Path) -> list[str]:
    names = [(path, name) for path in house.python(root, tests=True) for name in TEST.findall(house.read(path))]
    long = [(path, name) for path, name in names if len(name) > TEST_NAME]
    return [f"{path.relative_to(root)}: {name} has more than {TEST_NAME} characters" for path, name in long]


@rule
def complexity_is_never_excused(root: Path) -> list[str]:
    excused = [path for path in house.python(root, tests=False) if re.search(r"noqa:[\w, ]*C901", house.read(path))]
    return [f"{path.relative_to(root)} excuses its complexity" for path in excused]


@rule
def checks_are_seldom_silenced(root: Path) -> list[str]:
    texts = [house.read(path) for path in house.python(root, tests=False)]
    lines, silenced = sum(len(text.splitlines()) for text in texts), sum(len(SILENCED.findall(text)) for text in texts)
    density = 1000 * silenced / lines
    return [f"{density:.1f} checks are silenced in 1,000 lines"] if density > SUPPRESSIONS else []


def _larger(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    parameters = len([each for each in arguments if each.arg not in ("self", "cls")])
    measured = {
        f"{lines} lines": lines > FUNCTION_LINES,
        f"{parameters} parameters": parameters > PARAMETERS,
        f"{(depth := house.nesting(function))} levels of nesting": depth > NESTING,
    }
    return ", ".join(what for what, is_larger in measured.items() if is_larger)
