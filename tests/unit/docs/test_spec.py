"""docs/SPEC.md says what the code does: its codes, its bounds, and an example that is computed again here."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dvm.components import failure
from jobs import admission, grant, params, reply, request
from jobs.lifecycle import ATTEMPTS_MAX, born
from jobs.model import JobState
from jobs.outcome import Outcome, RunReport, Usage
from jobs.receipt import Receipt, input_digest
from jobs.request import JobRequest, parse_request
from relayclient import event as events
from relayclient.verdicts import Verdict, of_refusal
from tests.support.requests import NODE, offer_for
from tests.support.spec import BLOCKS, ROOT, example_request, example_result, section

# Codes

WRITERS = ["jobs/admission.py", "jobs/lifecycle.py", "jobs/params.py", "jobs/request.py", "dvm/components/failure.py"]
KEBAB = re.compile(r"[a-z]+(-[a-z]+)+")


def codes_in_source() -> set[str]:
    """What the code can emit: outcomes, and every constant in the modules that write codes which looks like one."""
    found = {outcome.value for outcome in Outcome} - {Outcome.FINISHED.value}
    for name in WRITERS:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            match node:
                case ast.Constant(value=str(text)) if KEBAB.fullmatch(text):
                    found.add(text)
                case ast.Call(args=args) if ast.unparse(node.func) in ("Wrong", "Malformed", "_fail"):
                    found |= single_words(args[:2])
                case ast.Tuple(elts=parts):
                    found |= single_words(parts[:1])
                case ast.IfExp(body=one, orelse=other):
                    found |= single_words([one, other])
                case ast.keyword(arg="code", value=value):
                    found |= single_words([value])
    return found


def single_words(nodes: Sequence[ast.expr]) -> set[str]:
    """A code of one word is only told from other words by where it stands."""
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return {value for value in values if isinstance(value, str) and re.fullmatch("[a-z]+", value)}


def codes_in_spec() -> set[str]:
    return set(re.findall(r"^\| `([a-z-]+)` \|", section("6. Error codes"), re.MULTILINE))


# Words that look like codes to the search above and are something else.
OTHER_WORDS = {"arg", "component", "deterministic", "text", "undeliverable", "url"}


def test_every_code_that_can_be_sent_is_in_the_table_and_no_other() -> None:
    assert codes_in_source() - OTHER_WORDS == codes_in_spec()


def test_the_search_for_codes_finds_those_of_every_kind() -> None:
    some = {"no-hash", "bad-param", "busy", "expired", "price-too-low", "trap", "hash-mismatch", "no-source"}
    assert some <= codes_in_source()
    assert set(failure.MOST_TELLING_FIRST) <= codes_in_source()


def test_the_code_that_is_never_sent_is_named_as_such() -> None:
    assert "`undeliverable`" in section("6. Error codes")


@pytest.mark.parametrize("code", sorted(codes_in_spec()))
def test_a_code_is_of_the_form_that_programs_look_for(code: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,63}", code)


# Bounds and names


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("1. Request", f"at most {events.MAX_EVENT_BYTES:,} bytes of JSON with at most {events.MAX_TAGS:,} tags"),
        ("1.1 Component", f"at most {request.HINTS_MAX} hints"),
        ("1.1 Component", "at most 2^32;"),
        ("1.3 Parameters", f"in all at most {params.ARGS_MAX}, each at most {params.TEXT_MAX:,} bytes"),
        ("1.3 Parameters", f"environment; at most {params.ENV_MAX}; names"),
        ("1.4 What readers tolerate", f"the first {request.RELAYS_MAX} are used"),
        ("1.5 Silence and errors", f"more than {admission.Policy().oldest_s:,} s ago"),
        ("1.5 Silence and errors", f"more than {admission.Policy().future_s} s in the future"),
        ("1.6 Grant", f"({admission.Policy().patience_s} s here)"),
        ("3. Answers", f"{reply.EVENT_BYTES_MAX:,} bytes of JSON"),
        ("3. Answers", f"longer than {reply.INDEXED_BYTES_MAX:,} bytes"),
        ("3.1 Result, kind 6850", f"first {reply.LOG_MAX:,} characters"),
        ("5. Once only", f"{ {3: 'three'}[ATTEMPTS_MAX] } times in all at most"),
    ],
)
def test_a_bound_is_the_one_in_the_code(title: str, said: str) -> None:
    assert said in section(title).replace("\n", " ")


def test_the_limits_of_a_grant_are_those_of_the_code() -> None:
    table = section("1.6 Grant")
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, re.MULTILINE))
    tops = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", table, re.MULTILINE))
    assert {name: number(cell) for name, cell in rows.items()} == grant.DEFAULT.to_wire()
    assert {name: number(cell) for name, cell in tops.items()} == grant.CEILING.to_wire()


def number(cell: str) -> int:
    digits = int(cell.removesuffix(" MiB").replace(",", ""))
    return digits << 20 if cell.endswith(" MiB") else digits


def test_every_parameter_is_in_the_table() -> None:
    assert tuple(sorted(re.findall(r"^\| `(\w+)` \|", section("1.3 Parameters"), re.MULTILINE))) == params._KNOWN


def test_every_tag_of_a_receipt_is_in_the_table() -> None:
    receipt = Receipt.from_event(example_result())
    named = re.findall(r'^\| `\["(\w+)"', section("4. Receipt"), re.MULTILINE)
    assert named == [tag[0] for tag in receipt.to_tags()]


def test_the_refusals_that_are_for_good_are_those_of_the_code() -> None:
    listed = re.search(r"refused it for good\s+\(([^)]*)\)", section("3.3 Where, and how often"))
    assert listed is not None
    words = re.findall("`([a-z-]+)`", listed[1])
    known = {"invalid", "blocked", "restricted", "pow", "mute", "unsupported", "rate-limited", "error", "auth-required"}
    assert set(words) == {word for word in known if of_refusal(f"{word}: x") is Verdict.REFUSED}


# The worked example


def example_job() -> JobRequest:
    job = parse_request(example_request(), NODE.public)
    assert isinstance(job, JobRequest)
    return job


def test_the_seed_and_the_dice_of_the_example() -> None:
    seed, dice, stdin = BLOCKS[1].split()
    job = example_job()
    assert seed == job.seed.hex() == hashlib.sha256(b"dvm-seed-1" + bytes.fromhex(job.id)).hexdigest()
    block = hashlib.shake_256(b"dvm/random/1:" + b"random" + b":" + job.seed + (0).to_bytes(8, "little")).digest(136)
    assert dice == block[:16].hex()
    assert stdin == hashlib.sha256("grüß dich\n".encode()).hexdigest() == hashlib.sha256(job.stdin).hexdigest()


def test_the_input_digest_of_the_example() -> None:
    text, digest = BLOCKS[2].splitlines()
    assert hashlib.sha256(text.encode()).hexdigest() == digest == input_digest(example_job())


def test_the_result_of_the_example_is_the_one_that_a_node_signs() -> None:
    event, job = example_result(), example_job()
    stated = Receipt.from_event(event)
    assert stated.component == hashlib.sha256((ROOT / "examples/echo/echo.wasm").read_bytes()).hexdigest()
    born_job, _ = born(job, offer_for(job), "wss://relay.example", job.event.created_at)
    usage = Usage(fuel=stated.fuel, memory_bytes=stated.memory_bytes, wall_ms=stated.wall_ms)
    report = RunReport(Outcome.FINISHED, 0, job.stdin, b"", usage, engine=stated.engine)
    draft = reply.result(replace(born_job, state=JobState.RUNNING, attempt=1), report, job.event.created_at + 1)
    assert draft is not None
    assert NODE.sign(draft) == event
