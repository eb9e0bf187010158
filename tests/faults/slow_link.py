"""A link of so many bytes a second towards the broker, as a proxy on loopback."""

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Final, Self

# A modem queues little: what waits in here would delay a live value.
_BUFFER_BYTES: Final = 4096


class SlowLink:
    """Listens on ``port`` and passes on to ``target``; down it is not slowed.

    Until it is made, nobody answers at that port: the link is down.
    """

    def __init__(self, port: int, target: int, bytes_per_s: float) -> None:
        self.passed_bytes = 0
        self._target = target
        self._rate = bytes_per_s
        self._chunk_bytes = 512 if bytes_per_s < 1e6 else 65_536
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind(("127.0.0.1", port))
        self._server.listen()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for one in self._open:
            _close(one)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._open += [near, far]
            for one, other, is_slow in ((near, far, True), (far, near, False)):
                pump = threading.Thread(
                    target=self._pump, args=(one, other, is_slow), daemon=True
                )
                self._threads.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_slow: bool) -> None:
        due_s = time.monotonic()
        try:
            while data := source.recv(self._chunk_bytes):
                if is_slow:
                    due_s = max(due_s, time.monotonic() - 0.05) + len(data) / self._rate
                    time.sleep(max(due_s - time.monotonic(), 0.0))
                    self.passed_bytes += len(data)
                sink.sendall(data)
        except OSError:
            pass
        _close(source)
        _close(sink)


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
