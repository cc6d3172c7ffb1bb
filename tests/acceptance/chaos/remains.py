"""What must be true beside the database in the end: mails, images, journals, cards, processes."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from imager.stack import Line
from imager.stack.processes import ROOT, python
from workers.child import MARK

from .invariants import connect
from .mailbox import Mailbox
from .processes import command, parent

KEPT = ("ready_to_ship", "available")  # an order in one of these needs its image
VERIFIED = 3  # cards that are read again, of all that were written
TOLD = ("placed", "writing", "ready_to_ship", "shipped", "available", "failed")  # moves of which a mail tells


def remains(line: Line, mailbox: Mailbox) -> Iterator[str]:
    """Each violation as a sentence."""
    yield from mails(line, mailbox)
    yield from images(line)
    yield from journals(line)
    yield from processes(line)


def mails(line: Line, mailbox: Mailbox) -> Iterator[str]:
    """Each event's mail came, and came once; again only when its sender had heard no answer."""
    came = mailbox.delivered()
    with connect(line) as database:
        moves = {
            f"order-move-{row['id']}-": row["went_to"]
            for row in database.execute("SELECT id, went_to FROM orders_ordermove")
        }
        posted = [str(row["dedupe"]) for row in database.execute("SELECT dedupe FROM tasks_app_outbox")]
    for prefix, went_to in moves.items():
        if went_to in TOLD and not any(dedupe.startswith(prefix) for dedupe in posted):
            yield f"no mail tells of a move to {went_to} ({prefix})"
    expected = {f"<{dedupe.replace(':', '.')}@imager>" for dedupe in posted}
    for missing in expected - set(came):
        yield f"a mail never came: {missing}"
    for strange in set(came) - expected:
        yield f"a mail came that nobody had posted: {strange}"
    allowed = Counter(dict.fromkeys(came, 1)) + mailbox.unanswered
    for twice in came - allowed:
        yield f"a mail came {came[twice]} times: {twice}"


def images(line: Line) -> Iterator[str]:
    """The warehouse has the images that orders need and no others; the writer host has none."""
    with connect(line) as database:
        needed = database.execute("SELECT id FROM orders_order WHERE status = ANY(%s)", [list(KEPT)])
        wanted = {str(row["id"]) for row in needed}
    found = {path.name for path in (line.warehouse / "images").glob("*")}
    for order in wanted - found:
        yield f"the image of order {order} is not in the warehouse"
    for order in found - wanted:
        yield f"left on the disk: warehouse/images/{order}"
    for path in line.var.glob("hosts/*/images/*"):
        yield f"left on the disk: {path.relative_to(line.var)}"


def journals(line: Line) -> Iterator[str]:
    """No host owes the server a message, or believes that it is at work."""
    import sqlite3

    for path in line.var.glob("hosts/*/journal.db"):
        with closing(sqlite3.connect(path, timeout=30)) as journal:
            for table in ("attempts", "owed"):
                for row in journal.execute(f"SELECT * FROM {table}"):  # noqa: S608
                    yield f"in {path.relative_to(line.var)}, {table}: {row}"


def processes(line: Line) -> Iterator[str]:
    """Nobody works any more: what is left are the processes that workers keep ready for the next task."""
    with connect(line) as database:
        begun = {str(row["claim_id"]) for row in database.execute("SELECT claim_id FROM tasks_app_attempt")}
    for pid, claim in marked_of(line):
        if claim in begun:
            yield f"process {pid} still works: {command(pid)}"
        elif "-m workers" not in command(parent(pid)):
            yield f"process {pid} was kept ready by a worker that is gone: {command(pid)}"


def marked_of(line: Line) -> Iterator[tuple[int, str]]:
    """Processes of this line that are made for an attempt, and its claim id."""
    var, mark = f"IMAGER_VAR={line.var}", f"{MARK}="
    for entry in filter(lambda entry: entry.name.isdigit(), Path("/proc").iterdir()):
        try:
            words = (entry / "environ").read_text(errors="replace").split("\0")
        except OSError:
            continue  # gone, or not ours
        if var in words:
            yield from ((int(entry.name), word[len(mark) :]) for word in words if word.startswith(mark))


def cards(line: Line) -> Iterator[str]:
    """A sample of the cards, read back once more against their images."""
    for folder in sorted((line.var / "kept").iterdir())[:VERIFIED]:
        image = next(folder.glob("*.img.zst"), None)
        if image is None:
            continue  # the order was over before the card was taken out, and its image gone
        argv = python("-m", "workers.writer.verify", str(image), str(folder / "card.img"))
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"card {folder.name} is not its image: {done.stdout}{done.stderr}"
