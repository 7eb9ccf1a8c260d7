"""Messages between the daemon, the zygote and its workers: one datagram each, with file descriptors beside it.

All sockets are AF_UNIX SOCK_SEQPACKET: a message arrives whole or not at all, and its length is bounded by the reader.
What a worker sends is read as fixed fields within known ranges, never as objects: a worker may have been taken over.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jobs.outcome import Outcome

MESSAGE_BYTES = 160 * 1024
"""Of the largest message; less than what a socket buffer holds by default."""

# The first byte of a message on the zygote's socket says what it is.
HELLO, FATAL, RUNNER, COMPILER, ENDED = b"H", b"F", b"R", b"C", b"X"
FORK_RUNNER, FORK_COMPILER, WARM = b"r", b"c", b"w"

ENDED_FIELDS = struct.Struct("<iiQ")
"""Process id, wait status, peak resident bytes."""
PID = struct.Struct("<i")

_OUTCOMES = tuple(Outcome)
_REPORT = struct.Struct("<BBQQQQ")
_DETAIL_BYTES = 1024
REPORT_BYTES = _REPORT.size + _DETAIL_BYTES

_COMPILED = struct.Struct("<BQQQQ")


class Garbled(Exception):
    """A message that no honest sender makes."""


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def send(sock: socket.socket, message: bytes, fds: Sequence[int] = ()) -> None:
    """Send one message; raises OSError (the peer is gone) or ValueError (too long)."""
    if len(message) > MESSAGE_BYTES:
        raise ValueError(f"a message of {len(message)} bytes; at most {MESSAGE_BYTES} are sent")
    if fds:
        socket.send_fds(sock, [message], list(fds))
    else:
        os.write(sock.fileno(), message)  # a locked worker has write, and no other way to speak


def receive(sock: socket.socket, size: int, most_fds: int) -> tuple[bytes, list[int]]:
    """One message and its descriptors, which are the caller's to close; empty when the peer is gone."""
    message, fds, flags, _ = socket.recv_fds(sock, size, most_fds, socket.MSG_CMSG_CLOEXEC)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for fd in fds:
            os.close(fd)
        raise Garbled("a message was longer than expected")
    return message, list(fds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a runner is to do; its descriptors are the compiled component and standard input, in this order."""

    run: str
    args: list[str]
    env: list[tuple[str, str]]
    fuel: int
    memory_bytes: int
    artefact_bytes: int
    cpu_s: int
    clock: int
    seed: str
    tables: int
    table_elements: int
    table_bytes: int

    def pack(self) -> bytes:
        """One line of numbers, then the texts as they are, so that escapes do not swell them. They hold no NUL."""
        head = asdict(self) | {"args": len(self.args), "env": len(self.env)}
        texts = [*self.args, *(text for pair in self.env for text in pair)]
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + "\0".join(texts).encode()

    @classmethod
    def unpack(cls, message: bytes) -> Task:
        line, _, rest = message.partition(b"\n")
        head, texts = json.loads(line), rest.decode().split("\0")
        args, env = texts[: head["args"]], texts[head["args"] :]
        pairs = [(env[2 * i], env[2 * i + 1]) for i in range(head["env"])]
        return cls(**head | {"args": args, "env": pairs})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDone:
    """How a run ended, in the words of the worker that ran it."""

    outcome: Outcome
    exit_code: int
    fuel: int
    memory_bytes: int
    started_ns: int
    ended_ns: int
    detail: str

    def pack(self) -> bytes:
        head = _REPORT.pack(
            _OUTCOMES.index(self.outcome), self.exit_code, self.fuel, self.memory_bytes, self.started_ns, self.ended_ns
        )
        return head + self.detail.encode(errors="replace")[:_DETAIL_BYTES]

    @classmethod
    def unpack(cls, message: bytes) -> RunDone:
        """Raises `Garbled`."""
        if not _REPORT.size <= len(message) <= REPORT_BYTES:
            raise Garbled("a report of a wrong length")
        outcome, exit_code, fuel, memory, started, ended = _REPORT.unpack_from(message)
        if outcome >= len(_OUTCOMES) or exit_code > 1 or max(fuel, memory, started, ended) >= 1 << 63:
            raise Garbled("a report with values out of range")
        return cls(
            outcome=_OUTCOMES[outcome],
            exit_code=exit_code,
            fuel=fuel,
            memory_bytes=memory,
            started_ns=started,
            ended_ns=ended,
            detail=message[_REPORT.size :].decode(errors="replace"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileTask:
    """What a compiler is to do; its descriptors are the component and the empty file for the result, in this order."""

    trusted_text: bool
    """Ours, in text form: the self-test."""
    artefact_bytes: int
    data_bytes: int
    cpu_s: int

    def pack(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def unpack(cls, message: bytes) -> CompileTask:
        return cls(**json.loads(message))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """The verdict on a component. FINISHED: the artefact is written, `text` is the name of the export to run."""

    outcome: Outcome
    text: str
    tables: int = 0
    fixed_table_elements: int = 0
    largest_fixed_table: int = 0
    growable_tables: int = 0

    def pack(self) -> bytes:
        numbers = (self.tables, self.fixed_table_elements, self.largest_fixed_table, self.growable_tables)
        head = _COMPILED.pack(_OUTCOMES.index(self.outcome), *numbers)
        return head + self.text.encode(errors="replace")[:_DETAIL_BYTES]

    @classmethod
    def unpack(cls, message: bytes) -> Compiled:
        """Raises `Garbled`."""
        if not _COMPILED.size <= len(message) <= _COMPILED.size + _DETAIL_BYTES:
            raise Garbled("a verdict of a wrong length")
        outcome, tables, fixed, largest, growable = _COMPILED.unpack_from(message)
        if outcome >= len(_OUTCOMES) or max(tables, fixed, largest, growable) >= 1 << 40:
            raise Garbled("a verdict with values out of range")
        return cls(
            outcome=_OUTCOMES[outcome],
            text=message[_COMPILED.size :].decode(errors="replace"),
            tables=tables,
            fixed_table_elements=fixed,
            largest_fixed_table=largest,
            growable_tables=growable,
        )
