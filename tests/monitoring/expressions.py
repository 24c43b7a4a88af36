"""All expressions of the rules and dashboards, with the labels that texts beside them name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.monitoring.dashboards import FOLDER, Json, rendered, sources
from tests.monitoring.known import Known, metrics

RULES = FOLDER / "rules"
INTERVALS = {"$__rate_interval": "5m", "$__range": "6h", "$service": ".*", "$instance": ".*"}
"""What Grafana puts in the place of its variables, for example."""


@dataclass(frozen=True)
class Expression:
    """An expression, where it is, and the labels of its result that a legend, a table or an alert shows."""

    place: str
    text: str
    shown: frozenset[str] = frozenset()

    @property
    def filled(self) -> str:
        """The expression with values in the place of Grafana's variables."""
        text = self.text
        for variable, value in INTERVALS.items():
            text = text.replace(variable, value)
        return text


def rules() -> list[Json]:
    """Return all rules, in the order of their files."""
    files = [yaml.safe_load(path.read_text()) for path in sorted(RULES.glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[Json]:
    """Return the rules that are alerts."""
    return [rule for rule in rules() if "alert" in rule]


def known() -> dict[str, Known]:
    """Return all that can be queried, with what the rules record."""
    recorded = {rule["record"]: Known(frozenset({"slo", "le"})) for rule in rules() if "record" in rule}
    return metrics() | recorded


def all_expressions() -> list[Expression]:
    """Return the expressions of all rules and dashboards."""
    dashboards = {name: rendered(name, source) for name, source in sources().items()}
    return [*of_rules(), *(one for name, dashboard in dashboards.items() for one in of_dashboard(name, dashboard))]


def of_rules() -> Iterator[Expression]:
    """Yield the expressions of all rules."""
    for rule in rules():
        text = str(rule.get("annotations", ""))
        yield Expression(rule.get("alert") or rule["record"], rule["expr"], _labels(r"\$labels\.(\w+)", text))


def of_dashboard(name: str, dashboard: Json) -> Iterator[Expression]:
    """Yield the expressions of a dashboard: its panels, its variables and its annotations."""
    for annotation in dashboard["annotations"]["list"]:
        title = annotation["titleFormat"]
        yield Expression(f"{name}: {annotation['name']}", annotation["expr"], _labels(r"\{\{(\w+)\}\}", title))
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            [(text, label)] = re.findall(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
            yield Expression(f"{name}: {variable['name']}", text, frozenset({label}))
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            if "expr" in target:
                yield Expression(f"{name}: {panel['title']}", target["expr"], _shown(panel, target))


def _shown(panel: Json, target: Json) -> frozenset[str]:
    columns: list[Any] = [*panel["transformations"][0]["options"]["indexByName"]] if panel["transformations"] else []
    return _labels(r"\{\{(\w+)\}\}", target["legendFormat"]) | {*columns} - {"Time", "Value"}


def _labels(pattern: str, text: str) -> frozenset[str]:
    return frozenset(re.findall(pattern, text))
