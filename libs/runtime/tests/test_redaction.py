import pytest
from runtime.secrets.redaction import redactor


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


def test_words_are_redacted_unless_they_are_part_of_a_word() -> None:
    redact = redactor(["s3cr3t"], ["1234", "a.b!"])
    assert redact("pin=1234, 12345, x1234, a.b! (a.b!c) s3cr3t") == "pin=***, 12345, x1234, *** (a.b!c) ***"
