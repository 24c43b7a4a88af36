"""Requests to receivers: their signatures, and receivers that misbehave."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from contracts.webhook.values import Attempt
from runtime.http.addresses import Address, AddressRules
from standardwebhooks import WebhookVerificationError
from webhook.delivery.sending import MAX_ANSWER_BYTES, SHOWN_BYTES, Sender

from .receiver import Receiver, Request, Writer

SECRET, OTHER = "whsec_" + "A" * 43 + "=", "whsec_" + "B" * 43 + "="
LOCAL = AddressRules.parse("127.0.0.1")
BODY = '{"type":"session.created","data":{"text":"\\u00e4"}}'


async def send(
    url: str, *, secrets: Sequence[str] = (SECRET,), rules: AddressRules = LOCAL, seconds: float = 5.0
) -> Attempt:
    async with Sender.open(rules, seconds, 10) as sender:
        return await sender.send(url, secrets, "msg_1", BODY)


async def test_a_receiver_can_verify_the_request(receiver: Receiver) -> None:
    attempt = await send(receiver.url)
    [request] = receiver.requests
    assert request.verify(SECRET) == {"type": "session.created", "data": {"text": "ä"}}
    assert (request.id, request.body.decode()) == ("msg_1", BODY)
    assert (attempt.status_code, attempt.error, attempt.answer) == (200, None, "ok")


async def test_another_secret_does_not_verify_the_request(receiver: Receiver) -> None:
    await send(receiver.url)
    with pytest.raises(WebhookVerificationError):
        receiver.requests[0].verify(OTHER)


async def test_a_request_may_have_two_signatures(receiver: Receiver) -> None:
    await send(receiver.url, secrets=[SECRET, OTHER])
    [request] = receiver.requests
    assert request.verify(SECRET) == request.verify(OTHER)


async def test_the_answer_of_a_failure_is_kept(receiver: Receiver) -> None:
    receiver.answers("503 Busy", b"come back later")
    attempt = await send(receiver.url)
    assert (attempt.status_code, attempt.error) == (503, "The receiver answered 503.")
    assert attempt.answer == "come back later"


async def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.answers(f"307 Moved\r\nLocation: {receiver.url}/other")
    attempt = await send(receiver.url)
    assert (attempt.status_code, attempt.error) == (307, "The receiver answered 307. Redirects are not followed.")
    assert len(receiver.requests) == 1


async def test_an_endless_answer_is_read_only_at_its_beginning(receiver: Receiver) -> None:
    written = 0

    async def write(_: Request, writer: Writer) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            writer.write(b"\xff" * 4096)
            written += 4096
            await writer.drain()

    receiver.answer = write
    attempt = await send(receiver.url)
    assert (attempt.status_code, attempt.error) == (200, None)
    assert attempt.answer == "\N{REPLACEMENT CHARACTER}" * SHOWN_BYTES
    assert MAX_ANSWER_BYTES <= written < 50_000_000


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"], ids=["at all", "completely"])
async def test_a_receiver_that_does_not_answer_is_given_up(receiver: Receiver, head: bytes) -> None:
    async def hang(_: Request, writer: Writer) -> None:
        writer.write(head)
        await asyncio.sleep(60)

    receiver.answer = hang
    attempt = await send(receiver.url, seconds=0.2)
    assert (attempt.status_code, attempt.error) == (None, "The receiver did not answer within 0.2 s.")


async def test_an_answer_that_is_no_http_is_a_failure(receiver: Receiver) -> None:
    async def write(_: Request, writer: Writer) -> None:
        writer.write(b"SMTP ready\r\n\r\n")

    receiver.answer = write
    attempt = await send(receiver.url)
    assert attempt.status_code is None
    assert (attempt.error or "").startswith("The request failed: ")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://[::ffff:127.0.0.1]:{port}"]
)
async def test_no_connection_is_made_to_a_special_address(receiver: Receiver, url: str) -> None:
    attempt = await send(url.format(port=receiver.port), rules=AddressRules())
    assert "private or otherwise special address" in (attempt.error or "")
    assert receiver.requests == []


async def test_a_name_is_resolved_and_checked_for_each_connection(receiver: Receiver) -> None:
    answers: list[Address] = [ip_address("127.0.0.1"), ip_address("127.0.0.2")]

    async def resolve(_host: str, _port: int) -> list[Address]:
        return [answers.pop(0)]

    receiver.answers("200 OK\r\nConnection: close")
    rules = AddressRules(LOCAL.networks, resolver=resolve)
    async with Sender.open(rules, 5.0, 10) as sender:
        url = f"http://changing.example.com:{receiver.port}/"
        first, second = [await sender.send(url, [SECRET], "msg_1", BODY) for _ in range(2)]
    assert first.status_code == 200
    assert "special address" in (second.error or "")


async def test_an_unknown_host_is_a_failure() -> None:
    async def resolve(_host: str, _port: int) -> list[Address]:
        return []

    attempt = await send("http://nowhere.example.com/", rules=AddressRules(resolver=resolve))
    assert attempt.error == "The host nowhere.example.com was not found."
