"""The rules of the house that neither the linter nor the import contracts can see.

Each rule is a function from a tree to its breaches ("path:line: what"). It is run on this repository, and on a small
planted breach, so that no rule can be green because it looks at nothing.
"""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("dvm", "jobs", "relayclient")

# A new name in one of these lists needs a decision paper (docs/decisions/).
REPOSITORY_ROOT = {
    *(".ci", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "pyproject.toml"),
    *("requirements.lock", "requirements-dev.lock", "requirements-build.lock"),
    *("deploy", "docs", "dvm", "examples", "jobs", "relayclient", "systemd", "tests"),
}
NODE_ROOT = {
    *("__init__.py", "py.typed", "ports.py", "engine.py", "intake.py", "scheduler.py", "performer.py", "outbox.py"),
    *("config.py", "node.py", "supervise.py", "systemd.py", "log.py", "control.py", "demo.py"),
    *("answers.py", "batch.py", "blobs.py", "core.py", "home.py", "verify.py"),
    *("cli", "client", "components", "gate", "sandbox", "store"),
}
LINES_MAX = 400
VAGUE = re.compile(r"^(utils?|helpers?|managers?|handlers?|base|misc|common)$")
VAGUE_CLASS = re.compile(r"(Utils?|Helpers?|Manager|Handler|Base)$|^Base")
SQL = re.compile(
    r"\bSELECT\s.*\sFROM\s|\bINSERT\s+(OR\s+\w+\s+)?INTO\s|\bUPDATE\s+\w+\s+SET\s|\bDELETE\s+FROM\s"
    r"|\bCREATE\s+(TABLE|INDEX|VIEW|TRIGGER)\b|\bPRAGMA\s+\w|\bBEGIN\s+IMMEDIATE\b",
    re.DOTALL,
)
# In two pieces, so that this file does not name them either.
REGISTRY_HOSTS = [
    a + b
    for a, b in (("pyp", "i.org"), ("python", "hosted.org"), ("npm", "js."), ("crates", ".io"), ("proxy.go", "lang"))
]
ENVIRONMENT_OWNER = {"NOTIFY_SOCKET": "dvm/systemd.py", "CREDENTIALS_DIRECTORY": "dvm/systemd.py"}


# Reading a tree


def files(root: Path) -> Iterator[Path]:
    """Every file that is, or could be, in the repository: what .gitignore names is left out."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, check=True, capture_output=True).stdout.decode().split("\0")
        yield from (root / name for name in sorted(set(names)) if name and (root / name).is_file())
    else:
        yield from (path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def modules(root: Path, *packages: str) -> Iterator[tuple[str, Path, ast.Module]]:
    for path in files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".py" and name.split("/")[0] in packages:
            yield name, path, ast.parse(path.read_text(encoding="utf-8"), name)


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """String constants that are not docstrings; a string that stands as a statement documents what is above it."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node


# The rules


def no_async_in_jobs(root: Path) -> list[str]:
    return [
        f"{name}:{node.lineno}: jobs decides and never waits"
        for name, _, tree in modules(root, "jobs")
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith)
    ]


def no_long_module(root: Path) -> list[str]:
    found = []
    for name, path, _ in modules(root, *PACKAGES):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINES_MAX:
            found.append(f"{name}:1: {lines} lines, the limit is {LINES_MAX}")
    return found


def tasks_start_in_one_place(root: Path) -> list[str]:
    """In dvm only supervise.py starts a task; elsewhere a task belongs to a TaskGroup, never to nobody."""
    found = []
    for name, _, tree in modules(root, *PACKAGES):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or name == "dvm/supervise.py":
                continue
            call = ast.unparse(node.func)
            ownerless = call.endswith(("ensure_future", "asyncio.create_task", "loop.create_task"))
            ownerless = ownerless or call in ("create_task", "asyncio.get_running_loop().create_task")
            if ownerless or (call.endswith(".create_task") and not name.startswith("relayclient/")):
                found.append(f"{name}:{node.lineno}: {call} starts a task whose end nobody has arranged")
    return found


def sql_lives_in_the_store(root: Path) -> list[str]:
    found = [
        f"{name}:{node.lineno}: SQL outside dvm/store"
        for name, _, tree in modules(root, *PACKAGES)
        if not name.startswith("dvm/store/")
        for node in texts(tree)
        if SQL.search(str(node.value))
    ]
    for path in files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".sql" and not name.startswith(("dvm/store/", "tests/")):
            found.append(f"{name}:1: SQL outside dvm/store")
    return found


