"""Written forms of event ids. The bech32 texts were made by nostr-tools 2.25."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dvm.cli.names import event_id

ID = "ab" * 32
NOTE = "note14w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w4sfreljc"
NEVENT = "nevent1qvzqqqq6cgqs6amnwvaz7tmwdaejumr0dsqzp2at4w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w46h2atq9dk2k"
NPUB = "npub14w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w46h2at4w4scf6zts"


@pytest.mark.parametrize("text", [ID, ID.upper(), NOTE, NEVENT, "nostr:" + NEVENT])
def test_every_written_form_gives_the_id(text: str) -> None:
    assert event_id(text) == ID


@pytest.mark.parametrize("text", ["", "ab" * 31, NPUB, NOTE[:-1] + "q", NEVENT[:-1], "nevent1", "note1" + "q" * 4000])
def test_what_is_no_id_gives_none(text: str) -> None:
    assert event_id(text) is None


@given(st.text() | st.text().map("nevent1".__add__))
def test_anything_may_be_asked(text: str) -> None:
    event_id(text)
