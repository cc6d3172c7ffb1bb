"""`make demo`: from nothing to two verified cards and a download link; exit code 0 only if all is proved."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import requests
from rich.console import Console
from rich.markup import escape
from rich.rule import Rule

from imager import services
from imager.demo.client import Member, Operator
from imager.demo.proof import Proof, prove_card, prove_download
from imager.demo.seeds import MEMBER, STAFF, Seeds, sow
from imager.demo.watch import watch
from imager.stack import Line, start
from imager.stack.line import CREATOR, WRITER, read_environment
from imager.stack.processes import ROOT, StackError
from workers.errors import WorkError

ADDRESS = {
    "name": "École de Kita",
    "address": "Rue 12, Kita",
    "country": "ML",
    "email": "kita@example.org",
    "phone": "",
}


def main() -> int:
    """Run the demo; 1 and a reason if anything does not hold."""
    console = Console(highlight=False)
    var = Path(os.environ.get("IMAGER_VAR", ROOT / "var" / "demo"))
    if not os.environ.get("DEMO_KEEP"):
        shutil.rmtree(var, ignore_errors=True)
    line = None
    try:
        began = time.monotonic()
        with console.status(
            "Starting PostgreSQL, Valkey, web, scheduler, warehouse, creator host and writer host …"
        ):
            line = start(var)
            seeds = sow(line)
        console.print(f"[green]✔[/green] the line is up after {time.monotonic() - began:.0f} s: {line.url}")
        run(console, line, seeds)
        console.print(f"\n[bold green]All proved[/bold green] in {time.monotonic() - began:.0f} s.")
        if os.environ.get("DEMO_KEEP"):
            keep(console, line, seeds)
    except (StackError, WorkError, services.ServicesError, requests.RequestException) as error:
        console.print("\n[bold red]The demo failed:[/bold red]", escape(str(error)))
        console.print(f"The logs are in {var / 'logs'}.")
        return 1
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    finally:
        if line:
            line.stop()
    return 0


def run(console: Console, line: Line, seeds: Seeds) -> None:
    """Order, watch, prove."""
    member = Member(line.url, MEMBER, seeds.passwords[MEMBER])
    operator = Operator(line.url, STAFF, seeds.passwords[STAFF])
    cards = member.place(order_body(seeds, "physical", member.media("physical"), quantity=2))
    download = member.place(order_body(seeds, "virtual", member.media("virtual"), quantity=1))
    console.print(
        f"[green]✔[/green] ordered: #{cards['number']} (two cards), #{download['number']} (a download)"
    )
    console.print(Rule("the line at work"))

    def tick() -> None:
        line.processes.check()
        for slot in operator.confirm_cards(WRITER):
            console.print(f"[green]✔[/green] the operator confirmed the card in slot {slot}")

    seen = watch(console, {"cards": cards["id"], "download": download["id"]}, member.order, tick)
    console.print(Rule("proof"))
    prove(console, line, seeds, seen)
    operator.ship(cards["id"], "DHL 00340434161094000000")
    shipped = member.order(cards["id"])
    if shipped["status"] != "shipped":
        raise StackError(f"the order should be shipped now but is {shipped['status']}")
    console.print("  [green]✔[/green] the operator entered the tracking text: shipped")


def order_body(seeds: Seeds, kind: str, media: int, *, quantity: int) -> dict[str, Any]:
    """An order as the API takes it."""
    body = {"configuration": seeds.configuration, "kind": kind, "media": media, "quantity": quantity}
    return (
        body | {f"recipient_{field}": value for field, value in ADDRESS.items()}
        if kind == "physical"
        else body
    )


def prove(console: Console, line: Line, seeds: Seeds, seen: dict[str, dict[str, Any]]) -> None:
    """Everything that the demo promises."""
    proof = Proof(console)
    folder = line.var / "hosts" / WRITER / "images" / seen["cards"]["id"]
    for slot, card in line.cards.items():
        prove_card(proof, slot, card, folder, seeds, _public_key(line))
    accepted = [card for card in seen["cards"]["cards"] if card["verdict"] == "accepted"]
    serials = {card["serial"] for card in accepted}
    proof.holds(
        f"two cards were accepted: {', '.join(sorted(serials))}", when=len(serials) == len(line.cards)
    )
    prove_download(proof, seen["download"]["download_url"])


def _public_key(line: Line) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = read_environment(line.var / "hosts" / f"{CREATOR}.env")["IMAGER_SIGNING_KEY"]
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key().public_bytes_raw().hex()


def keep(console: Console, line: Line, seeds: Seeds) -> None:
    """Leave it running, and say how to get in."""
    console.print(f"\nStill running: {line.url} (Ctrl-C ends it)")
    for email, password in seeds.passwords.items():
        console.print(f"  {email}   {password}", markup=False)
    while True:
        line.processes.check()
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
