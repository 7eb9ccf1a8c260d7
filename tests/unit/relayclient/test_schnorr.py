from __future__ import annotations

import csv
from pathlib import Path

import pytest

from relayclient.schnorr import on_curve, verify

ROWS = list(csv.DictReader((Path(__file__).parents[2] / "vectors" / "bip340.csv").read_text().splitlines()))


def test_all_official_cases_are_there() -> None:
    assert len(ROWS) == 19


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["index"])
def test_official_verification(row: dict[str, str]) -> None:
    key, message, sig = (bytes.fromhex(row[name]) for name in ("public key", "message", "signature"))
    assert verify(key, message, sig) is (row["verification result"] == "TRUE")


def test_what_is_malformed_is_false_and_raises_nothing() -> None:
    row = ROWS[0]
    key, message, sig = (bytes.fromhex(row[name]) for name in ("public key", "message", "signature"))
    assert not verify(key[:-1], message, sig)
    assert not verify(key + b"\0", message, sig)
    assert not verify(key, message, sig[:-1])
    assert not verify(key, message, sig + b"\0")
    assert not verify(b"", b"", b"")


def test_points_of_the_curve() -> None:
    assert on_curve(bytes.fromhex(ROWS[0]["public key"]))
    assert not on_curve(bytes(32))
    assert not on_curve(b"\xff" * 32)
    assert not on_curve(bytes.fromhex(ROWS[5]["public key"]))
