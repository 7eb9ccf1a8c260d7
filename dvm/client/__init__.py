"""The customer's side: ask for a run, follow it, read and check what comes back.

`asking` and `reading` are functions of values; `exchange` speaks to relays. Needs no store and no home.
"""

from dvm.client.asking import CannotAsk, Wish, build_request, check_request
from dvm.client.exchange import Answer, Happening, Network, NoAnswer, Published, Unsent, find_event, submit
from dvm.client.reading import Failure, Ignored, Progress, Result, contradicting, read_answer, result_output

__all__ = [
    "Answer",
    "CannotAsk",
    "Failure",
    "Happening",
    "Ignored",
    "Network",
    "NoAnswer",
    "Progress",
    "Published",
    "Result",
    "Unsent",
    "Wish",
    "build_request",
    "check_request",
    "contradicting",
    "find_event",
    "read_answer",
    "result_output",
    "submit",
]
