"""Predict photos in batches, where a photo that fails does not take the others with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from partwise.data.given_image import as_image
from partwise.errors import PartwiseError
from partwise.machine import memory_for
from partwise.photo_files import Photo
from partwise.segmenter import Result, Segmenter

__all__ = ["InBatches"]


class InBatches:
    """The results of photos, each batch predicted when the first of its results is asked for.

    If a batch fails, such as for lack of memory, its photos are predicted one by one.

    Args:
        segment: The model.
        photos: All photos.
        batch: Number of photos that are read before the network runs; those of one size go through it together.
        arguments: Keyword arguments of a call of `segment`.

    Raises:
        PartwiseError: If `batch` is below 1.
    """

    def __init__(self, segment: Segmenter, photos: Sequence[Photo], batch: int, arguments: Mapping[str, Any]) -> None:
        if batch < 1:
            raise PartwiseError(f"--batch {batch}: give a number from 1 on")
        self._segment, self._photos, self._batch, self._arguments = segment, photos, batch, dict(arguments)
        self._ready: dict[int, Result | PartwiseError] = {}

    def __call__(self, index: int) -> Result:
        """Return the result of the photo at an index; each is asked for once, in the order of the photos.

        Raises:
            PartwiseError: If the photo cannot be read or predicted.
        """
        if index not in self._ready:
            self._predict(range(index, min(index + self._batch, len(self._photos))))
        found = self._ready.pop(index)
        if isinstance(found, PartwiseError):
            raise found
        return found

    def _predict(self, indices: range) -> None:
        """Predict a batch. What is left of an earlier one was not asked for, and will not be."""
        self._ready.clear()
        read: dict[int, np.ndarray] = {}
        for index in indices:
            try:
                with memory_for(self._photos[index].path):
                    read[index] = as_image(self._photos[index].path)
            except PartwiseError as error:
                self._ready[index] = error.with_traceback(None)  # a traceback would keep the photo in memory
        if len(read) > 1:
            try:
                with memory_for(self._photos[indices[0]].path):
                    together = list(self._segment.stream(list(read.values()), batch=len(read), **self._arguments))
                    named = zip(read, together, strict=True)
                    self._ready |= {i: replace(found, name=self._photos[i].name) for i, found in named}
                    return
            except PartwiseError:
                pass  # the photos are predicted one by one, so that the fault is that of one photo
        for index, pixels in read.items():
            self._ready[index] = self._alone(self._photos[index], pixels)

    def _alone(self, photo: Photo, pixels: np.ndarray) -> Result | PartwiseError:
        """Predict one photo."""
        try:
            with memory_for(photo.path):
                return self._segment(pixels, name=photo.name, **self._arguments)
        except PartwiseError as error:
            return error.with_traceback(None)
