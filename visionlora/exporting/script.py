"""The script beside an ONNX file that predicts with it in ONNX Runtime alone."""

from __future__ import annotations

from visionlora.data.images.preprocessing import Preprocessing

_SCRIPT = '''"""Prints {what} of images. Needs numpy, onnxruntime and pillow."""
import json, os, pathlib, sys
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # ONNX Runtime reports its use to Microsoft without it
import numpy, onnxruntime
from PIL import Image, ImageOps
session = onnxruntime.InferenceSession(str(pathlib.Path(__file__).with_name({name!r})))
about = session.get_modelmeta().custom_metadata_map
names = json.loads(about["categories"])
if len(sys.argv) == 1:
    sys.exit("usage: python " + sys.argv[0] + " IMAGE ...")
for path in sys.argv[1:]:
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
{steps}
    logits = session.run(None, {{"images": pixels[None]}})[0][0]
    print(path, {said}, sep="\\t")
'''
_ONE = "names[int(logits.argmax())]"
_ALL = """*[
        name for name, logit, least in zip(names, logits, json.loads(about["thresholds"]))
        if 1 / (1 + numpy.exp(-float(logit))) > least
    ]"""
_CROP = """\
    image = image.resize([int({resize} * side / min(image.size)) for side in image.size], Image.{mode})
    left, top = (round((side - {crop}) / 2) for side in image.size)
    image = image.crop((left, top, left + {crop}, top + {crop}))
"""
_STEPS = {
    "none": _CROP
    + """\
    pixels = (numpy.asarray(image, "float32") / 255 - {mean}) / {std}
    pixels = pixels.astype("float32").transpose(2, 0, 1)""",
    "normalise": _CROP + "    pixels = numpy.asarray(image)",
    "all": "    pixels = numpy.asarray(image)",
}


def onnx_script(name: str, preprocessing: Preprocessing, preprocess: str, several: bool = False) -> str:
    """The text of the script.

    Args:
        name: of the ONNX file, in the script's own folder.
        preprocessing: of the network's input.
        preprocess: what the file does of it itself.
        several: whether an image may have several labels.
    """
    steps = _STEPS[preprocess].format(
        resize=preprocessing.resize,
        crop=preprocessing.crop,
        mode=preprocessing.interpolation.upper(),
        mean=list(preprocessing.mean),
        std=list(preprocessing.std),
    )
    what, said = ("the labels", _ALL) if several else ("the most probable class", _ONE)
    return _SCRIPT.format(name=name, steps=steps, what=what, said=said)
