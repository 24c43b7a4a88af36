"""Which model agents use: only the settings are read, and no request is sent."""

from pathlib import Path

import pytest
from eventing.testing.key_rings import ring_json
from runtime.settings import PUBLIC_MODEL, InvalidSettings, load
from session.settings import Settings

SIMULATOR, OWN = "http://simulator:9000", "http://model.example"


@pytest.fixture(autouse=True)
def required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what any service needs."""
    given = {"DATABASE_URL": "postgresql://x", "NATS_URL": "nats://x", "WORKSPACES_DIR": "/x"}
    for name, value in (given | {"SECRETS_KEYS": ring_json("test")}).items():
        monkeypatch.setenv(name, value)


def model(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[str, str | None]:
    """Return the model that variables choose, and the key for it."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = load(Settings)
    return str(settings.model_base_url).rstrip("/"), settings.model_api_key


def test_without_a_key_the_simulator_answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (file := tmp_path / "model-api-key").touch()
    chosen = model(monkeypatch, SIMULATOR_URL=SIMULATOR, MODEL_BASE_URL="", MODEL_API_KEY_FILE=str(file))
    assert chosen == (SIMULATOR, None)


def test_a_key_is_for_the_public_model(monkeypatch: pytest.MonkeyPatch) -> None:
    assert model(monkeypatch, SIMULATOR_URL=SIMULATOR, MODEL_API_KEY="key") == (PUBLIC_MODEL, "key")


@pytest.mark.parametrize("key", ["", "key"])
def test_a_url_is_used_with_and_without_a_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    chosen = model(monkeypatch, SIMULATOR_URL=SIMULATOR, MODEL_BASE_URL=OWN, MODEL_API_KEY=key)
    assert chosen == (OWN, key or None)


def test_without_key_url_and_simulator_the_service_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings, match=r"^MODEL_BASE_URL: this variable must be set, or MODEL_API_KEY$"):
        model(monkeypatch)
