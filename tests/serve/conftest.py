"""One site of a tiny model with small limits, and ways to ask it."""

import time
from dataclasses import dataclass

import pytest
from serve_photos import png_of
from starlette.testclient import TestClient

from partwise.data.source import DataSource
from partwise.segmenter import load
from partwise.serve.app import Site, make_app
from partwise.serve.limits import Limits
from partwise.serve.truth import Truth

LIMITS = Limits(
    upload_bytes=1 << 20, pixels=600_000, kept=6, waiting=2, page_px=200
)  # photos of 256x128 are shown smaller


@pytest.fixture(scope="package")
def segment(tiny_model_file):
    return load(tiny_model_file, device="cpu")


@pytest.fixture(scope="package")
def site(segment, city_root) -> Site:
    source = DataSource.of(city_root)
    scenes = source.open_as("val", segment.method.label_set)
    return Site(segment, Truth(scenes, "city", str(city_root)), LIMITS)


@dataclass
class Web:
    """Asks the site as a browser on this machine does."""

    client: TestClient

    def give(self, content: bytes, name: str = "a.png"):
        return self.client.post("/api/photos", files={"photo": (name, content)})

    def until_done(self, photo: str) -> dict:
        for _ in range(3000):
            told = self.client.get(f"/api/photos/{photo}").json()
            if told["state"] in ("done", "failed"):
                return told
            time.sleep(0.01)
        raise AssertionError(told)

    def done(self, image_HW3, name: str = "a.png") -> dict:
        answer = self.give(png_of(image_HW3), name)
        assert answer.status_code == 202, answer.text
        told = self.until_done(answer.json()["id"])
        assert told["state"] == "done", told
        return told

    def refuses(self, answer, status: int) -> str:
        """The error of an answer: one line of JSON."""
        assert answer.status_code == status, answer.text
        (line,) = answer.json().values()
        assert list(answer.json()) == ["error"] and line and "\n" not in line
        return line


@pytest.fixture(scope="package")
def web(site) -> Web:
    return Web(TestClient(make_app(site), base_url="http://127.0.0.1:8765"))


@pytest.fixture(scope="package")
def street(scenes):
    return scenes[0].image_HW3


@pytest.fixture
def told(web, street) -> dict:
    """What the site says of a street; each test has one of its own, as few are kept."""
    return web.done(street)
