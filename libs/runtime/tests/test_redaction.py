import pytest
from runtime.redaction import redactor


@pytest.mark.parametrize(
    ("values", "text", "redacted"),
    [
        (
            ["plantedsecret", "plantedsecret-longer"],
            "is plantedsecret-longer plantedsecret",
            "is *** ***",
        ),
        (["*", "\n"], "2 * 3\n", "2 *** 3\n"),
        (['say "so"'], r'{"it": "say \"so\""}', '{"it": "***"}'),
        (["one\ntwo"], "line two", "line ***"),
        ([""], "nothing", "nothing"),
    ],
)
def test_secret_values_are_redacted(values: list[str], text: str, redacted: str) -> None:
    assert redactor(values)(text) == redacted
