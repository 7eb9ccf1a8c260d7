"""What strangers write, and what is read out of it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.component import ComponentRef
from jobs.request import (
    HINTS_MAX,
    RELAYS_MAX,
    WORLD,
    Ask,
    JobRequest,
    Malformed,
    NotOurs,
    parse_request,
)
from relayclient.errors import InvalidEvent
from relayclient.event import Draft, Event
from tests.support.requests import CUSTOMER, DIGEST, NODE, NOW, OTHER, read, request_event, taken

OTHER_DIGEST = "cd" * 32
BLOSSOM = f"blossom:{DIGEST}.wasm"
HTTPS = f"https://cdn.example/{DIGEST}.wasm"


# A whole request


def test_every_tag_of_a_whole_request_is_read() -> None:
    event = request_event(
        ("i", f"{BLOSSOM}?xs=cdn.example&sz=48211", "url", "", "component"),
        ("i", "hello", "text", "", "stdin"),
        ("x", DIGEST, "component"),
        ("server", "https://blobs.example"),
        ("param", "world", WORLD),
        ("param", "arg", "--upper"),
        ("param", "arg", "-n", "3"),
        ("param", "env", "LANG", "de"),
        ("param", "fuel", "1000"),
        ("param", "memory_mib", "64"),
        ("param", "timeout_ms", "5000"),
        ("param", "seed", "0f" * 32),
        ("output", "text/plain"),
        ("bid", "20000"),
        ("relays", "wss://r1.example", "wss://r2.example"),
        ("p", NODE.public),
        ("expiration", str(NOW + 60)),
        named=False,
    )
    assert taken(event) == JobRequest(
        event=event,
        component=ComponentRef(DIGEST, 48211, (f"{BLOSSOM}?xs=cdn.example&sz=48211", "server:https://blobs.example")),
        args=("--upper", "-n", "3"),
        env=(("LANG", "de"),),
        stdin=b"hello",
        ask=Ask(fuel=1000, memory_bytes=64 << 20, wall_ms=5000),
        seed=bytes.fromhex("0f" * 32),
        bid_msat=20000,
        relays=("wss://r1.example", "wss://r2.example"),
        expiration=NOW + 60,
        addressed=True,
    )
    assert taken(event).id == event.id
    assert taken(event).customer == CUSTOMER.public


def test_a_digest_alone_is_a_request() -> None:
    request = taken(request_event())
    assert request.component == ComponentRef(DIGEST, None, ())
    assert (request.args, request.env, request.stdin, request.ask) == ((), (), b"", Ask())
    assert (request.bid_msat, request.expiration, request.relays, request.addressed) == (None, None, (), False)


def test_the_seed_follows_from_the_id_unless_given() -> None:
    first, second = taken(request_event()), taken(request_event(created_at=NOW + 1))
    assert len(first.seed) == 32
    assert first.seed != second.seed


# Silence


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (request_event(kind=5851), "kind"),
        (request_event(("p", OTHER.public)), "addressed to others"),
        (request_event(("encrypted",), ("p", NODE.public)), "encrypted"),
        (request_event(("encrypted", "1"), named=False), "encrypted"),
        (request_event(("p", OTHER.public), ("param", "nonsense", "1")), "addressed to others"),
    ],
)
def test_what_is_not_ours_gets_no_answer(event: Event, reason: str) -> None:
    assert read(event) == NotOurs(reason)


def test_one_of_several_addressed_nodes_is_addressed() -> None:
    assert taken(request_event(("p", OTHER.public), ("p", NODE.public))).addressed


def test_the_kind_is_configuration() -> None:
    assert isinstance(parse_request(request_event(kind=5999), NODE.public, kind=5999), JobRequest)


# Tolerance: what clients in use write


@pytest.mark.parametrize(
    "tag",
    [
        ("i", HTTPS, "url", "", "component"),
        ("i", HTTPS, "url", "wss://r.example", "component"),
        ("i", HTTPS, "url", "component"),
        ("i", HTTPS, "URL", "component"),
        ("i", HTTPS, "", "", "component"),
    ],
)
def test_a_component_is_found_wherever_its_marker_stands(tag: tuple[str, ...]) -> None:
    assert taken(request_event(tag, named=False)).component == ComponentRef(DIGEST, None, (HTTPS,))


@pytest.mark.parametrize(
    "tag",
    [
        ("i", "hello", "text", "", "stdin"),
        ("i", "hello", "text", "wss://r.example", "stdin"),
        ("i", "hello", "text", "stdin"),
        ("i", "hello", "text", "wss://r.example"),
        ("i", "hello", "TEXT"),
        ("i", "hello", "text"),
        ("i", "hello", ""),
        ("i", "hello"),
    ],
)
def test_an_input_is_text_for_stdin_unless_it_says_otherwise(tag: tuple[str, ...]) -> None:
    assert taken(request_event(tag)).stdin == b"hello"


def test_tags_without_a_value_are_passed_over() -> None:
    event = request_event(("i",), ("x",), ("server",), ("p",), ("relays",), ("unheard-of", "x"))
    assert taken(event).component == ComponentRef(DIGEST, None, ())


@pytest.mark.parametrize(
    "tags",
    [
        [("x", DIGEST.upper(), "component")],
        [("x", DIGEST)],
        [("i", HTTPS.upper().replace("HTTPS", "https"), "url", "", "component")],
        [("i", f"blossom:{DIGEST.upper()}.wasm", "url", "", "component")],
        [("x", DIGEST.upper()), ("x", DIGEST, "component"), ("i", HTTPS, "url", "", "component")],
    ],
)
def test_digests_are_taken_in_any_case_and_from_any_place(tags: list[tuple[str, ...]]) -> None:
    assert taken(request_event(*tags, named=False)).component.digest == DIGEST


def test_x_tags_of_other_roles_do_not_name_the_component() -> None:
    assert taken(request_event(("x", OTHER_DIGEST, "input"))).component.digest == DIGEST


def test_of_several_digests_in_a_url_the_last_counts() -> None:
    url = f"https://cdn.example/{OTHER_DIGEST}/{DIGEST}.wasm?token={OTHER_DIGEST}"
    assert taken(request_event(("i", url, "url", "", "component"), named=False)).component.digest == DIGEST


@pytest.mark.parametrize("digits", [63, 65, 128])
def test_a_run_of_more_or_fewer_digits_is_no_digest(digits: int) -> None:
    url = f"https://cdn.example/{'ab' * 64}"[: len("https://cdn.example/") + digits]
    assert taken(request_event(("i", url, "url", "", "component"))).component.hints == (url,)


def test_the_order_of_hints_is_kept_and_each_stands_once() -> None:
    tags = [("i", HTTPS, "url", "", "component"), ("server", "b.example"), ("i", HTTPS, "url", "", "component")]
    assert taken(request_event(*tags)).component.hints == (HTTPS, "server:b.example")


def test_relays_are_normalised_and_the_first_few_kept() -> None:
    many = tuple(f"wss://r{n}.example" for n in range(20))
    event = request_event(
        ("relays", "WSS://A.example:443/", "wss://a.example", "https://no.example", ""), ("relays", *many)
    )
    assert taken(event).relays == ("wss://a.example", *many[: RELAYS_MAX - 1])


def test_stdin_can_stand_in_the_content_and_in_base64() -> None:
    assert taken(request_event(content="hällo")).stdin == "hällo".encode()
    binary = bytes(range(256))
    assert taken(request_event(("encoding", "base64"), content=base64.b64encode(binary).decode())).stdin == binary
    encoded = base64.b64encode(binary).decode()
    assert taken(request_event(("i", encoded, "text"), ("encoding", "base64"))).stdin == binary


@pytest.mark.parametrize("world", [WORLD, "command"])
def test_the_world_has_a_long_and_a_short_name(world: str) -> None:
    taken(request_event(("param", "world", world)))


def test_bounds_are_inclusive() -> None:
    top = (1 << 63) - 1
    tags = [("fuel", str(top)), ("memory_mib", str(1 << 20)), ("timeout_ms", "86400000")]
    request = taken(request_event(*(("param", *tag) for tag in tags), ("bid", "0"), ("expiration", str(top))))
    assert request.ask == Ask(fuel=top, memory_bytes=1 << 40, wall_ms=86_400_000)
    args = request_event(("param", "arg", *["a"] * 64), ("param", "arg"))
    assert len(taken(args).args) == 64
    assert len(taken(request_event(*(("param", "env", f"N{n}", "v") for n in range(64)))).env) == 64
    assert taken(request_event(("param", "arg", "x" * 4096))).args == ("x" * 4096,)
    hints = [("server", f"https://h{n}.example") for n in range(HINTS_MAX)]
    assert len(taken(request_event(*hints)).component.hints) == HINTS_MAX


# One error each


def bad(*tags: tuple[str, ...], content: str = "", named: bool = True) -> Event:
    return request_event(*tags, content=content, named=named)


def component(url: str, kind: str = "url") -> tuple[str, ...]:
    return ("i", url, kind, "", "component")


WRONG: list[tuple[Event, str, str]] = [
    (bad(named=False), "no-hash", 'name the component by its sha256: ["x", "<64 hex digits>", "component"]'),
    (bad(component("https://x.example/a.wasm"), named=False), "no-hash", "name the component by its sha256"),
    (bad(("x", OTHER_DIGEST)), "hash-conflict", "names different sha256 digests for one component"),
    (bad(component(f"blossom:{OTHER_DIGEST}.wasm")), "hash-conflict", "names different sha256 digests"),
    (bad(component(f"https://x.example/{OTHER_DIGEST}")), "hash-conflict", "names different sha256 digests"),
    (bad(("x", "abc", "component")), "bad-hash", 'a sha256 has 64 hex digits, not "abc"'),
    (bad(("x", DIGEST + "00")), "bad-hash", "a sha256 has 64 hex digits"),
    (bad(component("blossom:abc.wasm")), "bad-hash", 'a sha256 has 64 hex digits, not "abc"'),
    (bad(component(f"{BLOSSOM}?sz=big")), "bad-size", "the sz= of the blossom URI is no size in bytes"),
    (bad(component(f"{BLOSSOM}?sz=")), "bad-size", "is no size"),
    (bad(component(f"{BLOSSOM}?sz=٣")), "bad-size", "is no size"),
    (bad(component(f"{BLOSSOM}?sz=4294967297")), "bad-size", "is no size"),
    (bad(component(f"{BLOSSOM}?sz=1"), component(f"{BLOSSOM}?sz=2")), "size-conflict", "different sizes"),
    (bad(component(f"{BLOSSOM}?sz=1&sz=2")), "size-conflict", "different sizes"),
    (bad(component("f00d", "event")), "unsupported-source", 'a component is named by url, not by "event"'),
    (bad(*(("server", f"h{n}.example") for n in range(17))), "too-many-hints", "at most 16 places"),
    (
        bad(("param", "world", "wasi:http/proxy")),
        "unknown-world",
        'runs the world wasi:cli/command, not "wasi:http/proxy"',
    ),
    (bad(("param", "wrold", "x")), "unknown-param", 'there is no param "wrold"; did you mean world?'),
    (bad(("param", "zzz")), "unknown-param", "known are arg, env, fuel, memory_mib, seed, timeout_ms, world"),
    (bad(("param",)), "unknown-param", 'there is no param ""'),
    (
        bad(("param", "fuel", "0")),
        "bad-param",
        'param fuel must be a whole number from 1 to 9223372036854775807, not "0"',
    ),
    (bad(("param", "fuel", "-1")), "bad-param", "param fuel must be a whole number"),
    (bad(("param", "fuel", "1e9")), "bad-param", "param fuel must be a whole number"),
    (bad(("param", "fuel", "٣")), "bad-param", "param fuel must be a whole number"),
    (bad(("param", "fuel", "9" * 5000)), "bad-param", "param fuel must be a whole number"),
    (bad(("param", "fuel", str(1 << 63))), "bad-param", "param fuel must be a whole number"),
    (bad(("param", "memory_mib", "1048577")), "bad-param", "param memory_mib must be a whole number from 1 to 1048576"),
    (
        bad(("param", "timeout_ms", "86400001")),
        "bad-param",
        "param timeout_ms must be a whole number from 1 to 86400000",
    ),
    (bad(("param", "fuel", "1"), ("param", "fuel", "1")), "bad-param", "param fuel takes one value and stands once"),
    (bad(("param", "world")), "bad-param", "param world takes one value"),
    (bad(("param", "timeout_ms", "1", "2")), "bad-param", "param timeout_ms takes one value"),
    (bad(("param", "arg", *["a"] * 65)), "bad-param", "at most 64 arguments are taken"),
    (bad(("param", "arg", "x" * 4097)), "bad-param", "an argument has at most 4096 bytes"),
    (bad(("param", "arg", "ä" * 2049)), "bad-param", "an argument has at most 4096 bytes"),
    (bad(("param", "env", "A=B", "c")), "bad-param", "param env takes a name and a value"),
    (bad(("param", "env", "A")), "bad-param", "param env takes a name and a value"),
    (bad(("param", "env", "A", "b", "c")), "bad-param", "param env takes a name and a value"),
    (bad(("param", "env", "A", "b"), ("param", "env", "A", "c")), "bad-param", "each name once"),
    (bad(*(("param", "env", f"N{n}", "v") for n in range(65))), "bad-param", "at most 64 environment variables"),
    (bad(("param", "env", "A", "x" * 4097)), "bad-param", "an environment value has at most 4096 bytes"),
    (bad(("param", "seed", "0F" * 32)), "bad-param", "param seed has 64 lower-case hex digits"),
    (bad(("bid", "much")), "bad-param", 'the tag bid must be a whole number from 0 to 9223372036854775807, not "much"'),
    (bad(("bid",)), "bad-param", "the tag bid must be a whole number"),
    (bad(("bid", "1"), ("bid", "2")), "bad-param", "the tag bid stands more than once"),
    (bad(("expiration", "soon")), "bad-param", "the tag expiration must be a whole number"),
    (bad(("i", "https://x.example/in", "url")), "unsupported-input", 'does not take "url" inputs marked ""'),
    (bad(("i", "x", "text", "", "file:a")), "unsupported-input", 'does not take "text" inputs marked "file:a"'),
    (bad(("i", "a"), ("i", "b")), "stdin-conflict", "stdin is given more than once"),
    (bad(("i", "a"), content="b"), "stdin-conflict", "use one text input or the content"),
    (bad(("encoding", "hex"), content="00"), "bad-encoding", 'the encoding of the input can be base64, not "hex"'),
    (bad(("encoding", "base64"), content="?"), "bad-encoding", "the input is not valid base64"),
    (bad(("encoding", "base64"), content="YQ"), "bad-encoding", "the input is not valid base64"),
    (bad(("encoding", "base64"), content="ä"), "bad-encoding", "the input is not valid base64"),
    (bad(("encoding", "base64"), ("encoding", "base64")), "bad-param", "the tag encoding stands more than once"),
]


@pytest.mark.parametrize(("event", "code", "sentence"), WRONG, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_ours_but_wrong_gets_one_code_and_one_sentence(event: Event, code: str, sentence: str) -> None:
    answer = read(event)
    assert isinstance(answer, Malformed)
    assert answer.code == code
    assert sentence in answer.sentence


def test_an_error_knows_where_the_customer_listens_and_whether_we_were_named() -> None:
    event = bad(("relays", "wss://r.example"), ("p", NODE.public), named=False)
    answer = read(event)
    assert isinstance(answer, Malformed)
    assert (answer.relays, answer.addressed) == (("wss://r.example",), True)


def test_a_strangers_text_in_a_sentence_is_short_and_printable() -> None:
    answer = read(bad(("param", "world", "\x1b[2J\u202e" + "x" * 5000)))
    assert isinstance(answer, Malformed)
    assert answer.sentence.isprintable()
    assert len(answer.sentence) < 200


# Anything at all

WORDS = st.sampled_from(
    [
        *("i", "x", "param", "server", "p", "relays", "bid", "expiration", "encoding", "encrypted", "output", "t"),
        *("arg", "env", "fuel", "memory_mib", "seed", "timeout_ms", "world", "text", "url", "", "component", "stdin"),
        *(DIGEST, DIGEST.upper(), OTHER_DIGEST, BLOSSOM, BLOSSOM + "?sz=9", HTTPS, "blossom:", "blossom:.?sz=&&=?"),
        *(NODE.public, OTHER.public, WORLD, "0", "1", "99999999999999999999999", "-1", "base64", "wss://r.example"),
        *("wss://[::1", "wss://x:99999999", "A", "B=", "\ud7ff", "\U0010ffff", "\x7f\x1b", "٣", "İ"),
    ]
)
VALUE = WORDS | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)
TAG = st.lists(VALUE, min_size=1, max_size=6).map(tuple)


@given(
    tags=st.lists(TAG, max_size=12).map(tuple),
    content=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200),
    named=st.booleans(),
)
@settings(max_examples=500, deadline=None)
def test_no_event_makes_the_parser_raise(tags: tuple[tuple[str, ...], ...], content: str, named: bool) -> None:
    event = Event.from_json(request_event(*tags, content=content, named=named).to_json())
    answer = read(event)
    match answer:
        case JobRequest():
            assert len(answer.component.digest) == 64
            assert len(answer.component.hints) <= HINTS_MAX
            assert len(answer.relays) <= RELAYS_MAX
            assert len(answer.seed) == 32
        case Malformed(code, sentence):
            assert code
            assert code == code.lower()
            assert sentence.isprintable()
        case NotOurs(reason):
            assert reason


def test_an_event_that_the_parser_could_stumble_over_does_not_exist() -> None:
    """Lone surrogates and NUL never reach the parser: no event can hold them."""
    for text in ("\ud800", "\0"):
        with pytest.raises(InvalidEvent):
            Draft(5850, text, (), NOW)
