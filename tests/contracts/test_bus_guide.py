"""The guide about the bus shows the code of the example, which other tests run."""

import re
from textwrap import dedent, indent

from tests.architecture.house import ROOT

GUIDE = (ROOT / "docs" / "guides" / "bus.md").read_text()
EXAMPLE = (ROOT / "examples" / "bus" / "subscribe.py").read_text()


def test_the_guide_shows_the_example_as_it_is() -> None:
    [shown] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert indent(dedent(shown), "    ") in EXAMPLE
