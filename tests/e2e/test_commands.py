"""init, run, submit, verify, jobs: the installed command, real processes, a real relay."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from relayclient.event import Draft, Event
from relayclient.keys import SecretKey
from tests.support.commands import DVM, RunningNode, dvm, environment, new_home, running
from tests.support.guests import guest
from tests.support.relays import local_relay

ECHO = Path(__file__).parents[2] / "examples" / "echo" / "echo.wasm"


@pytest.fixture(scope="module")
def relay() -> Iterator[str]:
    with local_relay() as url:
        yield url


@pytest.fixture(scope="module")
def node(relay: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    with running(new_home(tmp_path_factory.mktemp("node") / "home", relay)) as node:
        yield node


@cache
def npub_of(home: Path) -> str:
    return dvm("keys", "show", "--home", home).out.decode().split()[1]


def jobs_of(node: RunningNode) -> set[str]:
    return {row["id"] for row in json.loads(dvm("jobs", "--home", node.home, "--json").out)}


def submit(relay: str, node: RunningNode, *words: str | Path, **how: object) -> tuple[int, bytes, str]:
    done = dvm("submit", "--relay", relay, "--local", "--to", npub_of(node.home), *words, code=None, **how)  # type: ignore[arg-type]
    return done.code, done.out, done.err


def test_bytes_go_in_and_the_same_bytes_come_out(relay: str, node: RunningNode) -> None:
    data = bytes(range(256)) * 4
    assert submit(relay, node, "--component", ECHO, "--stdin", "-", stdin=data) == (0, data, "")


def test_a_job_can_be_verified_and_its_story_read(relay: str, node: RunningNode, tmp_path: Path) -> None:
    code, out, _ = submit(relay, node, "--component", ECHO, "--text", "grüß dich", "--json")
    told = json.loads(out)
    assert (code, told["status"], told["answer"]["content"]) == (0, "result", "grüß dich")
    answer = tmp_path / "answer.json"
    answer.write_bytes(out)

    equal = dvm("verify", answer, "--component", ECHO, "--json")
    assert json.loads(equal.out)["verdict"] == "equal"
    found = dvm("verify", told["answer"]["id"], "--relay", relay, "--local", "--component", ECHO)
    assert found.out.startswith(b"verified: output, exit and fuel are equal")

    rows = json.loads(dvm("jobs", "--home", node.home, "--json").out)
    assert rows[0]["id"] == told["request"]["id"]
    story = json.loads(dvm("jobs", "show", rows[0]["id"][:8], "--home", node.home, "--json").out)
    assert [line["after"] for line in story["story"]] == ["fetching", "queued", "running", "delivering", "done"]
    assert story["answers"][0]["event"]["id"] == told["answer"]["id"]
    assert b"run ended" in dvm("jobs", "show", rows[0]["id"][:8], "--home", node.home).out


def test_a_job_of_the_interpreter_is_verified_by_machine_code(relay: str, tmp_path: Path) -> None:
    with running(new_home(tmp_path / "home", relay, engine='"pulley"')) as node:
        code, out, _ = submit(relay, node, "--component", ECHO, "--text", "slowly", "--json")
        assert json.loads(dvm("status", "--home", node.home, "--json").out)["sandbox"]["layers"]["no_executable"]
    told = json.loads(out)
    assert (code, told["answer"]["content"]) == (0, "slowly")
    assert ["engine", "wasmtime/50.0.1+pulley"] in told["answer"]["tags"]
    answer = tmp_path / "answer.json"
    answer.write_bytes(out)
    assert dvm("verify", answer, "--component", ECHO).out.startswith(b"verified: output, exit and fuel are equal")


def test_an_altered_result_is_found_out_by_its_signature(relay: str, node: RunningNode) -> None:
    told = json.loads(submit(relay, node, "--component", ECHO, "--text", "true", "--json")[1])
    altered = json.dumps({**told["answer"], "content": "false"}).encode()
    assert "no valid event" in dvm("verify", "-", stdin=altered, code=1).err


def test_a_lie_is_found_out_by_running_the_job_again(relay: str, node: RunningNode) -> None:
    """Signed properly, and nothing in it contradicts itself: only the second run tells."""
    asked = dvm("submit", "--relay", relay, "--local", "--component", ECHO, "--text", "true", "--json")
    event = Event.from_wire(json.loads(asked.out)["answer"])
    tags = tuple((tag[0], str(int(tag[1]) - 1)) if tag[0] == "fuel" else tag for tag in event.tags)
    lie = SecretKey(bytes([7]) * 32).sign(Draft(event.kind, event.content, tags, event.created_at))
    said = dvm("verify", "-", "--component", ECHO, stdin=lie.to_json().encode(), code=1)
    assert b"fuel: stated" in said.out


def test_the_components_own_failure_is_exit_code_1(relay: str, node: RunningNode, tmp_path: Path) -> None:
    component = tmp_path / "bye.wasm"
    component.write_bytes(guest("exit-1"))
    code, out, _ = submit(relay, node, "--component", component)
    assert (code, out) == (1, b"bye\n")


def test_arguments_and_output_files(relay: str, node: RunningNode, tmp_path: Path) -> None:
    thumbnail = ECHO.parents[1] / "thumbnail"
    small = tmp_path / "small.png"
    words = ("--component", thumbnail / "thumbnail.wasm", "--stdin", thumbnail / "sample.png", "--output", small)
    assert submit(relay, node, *words, "--", "--width", "24") == (0, b"", "")
    assert small.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(small.read_bytes()[16:20], "big") == 24


def test_an_error_of_the_node_is_exit_code_3(relay: str, node: RunningNode, tmp_path: Path) -> None:
    component = tmp_path / "spin.wasm"
    component.write_bytes(guest("spin"))
    code, out, err = submit(relay, node, "--component", component, "--fuel", "1000000")
    assert (code, out) == (3, b"")
    assert "out-of-fuel" in err
    assert err.count("\n") == 1


def test_nobody_answers_is_exit_code_4(relay: str, node: RunningNode) -> None:
    stranger = "ab" * 31 + "01"
    words = ("--relay", relay, "--local", "--to", stranger, "--component", ECHO, "--wait", "1")
    assert "no answer within 1 s" in dvm("submit", *words, code=4).err


def test_no_relay_is_exit_code_5() -> None:
    with socket.socket() as held:  # bound, so that nobody else serves there, and not listening
        held.bind(("127.0.0.1", 0))
        gone = f"ws://127.0.0.1:{held.getsockname()[1]}"
        words = ("--relay", gone, "--local", "--component", ECHO, "--wait", "30")
        assert "no relay took the request" in dvm("submit", *words, code=5).err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["submit", "--relay", "ws://127.0.0.1:1", "--component", "x"], "add --local"),
        (["submit", "--relay", "wss://a.example", "--component", "missing.wasm"], "No such file"),
        (["submit", "--relay", "wss://a.example", "--component", "https://a.example/x"], "--sha256"),
        (["submit", "--relay", "wss://a.example", "--component", "ab" * 32, "--env", "x"], "NAME=VALUE"),
        (["submit", "--relay", "wss://a.example", "--component", "ab" * 32, "--seed", "x"], "bad-param"),
        (["submit", "--relay", "wss://a.example", "--component", "ab" * 32, "--to", "npub1x"], "--to"),
        (["submit", "--relay", "wss://a.example"], "required"),
        (["verify", "nothing"], "no such file"),
        (["init", "--relay", "ws://relay.example", "--yes"], "use wss://"),
        (["init", "--yes"], "at least one relay"),
        (["nonsense"], "invalid choice"),
    ],
)
def test_wrong_words_are_exit_code_2_and_no_traceback(words: list[str], told: str, tmp_path: Path) -> None:
    done = dvm(*words, code=2, env=environment(DVM_HOME=str(tmp_path / "home")))
    assert told in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_on_this_machine_needs_local_or_a_server() -> None:
    assert "--server" in dvm("submit", "--relay", "wss://a.example", "--component", ECHO, code=2).err


def test_what_no_relay_would_take_is_not_published(relay: str, node: RunningNode) -> None:
    code, _, err = submit(relay, node, "--component", ECHO, "--stdin", "-", stdin=bytes(60_000))
    assert code == 2
    assert "too large" in err


def test_init_keeps_what_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    words = ("init", "--home", home, "--relay", "wss://a.example", "--yes", "--json")
    first, second = json.loads(dvm(*words).out), json.loads(dvm(*words).out)
    assert first["made"] == ["config.toml", "key.nsec"]
    assert second == {**first, "made": []}
    assert (home / "key.nsec").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_wrong_configuration_is_exit_code_78(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home", "ws://127.0.0.1:1")
    (home / "config.toml").write_text("[node]\nrelay = []\nslots = 0\n")
    for words in (("run",), ("config", "check")):
        err = dvm(*words, "--home", home, code=78).err
        assert "did you mean node.relays?" in err
        assert "node.slots" in err
    assert "dvm init" in dvm("run", "--home", tmp_path / "nowhere", code=78).err


def test_two_nodes_on_one_machine_differ_in_their_home_only(relay: str, node: RunningNode, tmp_path: Path) -> None:
    with running(new_home(tmp_path / "home", relay)) as second:
        assert "already running" in dvm("run", "--home", second.home, code=1).err
        for each, other in ((node, second), (second, node)):
            told = json.loads(submit(relay, each, "--component", ECHO, "--text", "who?", "--json")[1])
            assert told["answer"]["pubkey"] == json.loads(dvm("keys", "--home", each.home, "--json").out)["pubkey"]
            assert told["request"]["id"] in jobs_of(each)
            assert told["request"]["id"] not in jobs_of(other)


def test_status_and_jobs_of_a_node_that_runs_and_of_one_that_stopped(relay: str, tmp_path: Path) -> None:
    with running(new_home(tmp_path / "home", relay)) as node:
        told = json.loads(dvm("status", "--home", node.home, "--json").out)
        assert told["relays"][0]["connected"] is True
        assert (told["sandbox"]["engine"], told["sandbox"]["warning"]) == ("wasmtime/50.0.1", "")
        assert told["sandbox"]["layers"]["seccomp"] is True
        shown = dvm("status", "--home", node.home).out.decode()
        assert f"sandbox wasmtime/50.0.1, tier {told['sandbox']['tier']}" in shown
        submit(relay, node, "--component", ECHO, "--text", "x")
        rows = json.loads(dvm("jobs", "--home", node.home, "--json").out)
        node.stop()
        assert "no node is running" in dvm("status", "--home", node.home, code=1).err
        assert json.loads(dvm("jobs", "--home", node.home, "--json").out) == rows
        assert "not exactly one job" in dvm("jobs", "show", "ffffff", "--home", node.home, code=1).err
    assert "no node has run" in dvm("jobs", "--home", tmp_path / "nowhere", code=1).err


def test_a_reader_that_leaves_early_is_no_error(node: RunningNode) -> None:
    listing = f"'{DVM}' jobs --home '{node.home}' --json | true; echo ${{PIPESTATUS[0]}}"
    run = subprocess.run(["bash", "-c", listing], capture_output=True, text=True, check=True, env=environment())
    assert "Traceback" not in run.stderr
    assert "Exception" not in run.stderr


def test_ctrl_c_while_waiting_leaves_quietly(relay: str) -> None:
    words = ["submit", "--relay", relay, "--local", "--to", "ab" * 31 + "01", "--component", str(ECHO), "--wait", "60"]
    with subprocess.Popen([DVM, *words], stderr=subprocess.PIPE, env=environment()) as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, b"")


def test_what_keeps_a_node_from_starting_is_one_sentence(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home", "ws://127.0.0.1:1")
    (home / "dvm.sqlite3").write_bytes(b"this is no database" * 100)
    done = dvm("run", "--home", home, code=None)
    assert done.code == 78, "a restart would not help, and systemd is told so"
    assert len(done.err.splitlines()) == 1
    assert "restore it from a backup" in done.err
    assert "Traceback" not in done.err


def test_doctor_says_what_is_missing(tmp_path: Path) -> None:
    home = new_home(tmp_path / "home", "ws://127.0.0.1:1")
    (home / "key.nsec").chmod(0o644)
    done = dvm("doctor", "--home", home, "--json", code=1)
    found = {check["name"]: check for check in json.loads(done.out)["checks"]}
    assert found["sandbox"]["good"], found["sandbox"]
    assert (found["python"]["good"], found["config"]["good"]) == (True, True)
    assert "chmod 600" in found["key"]["detail"]
    assert not found["relay"]["good"]
