"""Values with arrays go through a connection unchanged, with a block of memory and without one."""

import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streeteval import transport

DTYPES = ["u1", "i4", "i8", "f4", "f8", "?"]


@st.composite
def arrays(draw):
    shape = draw(st.lists(st.integers(0, 5), max_size=3))
    array = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 9, shape)
    array = np.asarray(array).astype(draw(st.sampled_from(DTYPES)))
    return array.T if draw(st.booleans()) else array[::-1] if array.ndim else array


def sent(value):
    """What arrives; one thread sends, because a connection without a reader holds little."""
    ours, theirs = multiprocessing.Pipe()
    with ours, theirs:
        sender = threading.Thread(target=transport.send, args=(theirs, value))
        sender.start()
        received = transport.receive(ours)
        sender.join()
        return received


@pytest.fixture(params=["block", "inline", "no memfd", "no memory for a block"])
def way(request, monkeypatch):
    """The ways in which the content of arrays travels."""
    monkeypatch.setattr(transport, "_INLINE", 1 << 30 if request.param == "inline" else 0)
    if request.param == "no memfd":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    if request.param == "no memory for a block":
        monkeypatch.setattr(os, "memfd_create", lambda name: os.open("/dev/full", os.O_WRONLY), raising=False)
    return request.param


@settings(max_examples=30, deadline=None)
@given(st.lists(arrays(), max_size=4), st.text(max_size=5))
def test_what_arrives_is_what_was_sent(found, text):
    for inline in (0, 1 << 30):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transport, "_INLINE", inline)
            name, received = sent((text, found))
        assert name == text
        for a, b in zip(found, received, strict=True):
            assert a.dtype == b.dtype and np.array_equal(a, b)


def test_every_way_brings_arrays_that_can_be_written_to_and_share_nothing(way):
    first, second = sent([np.arange(300_000, dtype=np.uint8), np.arange(7.0)])
    first[:] = 9
    assert (first == 9).all() and second.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_message_leaves_no_file_open():
    open_files = lambda: len(list(Path("/proc/self/fd").iterdir()))
    before = open_files()
    for _ in range(3):
        sent([np.zeros(100_000)] * 40)
    assert open_files() == before


def test_many_arrays_need_few_open_files(open_files_left):
    with open_files_left(12):
        assert len(sent([np.full(1000, i) for i in range(300)])) == 300
