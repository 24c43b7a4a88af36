"""The dashboards of Grafana, rendered from their short sources in `deploy/monitoring/source`.

A source lists variables, each with the series whose label it is, or nothing if it is typed in, and rows of panels. A
panel has `title`, `text`, `expr` (or `exprs`, by legend), and where the defaults do not fit: `show` (`lines`, `stat`,
`bars`, `table`, `traces`, `trace`), `unit`, `legend`, `thresholds` (a colour from a value on), `stack`, `instant`,
`columns` of a table, `width` and `height`, and the `runbook` that it links to.

`python -m tests.monitoring.dashboards` writes the dashboards.
"""

import json
from collections.abc import Iterator
from itertools import starmap
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
SOURCES, DASHBOARDS = FOLDER / "source", FOLDER / "dashboards"
TAG = "agentapi"
METRICS, TRACES = ({"type": kind, "uid": f"${{{kind}}}"} for kind in ("prometheus", "jaeger"))
UNITS = {"_seconds": "s", "_bytes": "bytes", "_usd": "currencyUSD"}
"""The units of metrics, by what their names contain."""
DEPLOYMENTS = "max by (service, version) (build_info) unless max by (service, version) (build_info offset 2m)"
"""The annotations of deployments: a service in a release that did not run two minutes earlier."""
TYPES = {
    "lines": "timeseries",
    "stat": "stat",
    "bars": "bargauge",
    "table": "table",
    "traces": "table",
    "trace": "traces",
}
INSTANT = ("table", "bars")
LAST = {"calcs": ["lastNotNull"]}
OPTIONS: dict[str, dict[str, Any]] = {
    "lines": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
    "stat": {"reduceOptions": LAST, "colorMode": "value", "graphMode": "area", "textMode": "value_and_name"},
    "bars": {"reduceOptions": LAST, "orientation": "horizontal", "displayMode": "basic"},
}

type Source = dict[str, Any]
type Json = dict[str, Any]


