"""From the words on the command line to what is to be run, on what. Used by `dvm submit`."""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from dvm.cli.options import number
from dvm.cli.terminal import USAGE, Trouble
from jobs.component import ComponentRef

FILE_MAX = 64 << 20
STDIN_MAX = 64 << 10
"""More than fits into an event; read no further."""

_HEX64 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_ENV = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Code:
    """The component: its reference, and its bytes when they lie on this machine and have to be served from it."""

    ref: ComponentRef
    served: bytes | None


def add_job(parser: argparse.ArgumentParser) -> None:
    """The options that describe the job."""
    job = parser.add_argument_group("the job")
    job.add_argument(
        "--component",
        required=True,
        metavar="WHAT",
        help="a file, an https URL, a blossom: URI, or the sha256 of a component that the node can find",
    )
    job.add_argument("--sha256", metavar="HEX", help="the component's sha256, for a URL that does not contain it")
    job.add_argument(
        "--server", metavar="URL", action="append", default=[], help="a Blossom server that has the component"
    )
    given = job.add_mutually_exclusive_group()
    given.add_argument("--stdin", metavar="FILE", help="the component's standard input; - reads ours")
    given.add_argument("--text", metavar="TEXT", help="the component's standard input as text")
    job.add_argument("--arg", metavar="A", action="append", default=[], help="an argument; also: -- A1 A2 at the end")
    job.add_argument("args", nargs="*", metavar="A", help=argparse.SUPPRESS)
    job.add_argument("--env", metavar="NAME=VALUE", action="append", default=[], help="an environment variable")
    job.add_argument("--fuel", metavar="N", type=number(1, (1 << 63) - 1), help="at most N instructions")
    job.add_argument("--memory-mib", metavar="N", type=number(1, 1 << 20), help="at most N MiB of memory")
    job.add_argument("--timeout-ms", metavar="N", type=number(1, 86_400_000), help="at most N milliseconds")
    job.add_argument("--seed", metavar="HEX", help="64 hex digits from which the component's randomness comes")
    job.add_argument("--bid", metavar="MSAT", type=number(0, (1 << 63) - 1), help="pay at most so many millisatoshi")
    job.add_argument("--expire", metavar="S", type=number(1, 31_536_000), help="not to be started after S seconds")


def code_of(args: argparse.Namespace) -> Code:
    """The component that `--component` names; reads the file if it is one."""
    what: str = args.component
    servers = tuple("server:" + url for url in args.server)
    if _HEX64.fullmatch(what.lower()):
        return Code(ComponentRef(_stated(args, what.lower()), None, servers), None)
    if what.startswith("blossom:"):
        found = _HEX64.match(what.removeprefix("blossom:").lower())
        if not found:
            raise Trouble("--component: after blossom: come 64 hex digits", USAGE)
        return Code(ComponentRef(_stated(args, found[0]), None, (what, *servers)), None)
    if re.match(r"https?://", what):
        inside = _HEX64.findall(what.partition("?")[0].lower())
        if not inside and not args.sha256:
            raise Trouble("--component: this URL does not contain the sha256; give it with --sha256", USAGE)
        digest = _stated(args, inside[-1] if inside else args.sha256.lower())
        return Code(ComponentRef(digest, None, (what, *servers)), None)
    return _file(args, Path(what), servers)


def _file(args: argparse.Namespace, path: Path, servers: tuple[str, ...]) -> Code:
    try:
        data = _bounded(path.open("rb").read(FILE_MAX + 1), FILE_MAX, str(path))
    except OSError as error:
        raise Trouble(f"{path}: {error.strerror}", USAGE) from None
    digest = _stated(args, hashlib.sha256(data).hexdigest())
    if not servers and not args.local:
        told = f"{path} is on this machine only: name a Blossom server that has it with --server, or its URL as"
        raise Trouble(f"{told} --component; --local serves it to a node on this machine", USAGE)
    return Code(ComponentRef(digest, len(data), servers), None if servers else data)


def _stated(args: argparse.Namespace, digest: str) -> str:
    if args.sha256 and args.sha256.lower() != digest:
        raise Trouble(f"--sha256: the component's is {digest}", USAGE)
    if not _HEX64.fullmatch(digest):
        raise Trouble("--sha256: 64 hex digits are wanted", USAGE)
    return digest


def stdin_of(args: argparse.Namespace) -> bytes:
    """The component's standard input."""
    if args.text is not None:
        text: str = args.text
        return text.encode(errors="surrogateescape")
    if args.stdin is None:
        return b""
    try:
        if args.stdin == "-":
            return _bounded(sys.stdin.buffer.read(STDIN_MAX + 1), STDIN_MAX, "standard input")
        return _bounded(Path(args.stdin).open("rb").read(STDIN_MAX + 1), STDIN_MAX, args.stdin)
    except OSError as error:
        raise Trouble(f"{args.stdin}: {error.strerror}", USAGE) from None


def env_of(args: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """`--env`, split at the first equals sign."""
    found = []
    for text in args.env:
        match = _ENV.fullmatch(text)
        if not match:
            raise Trouble(f"--env: NAME=VALUE is wanted, not {text[:40]!r}", USAGE)
        found.append((match[1], match[2]))
    return tuple(found)


def _bounded(data: bytes, most: int, name: str) -> bytes:
    if len(data) > most:
        raise Trouble(f"{name} has more than {most} bytes", USAGE)
    return data
