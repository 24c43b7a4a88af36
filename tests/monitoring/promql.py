"""What is wrong with an expression in PromQL, and which labels its result has."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

import promql_parser
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
)

from tests.monitoring.known import Known

ADDING = ("sum", "avg", "count")
RATES = ("rate", "irate", "increase")
NOTHING = Known(frozenset())


def problems(text: str, known: Mapping[str, Known]) -> list[str]:
    """Say what is wrong with an expression: its syntax, unknown metrics and labels, and sums that count twice."""
    try:
        expr = promql_parser.parse(text)
    except ValueError as error:
        return [str(error)]
    return [*_problems(expr, known, adding=False)]


def selectors(expr: Any) -> Iterator[VectorSelector]:
    """Yield the selectors of an expression."""
    if isinstance(expr, VectorSelector):
        yield expr
    for part in _parts(expr):
        yield from selectors(part)


def _parts(expr: Any) -> list[Any]:
    match expr:
        case MatrixSelector():
            return [expr.vector_selector]
        case BinaryExpr():
            return [expr.lhs, expr.rhs]
        case Call():
            return expr.args
        case AggregateExpr():
            return [expr.expr, *([] if expr.param is None else [expr.param])]
        case ParenExpr() | SubqueryExpr() | UnaryExpr():
            return [expr.expr]
        case _:
            return []


def _problems(expr: Any, known: Mapping[str, Known], *, adding: bool) -> Iterator[str]:
    match expr:
        case VectorSelector():
            yield from _of_selector(expr, known, adding=adding)
        case AggregateExpr():
            adding = str(expr.op) in ADDING
            labels = expr.modifier.labels if expr.modifier else []
            yield from (f"no label {name}" for name in set(labels) - labels_of(expr.expr, known))
        case BinaryExpr():
            matching = expr.modifier and expr.modifier.matching
            both = labels_of(expr.lhs, known) | labels_of(expr.rhs, known)
            yield from (f"no label {name}" for name in set(matching.labels if matching else []) - both)
        case Call() if expr.func.name in RATES:
            names = [selector.name or "" for selector in selectors(expr)]
            yield from (f"{name} is no counter" for name in names if name in known and not known[name].counts)
        case _:
            pass
    for part in _parts(expr):
        yield from _problems(part, known, adding=adding)


def _of_selector(selector: VectorSelector, known: Mapping[str, Known], *, adding: bool) -> Iterator[str]:
    name = selector.name or ""
    if name not in known:
        yield f"no metric {name or selector}"
        return
    if adding and known[name].shared:
        yield f"{name} is the same in all replicas, and added up"
    yield from (f"{name} has no label {m.name}" for m in selector.matchers.matchers if m.name not in known[name].labels)


def labels_of(expr: Any, known: Mapping[str, Known]) -> frozenset[str]:
    """Return the labels that the result of an expression can have."""
    match expr:
        case VectorSelector():
            return known.get(expr.name or "", NOTHING).labels
        case AggregateExpr() if str(expr.op) in ("topk", "bottomk"):
            return labels_of(expr.expr, known)
        case AggregateExpr():
            labels = frozenset(expr.modifier.labels if expr.modifier else ())
            by = expr.modifier is None or expr.modifier.type == AggModifierType.By
            return labels if by else labels_of(expr.expr, known) - labels
        case BinaryExpr() if str(expr.op) in ("and", "unless"):
            return labels_of(expr.lhs, known)
        case Call() if expr.func.name == "histogram_quantile":
            return labels_of(expr.args[1], known) - {"le"}
        case Call() if expr.func.name in ("scalar", "vector", "absent"):
            return frozenset()
        case _:
            return cast(frozenset[str], frozenset()).union(*(labels_of(part, known) for part in _parts(expr)))
