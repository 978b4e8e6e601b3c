"""ONNX files: written by ``torch.onnx``, quantised and run by ONNX Runtime."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from visionlora.data.images.preprocessing import Preprocessing
from visionlora.errors import VisionLoraError
from visionlora.exporting.compare import Runner
from visionlora.exporting.prepared import normalisation, prepared

MOST_BYTES = 2**31 - 2**24
"""Of the weights: a file of protocol buffers holds no more than 2 GiB."""


def network_as_onnx(network: nn.Module, preprocessing: Preprocessing, precision: str) -> Any:
    """An ``onnx.ModelProto`` from normalised images to logits, any number of images at a time.

    Raises:
        VisionLoraError: the network is too large for one file, or does what ONNX has no operators for.
    """
    module, example = prepared(network, preprocessing, precision, "none")
    size = sum(tensor.nbytes for tensor in module.state_dict().values())
    if size > MOST_BYTES:
        raise VisionLoraError(
            f"output: the network has {size / 2**30:.1f} GiB of weights, and an ONNX file holds at most 2; "
            "use precision=float16, or a file that ends in .pt2"
        )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module, (example,), dynamo=True, verbose=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                input_names=["images"], output_names=["logits"],
            )  # fmt: skip
    except Exception as error:  # whatever the exporter meets in a network's code
        raise cannot_export("ONNX", error) from error
    assert program is not None
    return program.model_proto


class CannotExport(VisionLoraError):
    """An exporter does not take a network's code; what to do instead depends on the adapter."""


def cannot_export(what: str, error: Exception) -> CannotExport:
    """The error of an exporter in one line."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return CannotExport(f"output: the network cannot be exported as {what} ({first[:200]})")


def with_preprocessing(model: Any, preprocessing: Preprocessing, preprocess: str) -> Any:
    """The model with a graph before it that takes bytes, uint8 (images, height, width, 3).

    Args:
        model: from normalised images to logits.
        preprocessing: what the graph does.
        preprocess: ``normalise``: images are crops already; ``all``: images of any one size.

    Raises:
        VisionLoraError: a crop that is larger than the resized image.
    """
    import onnx

    if preprocess == "all" and preprocessing.crop > preprocessing.resize:
        raise VisionLoraError(
            f"preprocess: the crop of {preprocessing.crop} pixels is larger than the resized image "
            f"({preprocessing.resize}); use preprocess=normalise"
        )
    opset = next(one.version for one in model.opset_import if one.domain in ("", "ai.onnx"))
    text = _GRAPHS[preprocess].format(
        ir=model.ir_version,
        opset=opset,
        crop=preprocessing.crop,
        resize=preprocessing.resize,
        mode="linear" if preprocessing.interpolation == "bilinear" else "cubic",
        **{
            name: ", ".join(f"{number:.9g}" for number in tensor.flatten().tolist())
            for name, tensor in zip(("scale", "shift"), normalisation(preprocessing), strict=True)
        },
    )
    before = onnx.parser.parse_model(text)
    inner = onnx.compose.add_prefix(model, "network/", rename_outputs=False, rename_inputs=True)
    inner.graph.output[0].name = "logits"
    return onnx.compose.merge_models(before, inner, io_map=[("normalised", inner.graph.input[0].name)])


# Sizes as torchvision's Resize computes them (the longer side is cut off, not rounded), and the place of the
# crop as its CenterCrop does (half to even, as ONNX's Round).
_GRAPHS = {
    "normalise": """
        <ir_version: {ir}, opset_import: ["" : {opset}]>
        preprocessing (uint8[batch,{crop},{crop},3] images) => (float[batch,3,{crop},{crop}] normalised)
        <float[3,1,1] scale = {{{scale}}}, float[3,1,1] shift = {{{shift}}}> {{
            planes = Transpose <perm = [0, 3, 1, 2]> (images)
            numbers = Cast <to = 1> (planes)
            scaled = Mul (numbers, scale)
            normalised = Add (scaled, shift)
        }}""",
    "all": """
        <ir_version: {ir}, opset_import: ["" : {opset}]>
        preprocessing (uint8[batch,height,width,3] images) => (float[batch,3,{crop},{crop}] normalised)
        <float[3,1,1] scale = {{{scale}}}, float[3,1,1] shift = {{{shift}}},
         int64[1] resize = {{{resize}}}, int64[1] crop = {{{crop}}}, int64[2] axes = {{2, 3}},
         float[1] half = {{0.5}}, float black = {{0}}, float white = {{255}}> {{
            planes = Transpose <perm = [0, 3, 1, 2]> (images)
            numbers = Cast <to = 1> (planes)
            sides = Shape <start = 2, end = 4> (planes)
            shorter = ReduceMin <keepdims = 1> (sides)
            multiplied = Mul (sides, resize)
            resized_sides = Div (multiplied, shorter)
            others = Shape <start = 0, end = 2> (planes)
            sizes = Concat <axis = 0> (others, resized_sides)
            resized = Resize <mode = "{mode}", antialias = 1, cubic_coeff_a = -0.5,
                coordinate_transformation_mode = "half_pixel"> (numbers, , , sizes)
            whole = Round (resized)
            bytes = Clip (whole, black, white)
            margin = Sub (resized_sides, crop)
            margin_number = Cast <to = 1> (margin)
            halved = Mul (margin_number, half)
            first_number = Round (halved)
            first = Cast <to = 7> (first_number)
            end = Add (first, crop)
            cropped = Slice (bytes, first, end, axes)
            scaled = Mul (cropped, scale)
            normalised = Add (scaled, shift)
        }}""",
}


def quantised(model: Any, inputs: Iterator[Tensor], folder: Path) -> Any:
    """The model in int8: weights by channel, activations within the ranges that some images give.

    Args:
        model: in float32, from normalised images to logits.
        inputs: batches of normalised images.
        folder: for files on the way.
    """
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def get_next(self) -> dict[str, Any] | None:
            batch = next(inputs, None)
            return None if batch is None else {"images": batch.numpy()}

    plain, optimised, result = (folder / f"{name}.onnx" for name in ("plain", "optimised", "int8"))
    onnx.save(model, plain)
    with _errors_alone():  # it advises to do what is done here
        quant_pre_process(str(plain), str(optimised), skip_symbolic_shape=True)
        # 7 bits of weight: without VNNI, x86 adds pairs of products in 16 bits, which 8 bits overflow.
        quantize_static(
            str(optimised), str(result), Reader(), per_channel=True, reduce_range=True,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip
    return onnx.load(result)


@contextmanager
def _errors_alone() -> Iterator[None]:
    """Inside, the root logger, which ONNX Runtime's quantisation uses, passes errors alone."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def save_onnx(model: Any, path: Path, about: Mapping[str, str]) -> None:
    """Write the model, with texts that ``session.get_modelmeta().custom_metadata_map`` gives."""
    import onnx

    onnx.helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model)
    onnx.save(model, path)


def open_onnx(path: Path) -> Runner:
    """The file in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: torch.from_numpy(session.run(None, {"images": inputs.numpy()})[0])
