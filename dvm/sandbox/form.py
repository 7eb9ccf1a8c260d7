"""In which form the engine runs guests: as machine code, or in its interpreter, and who chooses.

Pulley is the interpreter inside the engine we have anyway. It makes no machine code, so that its processes can be
forbidden every executable mapping, and a fault of the compiler's machine code does not exist there; it is many times
slower. Pure: the daemon, which never loads the engine, decides here.
"""

from __future__ import annotations

from enum import Enum

from dvm.sandbox.advisories import Advice, Advisory, advice

PINNED = "50.0.1"
"""The one version of the engine that this code was written for and tested with: its undocumented parts are used."""

CHOICES = ("auto", "native", "pulley")
"""What an operator may write: `auto` is machine code, unless an advisory against this version speaks against that."""


class Form(Enum):
    """How compiled components are executed."""

    NATIVE = "native"
    PULLEY = "pulley"

    @property
    def engine(self) -> str:
        """The engine as receipts name it."""
        return f"wasmtime/{PINNED}" + ("+pulley" if self is Form.PULLEY else "")


class Unsafe(Exception):
    """No form of the engine is safe enough for strangers' code; the text is for the operator."""


def choose(
    choice: str, machine: str, *, version: str = PINNED, table: tuple[Advisory, ...] | None = None
) -> tuple[Form, str]:
    """The form for `choice` on this machine, and a sentence when an advisory has something to say about it.

    Raises `Unsafe` when the interpreter would not help either, whatever was chosen.
    """
    if choice not in CHOICES:
        raise ValueError(f"the engine is one of {', '.join(CHOICES)}, not {choice!r}")
    found = advice(version, machine, table)
    if found.advice is Advice.REFUSE:
        raise Unsafe(f"the engine, wasmtime {version}, is not safe to use: {found.sentence}")
    if found.advice is Advice.DOWNGRADE and choice == "native":
        return Form.NATIVE, f'engine = "native" was chosen in spite of {found.sentence}'
    if found.advice is Advice.DOWNGRADE and choice == "auto":
        return Form.PULLEY, f"machine code is not used because of {found.sentence}"
    return (Form.PULLEY if choice == "pulley" else Form.NATIVE), ""
