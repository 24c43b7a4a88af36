"""The ring of master keys is read from a file or the environment, and again when the file changes."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from eventing.database.data_keys import unwrap, wrap
from eventing.secrets.key_ring import SecretsSettings
from eventing.testing.key_rings import ring, ring_json
from onebox.keys import new_symmetric_keys
from pydantic import ValidationError
from runtime.secrets.key_ring import InvalidKeyRing, KeyRing, KeyRingFile
from runtime.secrets.sealing import SecretUnreadable, new_key

AGGREGATE = UUID(int=1)
KEY = {"id": "a", "key": "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="}


def replace(path: Path, text: str) -> None:
    new = path.with_name("new")
    new.write_text(text)
    new.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ring.json"
    path.write_text(ring_json("old"))
    return path


def test_the_first_key_wraps_and_all_keys_unwrap() -> None:
    key_id, wrapped = wrap(ring("new", "old"), AGGREGATE, b"data key")
    assert key_id == "new"
    assert unwrap(ring("newest", "new"), AGGREGATE, key_id, wrapped) == b"data key"


def test_a_data_key_is_wrapped_for_its_aggregate() -> None:
    key_id, wrapped = wrap(ring("one"), AGGREGATE, new_key())
    with pytest.raises(SecretUnreadable):
        unwrap(ring("one"), UUID(int=2), key_id, wrapped)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        json.dumps({"keys": []}),
        json.dumps({"keys": [KEY, KEY]}),
        json.dumps({"keys": [KEY | {"key": "c2hvcnQ="}]}),
        json.dumps({"keys": [KEY | {"key": "not base64!"}]}),
    ],
)
def test_an_invalid_ring_is_refused_without_showing_it(content: str) -> None:
    with pytest.raises(InvalidKeyRing, match=r"^SECRETS_KEYS: ") as error:
        KeyRing.parse(content, "SECRETS_KEYS")
    assert KEY["key"] not in str(error.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyRing, match=r"SECRETS_KEY_FILE: .*cannot be read"):
        KeyRingFile(tmp_path / "none.json", "SECRETS_KEY_FILE")


def test_a_changed_file_is_read_again(path: Path) -> None:
    ring_file = KeyRingFile(path, "SECRETS_KEY_FILE")
    assert ring_file().newest == "old"
    replace(path, ring_json("new", "old"))
    assert ring_file().newest == "new"


def spoil_ring(path: Path) -> None:
    replace(path, "{")


@pytest.mark.parametrize("spoil", [Path.unlink, spoil_ring])
def test_the_last_valid_ring_is_used_if_the_file_becomes_unusable(path: Path, spoil: Callable[[Path], None]) -> None:
    ring_file = KeyRingFile(path, "SECRETS_KEY_FILE")
    spoil(path)
    assert ring_file().newest == "old"


def test_a_ring_is_not_shown() -> None:
    settings = SecretsSettings(secrets_keys=ring_json("secret-id"))
    assert "secret-id" not in repr(settings) + repr(settings.key_ring()())


@pytest.mark.parametrize("values", [{}, {"secrets_keys": ring_json("a"), "secrets_key_file": Path("ring.json")}])
def test_a_service_with_secrets_needs_one_ring(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="set either this variable or SECRETS_KEYS"):
        SecretsSettings.model_validate(values)


def test_make_run_creates_a_ring_that_can_be_read() -> None:
    assert len(KeyRing.parse(new_symmetric_keys(), "new").keys) == 1
