"""The users file, its passwords and `python -m review_ui users`, run as people run it."""

import os
import pty
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from forked_commands import run_review_ui
from repository import ROOT

from manifests.errors import UserError
from review_ui.auth import command as users_command
from review_ui.auth.password import check_new, hash_password, matches, read_hash
from review_ui.auth.rate_limit import FORGOTTEN_AFTER_SECONDS, FREE_TRIES_PER_NAME, MAX_DELAY_SECONDS, RateLimit
from review_ui.auth.users import User, UsersFile, read_users, write_users

CHEAP = 15  # log2(n) of the hashes that tests make
PASSWORD = "correct horse"
ADDRESS = "192.0.2.7"


@pytest.fixture(scope="module")
def hashed() -> str:
    return str(hash_password(PASSWORD, log2_n=CHEAP))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def run(*arguments: str, typed: str = "", cwd: Path) -> subprocess.CompletedProcess[str]:
    return run_review_ui(["users", *arguments], typed=typed, cwd=cwd)


@pytest.mark.slow
def test_a_user_is_added_listed_given_another_password_and_removed(tmp_path: Path, path: Path) -> None:
    added = run("add", "ann", "--role", "lead", "--password-stdin", typed=f"{PASSWORD}\n", cwd=tmp_path)
    assert (added.returncode, added.stderr, added.stdout.splitlines()[-1]) == (0, "", "users.toml")
    run("add", "bo.b", "--password-stdin", typed="another one\n", cwd=tmp_path)
    users = read_users(path)
    assert {user.name: user.role for user in users.values()} == {"ann": "lead", "bo.b": "reviewer"}
    assert matches(PASSWORD, users["ann"].password)
    assert run("list", cwd=tmp_path).stdout == "ann\tlead\nbo.b\treviewer\n"

    run("password", "ann", "--password-stdin", typed="quite different\n", cwd=tmp_path)
    changed = read_users(path)["ann"]
    assert (matches(PASSWORD, changed.password), matches("quite different", changed.password)) == (False, True)
    assert changed.role == "lead"

    assert run("remove", "ann", cwd=tmp_path).returncode == 0
    assert list(read_users(path)) == ["bo.b"]


