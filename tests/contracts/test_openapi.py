from difflib import unified_diff

from tests.contracts.openapi import FILE, application, document


def test_the_openapi_document_matches_the_golden() -> None:
    both = FILE.read_text().splitlines(), document(application()).splitlines()
    output = "\n".join(unified_diff(*both, FILE.name, "the code", lineterm=""))
    assert not output, f"Run `make golden` and review the diff.\n{output}"
