"""The verb that writes a model to publish, or for another runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from partwise.cli.app import NO_DATA, Data, app, keep_and_show, writes
from partwise.data.source import DataSource
from partwise.errors import PartwiseError
from partwise.terminal import console, counting
from partwise.written import INT8

if TYPE_CHECKING:
    from partwise.methods import Method
    from partwise.model_info import ModelInfo

ENDINGS = {"safetensors": ".safetensors", "onnx": ".onnx", "openvino": ".xml"}


@Parameter(name="*")  # its fields are options of the command itself
@dataclass(frozen=True)
class Quantisation:
    """The options of an export in int8.

    Attributes:
        int8: Quantise the network of an ONNX file; needs a data set.
        split: Split of the data set; on a split that the model is judged on, the scores of --int8 would be optimistic.
        frames: Largest number of frames to score for --int8, evenly spaced; up to 16 others calibrate.
        max_drop: Largest fall of AP, 0 to 1, with which an int8 file is written.
        weight_bits: Bits of the weights of --int8. 7 is right on every processor. 8 is right on processors with VNNI
            and on ARM processors, and is the default there.
        json: File for the figures of --int8.
    """

    int8: bool = False
    split: str = "train"
    frames: int = 32
    max_drop: float = 0.01
    weight_bits: Literal[7, 8] | None = None
    json: Annotated[Path | None, writes(INT8)] = None

    def require(self, form: str, source: DataSource) -> None:
        """Check that the options fit the format and the data set.

        Raises:
            PartwiseError: If they do not.
        """
        if self.int8 and form != "onnx":
            raise PartwiseError(f"--int8 --format {form}: only ONNX files are quantised: give --format onnx")
        if self.int8 and not source.is_given:
            raise PartwiseError("--int8: it needs frames to calibrate on and to measure AP on: give --data ROOT")
        if not self.int8 and (source.is_given or self.json is not None or self.weight_bits is not None):
            raise PartwiseError(
                "--data, --json and --weight-bits are for --int8, which is not given: give --int8, or leave them out"
            )


IN_FP32 = Quantisation()


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
    source: Data = NO_DATA,
    quantisation: Quantisation = IN_FP32,
) -> None:
    """Write a model to publish: one safetensors file, in fp16 unless --no-half is given, or a file for another runtime.

    An ONNX file and an OpenVINO model predict without torch. They take images of any size and number, and are written
    only if the runtime computes the same as torch.

    With --int8 an ONNX file is quantised on frames of a data set. AP and time are measured in fp32 and in int8, on
    other frames, and the file keeps the figures. If AP falls by more than --max-drop, nothing is written.

    Args:
        model: A model file, a run folder, or the name of a model.
        others: Further models with the same network, such as runs that continued it. The mean of all weights is
            written.
        out: The file to write; its ending must be that of the format.
        format: safetensors: for torch; onnx: for ONNX Runtime; openvino: for OpenVINO, a .xml file with a .bin file
            beside it.
        half: Store floats as fp16, which halves the size; --no-half keeps fp32. Only for safetensors.
        terms: Terms of use of the training data; the file keeps them, and predictions show them.
        decode: A field of the decoder to change, such as nms_iou=0.6; can be given several times.
        source: The data set for --int8.
        quantisation: The options of --int8.
    """
    quantisation.require(format, source)
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
    if quantisation.int8:
        _export_int8(out, method, info, source, quantisation)
    elif format == "safetensors":
        save_model(out, method, info.origin, half=half)
    else:
        from partwise.runtime.export import export_onnx, export_openvino

        (export_onnx if format == "onnx" else export_openvino)(out, method, info)
    written = [out, out.with_suffix(".bin")] if format == "openvino" else [out]
    console.print("\n".join(f"wrote {file} ({file.stat().st_size / 1e6:.1f} MB)" for file in written))
    console.print(f"next: partwise predict PHOTO --model {out} --out OUT")


def _export_int8(out: Path, method: Method, info: ModelInfo, source: Data, options: Quantisation) -> None:
    """Quantise a network, and show and keep the figures, see `runtime.quantise.export_int8`."""
    from partwise.evaluation.model import require_same_classes
    from partwise.report.description import measured_table
    from partwise.report.text import table_text
    from partwise.runtime.quantise import export_int8
    from streeteval.reading.truth import require_truth

    split = source.find_split(options.split)
    scenes, where = source.open_as(split, method.label_set), f"{source}, split {split}"
    require_truth(scenes, where)
    require_same_classes(method, scenes.label_set, where)
    with counting("quantising") as progress:
        measured = export_int8(
            out,
            method,
            info,
            scenes,
            data=f"{source.name}, split {split}",
            frames=options.frames,
            max_drop=options.max_drop,
            weight_bits=options.weight_bits,
            progress=progress,
        )
    table = measured_table(measured)
    text = f"{table.title}\n{table_text(table)}\n{table.note}"
    keep_and_show(options.json, measured, lambda: console.print(text, markup=False, highlight=False, soft_wrap=True))
