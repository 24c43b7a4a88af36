"""The aggregate of reports: what it records, and what it refuses."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from contracts.messages import Failure
from contracts.refusals import Code, Refusal
from contracts.report.report import LinkCreated, ReportDeleted, ReportProgressed
from contracts.report.values import ReportFile, ReportRequest
from contracts.samples import LINK, REPORT, SESSION, USER
from report.aggregate import Report

NOW = datetime(2026, 11, 26, tzinfo=UTC)
FILE = ReportFile(key="a/1.pdf", size_bytes=1, sha256="00")
FAILURE = Failure(error_code=Code.REPORT_FAILED, error_detail="It took too long.")


@pytest.fixture
def report() -> Report:
    report = Report(UUID(REPORT))
    report.create(UUID(USER), ReportRequest(session_id=UUID(SESSION), format="pdf"))
    report.mark_committed()
    return report


def test_progress_is_recorded_only_when_it_grows(report: Report) -> None:
    for percent in (10, 40, 10, 40, 95):
        report.progress(percent, "rendering")
    assert [event.percent for event in report.pending if isinstance(event, ReportProgressed)] == [10, 40, 95]
    assert report.status == "rendering"


def test_completing_twice_with_the_same_file_records_once(report: Report) -> None:
    report.complete("One", FILE, NOW)
    report.complete("One", FILE, NOW)
    assert (len(report.pending), report.status, report.key) == (1, "completed", FILE.key)


def test_the_file_of_a_late_worker_is_refused(report: Report) -> None:
    report.complete("One", FILE, None)
    with pytest.raises(Refusal, match=Code.REPORT_NOT_READY):
        report.complete("One", FILE.model_copy(update={"key": "a/2.pdf"}), None)
    assert report.key == FILE.key


@pytest.mark.parametrize("act", ["progress", "fail", "complete"])
def test_a_failed_report_accepts_nothing_from_a_late_worker(report: Report, act: str) -> None:
    report.fail(FAILURE, None)
    acts = {
        "progress": lambda: report.progress(99, "storing"),
        "fail": lambda: report.fail(FAILURE, None),
        "complete": lambda: report.complete("One", FILE, None),
    }
    with pytest.raises(Refusal, match="it is failed"):
        acts[act]()


def test_a_link_expires_after_its_time(report: Report) -> None:
    report.complete("One", FILE, None)
    assert report.create_link(UUID(LINK), "ab", NOW, 60) == NOW + timedelta(seconds=60)
    assert isinstance(report.pending[-1], LinkCreated)


def test_a_report_without_a_file_has_no_links(report: Report) -> None:
    with pytest.raises(Refusal, match=Code.REPORT_NOT_READY):
        report.create_link(UUID(LINK), "ab", NOW, 60)


def test_a_failed_report_will_have_no_links(report: Report) -> None:
    report.fail(FAILURE, None)
    with pytest.raises(Refusal, match=Code.REPORT_HAS_NO_FILE):
        report.create_link(UUID(LINK), "ab", NOW, 60)


def test_deleting_names_the_file_and_whether_it_expired(report: Report) -> None:
    report.complete("One", FILE, NOW)
    report.delete(expired=True)
    assert report.pending[-1] == ReportDeleted(user_id=UUID(USER), key=FILE.key, expired=True)
    assert report.deleted
