"""Send values with arrays from one process to another, through a connection of multiprocessing.

The content of the arrays lies in one block of memory without a name (memfd, Linux). The connection carries its
descriptor. So the receiver copies nothing and opens one file at a time, whatever the number of arrays. torch and
multiprocessing use files under /dev/shm or /tmp, which may be small or full, and which may stay after a crash. Without
memfd the content goes through the connection itself.
"""

from __future__ import annotations

import contextlib
import errno
import io
import mmap
import os
import pickle
import socket
from multiprocessing.connection import Connection
from typing import Any

_ALIGNMENT = 64  # bytes; each array begins at a multiple
_INLINE = 1 << 15  # bytes; up to this size arrays go through the connection itself


def send(connection: Connection, value: Any) -> None:
    """Send a value: first its pickle, then the content of its arrays as one block.

    Args:
        connection: A connection of multiprocessing.
        value: Anything that can be pickled.

    Raises:
        OSError: If the receiver is gone.
    """
    arrays: list[pickle.PickleBuffer] = []
    data = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    views = [array.raw() for array in arrays]
    sizes = [view.nbytes for view in views]
    block = _memory_block(views) if sum(sizes) > _INLINE else None
    if block is not None:
        with block, _channel(connection) as channel:
            connection.send_bytes(pickle.dumps((data, sizes, True)))
            socket.send_fds(channel, [b"b"], [block.fileno()])
        return
    connection.send_bytes(pickle.dumps((data, sizes, False)))
    if sizes:
        content = io.BytesIO()
        _lay_out(content, views)
        connection.send_bytes(content.getbuffer())


def receive(connection: Connection) -> Any:
    """Receive a value that `send` sent. Its arrays can be changed.

    Args:
        connection: A connection of multiprocessing.

    Raises:
        EOFError: If the sender is gone.
        OSError: If this process cannot open another file.
    """
    data, sizes, is_block = pickle.loads(connection.recv_bytes())
    places = _places(sizes)
    total = places[-1] + sizes[-1] if sizes else 0
    if is_block:
        view = memoryview(_mapped(connection, total))
    else:
        view = memoryview(bytearray(total))
        if sizes:
            connection.recv_bytes_into(view)
    return pickle.loads(data, buffers=[view[at : at + size] for at, size in zip(places, sizes, strict=True)])


def _memory_block(views: list[memoryview]) -> io.FileIO | None:
    """Make a file without a name, in memory, that holds the arrays; None if the system cannot make one of this size."""
    if not hasattr(os, "memfd_create"):
        return None
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
        block = stack.enter_context(os.fdopen(os.memfd_create("streeteval"), "wb", buffering=0))
        _lay_out(block, views)
        stack.pop_all()
        return block
    return None


def _mapped(connection: Connection, size: int) -> mmap.mmap:
    """Receive a block over the connection, and map it into memory."""
    with _channel(connection) as channel:
        said, files, _, _ = socket.recv_fds(channel, 1, 1)
    if not said:
        raise EOFError
    if not files:  # the kernel drops a descriptor that this process may not open
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    try:
        return mmap.mmap(files[0], size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
    finally:
        os.close(files[0])


def _channel(connection: Connection) -> socket.socket:
    """Return the socket of a connection. The caller closes it."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def _places(sizes: list[int]) -> list[int]:
    """Return the position in a block at which each array of a given size in bytes begins."""
    places, end = [], 0
    for size in sizes:
        places.append(-(-end // _ALIGNMENT) * _ALIGNMENT if size else end)
        end = places[-1] + size
    return places


def _lay_out(file: io.RawIOBase | io.BytesIO, views: list[memoryview]) -> None:
    for at, view in zip(_places([view.nbytes for view in views]), views, strict=True):
        file.seek(at)
        written = 0
        while written < len(view):  # the system writes at most 2 GiB at a time
            written += file.write(view[written:])
