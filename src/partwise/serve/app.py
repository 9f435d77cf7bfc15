"""The addresses of the server: the pages, photos and their results, explanations, downloads, and frames with truth."""

from __future__ import annotations

import functools
import secrets
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from partwise.errors import PartwiseError
from partwise.segmenter import Segmenter
from partwise.serve.downloads import Choice, cityscapes_zip, coco_file, overlay_png, own_name, safe_name
from partwise.serve.forms import classes_json, explained_json, picture_of, result_json
from partwise.serve.guard import Guard
from partwise.serve.limits import DEFAULT_LIMITS, Limits, RefusedError, at_most, check_photo, decode_photo, too_large
from partwise.serve.pages import STATIC_TYPES, static_file
from partwise.serve.queue import Done, Photo, Photos
from partwise.serve.truth import Truth, truth_json
from partwise.serve.views import Seen, see, why_no_explanation
from streeteval.errors import on_one_line

__all__ = ["Site", "make_app"]

EXAMPLE_SIZE = (512, 1024)  # (H, W) of a drawn street in pixels
_ROOM_FOR_FORM = 64 << 10  # bytes of an upload besides the file
_DOWNLOADS = {
    "overlay.png": "image/png",
    "coco.json": "application/json",
    "cityscapes.zip": "application/zip",
}


class Site:
    """Everything behind the addresses: a model, the photos, and perhaps a data set.

    Args:
        segment: The model.
        truth: A split of a data set with truth; None for none.
        limits: What is accepted.
        name: What the page calls the model; "" for the recipe that it was trained with.
    """

    def __init__(
        self, segment: Segmenter, truth: Truth | None = None, limits: Limits = DEFAULT_LIMITS, name: str = ""
    ) -> None:
        self.segment, self.truth, self.limits = segment, truth, limits
        self.name = name or str(segment.info.origin.get("recipe") or "model")
        self.photos = Photos(limits)
        self.why_no_explanation = why_no_explanation(segment)

    async def page(self, request: Request) -> Response:
        """The page, or one of its files."""
        name = request.path_params.get("name") or {"/": "page.html", "/truth": "truth.html"}[request.url.path]
        content = static_file(name)
        if content is None:
            raise RefusedError("there is nothing at this address: open the page of this server", 404)
        return Response(content, media_type=STATIC_TYPES[name.rpartition(".")[2]])

    async def about(self, _request: Request) -> Response:
        """What the page says about model, data and limits."""
        method = self.segment.method
        data = None if self.truth is None else {"name": self.truth.name, "frames": len(self.truth.names)}
        return JSONResponse(
            {
                "model": self.name,
                "method": str(self.segment.info.method.get("kind", "")),
                "classes": classes_json(method.label_set),
                "has_instances": method.has_instances,
                "why_no_explanation": self.why_no_explanation,
                "upload_bytes": self.limits.upload_bytes,
                "pixels": self.limits.pixels,
                "kept": self.limits.kept,
                "data": data,
            }
        )

    async def upload(self, request: Request) -> Response:
        """Take a photo; it waits for its turn."""
        name, data = await self._file_of(request)
        await run_in_threadpool(check_photo, data, self.limits)
        stem = safe_name(name)
        work = lambda: Done(see(self.segment, decode_photo(data), stem))
        photo = self.photos.add(stem, work, file_name=own_name(name))
        return JSONResponse({"id": photo.id}, 202)

    async def example(self, _request: Request) -> Response:
        """Draw a street, for people who have no photo at hand."""
        number = secrets.randbelow(1 << 16)

        def work() -> Done:
            from partwise.data.streets import Streets

            return Done(see(self.segment, Streets(1, EXAMPLE_SIZE, seed=number)[0].image_HW3, "street"))

        return JSONResponse({"id": self.photos.add("street", work).id}, 202)

    async def _file_of(self, request: Request) -> tuple[str, bytes]:
        """Name and content of the file in a form."""
        most = self.limits.upload_bytes
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > most + _ROOM_FOR_FORM:
            raise too_large(most)
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise RefusedError("give the photo as the field photo of a form", 415)
        try:
            async with aclosing(at_most(request.stream(), most + _ROOM_FOR_FORM)) as chunks:
                form = await MultiPartParser(request.headers, chunks, max_files=1, max_fields=4).parse()
        except (MultiPartException, KeyError) as error:
            raise RefusedError(f"the form cannot be read ({error}): give the photo as its field photo") from None
        try:
            file = form.get("photo")
            if not isinstance(file, UploadFile):
                raise RefusedError("the form has no file: give the photo as its field photo")
            data = await file.read()
        finally:
            await form.close()
        if len(data) > most:
            raise too_large(most)
        return file.filename or "", data

    async def state(self, request: Request) -> Response:
        """How far a photo is, and its results once it is done."""
        photo = self.photos.find(request.path_params["id"])
        told: dict[str, Any] = {"id": photo.id, "state": photo.state, "name": photo.file_name}
        if photo.state == "failed":
            return JSONResponse(told | {"error": photo.error})
        if photo.state == "done" and photo.brief:
            return JSONResponse(told)
        if photo.done is None:
            return JSONResponse(told | {"before": self.photos.before(photo)})
        return JSONResponse(told | await run_in_threadpool(self._results, photo.done))

    def _results(self, done: Done) -> dict[str, Any]:
        result = done.seen.result
        page = self.limits.page_size(result.size)
        told: dict[str, Any] = {"result": result_json(result, page)}
        if done.scene is not None:
            told["truth"] = truth_json(done.scene, result, page)
        return told

    def _done(self, request: Request) -> tuple[Photo, Done]:
        """A photo that is done."""
        photo = self.photos.find(request.path_params["id"])
        if photo.done is None:
            raise RefusedError(photo.error or "this photo is not done yet: wait for it", 409)
        return photo, photo.done

    async def picture(self, request: Request) -> Response:
        """The photo at the size of the page."""
        _, done = self._done(request)
        image_HW3 = done.seen.result.image_HW3
        assert image_HW3 is not None
        page = self.limits.page_size(done.seen.result.size)
        return Response(await run_in_threadpool(picture_of, image_HW3, page), media_type="image/jpeg")

    async def explanation(self, request: Request) -> Response:
        """Why a pixel belongs to its instance."""
        _, done = self._done(request)
        if self.why_no_explanation:
            raise RefusedError(self.why_no_explanation, 409)
        x, y = (_number(request, axis) for axis in "xy")
        instance = _number(request, "instance", -1)
        return JSONResponse(await run_in_threadpool(self._explained, done, x, y, instance))

    def _explained(self, done: Done, x: int, y: int, instance: int) -> dict[str, Any]:
        explained = done.seen.explain(x, y, instance)
        return explained_json(explained, self.segment.method) | {"pixel": [x, y]}

    async def download(self, request: Request) -> Response:
        """The instances that are shown, as a file."""
        photo, done = self._done(request)
        kind = request.path_params["kind"]
        if kind not in _DOWNLOADS:
            raise RefusedError(f"there are {', '.join(_DOWNLOADS)} to download", 404)
        choice, result = _choice(request), done.seen.result
        if kind == "overlay.png":
            make = functools.partial(overlay_png, result, choice)
        elif kind == "coco.json":
            make = functools.partial(coco_file, result, choice, photo.file_name)
        else:
            told_apart = self.segment.method.has_instances
            make = functools.partial(cityscapes_zip, result, choice, photo.name, instances=told_apart)
        content = await run_in_threadpool(make)
        as_file = f'attachment; filename="{photo.name}_{kind}"'
        return Response(content, media_type=_DOWNLOADS[kind], headers={"Content-Disposition": as_file})

    async def frames(self, _request: Request) -> Response:
        """Names of the frames with truth."""
        return JSONResponse({"name": self._truth.name, "frames": self._truth.names})

    async def frame(self, request: Request) -> Response:
        """Predict a frame; it waits for its turn as a photo does. With `brief`, only for the curve."""
        truth, number = self._truth, int(request.path_params["number"])
        if not 0 <= number < len(truth.names):
            raise RefusedError(f"frame {number}: the data have the frames 0 to {len(truth.names) - 1}", 404)

        brief = "brief" in request.query_params

        def work() -> Done:
            scene = truth.scene(number)
            image_HW3 = scene.image_HW3
            seen = Seen(self.segment(image_HW3), ()) if brief else see(self.segment, image_HW3, scene.name)
            truth.observe(scene, seen.result)
            return Done(seen, scene)

        photo = self.photos.add(safe_name(truth.names[number] + ".png"), work, brief=brief)
        return JSONResponse({"id": photo.id}, 202)

    async def curve(self, _request: Request) -> Response:
        """AP and its curve over the frames that were looked at."""
        return JSONResponse(await run_in_threadpool(self._truth.curve_json))

    @property
    def _truth(self) -> Truth:
        if self.truth is None:
            raise RefusedError("the server has no data: start it with a data set", 404)
        return self.truth


