"""Which versions an advisory affects, and what follows from all of them together."""

from __future__ import annotations

from itertools import product

import pytest

from dvm.sandbox import form
from dvm.sandbox.advisories import TABLE, Advice, Advisory, Part, Reach, advice
from dvm.sandbox.form import CHOICES, PINNED, Form, Unsafe, choose


def planted(reach: Reach, part: Part, **more: object) -> Advisory:
    return Advisory("TEST", "planted", reach, part, ("3.1.0", "5.0.2"), "2.0.0", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        *[("1.9.9", False), ("2.0.0", True), ("2.99.0", True), ("3.0.9", True), ("3.1.0", False), ("3.2.0", False)],
        *[("4.0.0", True), ("4.99.99", True), ("5.0.1", True), ("5.0.2", False), ("5.1.0", False), ("6.0.0", False)],
        *[("10.0.0", False)],
    ],
)
def test_release_lines(version: str, affected: bool) -> None:
    assert planted(Reach.CRASH, Part.RUNTIME).affects(version, "x86_64") is affected


def test_architectures() -> None:
    only = planted(Reach.ESCAPE, Part.MACHINE_CODE, machines=("aarch64",))
    assert only.affects("4.0.0", "aarch64")
    assert not only.affects("4.0.0", "x86_64")


@pytest.mark.parametrize(("reach", "part"), list(product(Reach, Part)))
def test_what_follows_from_one(reach: Reach, part: Part) -> None:
    expected = Advice.NONE
    if reach is Reach.ESCAPE and part is Part.MACHINE_CODE:
        expected = Advice.DOWNGRADE
    if reach is Reach.ESCAPE and part is Part.RUNTIME:
        expected = Advice.REFUSE
    found = advice("4.0.0", "x86_64", [planted(reach, part)])
    assert found.advice is expected
    assert ("TEST" in found.sentence) is (expected is not Advice.NONE)
    assert advice("6.0.0", "x86_64", [planted(reach, part)]).advice is Advice.NONE


def test_the_gravest_counts() -> None:
    table = [planted(Reach.ESCAPE, part) for part in (Part.RUNTIME, Part.MACHINE_CODE, Part.UNUSED)]
    assert advice("4.0.0", "x86_64", table).advice is Advice.REFUSE
    assert advice("4.0.0", "x86_64", table[1:]).advice is Advice.DOWNGRADE
    assert advice("4.0.0", "x86_64", []).advice is Advice.NONE


@pytest.mark.parametrize(
    ("version", "machine", "expected"),
    [
        ("50.0.1", "x86_64", Advice.NONE),
        ("50.0.1", "aarch64", Advice.NONE),
        ("47.0.3", "aarch64", Advice.NONE),
        ("43.0.1", "aarch64", Advice.NONE),  # mended, though not of later crashes
        ("43.0.0", "aarch64", Advice.REFUSE),  # strings are transcoded by the engine itself
        ("36.0.6", "x86_64", Advice.REFUSE),
        ("36.0.7", "x86_64", Advice.NONE),
        ("42.0.2", "aarch64", Advice.NONE),
        ("24.0.7", "x86_64", Advice.NONE),
        ("24.0.7", "aarch64", Advice.DOWNGRADE),  # of the two, only the miscompilation was not mended there
    ],
)
def test_history(version: str, machine: str, expected: Advice) -> None:
    assert advice(version, machine).advice is expected


def test_nothing_is_known_against_the_version_we_pin() -> None:
    """When this fails, an advisory was entered: the pin has to move, and this line with it."""
    for machine in ("x86_64", "aarch64"):
        assert advice(PINNED, machine).advisories == ()


def test_the_table_is_whole() -> None:
    assert len({entry.id for entry in TABLE}) == len(TABLE) == 28
    for entry in TABLE:
        assert entry.fixed
        assert set(entry.machines) <= {"x86_64", "aarch64"}
        assert not entry.affects(max(entry.fixed, key=lambda text: int(text.split(".")[0])), "aarch64")


@pytest.mark.parametrize("wrong", ["", "50", "50.0", "50.0.1.0", "50.0.x"])
def test_what_is_no_version(wrong: str) -> None:
    with pytest.raises(ValueError, match="three numbers"):
        advice(wrong, "x86_64")


@pytest.mark.parametrize("choice", CHOICES)
def test_choice(choice: str) -> None:
    good = {"auto": Form.NATIVE, "native": Form.NATIVE, "pulley": Form.PULLEY}
    assert choose(choice, "x86_64", table=()) == (good[choice], "")
    escape = (planted(Reach.ESCAPE, Part.MACHINE_CODE),)
    chosen, sentence = choose(choice, "x86_64", version="4.0.0", table=escape)
    assert chosen is {"auto": Form.PULLEY, "native": Form.NATIVE, "pulley": Form.PULLEY}[choice]
    assert ("TEST" in sentence) is (choice != "pulley")
    with pytest.raises(Unsafe, match="TEST"):
        choose(choice, "x86_64", version="4.0.0", table=(planted(Reach.ESCAPE, Part.RUNTIME),))


def test_a_choice_that_is_none() -> None:
    with pytest.raises(ValueError, match="auto, native, pulley"):
        choose("winch", "x86_64")


def test_names_on_receipts() -> None:
    assert form.Form.NATIVE.engine == f"wasmtime/{PINNED}"
    assert form.Form.PULLEY.engine == f"wasmtime/{PINNED}+pulley"
