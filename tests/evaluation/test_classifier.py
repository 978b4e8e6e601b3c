"""A trained network answers for files, Pillow images and tensors alike."""

from __future__ import annotations

from pathlib import Path

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
    (tmp_path / "broken.jpg").write_text("no image")
    with pytest.raises(VisionLoraError, match=r"broken\.jpg"):
        classifier.predict(tmp_path / "broken.jpg")


def test_no_images_have_no_answers(classifier: Classifier) -> None:
    assert classifier.predict([]) == []