def make_app(site: Site) -> Starlette:
    """Make the application of a site."""
    routes: list[tuple[str, Callable[[Request], Awaitable[Response]], str]] = [
        ("/", site.page, "GET"),
        ("/truth", site.page, "GET"),
        ("/static/{name}", site.page, "GET"),
        ("/api/about", site.about, "GET"),
        ("/api/photos", site.upload, "POST"),
        ("/api/example", site.example, "POST"),
        ("/api/photos/{id}", site.state, "GET"),
        ("/api/photos/{id}/picture.jpg", site.picture, "GET"),
        ("/api/photos/{id}/explanation", site.explanation, "GET"),
        ("/api/photos/{id}/{kind}", site.download, "GET"),
        ("/api/frames", site.frames, "GET"),
        ("/api/frames/{number:int}", site.frame, "POST"),
        ("/api/curve", site.curve, "GET"),
    ]
    return Starlette(
        routes=[Route(path, endpoint, methods=[method]) for path, endpoint, method in routes],
        middleware=[Middleware(Guard)],
        exception_handlers={PartwiseError: _mistake, HTTPException: _http, Exception: _fault},
    )


async def _mistake(_request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, RefusedError) else 422
    return JSONResponse({"error": on_one_line(str(error))}, status)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing at this address", 405: "this address does not take such a request"}
    return JSONResponse({"error": words.get(error.status_code, on_one_line(error.detail))}, error.status_code)


async def _fault(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "an error of the program: the terminal of the server says more"}, 500)


def _number(request: Request, name: str, default: int | None = None) -> int:
    """A whole number of the query."""
    given = request.query_params.get(name, "" if default is None else str(default))
    try:
        if len(given) > 9:
            raise ValueError
        return int(given)
    except ValueError:
        raise RefusedError(f"{name}={given[:20]!r}: give a whole number") from None


def _choice(request: Request) -> Choice:
    """Which instances the query asks for."""
    query = request.query_params
    try:
        score = float(query.get("min_score", "0"))
    except ValueError:
        raise RefusedError(f"min_score={query['min_score'][:20]!r}: give a number in 0..1") from None
    classes = tuple(query.getlist("class")) if "class" in query or "no_class" in query else None
    return Choice(score, classes, query.get("distinct", "1") != "0")
