"""How fast a card is written and proved, beside dd and bmaptool: `python -m benchmarks.card_write`.

All on one loop device in one run: an 8 GiB image of which 2.2 GiB are mapped, at the speeds of real cards
(the kernel holds the device to them; that takes a quarter of an hour) and at full speed. Many slots run on
smaller images.
Needs root (loop devices) and for the speeds a kernel with cgroup v1's blkio. `--small`: does it run at all?
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.card_rig import (
    CELL,
    MB,
    MIB,
    ROOT,
    Sample,
    can_hold,
    fill,
    held_to,
    make_sample,
    make_used,
    run,
    timed,
)
from benchmarks.rig import keep
from tests.doubles.cards import loop_device, loop_problem

GB = 10**9
SPEEDS = [(20, 35), (20, 90), (30, 90), (60, 90)]  # MB/s: what real cards write and read at
PEERS_AT = (60, 90)
SLOTS_AT = (20, 35)
GO = ["--yes", "--full", "--allow-non-removable", "--json"]  # full: a round may not profit from the last


def ours(sample: Sample, node: str) -> None:
    written(sample, sample.path, node)


def ours_container(sample: Sample, node: str) -> None:
    """From the container, as a writer host gets it."""
    written(sample, sample.container, node)


def written(sample: Sample, image: Path, node: str) -> None:
    words = command(sample, image, node)
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    must_be_sample(json.loads(done.stdout), sample)


def command(sample: Sample, image: Path, *nodes: str) -> list[str | Path]:
    program = [sys.executable, "-m", "workers.writer.write"]
    return [*program, image, *nodes, *GO, "--signing-key", sample.key]


def must_be_sample(told: dict[str, Any], sample: Sample) -> None:
    """Just the mapped bytes, all of them written: else the time says nothing beside the limit of these."""
    for card in told["cards"]:
        result = card["result"]
        found = (result["written_bytes"], result["skipped_bytes"])
        assert found == (sample.mapped, 0), f"{found} instead of {sample.mapped} bytes: {told}"


def dd(sample: Sample, node: str) -> None:
    run("dd", f"if={sample.path}", f"of={node}", "bs=4M", "oflag=direct", "conv=fsync", "status=none")
    run("blockdev", "--flushbufs", node)
    read = f"dd if={node} bs=4M iflag=direct count={sample.size // CELL} status=none | sha256sum"
    run("sh", "-c", read)


def bmaptool(sample: Sample, node: str) -> None:
    run("bmaptool", "-q", "copy", "--bmap", sample.map, sample.path, node)


def bmaptool_and_read(sample: Sample, node: str) -> None:
    """It has no read-back; the kindest there is: only mapped ranges, by our own reader."""
    bmaptool(sample, node)
    run(sys.executable, "-m", "workers.writer.verify", sample.map, node)


def limit(sample: Sample, node: str) -> tuple[float, float]:
    """Bytes per second of one direct write, and of one direct read, of as many bytes in order."""
    how = ["bs=4M", f"count={sample.mapped // CELL}", "status=none"]
    write = timed(run, "dd", f"if={sample.path}", f"of={node}", "oflag=direct", "conv=fsync", *how)
    read = timed(run, "dd", f"if={node}", "of=/dev/null", "iflag=direct", *how)
    size = sample.mapped // CELL * CELL
    return size / write, size / read


def floor(mapped: int, write: float, read: float) -> float:
    """Seconds that no writer can go below: M/Bw + M/Br."""
    return mapped / write + mapped / read


def at_card_speeds(sample: Sample, node: str) -> dict[str, Any]:
    """Efficiency at each speed; the peers at one of them."""
    efficiency: dict[str, float] = {}
    seconds: dict[str, list[float]] = {}
    for speed in SPEEDS:
        make_used(node)
        name = "/".join(map(str, speed))
        with held_to(node, speed):
            took = timed(ours, sample, node)
        write, read = (each * MB for each in speed)
        efficiency[name] = floor(sample.mapped, write, read) / took
        seconds[name] = [took]
        print(f"{name}: {took:.1f} s, efficiency {efficiency[name]:.3f}", flush=True)
    peers = {"dd": dd, "bmaptool": bmaptool, "bmaptool_read_back": bmaptool_and_read}
    for name, peer in peers.items():
        with held_to(node, PEERS_AT):
            seconds[f"{name} {'/'.join(map(str, PEERS_AT))}"] = [timed(peer, sample, node)]
    return {"efficiency": efficiency, "seconds": seconds}


def at_full_speed(sample: Sample, node: str, rounds: int) -> dict[str, Any]:
    """Interleaved rounds; dd once, for it takes as long as all others together."""
    seconds: dict[str, list[float]] = {}
    floors = []
    for _ in range(rounds):
        floors.append(floor(sample.mapped, *limit(sample, node)))
        for name, way in {
            "ours": ours,
            "ours_container": ours_container,
            "bmaptool": bmaptool,
            "bmaptool_read_back": bmaptool_and_read,
        }.items():
            make_used(node)
            seconds.setdefault(name, []).append(timed(way, sample, node))
    seconds["dd"] = [timed(dd, sample, node)]
    return {"floors": floors, "seconds": seconds}


def many_slots(folder: Path, sample: Sample, counts: Sequence[int]) -> dict[str, Any]:
    """N cards at once at a true card speed, beside one alone."""
    alone = slots_at_once(folder, sample, 1)
    found = {}
    for count in counts:
        told = slots_at_once(folder, sample, count)
        found[str(count)] = {
            "total_ratio": round(alone["seconds"] / told["seconds"], 3),
            "worst_slot_ratio": round(told["worst"] / alone["worst"], 3),
            "cpu_seconds_per_gb": round(told["cpu"] / (count * sample.mapped / GB), 3),
            "memory_mib_per_slot": round(told["memory"], 1),
        }
    return found


def slots_at_once(folder: Path, sample: Sample, count: int) -> dict[str, float]:
    """Seconds of all, of the worst card alone, of CPU; peak MiB of one process. Not the time to start."""
    with ExitStack() as stack:
        nodes = []
        for number in range(count):
            card = folder / f"slot{number}"
            fill(card, sample.size)
            stack.callback(card.unlink)
            nodes.append(stack.enter_context(loop_device(card)))
            stack.enter_context(held_to(nodes[-1], SLOTS_AT))
        out = folder / "told.json"
        with out.open("wb") as file:
            words = command(sample, sample.path, *nodes)
            process = subprocess.Popen(words, stdout=file, stderr=subprocess.DEVNULL, cwd=ROOT)
            begin = time.perf_counter()
            _, status, usage = os.wait4(process.pid, 0)
            took = time.perf_counter() - begin
            process.returncode = os.waitstatus_to_exitcode(status)
        told = json.loads(out.read_text())
        assert process.returncode == 0, told
    must_be_sample(told, sample)
    results = [card["result"] for card in told["cards"]]
    each = [floor(sample.mapped, result["write_rate"], result["read_rate"]) for result in results]
    cpu = usage.ru_utime + usage.ru_stime
    return {"seconds": took, "worst": max(each), "cpu": cpu, "memory": usage.ru_maxrss / 1024}


def bench(folder: Path, size: int, mapped: int, rounds: int, counts: Sequence[int]) -> dict[str, Any]:
    sample = make_sample(folder / "sample.img", size, mapped)
    card = folder / "card"
    fill(card, size)
    with loop_device(card) as node:
        free = at_full_speed(sample, node, rounds)
        held = at_card_speeds(sample, node) if can_hold() else {"efficiency": {}, "seconds": {}}
    card.unlink()
    middle = {name: median(values) for name, values in free["seconds"].items()}
    least = median(free["floors"])
    slots = {}
    if can_hold():
        small = make_sample(folder / "small.img", size // 16, mapped // 9)
        slots = many_slots(folder, small, counts)
    efficiency = {**held["efficiency"], "unthrottled": least / middle["ours"]}
    efficiency["unthrottled_container"] = least / middle["ours_container"]
    seconds = {**free["seconds"], **held["seconds"]}
    at = "/".join(map(str, PEERS_AT))
    at_speed = {name: seconds.get(f"{name} {at}", [0.0])[0] for name in ("dd", "bmaptool_read_back")}
    mine = seconds.get(at, [1.0])[0]
    return {
        "efficiency": {name: round(value, 3) for name, value in efficiency.items()},
        "dd_ratio": round(middle["dd"] / middle["ours"], 2),
        "bmaptool_ratio": round(middle["bmaptool_read_back"] / middle["ours"], 2),
        "bmaptool_without_read_back_ratio": round(middle["bmaptool"] / middle["ours"], 2),
        f"ratios_at_{at}": {name: round(value / mine, 2) for name, value in at_speed.items()},
        "slots": slots,
        "slots_at": "/".join(map(str, SLOTS_AT)),
        "image_bytes": sample.size,
        "mapped_bytes": sample.mapped,
        "seconds": {name: [round(each, 2) for each in values] for name, values in seconds.items()},
        "floor_seconds_unthrottled": [round(each, 2) for each in free["floors"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.card_write", description=__doc__)
    parser.add_argument("--small", action="store_true", help="256 MiB: does it run at all?")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where 31 GB are free")
    options = parser.parse_args()
    if problem := loop_problem() or ("" if shutil.which("bmaptool") else "bmaptool is not installed"):
        print(f"benchmarks.card_write: {problem}")
        return
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled once, as whatever is installed
    run(sys.executable, "-m", "workers.writer.write", "--help")
    run(sys.executable, "-c", "import workers.writer.one, workers.writer.verify")
    folder = Path(tempfile.mkdtemp(prefix="imager-bench-", dir=options.folder))
    try:
        if options.small:
            print(json.dumps(bench(folder, 256 * MIB, 96 * MIB, 1, [2]), indent=2))
        else:
            keep("card_write", bench(folder, 8192 * MIB, 2252 * MIB, options.rounds, [4, 16]))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