def roots_hold_what_was_planned(root: Path) -> list[str]:
    seen = {path.relative_to(root).parts for path in files(root)}
    found = [f"{top}:1: not a planned name in the repository root" for top in {p[0] for p in seen} - REPOSITORY_ROOT]
    inside = {p[1] for p in seen if p[0] == "dvm" and len(p) > 1}
    return found + [f"dvm/{name}:1: not a planned name in the root of dvm" for name in inside - NODE_ROOT]


def names_say_something(root: Path) -> list[str]:
    found = []
    for path in files(root):
        name = path.relative_to(root)
        if name.suffix in (".py", ".sh", ".sql") and any(VAGUE.match(p) for p in (*name.parts[:-1], name.stem)):
            found.append(f"{name.as_posix()}:1: a name that says nothing")
    for module, _, tree in modules(root, *PACKAGES):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and VAGUE_CLASS.search(node.name):
                found.append(f"{module}:{node.lineno}: class {node.name} has a name that says nothing")
    return found


def modules_say_what_they_are_for(root: Path) -> list[str]:
    return [
        f"{name}:1: no docstring"
        for name, path, tree in modules(root, *PACKAGES, "deploy")
        if not path.name.startswith("_") and not ast.get_docstring(tree)
    ]


def packages_are_regular(root: Path) -> list[str]:
    """Without an __init__.py a folder of the same name elsewhere would be merged into ours."""
    folders = {path.parent for name, path, _ in modules(root, *PACKAGES)}
    found = (folder for folder in sorted(folders) if not (folder / "__init__.py").exists())
    return [f"{folder.relative_to(root).as_posix()}:1: no __init__.py" for folder in found]


def environment_has_one_reader(root: Path) -> list[str]:
    return [
        f"{name}:{node.lineno}: only {ENVIRONMENT_OWNER[str(node.value)]} reads {node.value}"
        for name, _, tree in modules(root, *PACKAGES)
        for node in texts(tree)
        if node.value in ENVIRONMENT_OWNER and name != ENVIRONMENT_OWNER[str(node.value)]
    ]


