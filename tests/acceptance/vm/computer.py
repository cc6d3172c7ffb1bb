"""A computer in software: a shell by its serial port, and a control channel by which USB devices come."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

QEMU: Final = "qemu-system-x86_64"
PATIENCE: Final = 300  # seconds without a word until it is given up; a calm machine is never silent for ten
_MACHINE: Final = (  # an older processor, and only one: less to emulate
    "-M q35 -accel tcg -cpu Nehalem -smp 1 -m 1024 -nodefaults -no-user-config -display none -no-reboot"
)
# The time stamp counter spares an exit to the emulator for each look at the clock; addresses that never
# change let translated code be used again by the next process.
_COMMAND_LINE: Final = (
    "console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr norandmaps random.trust_cpu=on "
    "tsc=reliable clocksource=tsc no_timer_check"
)
_HUBS: Final = ("qemu-xhci,id=fast,p2=4,p3=4", "usb-ehci,id=slow", "usb-hub,bus=fast.0,port=4")


class Silent(AssertionError):
    """The computer says nothing any more."""


@dataclass(frozen=True)
class Ended:
    """How a command in there ended, and the lines that it wrote."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


class Computer:
    """`with booted(…) as computer:`"""

    def __init__(self, shell: socket.socket, control: socket.socket, log: Path) -> None:
        self._log = log
        self._shell = shell
        self._lines = shell.makefile("r", encoding="utf-8", errors="replace", newline="\n")
        self._control = control
        self._answers = control.makefile("r", encoding="utf-8")
        self._events: list[dict[str, Any]] = []
        for channel in (shell, control):
            channel.settimeout(PATIENCE)

    def start(self) -> None:
        """Until the shell takes commands."""
        self._hear()  # the greeting
        self.control("qmp_capabilities")
        while self.line() != "=== ready":
            continue

    def say(self, command: str) -> None:
        """Begin a command; its lines and its end are to be read."""
        self._shell.sendall(command.encode() + b"\n")

    def line(self) -> str:
        """The next line from the shell."""
        try:
            line = self._lines.readline()
        except TimeoutError:
            line = ""
        if not line:
            raise Silent(f"no word from the computer; its kernel said last:\n{self.kernel_log()[-3000:]}")
        return line.rstrip("\r\n")

    def ending(self) -> Iterator[str]:
        """The lines of the command that was begun; the last one is `=== exit CODE`."""
        while True:
            line = self.line()
            yield line
            if line.startswith("=== exit "):
                return

    def run(self, command: str) -> Ended:
        self.say(command)
        *lines, last = self.ending()
        return Ended(int(last.rpartition(" ")[2]), tuple(lines))

    def must(self, command: str) -> str:
        """What a command that has to succeed wrote."""
        ended = self.run(command)
        assert ended.code == 0, f"{command}: {ended.text}\n{self.kernel_log()[-3000:]}"
        return ended.text

    def control(self, command: str, **arguments: Any) -> Any:
        """An order to the emulator; its answer."""
        order = {
            "execute": command,
            "arguments": {name.replace("_", "-"): it for name, it in arguments.items()},
        }
        self._control.sendall(json.dumps(order).encode() + b"\n")
        while True:
            told = self._hear()
            assert "error" not in told, f"{order}: {told['error']}"
            if "return" in told:
                return told["return"]

    def await_event(self, name: str, **data: Any) -> None:
        """Until the emulator has told of it; what was told before counts, once."""
        while True:
            for event in self._events:
                if event["event"] == name and data.items() <= event["data"].items():
                    self._events.remove(event)
                    return
            self._hear()

    def kernel_log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def _hear(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise Silent("the emulator has ended")
        told: dict[str, Any] = json.loads(line)
        if "event" in told:
            self._events.append(told)
        return told

    def close(self) -> None:
        for channel in (self._lines, self._answers, self._shell, self._control):
            channel.close()


@contextmanager
def booted(kernel: Path, memory: Path, work: Path) -> Iterator[Computer]:
    """A computer that runs, with empty USB hubs; it is switched off at the end."""
    log = work / "kernel.log"
    with ExitStack() as until_end:
        pairs = [[until_end.enter_context(each) for each in socket.socketpair()] for _ in range(2)]
        (shell, their_shell), (control, their_control) = pairs
        errors = until_end.enter_context((work / "qemu.log").open("wb"))
        process = subprocess.Popen(
            _command(kernel, memory, log, their_shell.fileno(), their_control.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=subprocess.STDOUT,
            pass_fds=(their_shell.fileno(), their_control.fileno()),
        )
        until_end.callback(process.wait)
        until_end.callback(process.kill)
        for theirs in (their_shell, their_control):
            theirs.close()  # so that we hear when it ends
        computer = Computer(shell, control, log)
        until_end.callback(computer.close)
        computer.start()
        yield computer


def _command(kernel: Path, memory: Path, log: Path, shell: int, control: int) -> list[str]:
    command = [QEMU, *_MACHINE.split(), "-kernel", str(kernel), "-initrd", str(memory)]
    command += ["-append", _COMMAND_LINE, "-serial", f"file:{log}"]
    command += ["-chardev", f"socket,id=shell,fd={shell}", "-serial", "chardev:shell"]
    command += ["-chardev", f"socket,id=control,fd={control}", "-mon", "chardev=control,mode=control"]
    for hub in _HUBS:
        command += ["-device", hub]
    return command
