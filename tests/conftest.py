"""Rules for every test run: asyncio in debug mode, and no skipped test where a machine decides (CI=true).

Fixtures do not belong here; they live beside the tests that use them or in tests/support.
"""

from __future__ import annotations

import os

import pytest

_skipped: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    # Debug mode finds coroutines that nobody awaits and blocked loops. An empty value turns it off.
    os.environ.setdefault("PYTHONASYNCIODEBUG", "1")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.skipped:
        _skipped.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped and os.environ.get("CI") == "true" and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped and os.environ.get("CI") == "true":
        terminalreporter.write_line(f"CI=true: {len(_skipped)} skipped tests count as failed:", red=True)
        for nodeid in _skipped:
            terminalreporter.write_line(f"  {nodeid}")