def sources() -> dict[str, Source]:
    """Return the sources of all dashboards, by name."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted(SOURCES.glob("*.yaml"))}


def document(name: str, source: Source) -> str:
    """Return the file of a dashboard: JSON with one line for each panel."""
    dashboard = rendered(name, source)
    panels = ",\n".join(json.dumps(panel, ensure_ascii=False) for panel in dashboard.pop("panels"))
    return json.dumps(dashboard, indent=1, ensure_ascii=False)[:-2] + f',\n "panels": [\n{panels}\n ]\n}}\n'


def rendered(name: str, source: Source) -> Json:
    """Return a dashboard as Grafana imports it."""
    kinds = ["prometheus", "jaeger"] if name == "session" else ["prometheus"]
    variables = [*map(_data_source, kinds), _runbooks(), *starmap(_variable, source["variables"].items())]
    others = {"type": "dashboards", "title": "Dashboards", "tags": [TAG], "asDropdown": True, "keepTime": True}
    return {
        "uid": f"{TAG}-{name}",
        "title": source["title"],
        "description": source["description"].strip(),
        "tags": [TAG],
        "schemaVersion": 39,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "1m",
        "graphTooltip": 1,
        "links": [others],
        "templating": {"list": variables},
        "annotations": {"list": [_annotation("Deployments", DEPLOYMENTS, "blue", "{{service}} {{version}}")]},
        "panels": list(_panels(source)),
    }


def _annotation(name: str, expr: str, color: str, title: str) -> Json:
    return {
        "name": name, "datasource": METRICS, "enable": True, "expr": expr, "iconColor": color, "step": "1m",
        "titleFormat": title,
    }  # fmt: skip


def _data_source(kind: str) -> Json:
    return {"name": kind, "type": "datasource", "query": kind, "label": kind.capitalize(), "refresh": 1}


def _runbooks() -> Json:
    """Return the constant with the URL of the runbooks; docker-compose.yml has Grafana serve them itself."""
    return {"name": "runbooks", "type": "constant", "query": "/public/runbooks", "hide": 2, "skipUrlSync": True}


def _variable(name: str, of: str | None) -> Json:
    """Return a variable with the values that a label has in some series, or one to type in."""
    if of is None:
        return {"name": name, "type": "textbox", "label": f"Id of the {name}", "query": ""}
    return {
        "name": name, "type": "query", "label": name.capitalize(), "datasource": METRICS, "refresh": 2, "sort": 1,
        "query": {"query": f"label_values({of}, {name})", "refId": name},
        "multi": True, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }  # fmt: skip


def _panels(source: Source) -> Iterator[Json]:
    number, y = 0, 0
    for row in source["rows"]:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row["title"],
            "collapsed": False,
            "panels": [],
            "gridPos": _place(0, y),
        }
        x, y, height = 0, y + 1, 0
        for panel in row["panels"]:
            number += 1
            width = panel.get("width", 8)
            if x + width > 24:
                x, y, height = 0, y + height, 0
            height = max(height, panel.get("height", 8))
            yield {"id": number, "gridPos": _place(x, y, width, panel.get("height", 8)), **_panel(panel)}
            x += width
        y += height


def _place(x: int, y: int, width: int = 24, height: int = 1) -> Json:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Source) -> Json:
    show = panel.get("show", "lines")
    of_traces = show.startswith("trace")
    page = panel.get("runbook")
    return {
        "type": TYPES[show],
        "title": panel["title"],
        "description": panel["text"],
        "datasource": TRACES if of_traces else METRICS,
        "targets": [_traces(panel)] if of_traces else list(_targets(panel, show)),
        "links": [{"title": "Runbook", "url": f"${{runbooks}}/{page}", "targetBlank": True}] if page else [],
        "fieldConfig": {"defaults": {} if of_traces else _defaults(panel, show), "overrides": _overrides(show)},
        "options": OPTIONS.get(show, {}),
        "transformations": [{"id": "organize", "options": {"indexByName": _order(panel)}}] if show == "table" else [],
    }


def expressions(panel: Source) -> dict[str, str]:
    """Return the expressions of a panel, by legend."""
    return panel.get("exprs") or ({panel.get("legend", ""): panel["expr"]} if "expr" in panel else {})


def _targets(panel: Source, show: str) -> Iterator[Json]:
    for letter, (legend, expr) in zip("ABCDEFGH", expressions(panel).items(), strict=False):
        instant = panel.get("instant", show in INSTANT)
        kind = {"instant": instant, "range": not instant, "format": "table" if show == "table" else "time_series"}
        yield {"refId": letter, "datasource": METRICS, "expr": expr, "legendFormat": legend or "__auto", **kind}


def _traces(panel: Source) -> Json:
    target = {"refId": "A", "datasource": TRACES}
    if panel["show"] == "trace":
        return target | {"query": "${trace}"}
    tags = 'agentapi.session.id="${session}"'
    return target | {"queryType": "search", "service": panel["search"], "tags": tags, "limit": 100}


def _defaults(panel: Source, show: str) -> Json:
    steps = panel.get("thresholds", {})
    first = {"color": "red" if "green" in steps.values() else "green", "value": None}
    custom = {"fillOpacity": 10, "showPoints": "never", "thresholdsStyle": {"mode": "dashed" if steps else "off"}}
    if panel.get("stack"):
        custom |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 40}
    return {
        "unit": _unit(panel),
        "custom": custom if show == "lines" else {},
        "color": {"mode": "thresholds" if show in ("stat", "bars") else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": [first, *({"color": c, "value": v} for v, c in steps.items())]},
    }


def _unit(panel: Source) -> str:
    text = " ".join(expressions(panel).values())
    return panel.get("unit") or next((unit for part, unit in UNITS.items() if part in text), "short")


def _order(panel: Source) -> dict[str, int]:
    return {name: place for place, name in enumerate(["Time", *panel["columns"], "Value"])}


def _overrides(show: str) -> list[Json]:
    if show == "table":
        hidden = {"id": "custom.hidden", "value": True}
        return [{"matcher": {"id": "byRegexp", "options": "^(Time|Value)$"}, "properties": [hidden]}]
    if show == "traces":
        url = f"/d/{TAG}-session?${{session:queryparam}}&var-trace=${{__value.raw}}"
        link = {"id": "links", "value": [{"title": "Show this trace below", "url": url}]}
        return [{"matcher": {"id": "byRegexp", "options": "/^trace ?id$/i"}, "properties": [link]}]
    return []


if __name__ == "__main__":
    DASHBOARDS.mkdir(exist_ok=True)
    for name, source in sources().items():
        (DASHBOARDS / f"{name}.json").write_text(document(name, source))
