"""From hints to URLs: what is tried, in which order, and what is not tried at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.components.hints import MAX_SOURCES, sources
from jobs.component import ComponentRef

DIGEST = "ab" * 32
OTHER = "cd" * 32


def urls(*hints: str, size: int | None = None, mirrors: tuple[str, ...] = ()) -> list[str]:
    found, _ = sources(ComponentRef(DIGEST, size, hints), mirrors)
    return [f"{s.target.scheme}://{s.target.authority}{s.target.path}" for s in found]


def sizes(*hints: str, size: int | None = None) -> list[int | None]:
    return [source.size for source in sources(ComponentRef(DIGEST, size, hints), ())[0]]


def unusable(*hints: str, size: int | None = None) -> list[str]:
    return [failure.code for failure in sources(ComponentRef(DIGEST, size, hints), ())[1]]


def test_a_url_is_taken_as_it_is() -> None:
    assert urls("https://a.example/any?thing") == ["https://a.example/any?thing"]


def test_a_blossom_uri_names_its_servers_in_order() -> None:
    uri = f"blossom:{DIGEST}.wasm?xs=a.example&as={OTHER}&xs=b.example:8443&sz=7"
    assert urls(uri) == [f"https://a.example/{DIGEST}.wasm", f"https://b.example:8443/{DIGEST}.wasm"]
    assert sizes(uri) == [7, 7]
    assert unusable(uri) == []


def test_the_extension_of_a_uri_is_kept_and_the_digest_is_lower_case() -> None:
    assert urls(f"blossom:{DIGEST.upper()}.bin?xs=a.example") == [f"https://a.example/{DIGEST}.bin"]
    assert urls(f"blossom:{DIGEST}?xs=a.example") == [f"https://a.example/{DIGEST}"]


def test_a_uri_can_name_a_server_by_url() -> None:
    """Whether http is allowed there is the gate's decision."""
    assert urls(f"blossom:{DIGEST}.wasm?xs=http://127.0.0.1:8080/") == [f"http://127.0.0.1:8080/{DIGEST}.wasm"]
    assert urls(f"blossom:{DIGEST}.wasm?xs=https%3A%2F%2Fa.example") == [f"https://a.example/{DIGEST}.wasm"]


def test_a_uri_without_servers_only_states_facts() -> None:
    assert urls(f"blossom:{DIGEST}.wasm?sz=7") == []
    assert urls(f"blossom:{DIGEST}.wasm") == []
    assert unusable(f"blossom:{DIGEST}.wasm") == []


@pytest.mark.parametrize(
    "uri",
    [
        f"blossom:{OTHER}.wasm?xs=a.example",
        "blossom:?xs=a.example",
        f"blossom:{DIGEST[1:]}.wasm?xs=a.example",
        f"blossom:{DIGEST}/../x?xs=a.example",
        f"blossom://{DIGEST}.wasm?xs=a.example",
    ],
)
def test_a_uri_for_something_else_is_not_followed(uri: str) -> None:
    assert urls(uri) == []
    assert unusable(uri) == ["fetch-refused"]


@pytest.mark.parametrize("stated", ["8", "", "-7", "7.0", "0x7", "９", "1" * 16])
def test_a_size_that_contradicts_the_request_rules_the_uri_out(stated: str) -> None:
    uri = f"blossom:{DIGEST}.wasm?xs=a.example&sz={stated}"
    assert urls(uri, size=7) == []
    assert unusable(uri, size=7) == ["size-mismatch"]


def test_two_sizes_in_one_uri_contradict_each_other() -> None:
    assert unusable(f"blossom:{DIGEST}.wasm?xs=a.example&sz=7&sz=8") == ["size-mismatch"]
    assert sizes(f"blossom:{DIGEST}.wasm?xs=a.example&sz=7&sz=7") == [7]


def test_the_size_in_the_request_holds_for_every_source() -> None:
    assert sizes("https://a.example/x", "server:https://b.example", size=7) == [7, 7, 7]


def test_servers_come_after_urls_and_mirrors_last() -> None:
    assert urls("server:https://s.example/", "https://u.example/x", mirrors=("https://m.example/blobs",)) == [
        "https://u.example/x",
        f"https://s.example/{DIGEST}.wasm",
        f"https://s.example/{DIGEST}",
        f"https://m.example/blobs/{DIGEST}.wasm",
        f"https://m.example/blobs/{DIGEST}",
    ]


def test_each_url_is_tried_once() -> None:
    same = (f"https://a.example/{DIGEST}.wasm", "server:https://a.example", f"blossom:{DIGEST}.wasm?xs=A.example")
    assert urls(*same) == [f"https://a.example/{DIGEST}.wasm", f"https://a.example/{DIGEST}"]


def test_the_number_of_sources_is_bounded() -> None:
    assert len(urls(*(f"https://a.example/{n}" for n in range(MAX_SOURCES)))) == MAX_SOURCES
    assert len(urls(*(f"https://a.example/{n}" for n in range(MAX_SOURCES + 1)))) == MAX_SOURCES


@pytest.mark.parametrize("hint", ["", "ftp://a.example/x", "wss://a.example/", "https://user@a.example/", "server:"])
def test_a_bad_hint_does_not_spoil_a_good_one(hint: str) -> None:
    assert urls(hint, "https://a.example/x") == ["https://a.example/x"]
    assert set(unusable(hint)) == {"fetch-refused"}


@given(st.lists(st.text(max_size=50) | st.text(max_size=50).map(lambda t: f"blossom:{DIGEST}.wasm?xs={t}"), max_size=4))
def test_no_hint_can_do_more_than_be_unusable(hints: list[str]) -> None:
    for source in sources(ComponentRef(DIGEST, None, tuple(hints)), ())[0]:
        assert source.target.scheme in ("http", "https")
