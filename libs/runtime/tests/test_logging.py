"""The lines of logs. What they contain is tested with a process (`test_process`)."""

import io

import pytest
from runtime.logging import Lines


class Full(io.StringIO):
    """A file on a full disk."""

    def write(self, _: str) -> int:
        raise OSError("no space left")


def test_a_rendered_line_is_written_as_it_is() -> None:
    stream = io.StringIO()
    Lines(stream).info('{"event": "100 % done"}')
    assert stream.getvalue() == '{"event": "100 % done"}\n'


def test_a_line_that_cannot_be_written_is_no_error_of_the_caller(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(Full()).info("one")
    assert "no space left" in capsys.readouterr().err
