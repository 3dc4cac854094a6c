"""Command line: ``python -m provider_simulator catalogue|serve``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from provider_simulator import QUIRKS
from provider_simulator.generate import COMPANIES, SEED, VERSION


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        if given.command == "catalogue":
            return _catalogue(given)
        return _serve(given)
    except (OSError, ValueError) as error:
        print(f"provider_simulator {given.command}: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m provider_simulator", description="A lead provider to mine from.")
    commands = parser.add_subparsers(dest="command", required=True)

    catalogue = commands.add_parser("catalogue", help="write the sample catalogue of invented companies as Parquet")
    catalogue.add_argument("--out", type=Path, required=True, help="Parquet file to write")
    catalogue.add_argument("--companies", type=_whole(1), default=COMPANIES, help="how many (default %(default)s)")
    catalogue.add_argument("--seed", type=int, default=SEED, help="other seeds, other companies (default %(default)s)")

    serve = commands.add_parser("serve", help="sell the catalogue over four providers' contracts")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    serve.add_argument("--port", type=_whole(0, 65_535), default=8017, help="port to listen on (default %(default)s)")
    serve.add_argument("--state", type=Path, required=True, help="SQLite file of accounts and sales; made if missing")
    serve.add_argument("--catalogue", type=Path, help="Parquet file (default: the sample, written beside --state)")
    serve.add_argument("--credits", type=_whole(0), default=10_000, help="of a new account (default %(default)s)")
    serve.add_argument("--quirk", action="append", default=[], choices=QUIRKS, help="see README.md; may be repeated")
    serve.add_argument("--token", action="append", default=[], help="accept this account token alone; may be repeated")
    return parser


def _whole(least: int, most: int = 1_000_000_000) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"from {least} to {most}, got {text}")
        return value

    return whole_number


def _catalogue(given: argparse.Namespace) -> int:
    from provider_simulator.catalogue import write_catalogue
    from provider_simulator.generate import generate

    write_catalogue(given.out, generate(given.companies, given.seed))
    print(f"{given.companies} companies written to {given.out}")
    return 0


def _serve(given: argparse.Namespace) -> int:
    import uvicorn

    from provider_simulator.app import create_app
    from provider_simulator.catalogue import Catalogue

    path = given.catalogue or given.state.parent / f"catalogue-v{VERSION}-{COMPANIES}-{SEED}.parquet"
    if given.catalogue is None and not path.exists():
        _catalogue(argparse.Namespace(out=path, companies=COMPANIES, seed=SEED))
    catalogue = Catalogue.read(path)
    tokens, quirks = frozenset(given.token), frozenset(given.quirk)
    app = create_app(catalogue, given.state, credits=given.credits, tokens=tokens, quirks=quirks)
    print(f"{len(catalogue)} companies for sale on http://{given.host}:{given.port} (how to use it: /docs)", flush=True)
    # No access log: the path of /simulator/account/{token} holds a secret.
    uvicorn.run(app, host=given.host, port=given.port, access_log=False, log_level="warning")
    return 0


if __name__ == "__main__":
    sys.exit(main())
