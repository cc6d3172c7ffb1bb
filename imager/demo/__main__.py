"""`make demo`: from nothing to two verified cards and a download link; exit code 0 only if all is proved."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from typing import Any

import requests
from rich.console import Console
from rich.rule import Rule

from imager import services
from imager.demo.client import Member, Operator
from imager.demo.folder import demo_folder, prepare
from imager.demo.proof import Proof, prove_card, prove_download
from imager.demo.seeds import MEMBER, STAFF, Seeds, sow
from imager.demo.starting import Starting
from imager.demo.watch import watch
from imager.stack import Line, start
from imager.stack.line import CREATOR, WRITER, read_environment
from imager.stack.processes import StackError
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
    var = demo_folder()
    kept = bool(os.environ.get("DEMO_KEEP"))
    line, begun = None, False
    try:
        began = time.monotonic()
        prepare(var, keep=kept)
        begun = True
        console.print(Rule("starting the line"))
        with Starting(console) as starting:
            line = start(var, tell=starting)
            starting("people, contents, a configuration")
            seeds = sow(line)
        console.print(f"[green]✔[/green] up after {time.monotonic() - began:.1f} s: {line.url}")
        proof = run(console, line, seeds)
        took = time.monotonic() - began
        console.print(f"\n[bold green]All {proof.held} checks hold.[/bold green] {took:.0f} s in all.")
        if kept:
            keep(console, line, seeds)
    except (StackError, WorkError, services.ServicesError, requests.RequestException) as error:
        console.print("\n[bold red]The demo failed:[/bold red]", end=" ")
        console.print(str(error), markup=False, soft_wrap=True)
        if begun:
            console.print(f"The logs are in {var / 'logs'}.", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped before the end: nothing was proved.")
        return 130
    finally:
        stop(console, line)
    return 0


def stop(console: Console, line: Line | None) -> None:
    """End the line; a second Ctrl-C does not disturb that."""
    if line:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with console.status("stopping …"):
            line.stop()


def run(console: Console, line: Line, seeds: Seeds) -> Proof:
    """Order, watch, prove."""
    member = Member(line.url, MEMBER, seeds.passwords[MEMBER])
    staff = Member(line.url, STAFF, seeds.passwords[STAFF])
    operator = Operator(line.url, STAFF, seeds.passwords[STAFF])
    console.print(Rule("the line at work"))
    cards = member.place(order_body(seeds, "physical", member.media("physical"), quantity=2))
    download = member.place(order_body(seeds, "virtual", member.media("virtual"), quantity=1))
    for order, what in ((cards, "two 8 GB cards"), (download, "a download")):
        console.print(f"[green]✔[/green] {MEMBER} ordered #{order['number']}: {what}")

    def tick() -> None:
        line.processes.check()
        for slot in operator.confirm_cards(WRITER):
            console.print(f"[green]✔[/green] {STAFF} confirmed the card in slot {slot}")

    seen = watch(console, {"cards": cards["id"], "download": download["id"]}, staff.order, tick)
    console.print(Rule("proof"))
    proof = prove(console, line, seeds, seen)
    operator.ship(cards["id"], "DHL 00340434161094000000")
    shipped = member.order(cards["id"])
    proof.about(f"order #{cards['number']}")
    proof.holds(
        f"{STAFF} entered the tracking text: shipped",
        when=shipped["status"] == "shipped",
        why_not=f"it is {shipped['status']}",
    )
    return proof


def order_body(seeds: Seeds, kind: str, media: int, *, quantity: int) -> dict[str, Any]:
    """An order as the API takes it."""
    body = {"configuration": seeds.configuration, "kind": kind, "media": media, "quantity": quantity}
    body["confirm_duplicate"] = True  # the same configuration is ordered each time
    return (
        body | {f"recipient_{field}": value for field, value in ADDRESS.items()}
        if kind == "physical"
        else body
    )


def prove(console: Console, line: Line, seeds: Seeds, seen: dict[str, dict[str, Any]]) -> Proof:
    """Everything that the demo promises."""
    proof = Proof(console)
    cards, download = seen["cards"], seen["download"]
    folder = line.warehouse / "images" / cards["id"]  # the writer host keeps no image that it needs no more
    serials = {card["slot"]: card["serial"] for card in cards["cards"] if card["verdict"] == "accepted"}
    for slot, card in line.cards.items():
        prove_card(proof, slot, serials.get(slot, "?"), card, folder, seeds, _public_key(line))
    proof.about(f"order #{cards['number']}")
    proof.holds(
        f"two cards were accepted: {', '.join(sorted(set(serials.values())))}",
        when=set(serials) == set(line.cards) and len(set(serials.values())) == cards["quantity"],
    )
    prove_download(proof, download["number"], download["download_url"])
    return proof


def _public_key(line: Line) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = read_environment(line.var / "hosts" / f"{CREATOR}.env")["IMAGER_SIGNING_KEY"]
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).public_key().public_bytes_raw().hex()


def keep(console: Console, line: Line, seeds: Seeds) -> None:
    """Leave it running, and say how to get in."""
    console.print(f"\nStill running: {line.url} (Ctrl-C ends it)")
    for email, password in seeds.passwords.items():
        console.print(f"  {email:<24} {password}", markup=False)
    console.print(f"  the operator's page: {line.url}/station/{WRITER}/")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            line.processes.check()
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main())
