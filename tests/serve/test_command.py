"""`partwise serve` and `partwise explain --out FILE.html` as a person runs them."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from serve_photos import png_of

import partwise
from partwise.bench.clicks import bench_clicks
from partwise.errors import ForeignFileError, PartwiseError
from partwise.serve import single_file
from partwise.serve.server import open_port
from partwise.serve.single_file import explain_in_file

SOURCES = Path(partwise.__file__).resolve().parents[1]


def test_a_port_in_use_is_one_line(complains):
    with open_port(0) as taken:
        number = taken.getsockname()[1]
        assert f"port {number} is in use" in complains("serve", "--port", number)


@pytest.mark.parametrize("number", [-1, 65536])
def test_a_port_that_is_none_is_one_line(complains, number):
    assert "0..65535" in complains("serve", f"--port={number}")


def test_only_this_machine_can_reach_the_server():
    with open_port(0) as taken:
        assert taken.getsockname()[0] == "127.0.0.1"


def test_a_data_set_that_is_none_is_one_line(complains, tmp_path, tiny_model_file):
    assert str(tmp_path) in complains("serve", "--port", "0", "--model", tiny_model_file, "--data", tmp_path)


def test_partwise_does_not_import_the_server():
    code = "import sys, partwise, partwise.cli; sys.exit(any(n in sys.modules for n in ('starlette', 'uvicorn')))"
    environment = os.environ | {"PYTHONPATH": str(SOURCES)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, timeout=120, check=False).returncode == 0


@pytest.fixture
def server(tiny_model_file, city_root):
    """A server in a process of its own, with a data set; gives the process and its port."""
    words = ["serve", "--port", "0", "--model", str(tiny_model_file), "--data", str(city_root)]
    process = subprocess.Popen(
        [sys.executable, "-m", "partwise", *words],
        env=os.environ | {"PYTHONPATH": str(SOURCES), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        lines = iter(process.stdout.readline, "")
        line = next(line for line in lines if "the page is at" in line)
        yield process, int(line.split("127.0.0.1:")[1].split(",")[0])
    finally:
        process.kill()
        process.wait()


def test_ctrl_c_ends_at_once_in_the_middle_of_a_photo(server, nothing_hangs):
    process, port = server
    address = f"http://127.0.0.1:{port}"
    # A raw path: a client would remove the dots.
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        raw.sendall(b"GET /static/../../../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 404") and b"root:" not in answer
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(f"{address}/", headers={"Host": "evil.example"}), timeout=20)
    for _ in range(3):  # one is computed, two wait
        urllib.request.urlopen(urllib.request.Request(f"{address}/api/example", method="POST"), timeout=20).read()
    waiting = socket.create_connection(("127.0.0.1", port), timeout=20)
    waiting.sendall(b"GET / HTTP/1.1\r\n")  # a client that never ends its request
    begin = time.perf_counter()
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[0]
    assert process.returncode == 130 and time.perf_counter() - begin < 10, said
    assert said.strip() == "partwise: stopped"
    waiting.close()


def test_the_page_of_one_file_is_written_by_the_command(
    says, complains, tiny_model_file, street, tmp_path, monkeypatch
):
    monkeypatch.setattr(single_file, "GRID", (2, 3))
    photo, out = tmp_path / "street.png", tmp_path / "pages" / "why.html"
    photo.write_bytes(png_of(street))
    words = ["explain", photo, "--model", tiny_model_file, "--out", out, "--at", "100,70", "--no-overview"]
    assert "wrote" in says(*words) and out.stat().st_size > 20_000
    assert "wrote" in says(*words)  # its own file is replaced
    page = out.read_text(encoding="utf-8")
    assert f">{tiny_model_file.stem} · parts<" in page and ">street.png · " in page  # as the served page calls them
    out.write_text("<!doctype html><p>mine</p>")
    assert "why.html" in complains(*words) and "mine" in out.read_text()
    assert "inside" in complains(
        "explain", photo, "--model", tiny_model_file, "--out", tmp_path / "b.html", "--at", "999,1"
    )
    assert not (tmp_path / "b.html").exists()


def test_the_page_of_one_file_says_what_is_left_out(segment, street, tmp_path, monkeypatch):
    monkeypatch.setattr(single_file, "LARGEST_BYTES", 40_000)
    explain_in_file(segment, street, tmp_path / "a.html", (10, 10))
    assert "pixels of the grid are left out" in (tmp_path / "a.html").read_text()
    (tmp_path / "a.html").write_text("mine")
    with pytest.raises(ForeignFileError):
        explain_in_file(segment, street, tmp_path / "a.html", (10, 10))


def test_clicks_are_measured(tiny_model_file):
    figures = bench_clicks(str(tiny_model_file), size=(64, 128), clicks=4, threads=1)
    times = figures["click_ms"]
    assert figures["clicks"] == 12 and 0 < times["median"] <= times["p95"] <= times["max"]
    assert figures["answer_kib"] > 1 and figures["photo_ms"] > 0 and figures["explain_ms"] > 0
    with pytest.raises(PartwiseError, match="from 1 on"):
        bench_clicks(str(tiny_model_file), clicks=0)
