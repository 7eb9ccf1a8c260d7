"""Why a component could not be had: the stable codes, and one answer made out of several failures.

The codes stand on the wire, in the `error` that a customer gets:

- `hash-mismatch`: a source sent bytes whose sha256 is not the one asked for.
- `component-too-large`: it is larger than this node takes.
- `size-mismatch`: a source has another size than the request states.
- `fetch-timeout`: a source did not answer, or not fast enough.
- `fetch-failed`: a source could not be reached, broke off, or answered with something that is not the bytes.
- `not-found`: the source says that it has no such component.
- `fetch-refused`: the source is not one that this node contacts, or has no address.
- `no-source`: the request names no place, and this node knows none.

A sentence may name the hosts that the customer named. It never says what a name resolved to, nor how a
connection failed: with that, a node would map private networks for strangers. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dvm.ports import FetchFailed

HASH_MISMATCH = "hash-mismatch"
TOO_LARGE = "component-too-large"
SIZE_MISMATCH = "size-mismatch"
TIMEOUT = "fetch-timeout"
FAILED = "fetch-failed"
NOT_FOUND = "not-found"
REFUSED = "fetch-refused"
NO_SOURCE = "no-source"

MOST_TELLING_FIRST = (HASH_MISMATCH, TOO_LARGE, SIZE_MISMATCH, TIMEOUT, FAILED, NOT_FOUND, REFUSED, NO_SOURCE)

MAX_NAMED = 4
MAX_PLACE_CHARS = 80


class SourceFailed(Exception):
    """One source did not give the bytes. `told` follows its name in the sentence that the customer reads."""

    def __init__(self, code: str, told: str) -> None:
        super().__init__(told)
        self.code = code
        self.told = told


@dataclass(frozen=True, slots=True)
class Failure:
    """What became of one source: `place` is its host as the customer wrote it."""

    place: str
    code: str
    told: str


def combine(digest: str, failures: Sequence[Failure]) -> FetchFailed:
    """One answer for all sources tried: the most telling code, and what each of the first few did."""
    if not failures:
        return FetchFailed(NO_SOURCE, f"no place is known where component {digest[:8]} could be fetched")
    code = min((failure.code for failure in failures), key=MOST_TELLING_FIRST.index)
    ordered = sorted(failures, key=lambda failure: failure.code != code)
    said = list(dict.fromkeys(f"{failure.place[:MAX_PLACE_CHARS]} {failure.told}" for failure in ordered))
    more = f"; {len(said) - MAX_NAMED} more failed" if len(said) > MAX_NAMED else ""
    return FetchFailed(code, f"component {digest[:8]} was not obtained: {'; '.join(said[:MAX_NAMED])}{more}")
