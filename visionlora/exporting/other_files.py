"""Files other than ONNX: torch.export's programs, plain weights, Core ML and LiteRT."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from visionlora.errors import VisionLoraError
from visionlora.exporting.compare import Runner
from visionlora.exporting.onnx_file import cannot_export
from visionlora.models.merge_weights import separate
from visionlora.models.weights import fill

ABOUT = "about.json"
"""The name of our own texts in a ``.pt2`` file."""


def require_packages(suffix: str) -> None:
    """Check that the packages of a format are there, before any work.

    Raises:
        VisionLoraError: names the one that is missing.
    """
    packages = {
        ".onnx": {"onnx": "onnx", "onnxruntime": "onnxruntime", "onnxscript": "onnxscript"},
        ".mlpackage": {"coremltools": "coremltools"},
        ".tflite": {"litert_torch": "litert-torch", "ai_edge_litert": "ai-edge-litert"},
    }
    for module, package in packages.get(suffix, {}).items():
        try:
            importlib.import_module(module)
        except ImportError as error:
            extra = "; or all of it: pip install 'visionlora[export]'" if suffix == ".onnx" else ""
            missing = error.name if importlib.util.find_spec(module) else None
            needs = f", which needs the module {missing}" if missing not in (None, module) else ""
            raise VisionLoraError(
                f"output: {suffix} needs the package {package}{needs}; pip install {package}{extra}"
            ) from error


def program(module: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The module as torch.export has it, for any number of images.

    Raises:
        VisionLoraError: its code cannot be traced.
    """
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    except Exception as error:  # whatever the exporter meets in a network's code
        raise cannot_export("a program of torch.export", error) from error


def save_program(module: nn.Module, example: Tensor, path: Path, about: Mapping[str, str]) -> None:
    """Write a ``.pt2`` file, which ``torch.export.load(path).module()`` runs."""
    torch.export.save(program(module, example), path, extra_files={ABOUT: json.dumps(dict(about))})


def open_program(path: Path) -> Runner:
    """The file, loaded again."""
    module = torch.export.load(path).module()
    return lambda inputs: module(inputs)


def save_weights(
    network: nn.Module, path: Path, about: Mapping[str, str], recipe: Mapping[str, Any], half: bool
) -> None:
    """Write plain weights, in float16 if asked for."""
    state = {
        key: tensor.half() if half and tensor.is_floating_point() else tensor
        for key, tensor in network.state_dict().items()
    }
    save_file(
        separate(state),
        path,
        {
            **about,
            **{key: value if isinstance(value, str) else json.dumps(value) for key, value in recipe.items()},
        },
    )


def fill_from(path: Path, network: nn.Module) -> None:
    """Give a network, which comes on the meta device, the file's weights in float32."""
    fill(network, load_file(path), str(path))


def save_coreml(module: nn.Module, example: Tensor, path: Path, about: Mapping[str, str], half: bool) -> None:
    """Write a Core ML package, which computes in float16 if asked for.

    Raises:
        VisionLoraError: the network has something that Core ML does not have.
    """
    import coremltools

    precision = coremltools.precision.FLOAT16 if half else coremltools.precision.FLOAT32
    try:
        model = coremltools.convert(
            program(module, example).run_decompositions({}),
            minimum_deployment_target=coremltools.target.iOS17,
            compute_precision=precision,
            convert_to="mlprogram",
        )
    except VisionLoraError:
        raise
    except Exception as error:  # whatever the converter meets in the program
        raise cannot_export("Core ML", error) from error
    for key, value in about.items():
        model.user_defined_metadata[key] = value
    model.save(str(path))


def open_coreml(path: Path) -> Runner | None:
    """The package, opened again; None where the system is not macOS, the only one that runs it."""
    import coremltools

    predicts = sys.platform == "darwin"
    model = coremltools.models.MLModel(str(path), skip_model_load=not predicts)
    description = model.get_spec().description
    name, logits = description.input[0].name, description.output[0].name
    if not predicts:
        return None
    return lambda inputs: torch.from_numpy(model.predict({name: inputs.numpy()})[logits])


def save_litert(module: nn.Module, example: Tensor, path: Path) -> None:
    """Write a LiteRT file, which takes one image at a time.

    Raises:
        VisionLoraError: the network has something that LiteRT does not have.
    """
    import litert_torch

    try:
        litert_torch.convert(module, (example[:1],)).export(str(path))
    except Exception as error:  # whatever the converter meets in the network's code
        raise cannot_export("LiteRT", error) from error


def open_litert(path: Path) -> Runner:
    """The file in LiteRT's interpreter, an image at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    place, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(inputs: Tensor) -> Tensor:
        logits = []
        for image in inputs:
            interpreter.set_tensor(place, image[None].numpy())
            interpreter.invoke()
            logits.append(torch.from_numpy(interpreter.get_tensor(result).copy()))
        return torch.cat(logits)

    return run
