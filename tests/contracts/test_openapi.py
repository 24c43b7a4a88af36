from difflib import unified_diff

from fastapi import FastAPI

from tests.contracts.openapi import FILE, application, document


def difference(app: FastAPI) -> str:
    both = FILE.read_text().splitlines(), document(app).splitlines()
    return "\n".join(unified_diff(*both, FILE.name, "the code", lineterm=""))


def test_the_openapi_document_matches_the_golden() -> None:
    output = difference(application())
    assert not output, f"Run `make golden` and review the diff.\n{output}"


def test_an_unreviewed_route_is_shown() -> None:
    app = application()
    app.add_api_route("/api/v1/secret", lambda: None)
    assert '+    "/api/v1/secret": {' in difference(app)
