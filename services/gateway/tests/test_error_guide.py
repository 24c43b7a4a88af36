"""The guide to errors lists every code with its status."""

import re
from pathlib import Path

from gateway.problems import TABLE

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "errors.md").read_text()
ROWS = re.findall(r"^\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \| (\d+) \|", GUIDE, re.MULTILINE)


def test_every_code_is_listed_once_with_its_status() -> None:
    listed = sorted((code, int(status)) for codes, status in ROWS for code in re.findall(r"[A-Z_]+", codes))
    assert listed == sorted((str(code), status) for code, (status, _) in TABLE.items())
