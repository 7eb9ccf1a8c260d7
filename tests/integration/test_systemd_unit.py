"""The unit as systemd itself judges it, without a running systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dvm.sandbox import kernel

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "dvm.service"
EXPOSURE_MAX_TENTHS = 21

analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def exposure(unit: Path) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
    return run([*command, f"--threshold={EXPOSURE_MAX_TENTHS}", str(unit)])


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


@analyze
def test_the_exposure_is_low() -> None:
    judged = exposure(UNIT)
    assert judged.returncode == 0, judged.stdout


@analyze
@pytest.mark.parametrize("line", ["SystemCallFilter=.*", "CapabilityBoundingSet=", "PrivateUsers=yes"])
def test_the_limit_on_exposure_is_tight(line: str, tmp_path: Path) -> None:
    weaker = tmp_path / "dvm.service"
    text, removed = re.subn(rf"^{line}\n", "", UNIT.read_text(), flags=re.MULTILINE)
    text, also = re.subn(r"^(RestrictSUIDSGID|LockPersonality|PrivateDevices)=yes\n", "", text, flags=re.MULTILINE)
    assert removed
    assert also == 3
    weaker.write_text(text)
    assert exposure(weaker).returncode != 0


@analyze
def test_systemd_understands_every_line(tmp_path: Path) -> None:
    program = tmp_path / "dvm"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "dvm.service"
    unit.write_text(UNIT.read_text().replace("/opt/dvm/venv/bin/dvm", str(program)))
    verdict = run(["systemd-analyze", "verify", "--man=no", str(unit)])
    ours = [line for line in (verdict.stdout + verdict.stderr).splitlines() if "dvm" in line]
    assert (verdict.returncode, ours) == (0, [])


def settings(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def call_sets() -> dict[str, set[str]]:
    """What systemd means by `@process` and its like; a set may name others."""
    sets: dict[str, set[str]] = {}
    members: set[str] = set()
    for line in run(["systemd-analyze", "syscall-filter", "--no-pager"]).stdout.splitlines():
        if line.startswith("@"):
            sets[line.strip()] = members = set()
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.add(line.strip())
    return sets


def resolve(name: str, sets: dict[str, set[str]]) -> set[str]:
    if not name.startswith("@"):
        return {name}
    return set().union(*(resolve(member, sets) for member in sets[name]))


@analyze
def test_a_worker_can_make_every_call_it_locks_itself_in_with() -> None:
    sets = call_sets()
    allowed: set[str] = set()
    for line in settings("SystemCallFilter"):
        named = set().union(*(resolve(name, sets) for name in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    allowed |= resolve("@default", sets)  # systemd.exec(5): always permitted
    assert set().union(*kernel.SYSCALLS.values()) - allowed == set()
    assert not allowed & {"mount", "ptrace", "bpf", "setuid", "keyctl", "mlock", "perf_event_open", "reboot"}


def test_a_worker_can_make_its_namespaces_and_no_others() -> None:
    made = {name.removeprefix("CLONE_NEW").lower() for name in vars(kernel) if name.startswith("CLONE_NEW")}
    assert set(settings("RestrictNamespaces")[0].split()) == {"mnt" if kind == "ns" else kind for kind in made}


def test_every_line_says_why() -> None:
    explained = False
    for number, line in enumerate(UNIT.read_text().splitlines(), 1):
        if line.startswith("#"):
            explained = True
        elif not line or line.startswith("["):
            explained = line == "[Install]" or line == "[Unit]"
        else:
            assert explained, f"{UNIT.name}:{number}: {line}"


def test_the_watchdog_and_the_exit_status_are_the_ones_the_node_speaks() -> None:
    lines = UNIT.read_text().splitlines()
    for needed in ("Type=notify", "NotifyAccess=main", "RestartPreventExitStatus=78", "Restart=on-failure"):
        assert needed in lines
    assert any(re.fullmatch(r"WatchdogSec=\d+", line) for line in lines)


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
def test_the_user_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(SYSTEMD / "dvm.sysusers")]
    for _ in range(2):
        made = run(command)
        assert made.returncode == 0, made.stderr
    users = [line.split(":") for line in (tmp_path / "etc" / "passwd").read_text().splitlines()]
    assert [(u[0], u[5], u[6]) for u in users] == [("dvm", "/var/lib/dvm", "/usr/sbin/nologin")]
