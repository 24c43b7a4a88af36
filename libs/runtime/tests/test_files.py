"""Parts of files are read below a folder, and nothing outside it."""

import os
from pathlib import Path

import pytest
from contracts.files import ByteRange
from contracts.refusals import Code, Refusal
from runtime.files.parts import content_type_of, modified_at, read_part, read_part_within
from runtime.files.paths import grant_owner, split_path

ALL = ByteRange()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("outside")
    (tmp_path / "root" / "in").mkdir(parents=True)
    (tmp_path / "root" / "in" / "a.html").write_bytes(b"0123456789")
    return tmp_path / "root"


def refusal(root: Path, path: str, window: ByteRange = ALL) -> Code:
    with pytest.raises(Refusal) as refused:
        read_part_within(root, path, window)
    return refused.value.code


def test_a_part_is_returned_with_size_and_content_type(root: Path) -> None:
    part = read_part_within(root, "in/a.html", ByteRange(offset=3, length=4))
    assert (part.data, part.size_bytes, part.content_type) == (b"3456", 10, "text/html")


def test_a_part_past_the_end_of_a_file_is_empty(root: Path) -> None:
    assert read_part_within(root, "in/a.html", ByteRange(offset=10)).data == b""


def test_a_file_that_has_changed_is_refused(root: Path) -> None:
    etag = read_part_within(root, "in/a.html", ALL).etag
    assert read_part_within(root, "in/a.html", ByteRange(etag=etag)).etag == etag
    (root / "in" / "a.html").write_bytes(b"9876543210!")
    assert refusal(root, "in/a.html", ByteRange(etag=etag)) is Code.FILE_CHANGED


def test_a_file_of_the_service_has_the_content_type_passed(root: Path) -> None:
    part = read_part(root / "in" / "a.html", ALL, "application/pdf")
    assert (part.data, part.content_type) == (b"0123456789", "application/pdf")


@pytest.mark.parametrize("path", ["none", "in/none", "none/a.html"])
def test_a_missing_file_is_refused(root: Path, path: str) -> None:
    assert refusal(root, path) is Code.FILE_NOT_FOUND


def test_symlinks_are_not_followed(root: Path) -> None:
    (root / "file").symlink_to(root.parent / "secret")
    (root / "folder").symlink_to(root.parent)
    assert [refusal(root, path) for path in ("file", "folder/secret")] == [Code.NOT_A_FILE] * 2


def test_a_path_that_is_not_a_file_is_refused_without_blocking(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert [refusal(root, path) for path in ("pipe", "in", "in/a.html/b")] == [Code.NOT_A_FILE] * 3


@pytest.mark.parametrize(
    "path",
    ["", "/", "..", ".", "../secret", "a/../../secret", "/etc/passwd", "a//b", "a/", "./a", "a\0b", "\ud800"],
)
def test_an_absolute_or_unnormalized_path_is_refused(root: Path, path: str) -> None:
    assert refusal(root, path) is Code.INVALID_PATH


@pytest.mark.parametrize("path", ["x" * 256, "ä" * 128, "a/" * 3000 + "a", "/".join("a" * 65)])
def test_a_path_that_is_too_long_is_refused(path: str) -> None:
    with pytest.raises(Refusal, match=Code.INVALID_PATH):
        split_path(path)


def test_an_error_that_is_not_about_the_path_is_not_a_refusal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(OSError, match="Input/output error"):
        read_part_within(root, "in/a.html", ALL)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.pdf", "application/pdf"), ("a.tar.gz", "application/octet-stream"), ("none", "application/octet-stream")],
)
def test_the_content_type_is_derived_from_the_name(name: str, kind: str) -> None:
    assert content_type_of(name) == kind


def test_a_time_out_of_range_is_shown_as_the_epoch() -> None:
    status = os.stat_result((0, 0, 0, 0, 0, 0, 0, 0, 67_768_036_191_676_800, 0))
    assert modified_at(status).timestamp() == 0


def test_permissions_of_the_target_of_a_symlink_do_not_change(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir(mode=0)
    (tmp_path / "link").symlink_to("outside")
    grant_owner(tmp_path / "link")
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0
