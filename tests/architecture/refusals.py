"""The rules on refusals: what may refuse an event, and which codes there are."""

import re
from collections.abc import Iterable
from pathlib import Path

from tests.architecture import house
from tests.architecture.rule import rule

REFUSES = r"\b(?:Refusal|Conflict|raise)\b|\bcheck_\w+\("


@rule
def projections_refuse_nothing(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        found = [path for path in service.room("projections") if re.search(REFUSES, house.read(path))]
        wrong += [f"{path.relative_to(root)} refuses an event: that is a constraint" for path in found]
        app = "".join(house.read(path) for path in service.room("app"))
        if service.room("constraints") and "constraints=constrains" not in app:
            wrong.append(f"{service.package} does not check its constraints")
    return wrong


@rule
def every_refusal_code_is_said_and_has_a_status(root: Path) -> list[str]:
    contracts, gateway = root / "libs/contracts", root / "services/gateway"
    outside = [path for path in house.python(root, tests=False) if not path.is_relative_to(contracts)]
    said = _codes(path for path in outside if not path.is_relative_to(gateway))
    answered = _codes(path for path in outside if path.is_relative_to(gateway))
    known = re.findall(r"^    ([A-Z_]+) =", (contracts / "contracts/refusals.py").read_text(), re.MULTILINE)
    wrong = [f"nobody says {code}" for code in known if code not in said]
    return wrong + [f"the gateway does not know {code}" for code in known if code not in answered]


def _codes(paths: Iterable[Path]) -> set[str]:
    return {code for path in paths for code in re.findall(r"\bCode\.([A-Z_]+)", house.read(path))}
