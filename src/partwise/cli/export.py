"""The verb that writes a model to publish, or for another runtime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from partwise.cli.app import app, writes
from partwise.errors import PartwiseError
from partwise.terminal import console

ENDINGS = {"safetensors": ".safetensors", "onnx": ".onnx", "openvino": ".xml"}


@app.command
def export(
    model: str,
    /,
    *others: str,
    out: Annotated[Path, writes()],
    format: Literal["safetensors", "onnx", "openvino"] = "safetensors",
    half: bool = True,
    terms: str | None = None,
    decode: list[str] | None = None,
) -> None:
    """Write a model to publish: one safetensors file, in fp16 unless --no-half is given, or a file for another runtime.

    An ONNX file and an OpenVINO model predict without torch. They take images of any size and number, and are written
    only if the runtime computes the same as torch.

    Args:
        model: A model file or a run folder.
        others: Further models of the same network, such as runs that continued it; the mean of all weights is written.
        out: The file to write; its ending must be that of the format.
        format: safetensors: for torch; onnx: for ONNX Runtime; openvino: for OpenVINO, a .xml file with a .bin file
            beside it.
        half: Store floats as fp16, which halves the size; --no-half keeps fp32. Only for safetensors.
        terms: Terms of use of the training data; the file keeps them, and predictions show them.
        decode: A field of the decoder to change, such as nms_iou=0.6; can be given several times.
    """
    from partwise.model_files import find_model
    from partwise.training.checkpoint import average_models, save_model
    from partwise.training.config import assigned

    if out.suffix != ENDINGS[format]:
        raise PartwiseError(
            f"--out {out} --format {format}: ending and format differ: give a file with the ending {ENDINGS[format]}, "
            "or --format onnx for an .onnx file and --format openvino for an .xml file"
        )
    changes = dict(map(assigned, decode or []))
    files = [find_model(name) for name in (model, *others)]
    if out.exists() and any(out.samefile(file) for file in files):
        raise PartwiseError(f"{out}: this is the model that is read: give another file")
    method, info = average_models(files, decode=changes)
    info = replace(info, origin=info.origin | ({"terms": terms} if terms else {}))
    if format == "safetensors":
        save_model(out, method, info.origin, half=half)
    else:
        from partwise.runtime.export import export_onnx, export_openvino

        (export_onnx if format == "onnx" else export_openvino)(out, method, info)
    written = [out, out.with_suffix(".bin")] if format == "openvino" else [out]
    console.print("\n".join(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB)" for file in written))
    console.print(f"next: partwise predict PHOTO --model {out} --out OUT")
