"""Is a result true? Runs its job again, within the receipt's own limits, and compares.

A verdict needs nobody's word: request and result carry signatures, the receipt names the code by digest, the input is
in the request. Talks to the world through ports only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dvm.client import contradicting, result_output
from dvm.ports import Components, Fetched, FetchFailed, Run, Sandbox
from jobs.component import ComponentRef
from jobs.grant import CEILING, Grant
from jobs.model import Job, JobState, Msat, Offer
from jobs.outcome import Outcome, RunReport
from jobs.receipt import Receipt, differences, receipt_for
from jobs.reply import result_kind
from jobs.request import JobRequest, Malformed, parse_request
from relayclient import tags
from relayclient.errors import InvalidEvent
from relayclient.event import Event


@dataclass(frozen=True, slots=True)
class Equal:
    """The second run gave the same output, exit and fuel."""

    receipt: Receipt
    again: Receipt


@dataclass(frozen=True, slots=True)
class Different:
    """The result contradicts its request, its receipt or the second run: sentences that say where."""

    points: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uncheckable:
    """No verdict can be given here; the sentence says why."""

    why: str


Verdict = Equal | Different | Uncheckable


@dataclass(frozen=True, slots=True)
class Claim:
    """A result that fits its request on paper: what is left is to run it again."""

    request: JobRequest
    receipt: Receipt


def request_in(result: Event) -> Event | None:
    """The request that a result carries with it, verified; None when it carries none that is one."""
    text = tags.first(result.tags, "request")
    if text is None:
        return None
    try:
        return Event.from_json(text)
    except InvalidEvent:
        return None


def claim_of(result: Event, request: Event) -> Claim | Different | Uncheckable:
    """What the result claims about the request; both events are verified already."""
    asked = tags.values(request.tags, "p") or (result.pubkey,)
    read = parse_request(request, asked[0], kind=request.kind)
    if isinstance(read, Malformed):
        return Uncheckable(f"its request is malformed: {read.code}: {read.sentence}")
    if not isinstance(read, JobRequest):
        return Uncheckable(f"its request is none that this program can read ({read.reason})")
    points = [] if result.pubkey in asked else ["author: the request asked another node"]
    if result.kind != result_kind(request.kind):
        points.append(f"kind: {result.kind} is no result of a request of kind {request.kind}")
    if tags.values(result.tags, "e") != (request.id,):
        points.append("e: it does not name this request, or not this one alone")
    if tags.values(result.tags, "p") != (request.pubkey,):
        points.append("p: it does not name the customer, or not the customer alone")
    try:
        receipt = Receipt.from_event(result)
        points += contradicting(receipt, result_output(result), read)
    except ValueError as error:
        return Uncheckable(f"its receipt cannot be read: {error}")
    if points:
        return Different(tuple(points))
    if not receipt.deterministic:
        return Uncheckable("its receipt says that the job need not come out the same again")
    return Claim(read, receipt)


async def examine(claim: Claim, components: Components, sandbox: Sandbox, *, limit: Grant = CEILING) -> Verdict:
    """Fetch the component, run the job again, compare. A receipt that claims more than `limit` is not run."""
    if not claim.receipt.grant.within(limit):
        return Uncheckable("the receipt's limits are higher than this program lends to a stranger's job")
    fetched = await components.fetch(claim.request.component)
    if not isinstance(fetched, Fetched):
        return Uncheckable(f"the component cannot be had: {fetched.sentence}")
    report = await sandbox.run(_run(claim, fetched.path))
    if report.outcome is Outcome.SANDBOX_FAILURE:
        return Uncheckable(f"the sandbox failed here: {report.detail}")
    return judge(claim, report)


def judge(claim: Claim, report: RunReport) -> Equal | Different:
    """The verdict, given the second run."""
    if report.outcome is not Outcome.FINISHED:
        detail = f" ({report.detail})" if report.detail else ""
        return Different((f"outcome: stated finished, got {report.outcome.value}{detail}",))
    offer = Offer(Msat(0), claim.receipt.grant, 0)
    job = Job(request=claim.request, offer=offer, state=JobState.RUNNING, seen_on="", born_at=0)
    again = receipt_for(job, report)
    points = differences(claim.receipt, again)
    if points and claim.receipt.engine != again.engine:
        points.append(f"engine: stated {claim.receipt.engine}, here {again.engine}, which may be why")
    return Different(tuple(points)) if points else Equal(claim.receipt, again)


def _run(claim: Claim, component: Path) -> Run:
    request = claim.request
    return Run(
        job=request.id,
        attempt=1,
        component=component,
        digest=request.component.digest,
        args=request.args,
        env=request.env,
        stdin=request.stdin,
        grant=claim.receipt.grant,
        clock=request.event.created_at,
        seed=request.seed,
    )


class OneFile:
    """Components, when the only one is a file on this machine."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._digest, self._size = path, hashlib.sha256(data).hexdigest(), len(data)

    async def fetch(self, ref: ComponentRef) -> Fetched | FetchFailed:
        """The file, if it is what is asked for."""
        if ref.digest != self._digest:
            return FetchFailed("hash-mismatch", f"the file given has the sha256 {self._digest}, not {ref.digest}")
        return Fetched(self._path, self._size)
