"""Charts: what they say, and that labels of agents stay labels."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from report.rendering import pdf
from report.rendering.chapter_charts import charts
from report.rendering.charts import Palette, Series, bars, columns
from report.rendering.figures import duration, money, short_number, size

from services.report.tests.rendering import as_html
from services.report.tests.sample_content import model, session_content, session_section, task_content

WITHOUT_PICTURES = """
import sys
from pathlib import Path
from report.rendering.child import work
from report.rendering.theme_files import check_theme
for format in ("json", "markdown"):
    assert "error" not in work({"content": sys.argv[1], "format": format, "output": sys.argv[1] + ".out"})
check_theme(Path(sys.argv[2]))
sys.exit("matplotlib" in sys.modules)
"""
EXAMPLE = Path(__file__).parents[3] / "docs/examples/report-theme"
PALETTE = Palette("#1d4ed8")


def test_a_session_has_charts_of_tokens_cost_tools_and_models() -> None:
    titles = [chart.title for chart in charts(model(session_content()), PALETTE)]
    assert titles == ["Tokens of each run", "Cost so far", "Calls of each tool", "Messages of each model"]


def test_one_model_is_no_chart() -> None:
    session = session_section(models=session_section()["models"][:1])
    assert "Messages of each model" not in [chart.title for chart in charts(model(session_content(session)), PALETTE)]


def test_a_task_has_charts_over_its_executions() -> None:
    assert charts(model(task_content()), PALETTE)[0].title == "Tokens of each execution"


def test_the_library_for_charts_is_loaded_for_pictures_only(tmp_path: Path) -> None:
    (content := tmp_path / "content.json").write_text(json.dumps(session_content()))
    subprocess.run([sys.executable, "-c", WITHOUT_PICTURES, content, EXAMPLE], check=True)  # noqa: S603


def test_nothing_to_draw_is_no_chart() -> None:
    session = session_section(runs=[], tools=[], models=[])
    assert charts(model(session_content(session)), PALETTE) == []


def test_a_chart_is_an_image_with_a_name_that_says_its_values() -> None:
    [chart] = [bars("Calls", ["Bash"], [Series("calls", [3], "#000000")])]
    svg = ET.fromstring(chart.svg)  # noqa: S314  our own
    assert svg.get("role") == "img"
    assert svg.findtext("{http://www.w3.org/2000/svg}title") == "Calls: Bash 3."


def test_a_chart_of_one_run_counts_whole_runs() -> None:
    chart = columns("Tokens", "Run", [Series("tokens", [50], "#000000")])
    texts = [element.text for element in ET.fromstring(chart.svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert texts[0] == "1"
    assert not any("." in (text or "") for text in texts[: texts.index("Run number")])


@pytest.mark.parametrize("label", ["<script>x</script>", "$\\frac{", "a\nb", "", "x" * 500, "\"&'", "中文"])
def test_a_label_is_plain_text(label: str) -> None:
    chart = bars("Calls", [label], [Series("calls", [1], "#000000")])
    names = {element.tag.split("}")[1] for element in ET.fromstring(chart.svg).iter()}  # noqa: S314  our own
    assert names <= {"svg", "title", "defs", "clipPath", "rect", "g", "path", "use", "text"}
    assert not {"script", "a", "image"} & names


def test_many_values_are_added_up_in_groups() -> None:
    chart = columns("Tokens", "Run", [Series("tokens", [1.0] * 2_000, "#000000")])
    assert "Runs, 34 in a column" in chart.svg
    assert chart.description == "tokens: 2,000 in all."


def test_ids_of_charts_are_different_on_one_page(tmp_path: Path) -> None:
    page = as_html(session_content(), tmp_path)
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (duration(None), "—"),
        (duration(850), "850 ms"),
        (duration(4_200), "4.2 s"),
        (duration(200_000), "3 min 20 s"),
        (duration(7_500_000), "2 h 05 min"),
        (money(model(session_content()).totals.cost_usd), "$0.3517"),
        (short_number(950), "950"),
        (short_number(12_400), "12.4k"),
        (short_number(3_000_000), "3M"),
        (size(612), "612 B"),
        (size(1_840), "1.8 KB"),
        (size(999_999), "1.0 MB"),
        (size(None), "deleted"),
    ],
)
def test_figures_are_short(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (
            "print('install'); raise OSError(\"cannot load library 'libpango-1.0-0'\\nmore\")",
            "cannot load library 'libp",
        ),
        ("import weasyprint_of_nobody", "No module named 'weasyprint_of_nobody'"),
        ("import os; os._exit(3)", "exit code 3"),
    ],
)
def test_a_missing_library_is_a_reason_and_prints_nothing(
    code: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ffi.py").write_text(code)
    monkeypatch.setattr(pdf, "_libraries", lambda: tmp_path / "ffi.py")
    assert (pdf.why_unavailable() or "").startswith(f"WeasyPrint cannot be loaded: {reason}")
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none(_name: str) -> None:
        pass

    monkeypatch.setattr(pdf, "find_spec", find_none)
    assert pdf.why_unavailable() == "WeasyPrint cannot be loaded: it is not installed"


@pytest.mark.parametrize("error", [OSError("cannot load library"), ImportError("no module")])
def test_other_formats_are_rendered_where_weasyprint_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: str) -> None:
        raise error

    monkeypatch.setattr(pdf, "import_module", fail)
    pdf.preload()
