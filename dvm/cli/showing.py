"""Answers and receipts for people, and as JSON. Used by `dvm submit`, `dvm verify` and the demo."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from typing import Any

from dvm.cli import picture
from dvm.cli.terminal import Voice, amount, safe, safe_text, size
from dvm.client import Answer, Failure, Happening, Ignored, NoAnswer, Progress, Published, Result, Unsent
from jobs.receipt import Receipt, fuel_comparable
from relayclient import tags
from relayclient.keys import npub


def output_lines(voice: Voice, output: bytes) -> list[str]:
    """The output as a terminal may show it: text without its control characters, a picture, or a description."""
    size_of_picture = picture.read_size(output)
    if size_of_picture is not None:
        shown = picture.read(output) if voice.colour else None
        described = f"PNG picture, {size_of_picture[0]} x {size_of_picture[1]} pixels, {size(len(output))}"
        return [described] if shown is None else picture.half_blocks(shown, columns() - 2)
    try:
        return safe_text(output.decode()).rstrip("\n").split("\n")
    except UnicodeDecodeError:
        return [f"{size(len(output))} that are no text; a pipe or --output FILE gets them as they are"]


def columns() -> int:
    """The width of the terminal."""
    return shutil.get_terminal_size().columns


def happening(voice: Voice, what: Happening) -> str:
    """One event of the conversation, in a line."""
    match what:
        case Published(relay=relay, verdict=verdict, text=text):
            said = f" ({safe(text)})" if text else ""
            return f"{safe(relay)} {verdict.value}{said}"
        case Progress(event=event, status=status, text=text):
            return f"{short(event.pubkey)} says {safe(status)}: {safe(text)}"
        case Failure(event=event, code=code, sentence=sentence):
            return f"{short(event.pubkey)} says {voice.paint('error', 'red')}: {safe(code)}: {safe(sentence)}"
        case Result(event=event, output=output):
            return f"{short(event.pubkey)} sends the result, {size(len(output))}"
        case Ignored(event=event, why=why):
            return f"ignored an event from {short(event.pubkey)}: {safe(why)}"


def short(pubkey: str) -> str:
    """An npub that fits into a line."""
    return npub(pubkey)[:14] + "..."


def summary(result: Result) -> str:
    """One line: how it ended, what it used, who ran it."""
    receipt = result.receipt
    used = f"{amount(receipt.fuel)} fuel, {size(receipt.memory_bytes)} of memory, {receipt.wall_ms} ms"
    price = "free" if receipt.price == 0 else f"{amount(receipt.price)} msat"
    return f"exit {receipt.exit_code}, {used}, {price}, by {npub(result.event.pubkey)}; result {result.event.id}"


def receipt_lines(voice: Voice, receipt: Receipt) -> list[str]:
    """The receipt in plain words."""
    price = "nothing" if receipt.price == 0 else f"{amount(receipt.price)} msat"
    again = "running it again must give the same" if receipt.deterministic else "it need not come out the same again"
    rows = [
        ("component", f"sha256 {receipt.component}"),
        ("input", f"sha256 {receipt.input}"),
        ("output", f"sha256 {receipt.output}"),
        ("exit", str(receipt.exit_code)),
        ("used", f"{amount(receipt.fuel)} fuel, {size(receipt.memory_bytes)} of memory, {receipt.wall_ms} ms"),
        ("allowed", f"{amount(receipt.grant.fuel)} fuel, {size(receipt.grant.memory_bytes)} of memory, "
                    f"{amount(receipt.grant.wall_ms)} ms"),
        ("engine", f"{safe(receipt.engine)}; {again}"),
        ("price", price),
    ]  # fmt: skip
    return [f"{voice.paint(f'{name:11}', 'dim')}{value}" for name, value in rows]


def verified(stated: Receipt, again: Receipt) -> str:
    """The sentence for a second run that agreed."""
    if fuel_comparable(stated, again):
        return "verified: output, exit and fuel are equal when the job is run again"
    here = f"{safe(stated.engine)} ran it there, {safe(again.engine)} here"
    return f"verified: output and exit are equal when the job is run again; fuel is not compared ({here})"


def log_lines(result: Result) -> list[str]:
    """What the component wrote to its standard error."""
    log = tags.first(result.event.tags, "log")
    return safe_text(log).rstrip("\n").split("\n") if log else []


def as_json(answer: Answer, request: dict[str, object], said: dict[str, Published]) -> dict[str, Any]:
    """The whole exchange as plain values."""
    base: dict[str, Any] = {
        "request": request,
        "relays": {relay: {"verdict": each.verdict.value, "text": each.text} for relay, each in said.items()},
    }
    match answer:
        case Result(event=event, receipt=receipt):
            return {"status": "result", **base, "answer": event.to_wire(), "receipt": asdict(receipt)}
        case Failure(event=event, code=code, sentence=sentence):
            return {"status": "error", **base, "answer": event.to_wire(), "code": code, "sentence": sentence}
        case NoAnswer():
            return {"status": "no-answer", **base}
        case Unsent():
            return {"status": "unsent", **base}
