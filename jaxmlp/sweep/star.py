"""Connections between processes: process 0 in the middle, one TCP connection to each other one, JSON in lines.

The kernel ends a connection when a process dies; pings tell one that hangs. JAX's own means were tried first: its
coordination service aborts every process natively (with pages of log) once its host dies or a process is silent; gloo
fails where processes come to its first collective more than 30 s apart, and prints on standard output.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from typing import Any, BinaryIO, NoReturn

from jaxmlp.errors import JaxmlpError


class ProcessLostError(JaxmlpError):
    """Another process is gone, or does not answer; the run can be resumed from its checkpoints."""


class Star:
    """The connections of this process: to process 0, or from process 0 to every other one."""

    def __init__(self, index: int, count: int, silence: float) -> None:
        self.index, self.count, self.silence = index, count, silence
        self.starting = False
        self.links: dict[int, socket.socket] = {}
        self.readers: list[threading.Thread] = []
        self.inbox: queue.SimpleQueue[tuple[int, str, Any]] = queue.SimpleQueue()
        self.writing, self.leaving, self.finished = threading.Lock(), threading.Lock(), threading.Event()
        threading.Thread(target=self._ping, daemon=True).start()

    def gather(self, port: int, timeout: float) -> int:
        """Await every other process; returns a free port for JAX, which all are told."""
        deadline = time.monotonic() + timeout
        both = socket.has_dualstack_ipv6()
        try:
            server = socket.create_server(
                ("", port), family=socket.AF_INET6 if both else socket.AF_INET, dualstack_ipv6=both
            )
        except OSError as error:
            raise JaxmlpError(f"process 0 cannot listen on port {port} ({error.strerror}); take another one") from error
        with server:
            while missing := [str(k) for k in range(1, self.count) if k not in self.links]:
                self.check()
                server.settimeout(max(deadline - time.monotonic(), 0.001))
                try:
                    self._welcome(server.accept()[0])
                except TimeoutError:
                    who = f"process {', '.join(missing)} of {self.count} did not come within {timeout:g} s"
                    self._fail("failed", f"{who}; start every one, with the same --coordinator and --processes")
        with socket.create_server(("", 0)) as free:
            self._tell("port", free.getsockname()[1])
            return free.getsockname()[1]

    def call(self, host: str, port: int, timeout: float) -> int:
        """Call process 0 until it answers; returns the port for JAX."""
        deadline = time.monotonic() + timeout
        where = f"at --coordinator {host}:{port}"
        while not self.links:
            try:
                connection = socket.create_connection((host, port), max(deadline - time.monotonic(), 0.001))
                connection.sendall(_line("hello", [self.index, self.count]))  # before any ping
                self._keep(0, connection, connection.makefile("rb"))
            except OSError as error:
                if time.monotonic() + 0.2 > deadline:
                    why = f"nothing answers {where} within {timeout:g} s ({error.strerror or error})"
                    raise JaxmlpError(f"{why}; start process 0 there, or give its host and port") from error
                time.sleep(0.2)
        try:
            return self._next()[1]
        except ProcessLostError as error:
            raise JaxmlpError(f"what answered {where} is gone, or no process 0; see its own output") from error

    def check(self) -> None:
        """Raise if a process that came is gone again."""
        if not self.inbox.empty():
            self.starting = False
            self._next()

    def exchange(self, message: Any) -> list[Any]:
        """Process 0 collects the messages, and hands all of them to all."""
        if self.index:
            self._tell("message", message)
            return self._next()[1]
        messages = {0: message}
        while len(messages) < self.count:
            messages.update([self._next()])
        everything = [messages[k] for k in range(self.count)]
        self._tell("messages", everything)
        return everything

    def close(self) -> None:
        """Say goodbye and hear it: closing at once could destroy what is under way."""
        self.finished.set()
        with self.writing:
            for connection in self.links.values():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + 5
        for reader in self.readers:
            reader.join(max(deadline - time.monotonic(), 0))
        for connection in self.links.values():
            connection.close()

    def leave(self, line: str, told: str) -> NoReturn:
        """Say why, and end the process, whatever JAX is waiting for. Process 0 goes last: the others abort without it."""
        self.leaving.acquire()
        sys.stdout.flush()
        os.write(2, f"error: {line}\n".encode())
        if self.index == 0:
            self._tell("lost", told)
            for reader in set(self.readers) - {threading.current_thread()}:
                reader.join(2)
        os._exit(1)

    def _welcome(self, connection: socket.socket) -> None:
        """Keep the connection, if it is from a process of this run that is not here yet."""
        connection.settimeout(5)
        stream = connection.makefile("rb")
        try:
            kind, (peer, count) = json.loads(stream.readline(100))
        except (OSError, ValueError, TypeError):
            kind, peer, count = "", 0, 0
        if kind == "hello" and count == self.count and peer not in self.links:
            self._keep(peer, connection, stream)
            return
        with connection, contextlib.suppress(OSError):
            if kind == "hello":  # else a stranger
                what = f"process {peer} of {count} is not awaited by process 0, which has --processes {self.count}"
                connection.sendall(_line("failed", f"{what}; give all the same, and each its own --process-id"))

    def _keep(self, peer: int, connection: socket.socket, stream: BinaryIO) -> None:
        """Listen to a process from now on."""
        connection.settimeout(self.silence)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        where = connection.getpeername()[0].removeprefix("::ffff:")
        self.links[peer] = connection
        self.readers.append(threading.Thread(target=self._read, args=(peer, where, stream), daemon=True))
        self.readers[-1].start()

    def _read(self, peer: int, where: str, stream: BinaryIO) -> None:
        """Put into the inbox what a process says, and its end."""
        what = "is gone"
        try:
            with stream:
                for line in stream:
                    kind, value = json.loads(line)
                    if kind != "ping":
                        self._hear(peer, kind, value)
        except TimeoutError:
            what = f"has been silent for {self.silence:g} s"
        except (OSError, ValueError):  # the connection broke, perhaps within a line
            pass
        line = (
            f"process {peer} ({where}) {what}; see its own output, and go on with --resume and any number of processes"
        )
        self._hear(peer, "lost", line)

    def _hear(self, peer: int, kind: str, value: Any) -> None:
        """Put it into the inbox; but a loss ends a process that is starting, for it cannot look there."""
        self.inbox.put((peer, kind, value))
        if kind == "lost" and self.starting and not self.leaving.locked():
            self.leave(value, value)

    def _ping(self) -> None:
        """Show that this process lives, whatever it is computing."""
        while not self.finished.wait(self.silence / 4):
            self._tell("ping", None)

    def _tell(self, kind: str, value: Any) -> None:
        """Send to all that are connected; if one is gone, its reader notices."""
        for connection in list(self.links.values()):
            with self.writing, contextlib.suppress(OSError):
                try:
                    connection.sendall(_line(kind, value))
                except OSError:  # perhaps half sent
                    connection.shutdown(socket.SHUT_RDWR)

    def _next(self) -> tuple[int, Any]:
        """Who says what next."""
        peer, kind, value = self.inbox.get()
        if kind in ("lost", "failed"):
            self.inbox.put((peer, kind, value))  # and so it stays
            self._fail(kind, value)
        return peer, value

    def _fail(self, kind: str, line: str) -> NoReturn:
        """Raise, and let process 0 tell the others, who know only it."""
        if self.index == 0:
            self._tell(kind, line)
        raise ProcessLostError(line) if kind == "lost" else JaxmlpError(line)


def _line(kind: str, value: Any) -> bytes:
    """What goes over a connection: JSON, in one line."""
    return json.dumps([kind, value]).encode() + b"\n"
