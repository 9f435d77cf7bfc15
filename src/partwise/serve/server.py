"""Run the server on 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from partwise.errors import PartwiseError

__all__ = ["DEFAULT_PORT", "HOST", "open_port", "run", "run_in_thread"]

HOST = "127.0.0.1"
DEFAULT_PORT = 8765
GRACE_SECONDS = 1  # after Ctrl-C, for answers that are being sent


def open_port(port: int) -> socket.socket:
    """Take a port of this machine, which no other machine can reach.

    Args:
        port: Its number; 0 for any free one.

    Raises:
        PartwiseError: If it cannot be taken.
    """
    if not 0 <= port < 1 << 16:
        raise PartwiseError(f"port {port}: give a number in 0..65535")
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, port))
        taken.listen(64)
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise PartwiseError(f"port {port} is in use: give another one, or end the program that has it") from None
        raise PartwiseError(f"port {port}: {(error.strerror or str(error)).lower()}: give another one") from None
    return taken


def run(app: ASGIApp, port: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Answer requests until the program is interrupted.

    Args:
        app: The application.
        port: From `open_port`.
        ready: Called when requests are answered.

    Raises:
        KeyboardInterrupt: After Ctrl-C.
    """
    _Server(_config(app), ready).run(sockets=[port])


def _config(app: ASGIApp) -> uvicorn.Config:
    """The settings of every server: HTTP alone, no log of requests, no trust in headers of proxies."""
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # the answer says what is wrong with a form
    logging.getLogger("uvicorn.error").addFilter(_is_worth_saying)
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextmanager
def run_in_thread(app: ASGIApp, port: socket.socket) -> Iterator[None]:
    """Inside, requests are answered by a thread of this process.

    Args:
        app: The application.
        port: From `open_port`.
    """
    ready = threading.Event()
    server = _Server(_config(app), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, name="partwise server", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def _is_worth_saying(record: logging.LogRecord) -> bool:
    """Leave out that answers were cut off at the end: Ctrl-C asks for that."""
    return "graceful shutdown" not in record.getMessage()


class _Server(uvicorn.Server):
    """A server that says when it is ready: from then on it answers, and Ctrl-C ends it."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()