def test_the_file_holds_no_password_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "team/people.toml"
    run("add", "ann", "--users", str(file), "--password-stdin", typed=PASSWORD, cwd=tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert PASSWORD not in file.read_text()
    assert [entry.name for entry in file.parent.iterdir()] == ["people.toml"]


@pytest.mark.parametrize(
    ("arguments", "typed", "error"),
    [
        (["add", "bo", "--password-stdin"], "short\n", "expected a password of 8 to 256 characters, found 5"),
        (["add", "bo", "--password-stdin"], "", "expected a password of 8 to 256 characters, found 0"),
        (["add", "bo", "--password-stdin"], "x" * 3000, "expected a password of 8 to 256 characters"),
        (["add", "bo", "--password-stdin"], "eight\x1bcharacters\n", "found a control character"),
        (["add", "bo"], PASSWORD, "expected a terminal to ask for the password on, found none"),
        (["add", "ann", "--password-stdin"], PASSWORD, "expected a name that is not in users.toml, found ann"),
        (["remove", "bo"], "", "expected a name out of users.toml, found bo; it knows ann"),
        (["password", "bo", "--password-stdin"], PASSWORD, "expected a name out of users.toml, found bo"),
        (["list", "--users", "nowhere.toml"], "", "expected a users file at nowhere.toml, found none"),
    ],
)
def test_what_goes_wrong_is_one_line_and_changes_nothing(
    tmp_path: Path, path: Path, hashed: str, arguments: list[str], typed: str, error: str
) -> None:
    write_users(path, {"ann": User("ann", "lead", read_hash(hashed))})
    before = path.read_bytes()
    found = run(*arguments, typed=typed, cwd=tmp_path)
    assert found.returncode == 1
    assert found.stderr.startswith("error: ")
    assert error in found.stderr
    assert found.stderr.count("\n") == 1
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["add", "a b"],
        ["add", "x" * 65],
        ["add", "Ånn"],
        ["add", "a/b"],
        ["add", ""],
        ["add", "bo", "--role", "boss"],
        [],
    ],
)
def test_wrong_arguments_are_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        users_command.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize(("again", "status"), [(PASSWORD, 0), ("something else", 1)])
def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    tmp_path: Path, path: Path, again: str, status: int
) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "review_ui", "users", "add", "ann"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    for prompt, answer in ((b"Password: ", PASSWORD), (b"Again: ", again)):
        while not shown.endswith(prompt):
            shown += os.read(ours, 1000)
        os.write(ours, f"{answer}\n".encode())
    try:
        while piece := os.read(ours, 1000):
            shown += piece
    except OSError:  # Linux's way of saying that the other end was closed
        pass
    os.close(ours)
    assert (process.wait(30), path.exists()) == (status, status == 0)
    assert PASSWORD.encode() not in shown


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[ann]\nrole = ", "expected TOML in {path}, found: Invalid value (at end of document)"),
        ("ann = 5", "{path}, user 'ann': expected role and password in a table, found no table"),
        ("[ann]", "{path}, user 'ann': expected role and password in a table, found an empty one"),
        ('[ann]\nrol = "lead"\npassword = "x"', "found 'rol', 'password'"),
        ("[ann.bo]\nrole = 1", "{path}, user 'ann': expected role and password in a table, found 'bo'"),
        ('[ann]\nrole = "boss"\npassword = "x"', "user 'ann': expected a role out of reviewer, lead, found 'boss'"),
        ('[ann]\nrole = []\npassword = "x"', "user 'ann': expected a role out of reviewer, lead, found []"),
        ('["a b"]\nrole = "lead"\npassword = "x"', "user 'a b': expected a name of at most 64 letters"),
        ('[ann]\nrole = "lead"\npassword = "hunter22"', "user 'ann': expected a hash such as scrypt$17$8$1$salt$hash"),
        ('[ann]\nrole = "lead"\npassword = 5', "user 'ann': expected a hash such as"),
        ('[ann]\nrole = "lead"\npassword = "scrypt$4$8$1$AAAA$AAAA"', "found parameters 4, 8, 1"),
        ('[ann]\nrole = "lead"\npassword = "scrypt$40$8$1$AAAA$AAAA"', "found parameters 40, 8, 1"),
        ('[ann]\nrole = "lead"\npassword = "scrypt$17$8$1$AAAA$AAAA"', "found one that was cut short"),
        ('[ann]\nrole = "lead"\npassword = "scrypt$17$8$1$!$AAAA"', "found one that can't be read"),
        ("\x00", "expected TOML in {path}"),
        ("a = " + "[" * 5000, "expected TOML in {path}"),
        ("\ud800", "expected TOML in {path}"),
    ],
)
def test_a_wrong_users_file_is_one_line_that_names_file_and_user(path: Path, text: str, error: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(UserError) as caught:
        read_users(path)
    assert error.format(path=path) in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_a_written_file_reads_back_whatever_the_names_look_like(path: Path, hashed: str) -> None:
    users = {name: User(name, "reviewer", read_hash(hashed)) for name in ("ann", "a.b", "-", "_", ".", "5", "true")}
    write_users(path, users)
    assert read_users(path) == users


def test_a_file_written_by_hand_is_read(path: Path, hashed: str) -> None:
    path.write_text(f"# ours\nann = {{ password = '{hashed}', role = 'lead' }}  # boss\n")
    assert read_users(path)["ann"].role == "lead"


def test_a_hash_fits_its_password_alone_however_its_letters_are_spelled() -> None:
    found = hash_password("Zoë’s passwörd", log2_n=CHEAP)
    assert matches("Zoe\u0308’s passwo\u0308rd", found)
    assert not matches("zoë’s passwörd", found)
    assert read_hash(str(found)) == found


def test_the_same_password_hashes_differently_each_time(hashed: str) -> None:
    assert str(hash_password(PASSWORD, log2_n=CHEAP)) != hashed


def test_new_hashes_cost_what_owasp_asks_for() -> None:
    assert str(hash_password(PASSWORD)).startswith("scrypt$17$8$1$")


@pytest.mark.parametrize("password", ["", "seven77", "x" * 257, "nul\0nul\0", "line\nline", "half \ud800 pair"])
def test_a_password_that_no_form_can_send_is_refused(password: str) -> None:
    with pytest.raises(UserError, match="expected a password"):
        check_new(password)


def test_a_changed_file_is_read_again(path: Path, hashed: str) -> None:
    ann = User("ann", "lead", read_hash(hashed))
    write_users(path, {"ann": ann})
    followed = UsersFile(path)
    write_users(path, {"ann": ann, "bo": User("bo", "reviewer", ann.password)})
    assert list(followed.users()) == ["ann", "bo"]


def test_a_slip_in_the_file_locks_nobody_out_and_is_named_once(
    path: Path, hashed: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_users(path, {"ann": User("ann", "lead", read_hash(hashed))})
    followed = UsersFile(path)
    path.write_text("[ann")
    assert list(followed.users()) == ["ann"]
    assert list(followed.users()) == ["ann"]
    assert [(record.levelname, "expected TOML in" in record.message) for record in caplog.records] == [
        ("WARNING", True)
    ]
    path.unlink()
    assert list(followed.users()) == ["ann"]
    assert "expected a users file" in caplog.records[-1].message


@pytest.mark.parametrize("text", ["", "# nobody yet\n"])
def test_a_server_does_not_start_with_nobody_to_sign_in(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(UserError, match=r"expected users in .*, found none; add one"):
        UsersFile(path)


def test_the_review_command_takes_users_as_an_option_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "review_ui", "--users", "nowhere.toml", "--no-browser"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert (found.returncode, found.stderr.count("\n")) == (1, 1)
    assert "expected a users file at nowhere.toml, found none; make one with" in found.stderr


def test_each_failure_beyond_the_free_ones_doubles_the_wait_up_to_a_minute() -> None:
    throttle, now, waits = RateLimit(), 1000.0, []
    for _ in range(FREE_TRIES_PER_NAME + 9):
        wait = throttle.begin("ann", ADDRESS, now=now)
        waits.append(wait)
        now += wait
        if wait:
            assert throttle.begin("ann", ADDRESS, now=now) == 0
    assert waits == [0] * FREE_TRIES_PER_NAME + [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert max(waits) == MAX_DELAY_SECONDS


def test_a_name_is_slowed_down_whatever_address_the_tries_come_from() -> None:
    throttle = RateLimit()
    waits = [throttle.begin("ann", f"192.0.2.{index}", now=1000.0) for index in range(20)]
    assert sum(wait > 0 for wait in waits) == 20 - FREE_TRIES_PER_NAME


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::{:x}", "unix"])
def test_an_address_is_slowed_down_whatever_names_it_tries(address: str) -> None:
    throttle = RateLimit()
    waits = [throttle.begin(f"name{index}", address.format(index), now=1000.0) for index in range(40)]
    assert sum(wait > 0 for wait in waits) == 20


def test_failures_are_forgotten_after_a_quiet_quarter_of_an_hour() -> None:
    throttle = RateLimit()
    for _ in range(FREE_TRIES_PER_NAME):
        throttle.begin("ann", ADDRESS, now=1000.0)
    assert throttle.begin("ann", ADDRESS, now=1000.5) > 0
    assert throttle.begin("ann", ADDRESS, now=1001.0 + FORGOTTEN_AFTER_SECONDS) == 0
    assert throttle.begin("ann", ADDRESS, now=1001.0 + FORGOTTEN_AFTER_SECONDS) == 0


def test_a_success_clears_the_name_but_not_the_address() -> None:
    throttle = RateLimit()
    for index in range(19):
        throttle.begin(f"name{index}", ADDRESS, now=1000.0)
    assert throttle.begin("ann", ADDRESS, now=1000.0) == 0
    throttle.succeed("ann", ADDRESS)
    assert throttle.begin("bo", ADDRESS, now=1000.0) == 0
    assert throttle.begin("bo", ADDRESS, now=1000.0) > 0


def test_a_flood_of_names_takes_no_more_memory_than_agreed() -> None:
    throttle, started = RateLimit(max_keys=100), time.monotonic()
    for index in range(5000):
        throttle.begin(f"name{index}", f"10.0.{index // 250}.{index % 250}", now=1000.0)
    assert len(throttle) == 100
    assert time.monotonic() - started < 5
