from pathlib import Path

from contracts.catalog import messages
from contracts.golden import Goldens

FOLDER = Path(__file__).parent / "golden" / "messages"


def test_the_shapes_of_all_messages_are_as_reviewed() -> None:
    problems = Goldens(FOLDER, messages()).problems()
    assert not problems, "\n\n".join(["Run `make golden` and review the diff.", *problems])
