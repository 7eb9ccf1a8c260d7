from __future__ import annotations

import copy
import csv
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relayclient.errors import InvalidKey
from relayclient.event import Draft, Event
from relayclient.keys import LocalSigner, SecretKey, npub, parse_npub, verify
from tests.support.events import ALICE, T0, signed

VECTORS = Path(__file__).parents[2] / "vectors"
NIP19 = {v["hrp"]: v for v in json.loads((VECTORS / "nostr_events.json").read_text())["nip19"]}
INVALID = json.loads((VECTORS / "nostr_events.json").read_text())["nip19_invalid"]
SIGNING = [
    r
    for r in csv.DictReader((VECTORS / "bip340.csv").read_text().splitlines())
    if r["secret key"] and len(r["message"]) == 64
]

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize("row", SIGNING, ids=lambda row: row["index"])
def test_official_signatures(row: dict[str, str]) -> None:
    key = SecretKey(bytes.fromhex(row["secret key"]))
    assert key.public == row["public key"].lower()
    # Signing of bare digests is not offered to anybody, for what is signed is always an event.
    sig = key._sign_digest(bytes.fromhex(row["message"]), bytes.fromhex(row["aux_rand"]))
    assert sig.hex() == row["signature"].lower()


def test_there_are_official_signatures() -> None:
    assert len(SIGNING) >= 4


def test_nip19_vectors() -> None:
    key = SecretKey.from_nsec(NIP19["nsec"]["bech32"])
    assert key.nsec() == NIP19["nsec"]["bech32"]
    assert SecretKey.from_hex(NIP19["nsec"]["hex"]).public == key.public
    assert parse_npub(NIP19["npub"]["bech32"]) == NIP19["npub"]["hex"]
    assert npub(NIP19["npub"]["hex"]) == NIP19["npub"]["bech32"]


NPUB = NIP19["npub"]["bech32"]
NSEC = NIP19["nsec"]["bech32"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        NSEC,
        NPUB[:-1],
        NPUB + "q",
        NPUB[:-1] + ("q" if NPUB[-1] != "q" else "p"),
        NPUB.replace("npub1", "note1"),
        NPUB[:-1] + NPUB[-1].upper(),
        NPUB.replace("1", "\u0661", 1),
        " " + NPUB[1:],
        NIP19["nprofile"]["bech32"],
        *INVALID,
    ],
)
def test_what_is_no_npub(text: str) -> None:
    with pytest.raises(InvalidKey):
        parse_npub(text)


@pytest.mark.parametrize(
    "text", ["", NPUB, NSEC[:-1], NSEC + "q", NSEC[:-1] + "q", NIP19["nevent"]["bech32"], *INVALID]
)
def test_what_is_no_nsec(text: str) -> None:
    with pytest.raises(InvalidKey) as e:
        SecretKey.from_nsec(text)
    assert not text or text not in str(e.value)


def test_bech32m_and_points_off_the_curve_are_no_npub() -> None:
    from pynostr import bech32

    data = bech32.convertbits(bytes.fromhex(NIP19["npub"]["hex"]), 8, 5)
    with pytest.raises(InvalidKey):
        parse_npub(bech32.bech32_encode("npub", data, bech32.Encoding.BECH32M))
    with pytest.raises(InvalidKey):
        parse_npub(bech32.bech32_encode("npub", bech32.convertbits(bytes(32), 8, 5), bech32.Encoding.BECH32))


def test_upper_case_bech32_is_the_same_key() -> None:
    assert parse_npub(NPUB.upper()) == NIP19["npub"]["hex"]


@pytest.mark.parametrize("secret", [b"", b"\1", bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\1" * 33])
def test_what_is_no_secret(secret: bytes) -> None:
    with pytest.raises(InvalidKey):
        SecretKey(secret)


@pytest.mark.parametrize("secret", [1, ORDER - 1])
def test_the_ends_of_the_range(secret: int) -> None:
    assert len(SecretKey(secret.to_bytes(32, "big")).public) == 64


@pytest.mark.parametrize("text", ["", "1" * 63, "A" * 64, "g" * 64, "1" * 64 + "\n"])
def test_what_is_no_hex_secret(text: str) -> None:
    with pytest.raises(InvalidKey):
        SecretKey.from_hex(text)


def test_generation_draws_until_it_is_a_key_and_not_for_ever() -> None:
    draws: Iterator[bytes] = iter([b"\xff" * 32, bytes(32), b"\5" * 32])
    assert SecretKey.generate(lambda n: next(draws)).public == SecretKey(b"\5" * 32).public
    with pytest.raises(ValueError, match="entropy"):
        SecretKey.generate(bytes)


def test_the_secret_is_never_shown_by_accident() -> None:
    secret = bytes(range(1, 33))
    key = SecretKey(secret)
    signer = LocalSigner(key, bytes)
    shown = "".join(f"{x!r} {x} {x:}" for x in (key, signer)) + repr([key]) + repr({"k": signer})
    for form in (secret.hex(), key.nsec(), repr(secret), str(int.from_bytes(secret, "big"))):
        assert form not in shown
    assert npub(key.public) in shown
    for act in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            act(key)


def test_signing() -> None:
    draft = Draft(1, "x", (), T0)
    deterministic, random = ALICE.sign(draft), ALICE.sign(draft, b"\7" * 32)
    assert deterministic == ALICE.sign(draft)
    assert deterministic.id == random.id
    assert deterministic.sig != random.sig
    for event in (deterministic, random):
        assert Event.from_wire(event.to_wire()) == event
    for aux in (b"", b"\0" * 31, b"\0" * 33):
        with pytest.raises(ValueError, match="aux"):
            ALICE.sign(draft, aux)


def test_a_local_signer_takes_fresh_entropy_for_each_signature() -> None:
    draws: list[int] = []

    def entropy(count: int) -> bytes:
        draws.append(count)
        return bytes([len(draws)]) * count

    signer = LocalSigner(ALICE, entropy)
    one, two = signer.sign(Draft(1, "x", (), T0)), signer.sign(Draft(1, "x", (), T0))
    assert signer.public_key == ALICE.public == one.pubkey
    assert draws == [32, 32]
    assert one.sig != two.sig


def test_verify_is_false_for_anything_malformed() -> None:
    e = signed()
    assert verify(e.pubkey, e.id, e.sig)
    for pubkey, event_id, sig in (
        (e.pubkey.upper(), e.id, e.sig),
        (e.pubkey[:-2], e.id, e.sig),
        (e.pubkey, e.id[:-2], e.sig),
        (e.pubkey, e.id, e.sig[:-2]),
        (e.pubkey, e.id, "zz" + e.sig[2:]),
        ("0" * 64, e.id, e.sig),
        (e.pubkey, "0" * 64, e.sig),
    ):
        assert not verify(pubkey, event_id, sig)


@given(st.integers(1, ORDER - 1))
def test_text_forms_round_trip(secret: int) -> None:
    key = SecretKey(secret.to_bytes(32, "big"))
    assert SecretKey.from_nsec(key.nsec()).public == key.public
    assert parse_npub(npub(key.public)) == key.public
