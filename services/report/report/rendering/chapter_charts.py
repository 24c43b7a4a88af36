"""Which charts a report has."""

from collections import Counter
from collections.abc import Iterator, Sequence

from report.content import ReportContent, RunEntry, SessionSection, Totals
from report.rendering.charts import Chart, Palette, Series, bars, columns, line
from report.rendering.view import sessions

MAX_ROWS = 12


def charts(content: ReportContent, palette: Palette) -> list[Chart]:
    """Return the charts of a report: tokens and cost over time, use of models and tools."""
    if content.session:
        found = _over_time("Run", content.session.runs, palette)
    else:
        found = _over_time("Execution", [execution.totals for execution in content.executions], palette)
    return [*found, *_usage(sessions(content), palette)]


def _over_time(what: str, entries: Sequence[RunEntry | Totals], palette: Palette) -> Iterator[Chart]:
    if any(entry.input_tokens or entry.output_tokens for entry in entries):
        received = Series("Input tokens", [entry.input_tokens for entry in entries], palette.second)
        written = Series("Output tokens", [entry.output_tokens for entry in entries], palette.first)
        yield columns(f"Tokens of each {what.lower()}", what, [received, written])
    costs = [float(entry.cost_usd) for entry in entries]
    if any(costs):
        yield line("Cost so far", what, costs, palette.first)


def _usage(all_sessions: Sequence[SessionSection], palette: Palette) -> Iterator[Chart]:
    models = Counter[str]()
    calls, errors, denied = Counter[str](), Counter[str](), Counter[str]()
    for session in all_sessions:
        models.update({use.model: use.messages for use in session.models})
        calls.update({use.name: use.calls for use in session.tools})
        errors.update({use.name: use.errors for use in session.tools})
        denied.update({use.name: use.denied for use in session.tools})
    if calls:
        names = [name for name, _ in calls.most_common(MAX_ROWS)]
        good = [max(calls[name] - errors[name] - denied[name], 0) for name in names]
        series = [Series("succeeded", good, palette.first)]
        if errors.total():
            series.append(Series("failed", [errors[name] for name in names], palette.failed))
        if denied.total():
            series.append(Series("denied", [denied[name] for name in names], palette.denied))
        yield bars("Calls of each tool", names, series)
    if len(models) > 1:
        names = [name for name, _ in models.most_common(MAX_ROWS)]
        yield bars(
            "Messages of each model", names, [Series("messages", [models[name] for name in names], palette.first)]
        )
