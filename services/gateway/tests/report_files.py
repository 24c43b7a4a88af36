"""Files of reports that the fake services return."""

from contracts.files import FilePart
from contracts.report.report import GetReport, ReadReport
from runtime import clock

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices


async def serve_report(services: FakeServices, file: bytes) -> None:
    """Let the report service have a report in the format `markdown` with this file."""

    def part(query: ReadReport) -> FilePart:
        data = file[query.offset : query.offset + query.length]
        return FilePart(size_bytes=len(file), modified_at=clock.now(), etag="one", data=data)

    await services.answer(GetReport, samples.report(format="markdown", file_size_bytes=len(file)))
    await services.answer_with(ReadReport, part)
