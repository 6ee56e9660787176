"""`python -m review_ui users`: add, list and remove users, change passwords, make and revoke API tokens."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from manifests.cli.arguments import CommandParser
from manifests.cli.converters import positive
from manifests.errors import UserError
from review_ui.auth.api_token import DEFAULT_AGE, SCOPES, new_token
from review_ui.auth.password import MAX_CHARACTERS, check_new, hash_password
from review_ui.auth.users import NAME_PATTERN, ROLES, User, read_users, write_users

DEFAULT_PATH = Path("users.toml")


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    options.run(options)


def _add(options: argparse.Namespace) -> None:
    users = read_users(options.users) if options.users.exists() else {}
    if options.name in users:
        raise UserError(
            f"expected a name that is not in {options.users}, found {options.name}; "
            f"change the password with: python -m review_ui users password {options.name}"
        )
    users[options.name] = User(options.name, options.role, hash_password(_ask(options)))
    write_users(options.users, users)
    print(f"added {options.name} ({options.role})\n{options.users}")


def _list(options: argparse.Namespace) -> None:
    for user in read_users(options.users).values():
        print(f"{user.name}\t{user.role}")
        for token in user.tokens.values():
            print(f"{user.name}\t{user.role}\ttoken {token.label}\t{token.scope}\tuntil {token.expires_at:%Y-%m-%d}")


def _remove(options: argparse.Namespace) -> None:
    users = _with(options)
    del users[options.name]
    write_users(options.users, users)
    print(f"removed {options.name}; signed out within seconds\n{options.users}")


def _password(options: argparse.Namespace) -> None:
    users = _with(options)
    users[options.name] = replace(users[options.name], password=hash_password(_ask(options)))
    write_users(options.users, users)
    print(f"changed the password of {options.name}; signed out within seconds\n{options.users}")


def _token(options: argparse.Namespace) -> None:
    users = _with(options)
    user = users[options.name]
    if options.label in user.tokens:
        raise UserError(
            f"expected a label that {user.name} has no token for, found {options.label}; end that one first with: "
            f"python -m review_ui users revoke {user.name} {options.label}"
        )
    expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=options.days)
    text, token = new_token(options.label, options.scope, expires_at)
    users[user.name] = replace(user, tokens={**user.tokens, token.label: token})
    write_users(options.users, users)
    print(f"made the token {token.label} of {user.name}, scope {token.scope}, until {expires_at:%Y-%m-%d}")
    print(f"it is shown now and never again:\n{text}")


def _revoke(options: argparse.Namespace) -> None:
    users = _with(options)
    user = users[options.name]
    if options.label not in user.tokens:
        labels = ", ".join(user.tokens) or "none"
        raise UserError(f"expected a token of {user.name}, found {options.label}; {user.name} has {labels}")
    tokens = {label: token for label, token in user.tokens.items() if label != options.label}
    users[user.name] = replace(user, tokens=tokens)
    write_users(options.users, users)
    print(f"revoked the token {options.label} of {user.name}; it ends within seconds\n{options.users}")


def _with(options: argparse.Namespace) -> dict[str, User]:
    """Read the users; UserError unless `options.name` is one of them."""
    users = read_users(options.users)
    if options.name not in users:
        names = ", ".join(users) or "none"
        raise UserError(f"expected a name out of {options.users}, found {options.name}; it knows {names}")
    return users


def _ask(options: argparse.Namespace) -> str:
    """A new password: typed twice on the terminal, or one line of standard input."""
    password = _line() if options.password_stdin else _typed()
    check_new(password)
    return password


def _typed() -> str:
    if not sys.stdin.isatty():
        raise UserError("expected a terminal to ask for the password on, found none; pipe it to --password-stdin")
    password = getpass.getpass("Password: ")
    check_new(password)  # before it is typed again
    if getpass.getpass("Again: ") != password:
        raise UserError("expected the same password twice, found two; nothing was changed")
    return password


def _line() -> str:
    line = sys.stdin.buffer.readline(8 * MAX_CHARACTERS)
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError("expected the password in UTF-8, found other bytes") from error


def _name(text: str) -> str:
    if not NAME_PATTERN.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"expected at most 64 letters, digits, '.', '_' or '-' as a name, found {ascii(text)[:80]}"
        )
    return text


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        "python -m review_ui users",
        description="Who may sign in to the review page. A running server sees a change within seconds.",
        example="add alice --role lead",
    )
    file = argparse.ArgumentParser(add_help=False)
    file.add_argument(
        "--users", type=Path, default=DEFAULT_PATH, metavar="PATH", help=f"users file (default: {DEFAULT_PATH})"
    )
    name = argparse.ArgumentParser(add_help=False)
    name.add_argument("name", type=_name, metavar="NAME", help="letters, digits, '.', '_', '-'; at most 64")
    password = argparse.ArgumentParser(add_help=False)
    password.add_argument(
        "--password-stdin", action="store_true", help="read the password as one line of standard input"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser)
    add = commands.add_parser("add", parents=[name, file, password], help="add a user")
    add.add_argument("--role", choices=ROLES, default="reviewer", help="a lead also publishes (default: reviewer)")
    add.set_defaults(run=_add)
    commands.add_parser("list", parents=[file], help="names, roles and API tokens").set_defaults(run=_list)
    commands.add_parser("remove", parents=[name, file], help="remove a user").set_defaults(run=_remove)
    label = argparse.ArgumentParser(add_help=False)
    label.add_argument("label", type=_name, metavar="LABEL", help="what the token is for, such as nightly")
    token = commands.add_parser("token", parents=[name, label, file], help="make an API token of a user for a script")
    token.add_argument(
        "--scope", choices=SCOPES, default="read",
        help="read: reads alone; review: a reviewer's work; all: what the user may do (default: read)",
    )  # fmt: skip
    token.add_argument("--days", type=positive, default=DEFAULT_AGE.days, help="until it ends (default: 90)")
    token.set_defaults(run=_token)
    commands.add_parser("revoke", parents=[name, label, file], help="end an API token").set_defaults(run=_revoke)
    commands.add_parser(
        "password", parents=[name, file, password], help="set another password"
    ).set_defaults(run=_password)  # fmt: skip
    return parser
