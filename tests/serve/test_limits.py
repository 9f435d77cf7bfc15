"""What the site refuses, and that every refusal is one line; who waits, and what is forgotten."""

import io
import struct
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image
from serve_photos import png_of

from partwise.errors import PartwiseError
from partwise.serve.limits import Limits, RefusedError, check_photo
from partwise.serve.queue import Done, Photos
from partwise.serve.views import see


def png_of_zeros(width, height) -> bytes:
    """A PNG of very many equal pixels, made without holding them."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    deflate = zlib.compressobj(9)
    row = b"\0" * (1 + (width + 7) // 8)
    rows = b"".join(deflate.compress(row) for _ in range(height)) + deflate.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [1000, 12_000, 25_000])
def test_a_file_with_too_many_pixels_is_refused_before_it_is_decoded(web, side):
    bomb = png_of_zeros(side, side)
    assert len(bomb) < 1 << 20
    begin = time.perf_counter()
    said = web.refuses(web.give(bomb), 413)
    assert "pixels" in said and time.perf_counter() - begin < 5


def test_an_oversized_file_is_refused(web):
    said = web.refuses(web.give(b"\xff" * (2 << 20)), 413)
    assert "1 MiB" in said


def test_an_oversized_file_without_a_length_is_refused_while_it_comes(web):
    def body():
        yield b'--abc\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        for _ in range(64):
            yield b"\0" * (1 << 18)

    answer = web.client.post(
        "/api/photos", content=body(), headers={"content-type": "multipart/form-data; boundary=abc"}
    )
    assert "1 MiB" in web.refuses(answer, 413)


@pytest.mark.parametrize(
    "content", [b"", b"no image at all", b"%PDF-1.7", b"GIF89a", b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
)
def test_what_is_no_image_is_refused(web, content):
    assert "give" in web.refuses(web.give(content), 422) or content == b""


def test_a_photo_that_is_cut_short_fails_with_one_line(web, street):
    told = web.until_done(web.give(png_of(street)[:-20_000]).json()["id"])
    assert told["state"] == "failed" and "cut short" in told["error"] and "\n" not in told["error"]
    assert told["error"] in web.refuses(web.client.get(f"/api/photos/{told['id']}/picture.jpg"), 409)


NO_FILE = b'--abc\r\nContent-Disposition: form-data; name="photo"\r\n\r\nx\r\n--abc--\r\n'


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x", "application/json", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=abc", 400),
        (b"--abc--", "multipart/form-data; boundary=abc", 400),
        (NO_FILE, "multipart/form-data; boundary=abc", 400),
    ],
)  # fmt: skip
def test_what_is_no_form_with_a_photo_is_refused(web, content, kind, status):
    web.refuses(web.client.post("/api/photos", content=content, headers={"content-type": kind}), status)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("x=1", 400),
        ("x=1&y=a", 400),
        ("x=1&y=99999999999", 400),
        ("x=-1&y=3", 422),
        ("x=256&y=0", 422),
        ("x=0&y=128", 422),
    ],
)
def test_a_pixel_that_is_none_is_refused(web, told, query, status):
    web.refuses(web.client.get(f"/api/photos/{told['id']}/explanation?{query}"), status)


@pytest.mark.parametrize("query", ["min_score=a", "min_score=2", "min_score=nan", "class=nothing", "class=road"])
def test_a_choice_that_is_none_is_refused(web, told, query):
    answer = web.client.get(f"/api/photos/{told['id']}/coco.json?{query}")
    web.refuses(answer, answer.status_code)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize("number", [3, 10**8])
def test_a_frame_that_is_none_is_refused(web, number):
    web.refuses(web.client.post(f"/api/frames/{number}"), 404)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", "10.0.0.1", "[::1", ""]
)
def test_another_host_is_refused(web, host):
    said = web.refuses(web.client.get("/api/about", headers={"host": host}), 403)
    assert "127.0.0.1" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:8765", "LOCALHOST:1"])
def test_this_machine_is_answered(web, host):
    assert web.client.get("/api/about", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost:8765", "http://[", "http://[x]:1", ""],
)
def test_a_page_of_another_address_is_refused(web, origin, street):
    answer = web.client.post("/api/photos", files={"photo": ("a.png", png_of(street))}, headers={"origin": origin})
    web.refuses(answer, 403)


def test_no_page_loads_anything_from_outside(web):
    for address in ("/", "/truth", "/static/page.css", "/api/about", "/nothing"):
        headers = web.client.get(address).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "unsafe" not in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"
    from partwise.serve.pages import _files

    for name, content in _files().items():
        text = content.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text and "https:" not in text and "//" not in text.replace("// ", ""), name


@pytest.mark.parametrize(
    "address",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/static/app.py",
        "/api/photos/..%2f..%2fetc%2fpasswd",
        "/api/photos/x/..%2f..%2fsecret",
        "/etc/passwd",
    ],
)
def test_no_path_of_the_machine_can_be_read(web, address):
    answer = web.client.get(address)
    assert answer.status_code == 404 and list(answer.json()) == ["error"]
    assert "root:" not in answer.text and "import" not in answer.text


def test_no_answer_names_a_path_of_the_machine(web, site, city_root, tiny_model_file, street, tmp_path):
    told = web.done(street, "../../etc/pass wd.png")
    assert told["name"] == "pass wd.png"
    texts = [web.client.get(address).text for address in ("/api/about", "/api/frames", "/api/curve")]
    texts += [str(told), web.client.get(f"/api/photos/{told['id']}/coco.json").text]
    broken = city_root / "leftImg8bit"
    assert broken.is_dir()
    error = PartwiseError(f"{city_root}/leftImg8bit/val/x.png: no such file")

    class Broken(list):
        label_set = site.truth.scenes.label_set

        def __getitem__(self, i):
            raise error

    from partwise.serve.truth import Truth

    with pytest.raises(RefusedError) as said:
        Truth(Broken([0]), "city", str(city_root)).scene(0)
    texts.append(str(said.value))
    for text in texts:
        assert str(city_root) not in text and str(tiny_model_file.parent) not in text and "/" not in told["name"]


def test_the_second_user_waits_and_sees_it(web, site, street):
    go, begun = threading.Event(), threading.Event()

    def slow():
        begun.set()
        assert go.wait(20)
        raise PartwiseError("the first one failed")

    first = site.photos.add("first", slow)
    assert begun.wait(10)
    try:
        second, third = (web.give(png_of(street)).json()["id"] for _ in range(2))
        asked = lambda photo: web.client.get(f"/api/photos/{photo}").json()
        assert (asked(first.id)["state"], asked(second)["state"], asked(third)["state"]) == (
            "working",
            "waiting",
            "waiting",
        )
        assert (asked(second)["before"], asked(third)["before"]) == (1, 2)
        assert "2 photos wait" in web.refuses(web.give(png_of(street)), 503)
        web.refuses(web.client.get(f"/api/photos/{second}/picture.jpg"), 409)
    finally:
        go.set()
    assert web.until_done(first.id)["error"] == "the first one failed"
    done = [web.until_done(one) for one in (second, third)]
    assert done[0]["result"] == done[1]["result"] and done[0]["id"] != done[1]["id"]


def test_photos_are_computed_one_at_a_time_and_the_oldest_are_forgotten(segment, street):
    photos, running, most = Photos(Limits(kept=2, waiting=50)), [], []
    seen = see(segment, street)

    def work():
        running.append(1)
        most.append(len(running))
        time.sleep(0.002)
        running.pop()
        return Done(seen)

    def until_ended(photo):
        while photo.state not in ("done", "failed"):
            time.sleep(0.002)

    added = [photos.add(str(n), work) for n in range(6)]
    brief = photos.add("brief", work, brief=True)
    until_ended(brief)
    assert max(most) == 1 and brief.done is None and _kept(photos, brief)
    assert [one.name for one in added if not _kept(photos, one)] == ["0", "1", "2", "3"]
    photos.find(added[4].id)  # used again, so that the other one goes first
    until_ended(last := photos.add("last", work))
    assert _kept(photos, last) and _kept(photos, added[4]) and not _kept(photos, added[5])


def test_large_photos_are_forgotten_sooner(segment, street):
    seen = see(segment, street)
    pixels = street.shape[0] * street.shape[1]
    photos = Photos(Limits(kept=5, kept_pixels=2 * pixels))
    added = [photos.add(str(n), lambda: Done(seen)) for n in range(4)]
    while added[-1].state != "done":
        time.sleep(0.002)
    assert [_kept(photos, one) for one in added] == [False, False, True, True]
    tight = Photos(Limits(kept=5, kept_pixels=1))
    last = tight.add("last", lambda: Done(seen))
    while last.state != "done":
        time.sleep(0.002)
    assert _kept(tight, last)


def _kept(photos, photo) -> bool:
    try:
        return photos._all[photo.id] is photo
    except KeyError:
        return False


def test_a_forgotten_photo_is_one_line(web):
    assert "give it again" in web.refuses(web.client.get("/api/photos/abc"), 404)


def test_an_error_of_the_program_ends_one_photo_only(capsys):
    photos = Photos(Limits())
    for fault in (RuntimeError("secret /home/x"), MemoryError()):

        def work(fault=fault):
            raise fault

        photo = photos.add("x", work)
        while photo.state != "failed":
            time.sleep(0.002)
        assert "secret" not in photo.error and "\n" not in photo.error
    assert "secret" in capsys.readouterr().err


def test_a_text_chunk_that_inflates_without_end_is_refused():
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(buffer, "PNG")
    plain = buffer.getvalue()
    bomb = plain[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(b"\0" * (8 << 20), 9)) + plain[33:]
    assert len(bomb) < 1 << 20
    with pytest.raises(RefusedError):
        check_photo(bomb, Limits())
