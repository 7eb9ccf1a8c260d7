"""deploy/install.sh, run for real below a temporary root: the machine itself is not touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
NEEDED = (
    *("dvm", "jobs", "relayclient", "examples", "deploy", "systemd", "pyproject.toml", "LICENSE"),
    *("requirements.lock", "requirements-build.lock"),
)
PREFIX = "/opt/vending"

pytestmark = pytest.mark.timeout(600)


def install(root: Path, *options: str, path: str = "", checkout: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "PATH": f"{path}:{os.environ['PATH']}".lstrip(":")}
    environment.pop("PYTHONPATH", None)
    command = [str(checkout / "deploy" / "install.sh"), "--root", str(root), "--prefix", PREFIX, *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def system(root: Path, name: str, version: str) -> None:
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "os-release").write_text(f'ID={name}\nVERSION_ID="{version}"\n')


def snapshot(root: Path) -> dict[str, int]:
    return {str(p): p.lstat().st_mtime_ns for p in root.rglob("*") if "__pycache__" not in p.parts}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that nobody edits meanwhile, because what changes there is an upgrade; and of no more than is needed."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in NEEDED:
        source = CHECKOUT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(source, copy / name)
    return copy


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, checkout: Path) -> Path:
    root = tmp_path_factory.mktemp("installed")
    system(root, "debian", "12")
    done = install(root, checkout=checkout)
    assert done.returncode == 0, done.stderr
    return root


def test_the_installed_command_stands_on_its_own(root: Path, tmp_path: Path) -> None:
    dvm = f"{root}{PREFIX}/venv/bin/dvm"
    told = subprocess.run(
        [dvm, "--help"], cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, check=False
    )
    assert told.returncode == 0, told.stderr
    where = "import dvm, jobs, relayclient; print(dvm.__file__, jobs.__file__, relayclient.__file__)"
    python = f"{root}{PREFIX}/venv/bin/python"
    found = subprocess.run([python, "-c", where], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert all(path.startswith(f"{root}{PREFIX}/") for path in found.stdout.split())


def test_everything_beside_python_is_in_the_wheel_too(root: Path, checkout: Path) -> None:
    site = next(Path(f"{root}{PREFIX}/venv/lib").resolve().glob("python3.*/site-packages"))
    for package in ("dvm", "jobs", "relayclient"):
        files = [path.relative_to(checkout) for path in (checkout / package).rglob("*") if path.is_file()]
        assert files
        assert [str(name) for name in files if not (site / name).exists()] == []


def test_the_unit_starts_what_was_installed(root: Path) -> None:
    unit = (root / "etc/systemd/system/dvm.service").read_text()
    assert f"ExecStart={PREFIX}/venv/bin/dvm run --home /var/lib/dvm\n" in unit
    assert "/opt/dvm" not in unit
    assert os.readlink(root / "usr/local/bin/dvm") == f"{PREFIX}/venv/bin/dvm"
    assert (root / "etc/sysusers.d/dvm.conf").exists()
    assert (root / "etc/tmpfiles.d/dvm.conf").exists()


def test_a_second_run_changes_nothing(root: Path, checkout: Path) -> None:
    before = snapshot(root)
    again = install(root, checkout=checkout)
    assert (again.returncode, again.stderr) == (0, "")
    assert "already" in again.stdout
    assert snapshot(root) == before


def test_a_damaged_installation_is_repaired(root: Path, checkout: Path) -> None:
    unit = root / "etc/systemd/system/dvm.service"
    intact = unit.read_text()
    unit.write_text("[Service]\n")
    (root / "usr/local/bin/dvm").unlink()
    assert install(root, checkout=checkout).returncode == 0
    assert unit.read_text() == intact
    assert (root / "usr/local/bin/dvm").is_symlink()


def test_uninstalling_keeps_the_state_until_it_is_purged(root: Path) -> None:
    state = root / "var/lib/dvm"
    state.mkdir(parents=True)
    (state / "key").write_text("secret")
    for _ in range(2):
        removed = install(root, "--uninstall")
        assert removed.returncode == 0
        assert "--purge" in removed.stdout
    assert [p.name for p in root.rglob("*") if p.is_file()] == ["os-release", "key"]
    assert not (root / PREFIX.lstrip("/")).exists()
    assert install(root, "--uninstall", "--purge").returncode == 0
    assert not state.exists()


@pytest.mark.parametrize(
    ("command", "answer", "says"),
    [("getconf", "32", "64-bit"), ("uname", "armv7l", "armv7l"), ("uname", "riscv64", "riscv64")],
)
def test_a_machine_that_cannot_carry_it_is_refused_in_one_sentence(
    command: str, answer: str, says: str, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / command
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\necho {answer}\n")
    fake.chmod(0o755)
    root = tmp_path / "root"
    refused = install(root, path=str(fake.parent))
    assert refused.returncode == 1
    assert says in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert not root.exists()


def test_another_system_is_refused_and_named(tmp_path: Path) -> None:
    system(tmp_path, "debian", "11")
    refused = install(tmp_path)
    assert refused.returncode == 1
    assert "debian 11" in refused.stderr
    assert not (tmp_path / "opt").exists()


@pytest.mark.parametrize(
    "options",
    [["--frobnicate"], ["--prefix"], ["--prefix", "opt/dvm"], ["--prefix", "/"], ["--prefix", "/a b"], ["--purge"]],
)
def test_wrong_usage_is_told_apart(options: list[str], tmp_path: Path) -> None:
    wrong = install(tmp_path / "root", *options)
    assert wrong.returncode == 2
    assert len(wrong.stderr.splitlines()) == 1
    assert not (tmp_path / "root").exists()


def test_a_program_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "usr/local/bin/dvm"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("#!/bin/sh\n")
    assert install(tmp_path, "--uninstall").returncode == 0
    assert theirs.read_text() == "#!/bin/sh\n"
