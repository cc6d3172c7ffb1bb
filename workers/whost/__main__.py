"""`python -m workers.whost …`: set up and run a writer host."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from workers.errors import WorkError
from workers.whost import credentials, slots, status, supervise, switch


def main(arguments: list[str] | None = None) -> int:
    """The exit code says whose fault a failure was; each refusal is one sentence on stderr."""
    options = parser().parse_args(arguments)
    try:
        return int(options.verb(options, Console()))
    except WorkError as error:
        Console(stderr=True, soft_wrap=True, markup=False, highlight=False).print(error.message)
        return error.exit_code


def parser() -> argparse.ArgumentParser:
    """All subcommands; each names its verb."""
    top = argparse.ArgumentParser(prog="python -m workers.whost", description="Set up and run a writer host.")
    verbs = top.add_subparsers(required=True, metavar="COMMAND")
    verb = verbs.add_parser("credentials", help="store server address, account and password")
    verb.add_argument("--from-env-file", metavar="FILE", help="the file that `manage.py create_host` wrote")
    verb.set_defaults(verb=credentials.credentials)
    _add_slots(verbs.add_parser("slots", help="show and change the card slots"))
    verb = verbs.add_parser("enable", help="allow this host to run")
    verb.add_argument("--systemd", action="store_true", help="install and start a systemd unit (root)")
    verb.set_defaults(verb=switch.enable)
    verbs.add_parser("disable", help="forbid this host to run").set_defaults(verb=switch.disable)
    verbs.add_parser("run", help="run downloader and writer until stopped").set_defaults(verb=supervise.run)
    verb = verbs.add_parser("status", help="check configuration, server, account and slots")
    verb.add_argument("--json", action="store_true")
    verb.set_defaults(verb=status.status)
    return top


def _add_slots(top: argparse.ArgumentParser) -> None:
    verbs = top.add_subparsers(required=True, metavar="COMMAND")
    verbs.add_parser("list", help="slots and the cards in them").set_defaults(verb=slots.show)
    verbs.add_parser("readers", help="card readers by USB port").set_defaults(verb=slots.show_readers)
    verb = verbs.add_parser("add", help="name a reader")
    verb.add_argument("name")
    place = verb.add_mutually_exclusive_group(required=True)
    place.add_argument("--port", help="USB port path, as `slots readers` shows it")
    place.add_argument("--device", help="a loop device, or a file that stands for a card")
    verb.add_argument("--max-size", metavar="SIZE", help="largest card to accept, as 64GB")
    verb.set_defaults(verb=slots.add)
    verb = verbs.add_parser("remove", help="forget a slot")
    verb.add_argument("name")
    verb.set_defaults(verb=slots.remove)


if __name__ == "__main__":
    sys.exit(main())
