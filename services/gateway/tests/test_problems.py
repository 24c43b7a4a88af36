import pytest
from contracts.refusals import Code
from gateway.problems import TABLE, EdgeCode, Problem


@pytest.mark.parametrize("code", [*Code, *EdgeCode])
def test_every_code_has_a_status_and_a_title(code: Code | EdgeCode):
    status, title = TABLE[code]
    assert 400 <= status <= 599
    assert title
