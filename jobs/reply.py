"""What the customer hears, as unsigned drafts: result 6850 and feedback 7000 (docs/SPEC.md, "Answers").

The only writer of NIP-90's tags. Clients differ in what they look at, hence on every answer: exactly one `e` (the
request), exactly one `p` (the customer), and the text of a feedback both in the content and in the status tag.
"""

from __future__ import annotations

import base64
from dataclasses import replace

from jobs.model import Job
from jobs.outcome import Outcome, RunReport
from jobs.receipt import receipt_for
from jobs.request import REQUEST_KIND, JobRequest
from relayclient.event import Draft, Event, Tags

FEEDBACK_KIND = 7000
RESULT_OFFSET = 1000
"""A result's kind is its request's plus this (NIP-90)."""
EVENT_BYTES_MAX = 64_000
"""Common relays refuse events above 65,536 bytes; a little is left for the frame round it."""
LOG_MAX = 1_000
"""Characters of the log in a result, and of the sentence in a feedback."""
INDEXED_BYTES_MAX = 1_024
"""Common relays refuse an event in which the first value of a one-letter tag is longer."""

# What may stand in content and tags without harming ids or terminals: no C0 control but tab and newlines, no DEL.
_FORBIDDEN = frozenset(chr(c) for c in [*range(32), 127]) - frozenset("\t\n\r")

_ADVICE = {
    Outcome.TRAPPED: "the component broke a rule of WebAssembly; the same request will end the same way",
    Outcome.OUT_OF_FUEL: "it needs more fuel than it was granted; ask for more with param fuel",
    Outcome.OUT_OF_TIME: "it took longer than it was granted; ask for more with param timeout_ms",
    Outcome.OUT_OF_MEMORY: "it needs more memory than it was granted; ask for more with param memory_mib",
    Outcome.OUTPUT_TOO_LARGE: "the output does not fit into a result; the same request will end the same way",
    Outcome.REFUSED_IMPORT: "the component needs something that this node does not give",
    Outcome.INVALID_COMPONENT: "the bytes are no WASI 0.2 command component",
    Outcome.COMPILE_LIMIT: "the component is too costly to compile",
    Outcome.SANDBOX_FAILURE: "the fault is this node's; trying again can help",
}


def result(job: Job, report: RunReport, now: int) -> Draft | None:
    """The result of a finished run; None when no relay would take an event of that size."""
    tags = _result_tags(job, report)
    # DEL can only stand inside a string; escaped, the JSON means the same event, and no relay stumbles over it.
    request: Tags = (("request", job.request.event.to_json().replace("\x7f", "\\u007f")),)
    text = _clean_text(report.output)
    encoded = base64.b64encode(report.output).decode()
    base64_tags = (*tags, ("encoding", "base64"))
    shapes = [] if text is None else [(text, (*request, *tags)), (text, tags)]
    shapes += [(encoded, (*request, *base64_tags)), (encoded, base64_tags)]
    kind = result_kind(job.request.event.kind)
    for content, shape in shapes:
        if len(content) > EVENT_BYTES_MAX:  # no draft could be made of it
            continue
        draft = Draft(kind, content, shape, now)
        if draft.wire_size() <= EVENT_BYTES_MAX:
            return draft
    return None


def _result_tags(job: Job, report: RunReport) -> Tags:
    content = report.exit_code == 0
    inputs = tuple(tag for tag in job.request.event.tags if tag[0] == "i" and _repeatable(tag))
    log = printable(report.log.decode(errors="replace"))[:LOG_MAX]
    return (
        *_addressed(job.request.event, job.seen_on),
        *inputs,
        ("status", "success") if content else ("status", "error", f"exit {report.exit_code}"),
        ("alt", "Result of a WebAssembly job"),
        *receipt_for(job, report).to_tags(),
        *((("log", log),) if log else ()),
    )


def _repeatable(tag: tuple[str, ...]) -> bool:
    """Whether a tag of the request can stand in our event: another relay may have let pass what most refuse."""
    return len(tag) > 1 and len(tag[1].encode()) <= INDEXED_BYTES_MAX and _FORBIDDEN.isdisjoint("".join(tag))


def processing(request: JobRequest, seen_on: str, now: int) -> Draft:
    """Work is going on and takes noticeable time."""
    return _feedback(request.event, seen_on, "processing", "started; the result follows", now)


def run_error(job: Job, report: RunReport, now: int) -> Draft:
    """The run did not finish."""
    detail = f" ({report.detail})" if report.detail else ""
    return error(job.request.event, job.seen_on, report.outcome.value, _ADVICE[report.outcome] + detail, now)


def error(request: Event, seen_on: str, code: str, sentence: str, now: int) -> Draft:
    """Nothing will come of it. The code stands first, for programs; then a sentence, and whether it was charged."""
    told = printable(f"{code}: {sentence[:LOG_MAX]}; nothing was charged")
    return _feedback(request, seen_on, "error", told, now)


def without_result(report: RunReport) -> RunReport:
    """The report of a run whose output cannot be delivered."""
    detail = f"{len(report.output)} bytes"
    return replace(report, outcome=Outcome.OUTPUT_TOO_LARGE, output=b"", detail=detail)


def _feedback(request: Event, seen_on: str, status: str, text: str, now: int) -> Draft:
    tags = (("status", status, text), *_addressed(request, seen_on), ("alt", f"Status of a job: {status}"))
    return Draft(FEEDBACK_KIND, text, tags, now)


def _addressed(request: Event, seen_on: str) -> Tags:
    return (("e", request.id, seen_on), ("p", request.pubkey))


def _clean_text(output: bytes) -> str | None:
    """The output as text if that is what it is: UTF-8 that survives relays and terminals unchanged."""
    try:
        text = output.decode()
    except UnicodeDecodeError:
        return None
    return None if _FORBIDDEN & set(text) else text


def printable(text: str) -> str:
    """Text from outside for a tag of ours: control characters, and halves of characters, replaced."""
    return "".join("?" if c in _FORBIDDEN or "\ud800" <= c <= "\udfff" else c for c in text)


def result_kind(kind: int = REQUEST_KIND) -> int:
    """The kind of the results to requests of `kind`."""
    return kind + RESULT_OFFSET
