"""The code is compiled before the first start."""

from unittest.mock import Mock, call

import pytest
from onebox import precompiling


def test_what_cannot_be_loaded_later_does_not_prevent_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Mock()
    steps.import_module.side_effect = ImportError
    monkeypatch.setattr(precompiling, "LOADED_LATER", ("later",))
    monkeypatch.setattr(precompiling, "import_module", steps.import_module)
    monkeypatch.setattr(precompiling, "Preloading", Mock(return_value=steps))
    precompiling.compile_all()
    assert steps.mock_calls == [call.import_module("later"), call.start(), call.finish()]
