"""The options of a command that shows one view of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from partwise.cli.app import Device, Flip, Inference, Precision

if TYPE_CHECKING:
    from partwise.methods.options import InferenceOptions

__all__ = ["DEFAULT_INFERENCE_OF_VIEW", "InferenceOfView"]


@Parameter(name="*")
@dataclass(frozen=True)
class InferenceOfView:
    """The options of a command that shows one view of an image; as `Inference`, but with one scale.

    Attributes:
        device: Device of the network.
        precision: Precision of the network.
        scale: Factor by which the image is enlarged; None for the default scale of the model.
        flip: Whether the network also sees the mirror image.
        overview: Whether large objects are taken from a smaller view; None if neither was asked for.
    """

    device: Device = "auto"
    precision: Precision = "no"
    scale: Annotated[
        float | None,
        Parameter(
            help="factor by which the image is enlarged for the network, one number; the default scale of the model "
            "without it"
        ),
    ] = None
    flip: Flip = False
    overview: Annotated[
        bool | None,
        Parameter(
            help="for a page (--out FILE.html): take objects that are too large for the windows at a scale from a "
            "smaller view of the image; it does so without this option"
        ),
    ] = None

    def options(self) -> InferenceOptions:
        """Return the options of the library; PartwiseError if the scale is out of range."""
        return Inference(**vars(self) | {"overview": self.overview is not False}).options()


DEFAULT_INFERENCE_OF_VIEW = InferenceOfView()
