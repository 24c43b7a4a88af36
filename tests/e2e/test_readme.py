"""What the README tells a newcomer to type works as written."""

import re
import subprocess
from pathlib import Path

from onebox.testing.system import System

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_the_lines_of_curl_lead_to_an_answer_and_a_tool_call(spare_system: System) -> None:
    [script] = [block for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "curl" in block]
    script = script.replace("http://127.0.0.1:8000", spare_system.base_url)
    ran = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, timeout=60, check=True)
    assert '"tool_name":"Write"' in ran.stdout
    assert "notes.txt" in ran.stdout


def test_every_visible_place_of_the_root_is_on_the_map() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    visible = {line.split("/")[0] for line in tracked.splitlines() if not line.startswith(".")}
    the_map = README.partition("## The map")[2]
    assert [place for place in sorted(visible - {"README.md"}) if place not in the_map] == []
    assert len(visible) <= 13
