"""The commands behind `make`: `python -m local_stack --help`."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lead_mining.plain import safe_lines
from local_stack.environment import CREDITS_VARIABLE, CRM_VARIABLE, Environment, local_folder
from local_stack.errors import LocalStackError
from local_stack.supervision import Supervisor


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    from_airflow = given[1:] if given[:1] == ["airflow"] else None  # all that follows is Airflow's, --help too
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that services are stopped then, too
    try:
        if from_airflow is not None:
            return _airflow(from_airflow)
        parsed = _parser().parse_args(given)
        return int(parsed.run(parsed) or 0)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except LocalStackError as error:
        print(f"error: {safe_lines(str(error))}", file=sys.stderr)
        return 1
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("lead_mining", "psycopg"):
            raise
        print(f"error: {safe_lines(str(error).strip())}", file=sys.stderr)  # a database that cannot be reached, say
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_stack", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")

    mine = commands.add_parser("mine", help="mine one request through Airflow and print what came")
    mine.add_argument("request", nargs="?", type=Path, help="YAML file of a mining request (default: a first one)")
    mine.set_defaults(run=_mine)
    commands.add_parser("up", help="start all services and leave them running").set_defaults(run=_up)
    commands.add_parser("down", help="stop all services").set_defaults(run=_down)
    commands.add_parser("status", help="show what runs").set_defaults(run=_status)
    psql = commands.add_parser("psql", help="open psql on the CRM database")
    psql.add_argument("sql", nargs="?", help="run this and leave, with psql's exit code")
    psql.set_defaults(run=_psql)
    expectations = commands.add_parser(
        "expectations", help="try the quality rules, your own too, and show all that hold"
    )
    expectations.set_defaults(run=_expectations)
    policy = commands.add_parser("policy", help="try the policy of the installation, and show what it allows")
    policy.set_defaults(run=_policy)
    searches = commands.add_parser("searches", help="try the saved searches, and show when each is due")
    searches.set_defaults(run=_searches)
    commands.add_parser("airflow", help="Airflow's own command line, in the environment of the stack")
    prepare = commands.add_parser("prepare-crm", help="prepare the database of AIRFLOW_CONN_LEAD_MINING_CRM")
    prepare.add_argument("--embedded", action="store_true", help="make the CRM's own tables where there are none")
    prepare.set_defaults(run=_prepare_crm)
    commands.add_parser("clean", help="stop all services and remove all that they keep").set_defaults(run=_clean)
    return parser


def _mine(given: argparse.Namespace) -> int:
    from local_stack.mine import mine
    from local_stack.request_file import FIRST_REQUEST
    from local_stack.stack import Stack

    return mine(Stack(), given.request or FIRST_REQUEST)


def _up(_: argparse.Namespace) -> None:
    from local_stack.stack import Stack

    stack = Stack()
    stack.up()
    stack.prepare_crm()
    told = {
        "Airflow": stack.url,
        "pages": f"{stack.url}/lead-mining/",
        "user": stack.user,
        "password": stack.password,
        "to stop": "make down",
    }
    print("".join(f"\n{what:<10}{value}" for what, value in told.items()))


def _down(_: argparse.Namespace) -> None:
    from local_stack.stack import Stack

    if local_folder().exists():
        Stack().down()
    print("nothing of the local stack runs")


def _status(_: argparse.Namespace) -> None:
    from local_stack.stack import Stack

    stack = Stack()
    states = stack.states()
    for name, state in states.items():
        print(f"{name:<16}{state}")
    if not states:
        print("nothing of the local stack runs")
    elif states["api-server"] == "RUNNING":
        print(f"Airflow         {stack.url} (user {stack.user}, password {stack.password})")


def _psql(given: argparse.Namespace) -> int:
    from local_stack.stack import Stack
    from local_stack.tools import psql

    return psql(Stack(say=_tell_apart), given.sql)


def _expectations(_: argparse.Namespace) -> None:
    from local_stack.expectations import print_rules

    print_rules()


def _policy(_: argparse.Namespace) -> int:
    from local_stack.policy import print_policy

    return print_policy()


def _searches(_: argparse.Namespace) -> int:
    from local_stack.searches import print_searches

    return min(print_searches(), 1)


def _airflow(arguments: Sequence[str]) -> int:
    from local_stack.stack import Stack
    from local_stack.tools import airflow

    return airflow(Stack(say=_tell_apart), arguments)


def _prepare_crm(given: argparse.Namespace) -> None:
    from local_stack import crm

    credits = os.environ.get(CREDITS_VARIABLE)
    crm.prepare(
        crm.conninfo_of(os.environ[CRM_VARIABLE]),
        embedded=given.embedded,
        credits_conninfo=crm.conninfo_of(credits) if credits else None,
    )
    print("the CRM database is ready")


def _clean(_: argparse.Namespace) -> None:
    environment = Environment()
    if not environment.local.exists():
        return
    try:
        from local_stack.stack import Stack
    except ImportError:  # somebody removed .venv: do what the system's Python can
        Supervisor(environment.run, environment.supervisor_socket, environment.logs).shut_down()
        environment.remove_temporary_folder()
        shutil.rmtree(environment.local)
    else:
        Stack().clean()


def _tell_apart(line: str) -> None:
    """Progress on standard error: standard output is the command's own."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
