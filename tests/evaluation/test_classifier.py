"""A trained network answers for files, Pillow images and tensors alike."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.v2.functional import pil_to_tensor

from tests.conftest import PREPROCESSING, Draw
from visionlora.errors import VisionLoraError
from visionlora.evaluation.classifier import Classifier

CLASSES = ("red", "blue", "green", "grey")


@pytest.fixture
def classifier(network: nn.Module) -> Classifier:
    return Classifier(network, CLASSES, PREPROCESSING)


def test_the_same_image_gets_the_same_answer_in_every_form(classifier: Classifier, draw: Draw) -> None:
    path = draw("a.png", (24, 24))
    image = Image.open(path)
    forms = [path, str(path), image, image.convert("RGBA"), pil_to_tensor(image.convert("RGB"))]
    answers = classifier.predict(forms, top=2)
    assert len(answers) == len(forms)
    assert all(answer == answers[0] for answer in answers)
    assert classifier.predict(path, top=2) == answers[:1]
    (first, probability), second = answers[0]
    assert first in CLASSES
    assert 1 >= probability >= second[1] >= 0


@pytest.mark.parametrize("kind", ["transparent", "turned", "deep"])
def test_a_pillow_image_is_what_its_file_is(
    classifier: Classifier, draw: Draw, tmp_path: Path, kind: str
) -> None:
    image, path, options = Image.open(draw("a.png", (40, 24))), tmp_path / "b.png", {}
    if kind == "transparent":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    elif kind == "turned":
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = 6
    else:
        image = Image.fromarray(numpy.asarray(image.convert("L")).astype(numpy.uint16) * 257)
    image.save(path, **options)
    assert torch.equal(classifier.transform(Image.open(path)), classifier.transform(path))


def test_batches_do_not_change_answers_or_their_order(classifier: Classifier, draw: Draw) -> None:
    paths = [draw(f"{place}.png", colour=(60 * place, 10, 200)) for place in range(4)]
    alone = [classifier.predict(path)[0] for path in paths]
    for size in (1, 3, 8):
        for one, other in zip(classifier.predict(paths, batch_size=size), alone, strict=True):
            assert one[0][0] == other[0][0]
            assert one[0][1] == pytest.approx(other[0][1], abs=1e-5)


def test_the_transform_is_the_networks_input(classifier: Classifier, draw: Draw) -> None:
    path = draw("a.png")
    image = classifier.transform(path)
    assert image.dtype == torch.float32
    assert image.shape == (3, PREPROCESSING.crop, PREPROCESSING.crop)
    expected = classifier(image[None]).softmax(1).amax()
    assert classifier.predict(path)[0][0][1] == pytest.approx(float(expected))


def test_what_is_no_image_is_refused(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"float32 \(3, 8, 8\); give uint8"):
        classifier.predict(torch.rand(3, 8, 8))
    with pytest.raises(ValueError, match=r"uint8 \(3, 0, 8\); give uint8"):
        classifier.predict(torch.zeros(3, 0, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"a Pillow image, as Image.fromarray\(array\) of RGB, or a uint8"):
        classifier.predict([numpy.zeros((8, 8, 3), numpy.uint8)])
    for wrong, kind in ((None, "NoneType"), (b"\xff\xd8", "bytes")):
        with pytest.raises(ValueError, match=f"an image is a path, .* not {kind}"):
            classifier.predict(wrong)  # type: ignore[arg-type]
    with pytest.raises(VisionLoraError, match=r"none\.jpg: no such file; check the path"):
        classifier.predict(tmp_path / "none.jpg")
    for wrong in ({"top": 0}, {"batch_size": 0}, {"batch_size": -1}):
        with pytest.raises(ValueError, match="give a whole number of at least 1"):
            classifier.predict(torch.zeros(3, 8, 8, dtype=torch.uint8), **wrong)
    (tmp_path / "broken.jpg").write_text("no image")
    with pytest.raises(VisionLoraError, match=r"broken\.jpg"):
        classifier.predict(tmp_path / "broken.jpg")


def test_a_glob_is_a_list_of_images(classifier: Classifier, draw: Draw) -> None:
    paths = [draw("a.png"), draw("b.png")]
    assert classifier.predict(sorted(paths)) == classifier.predict(path for path in sorted(paths))


def test_no_images_have_no_answers(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
