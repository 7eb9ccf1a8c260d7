"""What an event says about a request: progress, the one error, a result that fits its receipt, or nothing.

Functions of values. No answer is trusted: one that does not fit its own receipt, or comes from somebody else, is
`Ignored` with the reason.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from jobs.receipt import InvalidReceipt, Receipt, input_digest
from jobs.reply import FEEDBACK_KIND, result_kind
from jobs.request import JobRequest
from relayclient import tags
from relayclient.event import Event

_CODE = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Progress:
    """Not the end: the node says how it stands."""

    event: Event
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """The node's one error. `code` is for programs."""

    event: Event
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Result:
    """The output, and a receipt that it fits."""

    event: Event
    output: bytes
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that claims to be an answer and is none."""

    event: Event
    why: str


Heard = Progress | Failure | Result | Ignored


def read_answer(event: Event, request: JobRequest, to: str | None) -> Heard:
    """What a verified event says about the request; `to` is the only node that is believed, None believes all."""
    if to is not None and event.pubkey != to:
        return Ignored(event, "it is not from the node that was asked")
    if tags.values(event.tags, "e") != (request.id,):
        return Ignored(event, "it does not name this request, or not this one alone")
    if event.kind == FEEDBACK_KIND:
        return _feedback(event)
    if event.kind != result_kind(request.event.kind):
        return Ignored(event, "it is of another kind")
    try:
        receipt = Receipt.from_event(event)
        output = result_output(event)
    except ValueError as error:
        return Ignored(event, f"it has no usable receipt ({error})")
    contradictions = contradicting(receipt, output, request)
    return Ignored(event, "; ".join(contradictions)) if contradictions else Result(event, output, receipt)


def result_output(event: Event) -> bytes:
    """The bytes that a result carries; raises InvalidReceipt when they cannot be decoded."""
    encoding = tags.first(event.tags, "encoding")
    if encoding is None:
        return event.content.encode()
    if encoding != "base64":
        raise InvalidReceipt("the encoding of the content is unknown")
    try:
        return base64.b64decode(event.content, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidReceipt("the content is not valid base64") from None


def contradicting(receipt: Receipt, output: bytes, request: JobRequest) -> list[str]:
    """Where a receipt contradicts the request or the result it stands in, as sentences; empty when it fits."""
    found = []
    if receipt.component != request.component.digest:
        found.append("the receipt is for another component")
    if receipt.input != input_digest(request):
        found.append("the receipt is for another input")
    if receipt.output != hashlib.sha256(output).hexdigest():
        found.append("the receipt is for another output")
    return found


def _feedback(event: Event) -> Heard:
    status = next((row for row in event.tags if row[0] == "status"), ())
    text = event.content or tags.at(status, 2)
    if tags.at(status, 1) != "error":
        return Progress(event, tags.at(status, 1), text)
    code, _, sentence = text.partition(":")
    if _CODE.fullmatch(code) and sentence:
        return Failure(event, code, sentence.strip())
    return Failure(event, "", text)