def decisions_are_listed(root: Path) -> list[str]:
    folder = root / "docs" / "decisions"
    papers = {path.name for path in folder.glob("*.md")} - {"README.md"}
    listed = set(re.findall(r"\]\(([^)/]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    found = [f"docs/decisions/{name}:1: not in the index" for name in papers - listed]
    found += [f"docs/decisions/README.md:1: lists {name}, which is not there" for name in listed - papers]
    misnamed = (name for name in papers if not re.fullmatch(r"\d{3}-[a-z0-9-]+\.md", name))
    return found + [f"docs/decisions/{name}:1: a paper is called NNN-subject.md" for name in misnamed]


def no_registry_is_named(root: Path) -> list[str]:
    """Where packages come from is the business of the machine that installs them."""
    found = []
    for path in files(root):
        data = path.read_bytes()
        for number, line in enumerate(data.split(b"\n"), 1):
            if any(host.encode() in line for host in REGISTRY_HOSTS):
                found.append(f"{path.relative_to(root).as_posix()}:{number}: names a package registry")
    return found


Rule = Callable[[Path], list[str]]

PLANTED: list[tuple[Rule, str, str, int]] = [
    (no_async_in_jobs, "jobs/x.py", '"""X."""\nasync def x() -> None: ...\n', 2),
    (no_long_module, "relayclient/x.py", '"""X."""\n' * 401, 1),
    (tasks_start_in_one_place, "dvm/x.py", "import asyncio\nasync def f(g):\n    g.create_task(f(g))\n", 3),
    (tasks_start_in_one_place, "dvm/store/x.py", "from asyncio import create_task\ncreate_task(f())\n", 2),
    (tasks_start_in_one_place, "relayclient/x.py", "import asyncio\nasyncio.create_task(f())\n", 2),
    (tasks_start_in_one_place, "relayclient/x.py", "import asyncio\nasyncio.ensure_future(f())\n", 2),
    (sql_lives_in_the_store, "dvm/x.py", 'Q = """SELECT a\n  FROM b"""\n', 1),
    (sql_lives_in_the_store, "jobs/x.py", 'Q = f"UPDATE job SET state = {1}"\n', 1),
    (sql_lives_in_the_store, "dvm/x.sql", "", 1),
    (roots_hold_what_was_planned, "scripts/x.sh", "", 1),
    (roots_hold_what_was_planned, "dvm/attic.py", "", 1),
    (names_say_something, "dvm/utils.py", "", 1),
    (names_say_something, "tests/helpers/x.py", "", 1),
    (names_say_something, "jobs/x.py", "class JobManager: ...\n", 1),
    (modules_say_what_they_are_for, "jobs/x.py", "X = 1\n", 1),
    (packages_are_regular, "dvm/sandbox/x.py", "", 1),
    (environment_has_one_reader, "dvm/node.py", 'import os\nS = os.environ["NOTIFY_SOCKET"]\n', 2),
    (decisions_are_listed, "docs/decisions/003-x.md", "# X\n", 1),
    (decisions_are_listed, "docs/decisions/README.md", "[001](001-x.md) [002](002-y.md)\n", 1),
    (no_registry_is_named, "deploy/x.sh", f"curl https://{REGISTRY_HOSTS[0]}/simple\n", 1),
]
RULES = list(dict.fromkeys(rule for rule, *_ in PLANTED))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_this_repository_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(("rule", "name", "content", "line"), PLANTED, ids=lambda v: getattr(v, "__name__", None))
def test_the_rule_sees_a_planted_breach(rule: Rule, name: str, content: str, line: int, tmp_path: Path) -> None:
    plant(tmp_path, "docs/decisions/README.md", "[001](001-x.md)\n")
    plant(tmp_path, "docs/decisions/001-x.md", "# X\n")
    for package in (*PACKAGES, "dvm/store"):
        plant(tmp_path, f"{package}/__init__.py", '"""P."""\n')
    plant(tmp_path, "dvm/supervise.py", '"""S."""\nasync def f(g):\n    g.create_task(f(g))\n')
    plant(tmp_path, "dvm/systemd.py", '"""S."""\nS = "NOTIFY_SOCKET"\n')
    plant(tmp_path, "dvm/store/sql.py", '"""S."""\nS = "SELECT a FROM b"\n')
    plant(tmp_path, "relayclient/pool.py", '"""P."""\nasync def f(group):\n    group.create_task(f(group))\n')
    assert rule(tmp_path) == []
    plant(tmp_path, name, content)
    assert [breach.rpartition(": ")[0] for breach in rule(tmp_path)] == [f"{place(name)}:{line}"]


def place(name: str) -> str:
    """Where the breach is reported: an unplanned folder, or one that is no package, is reported itself."""
    return name.rpartition("/")[0] if name in ("scripts/x.sh", "dvm/sandbox/x.py") else name


def plant(root: Path, name: str, content: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


# The import contracts of pyproject.toml, and the rule of tests/conftest.py

IMPORT_BREACHES = {
    "dvm does, jobs decides, relayclient speaks": ("jobs/pricing.py", "import dvm.ports"),
    "jobs is pure": ("jobs/pricing.py", "import asyncio"),
    "relayclient: only connection and pool await": ("relayclient/event.py", "import asyncio"),
    "rooms do not know each other": ("dvm/store/__init__.py", "import dvm.components"),
    "rooms do not know the engine": ("dvm/components/__init__.py", "import dvm.engine"),
    "only the sandbox knows the WebAssembly engine": ("dvm/components/__init__.py", "import wasmtime"),
    "only the store knows the database": ("dvm/components/__init__.py", "import aiosqlite"),
    "the root of dvm, from the top down": ("dvm/engine.py", "import dvm.node"),
}


def test_each_import_contract_sees_a_planted_breach(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, line in IMPORT_BREACHES.values():
        path = tmp_path / name
        path.write_text(path.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    verdicts = dict(re.findall(r"^(.*\S) (KEPT|BROKEN)", told.stdout, re.MULTILINE))
    assert verdicts == dict.fromkeys(IMPORT_BREACHES, "BROKEN"), told.stdout + told.stderr


@pytest.mark.parametrize(("ci", "expected"), [("", 0), ("true", 1)])
def test_a_skipped_test_fails_where_nobody_is_looking(ci: str, expected: int, tmp_path: Path) -> None:
    plant(tmp_path, "test_x.py", "import pytest\ndef test_x(): pytest.skip('no node')\ndef test_y(): pass\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    run = subprocess.run(
        [*command, "--rootdir", str(tmp_path), "-c", "/dev/null", str(tmp_path)],
        env={"CI": ci, "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == expected, run.stdout
