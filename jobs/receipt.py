"""The receipt: what was run, on what, within which limits, and what it used (docs/SPEC.md, "Receipt").

It stands in the tags of a result, so that anybody can run the job again and compare.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from jobs.grant import Grant
from jobs.model import Job, Msat
from jobs.outcome import RunReport
from jobs.params import HEX64
from jobs.pricing import FREE, charge
from jobs.request import WORLD, JobRequest
from relayclient.event import Event


class InvalidReceipt(ValueError):
    """A result's tags hold no receipt that could be checked; the message names the defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Digests are 64 hex digits."""

    component: str
    input: str
    output: str
    exit_code: int
    fuel: int
    memory_bytes: int
    wall_ms: int
    grant: Grant
    engine: str
    deterministic: bool
    price: Msat
    payment: str

    def to_tags(self) -> tuple[tuple[str, ...], ...]:
        """The tags of a result event that make up the receipt."""
        grant = json.dumps(self.grant.to_wire(), separators=(",", ":"), sort_keys=True)
        return (
            ("x", self.component, "component"),
            ("x", self.input, "input"),
            ("x", self.output, "output"),
            ("exit", str(self.exit_code)),
            ("fuel", str(self.fuel)),
            ("memory", str(self.memory_bytes)),
            ("wall_ms", str(self.wall_ms)),
            ("grant", grant),
            ("engine", self.engine),
            ("deterministic", "true" if self.deterministic else "false"),
            ("price", str(self.price)),
            ("payment", self.payment),
        )

    @classmethod
    def from_event(cls, event: Event) -> Receipt:
        """Read a result; raises InvalidReceipt."""
        digests = {tag[2]: tag[1] for tag in event.tags if tag[0] == "x" and len(tag) == 3}
        named = {tag[0]: tag[1] for tag in event.tags if len(tag) > 1}
        try:
            return cls(
                component=_digest(digests["component"]),
                input=_digest(digests["input"]),
                output=_digest(digests["output"]),
                exit_code=_number(named["exit"]),
                fuel=_number(named["fuel"]),
                memory_bytes=_number(named["memory"]),
                wall_ms=_number(named["wall_ms"]),
                grant=Grant.from_wire(json.loads(named["grant"])),
                engine=named["engine"],
                deterministic=_truth(named["deterministic"]),
                price=Msat(_number(named["price"])),
                payment=named["payment"],
            )
        except KeyError as missing:
            raise InvalidReceipt(f"the tag {missing} is missing") from None
        except (ValueError, RecursionError) as wrong:
            raise InvalidReceipt(str(wrong)) from None


def receipt_for(job: Job, report: RunReport) -> Receipt:
    """The receipt of a finished run."""
    return Receipt(
        component=job.request.component.digest,
        input=input_digest(job.request),
        output=hashlib.sha256(report.output).hexdigest(),
        exit_code=report.exit_code,
        fuel=report.usage.fuel,
        memory_bytes=report.usage.memory_bytes,
        wall_ms=report.usage.wall_ms,
        grant=job.offer.grant,
        engine=report.engine,
        deterministic=True,
        price=charge(report.usage),
        payment=FREE,
    )


def input_digest(request: JobRequest) -> str:
    """sha256 over everything but the component that determines the output, as canonical JSON."""
    stdin = hashlib.sha256(request.stdin).hexdigest()
    parts = ["dvm-input-1", WORLD, request.args, request.env, stdin, request.event.created_at, request.seed.hex()]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def differences(stated: Receipt, again: Receipt) -> list[str]:
    """Where a second run contradicts the receipt; empty when it confirms it. What was measured is not compared."""
    compared = ["component", "input", "output", "exit_code"]
    if fuel_comparable(stated, again):
        compared.append("fuel")
    return [
        f"{name}: stated {getattr(stated, name)}, got {getattr(again, name)}"
        for name in compared
        if getattr(stated, name) != getattr(again, name)
    ]


def fuel_comparable(stated: Receipt, again: Receipt) -> bool:
    """Each version of an engine counts its own fuel. What follows a plus is the form it ran in, which changes none."""
    return stated.engine.partition("+")[0] == again.engine.partition("+")[0]


def _digest(text: str) -> str:
    if not HEX64.fullmatch(text):
        raise ValueError("a sha256 has 64 lower-case hex digits")
    return text


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("deterministic is true or false")
    return text == "true"


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 20):
        raise ValueError("a number is expected")
    return int(text)
