"""The expressions of dashboards and alerts use what is exposed, as it is exposed; alerts lead to their runbooks."""

import re
from difflib import unified_diff
from pathlib import Path

import promql_parser
import pytest
from contracts.refusals import Code

from tests.architecture.house import ROOT
from tests.architecture.test_links import broken
from tests.monitoring.dashboards import DASHBOARDS, document, rendered, sources
from tests.monitoring.expressions import alerts, all_expressions, known
from tests.monitoring.promql import labels_of, problems, selectors


def test_every_expression_uses_metrics_and_labels_that_exist() -> None:
    exposed = known()
    found = {(one.place, problem) for one in all_expressions() for problem in problems(one.filled, exposed)}
    assert found == set()


def test_every_label_that_is_shown_is_one_of_the_result() -> None:
    exposed = known()
    results = [(one, labels_of(promql_parser.parse(one.filled), exposed)) for one in all_expressions()]
    assert [(one.place, one.shown - labels) for one, labels in results if one.shown - labels] == []


def test_the_codes_in_expressions_exist() -> None:
    parsed = [promql_parser.parse(one.filled) for one in all_expressions()]
    matchers = [m for expr in parsed for selector in selectors(expr) for m in selector.matchers.matchers]
    patterns = {one for m in matchers if m.name == "code" for one in m.value.split("|")}
    assert [one for one in patterns if not any(re.fullmatch(one, code) for code in Code)] == []


def test_the_dashboards_are_those_of_their_sources() -> None:
    wanted = {f"{name}.json": document(name, source) for name, source in sources().items()}
    there = {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}
    differ = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    diffs = ["\n".join(unified_diff(there.get(n, "").splitlines(), wanted.get(n, "").splitlines(), n)) for n in differ]
    assert not differ, "\n".join(["Run `make golden` and review the diff.", *diffs])


@pytest.mark.parametrize("name", sources())
def test_the_variables_of_a_dashboard_are_declared(name: str) -> None:
    dashboard = rendered(name, sources()[name])
    declared = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", str(dashboard)))
    assert {variable for variable in used if not variable.startswith("__")} - declared == set()


def test_panels_say_what_they_show_and_do_not_overlap() -> None:
    for name, source in sources().items():
        panels = [panel for panel in rendered(name, source)["panels"] if panel["type"] != "row"]
        cells = [_cells(panel["gridPos"]) for panel in panels]
        assert all(panel["title"] and panel["description"] for panel in panels)
        assert len(set[tuple[int, int]]().union(*cells)) == sum(map(len, cells)), f"panels of {name} overlap"


def _cells(place: dict[str, int]) -> set[tuple[int, int]]:
    x, y = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    assert max(x) < 24
    return {(column, row) for column in x for row in y}


def test_every_alert_has_its_texts_and_its_severity() -> None:
    wanted = {"summary", "description", "runbook_url"}
    assert [alert["alert"] for alert in alerts() if alert["annotations"].keys() != wanted] == []
    assert {alert["labels"]["severity"] for alert in alerts()} == {"critical", "warning"}


def test_names_of_alerts_are_unique() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert sorted(names) == sorted(set(names))


def test_runbooks_of_alerts_and_panels_exist(tmp_path: Path) -> None:
    pages = {alert["annotations"]["runbook_url"] for alert in alerts()}
    panels = [panel for name, source in sources().items() for panel in rendered(name, source)["panels"]]
    pages |= {link["url"].replace("${runbooks}", "docs/runbooks") for p in panels for link in p.get("links", [])}
    index = tmp_path / "index.md"
    index.write_text("\n".join(f"[page]({ROOT / page})" for page in sorted(pages)))
    assert list(broken(index)) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sum(", "unclosed left parenthesis"),
        ("jars_total", "no metric jars_total"),
        ('relay_lag_seconds{stream="x"}', "relay_lag_seconds has no label stream"),
        ("sum by (session_id) (rate(runs_total[5m]))", "no label session_id"),
        ("sum(runs_queued)", "runs_queued is the same in all replicas, and added up"),
        ("rate(agents[5m])", "agents is no counter"),
        ("runs_queued / on (jar) agents", "no label jar"),
    ],
)
def test_a_wrong_expression_is_found(text: str, problem: str) -> None:
    assert problems(text, known()) == [problem]


@pytest.mark.parametrize("text", ["sum(max by (service) (relay_lag_seconds))", "max(sum by (instance) (agents))"])
def test_a_right_expression_is_accepted(text: str) -> None:
    assert problems(text, known()) == []
