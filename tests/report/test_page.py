import base64
import io
import json
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from partwise.errors import PartwiseError
from partwise.report.page import write_report
from partwise.report.tables import Bar, Table
from streeteval.labels import CITYSCAPES

VOID_TAGS = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Tags in order, all text, pictures; fails where tags do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.text, self.images, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.text.append(data.strip())

    @property
    def words(self):
        return " ".join(filter(None, self.text))


def picture_of(uri):
    kind, content = uri.split(";base64,")
    assert kind in ("data:image/png", "data:image/jpeg")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("RGB"))


def evaluation():
    things = {label.name: {"ap": 0.25, "ap50": 0.5} for label in CITYSCAPES.things}
    things["train"] = {"ap": None, "ap50": None}
    classes = {label.name: {"iou": 0.75, "iiou": None} for label in CITYSCAPES.evaluated}
    return {
        "semantic": {"iou_class": 0.5731, "iiou_class": None, "iou_category": 0.8, "iiou_category": float("nan"),
                     "per_class": classes},
        "instance": {"ap": 0.2468, "ap50": 0.4, "per_class": things},
    }  # fmt: skip


@pytest.fixture(scope="module")
def full_page(tmp_path_factory):
    tmp_path, rng = tmp_path_factory.mktemp("page"), np.random.default_rng(0)
    metrics = tmp_path / "metrics.jsonl"
    lines = [
        {"step": s, "seconds": s / 2, "loss": 3 / s, "loss_terms": {"a": 2 / s, "b": 1 / s}, "lr": 0.1}
        for s in range(1, 30)
    ]
    lines.append({"step": 29, "evaluation": evaluation()})
    metrics.write_text("\n".join(json.dumps(line) for line in lines))
    colours = {name: rng.integers(0, 256, 3, dtype=np.uint8) for name in ("first", "second", "third", "fourth")}
    flat = {name: np.tile(colour, (20, 30, 1)) for name, colour in colours.items()}
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    path = write_report(
        tmp_path / "run" / "report.html",
        title="A <run> & its figures",
        lead="One sentence.",
        summary={"recipe": "demo", "seed": 0, "minutes": 2.01234, "parameters": 4652008, "machine": None},
        caveats=["Rendered scenes only: <b>not</b> comparable."],
        metrics=metrics,
        evaluation=evaluation(),
        comparisons=[("first", flat["first"]), ("second", flat["second"])],
        predictions=[("third", flat["third"])],
        figures=[("fourth", flat["fourth"]), ("a plot", figure)],
        tables=[Table("Speed", ("stage", "ms", "share"), [["network", 12.5, Bar(0.8)]], "Median of 20.")],
    )
    return path.read_text(encoding="utf-8"), colours


def test_the_page_needs_nothing_from_outside(full_page):
    text, _ = full_page
    page = Page(text)
    assert "http:" not in text and "https:" not in text and "<script" not in text and "url(" not in text
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        assert all(attributes.get(name, "data:").startswith("data:") for name in ("src", "href"))
    assert ("meta", {"charset": "utf-8"}) in page.tags


def test_every_picture_is_there_once_with_its_caption(full_page):
    text, colours = full_page
    page = Page(text)
    assert [image["alt"] for image in page.images if image["alt"] in colours] == list(colours)
    assert len(page.images) == len({image["src"] for image in page.images}) == len(colours) + 2
    for image in page.images:
        picture = picture_of(image["src"])
        if image["alt"] in colours:
            assert picture.shape == (20, 30, 3)
            assert np.abs(picture.astype(int) - colours[image["alt"]]).max() <= 6  # JPEG
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["for"] for tag, attributes in page.tags if tag == "label"} <= set(ids)


def test_every_figure_and_its_definition_is_in_words(full_page):
    words = Page(full_page[0]).words
    for part in (
        "demo",
        "2.012",
        "4,652,008",
        "24.7",
        "57.3",
        "IoU = TP / (TP + FP + FN)",
        "AP50: at IoU .50",
        "Median of 20.",
    ):
        assert part in words, part
    for label in CITYSCAPES.evaluated:
        assert label.name in words
    assert "nan" not in words.lower().split() and "None" not in words


def test_text_is_text_and_no_markup(full_page):
    text, _ = full_page
    assert "A <run> & its figures" in Page(text).words and "<run>" not in text
    assert "<b>not</b> comparable" in Page(text).words


def test_what_is_not_given_has_no_section(tmp_path):
    path = write_report(tmp_path / "r.html", title="t", summary={"recipe": "x"})
    page = Page(path.read_text())
    assert [attributes["id"] for tag, attributes in page.tags if tag == "section"] == ["summary"]
    assert not page.images and not any(tag == "table" for tag, _ in page.tags)


def test_an_evaluation_of_nothing(tmp_path):
    nothing = {
        "semantic": None,
        "instance": {"ap": None, "ap50": None, "per_class": {"car": {"ap": None, "ap50": None}}},
    }
    words = Page(write_report(tmp_path / "r.html", title="t", summary={}, evaluation=nothing).read_text()).words
    assert "not defined here" in words and "–" in words


def test_faults_are_said_and_leave_no_page(tmp_path):
    with pytest.raises(PartwiseError, match="picture 'x' is float64"):
        write_report(tmp_path / "r.html", title="t", summary={}, figures=[("x", np.zeros((2, 2, 3)))])
    with pytest.raises(PartwiseError, match=r"cannot read .*none\.jsonl"):
        write_report(tmp_path / "r.html", title="t", summary={}, metrics=tmp_path / "none.jsonl")
    assert not list(tmp_path.iterdir())
