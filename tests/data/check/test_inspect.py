"""What is said about a folder before training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from visionlora.data.check.findings import Finding, FolderReport, Output
from visionlora.data.check.inspect import inspect_folder
from visionlora.data.copies.duplicates import Comparison
from visionlora.data.images.decode import ImageFile
from visionlora.data.index.fingerprints import fingerprints
from visionlora.data.layout.folders import scan_images, survey
from visionlora.models.class_outputs import describe_outputs
from visionlora.models.classes import imagenet_categories, imagenet_wnids
from visionlora.paths import shipped

PHOTOS = shipped("data/pocket_photos/anchor")


def photos(name: str) -> list[Path]:
    return [*sorted((PHOTOS / name).iterdir()), *sorted((PHOTOS.parent / "val" / name).iterdir())]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, six training images and two validation images each, nothing wrong."""
    root = tmp_path / "folder"
    for name in ("lemon", "teapot"):
        for place, path in enumerate(photos(name)[:8]):
            target = root / ("train" if place < 6 else "val") / name
            target.mkdir(parents=True, exist_ok=True)
            as_jpeg(path, target / f"{place:02}.jpg")
    return root


def as_jpeg(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        image.save(target)


def report(
    root: Path, others: dict[str, list[ImageFile]] | None = None, val_fraction: float = 0.25, **options: Any
) -> FolderReport:
    found, problems = survey(root, val_fraction=val_fraction)
    sets = (found.train, found.val, found.test, *(others or {}).values())
    seen = fingerprints([image.path for images in sets for image in images])
    return inspect_folder(found, seen, Comparison(), problems=problems, others=others, **options)


def only(found: FolderReport, kind: str) -> Finding:
    (finding,) = (one for one in found.findings if one.kind == kind)
    return finding


def names(finding: Finding, root: Path) -> list[list[str]]:
    return [[image.path.relative_to(root).as_posix() for image in group] for group in finding.groups]


def test_a_good_folder_has_no_findings(folder: Path) -> None:
    found = report(folder)
    assert found.findings == ()
    assert found.layout == "class folders in train, val"
    assert [(row.name, dict(row.counts)) for row in found.classes] == [
        ("lemon", {"train": 6, "val": 2}),
        ("teapot", {"train": 6, "val": 2}),
    ]


def smaller(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        image.resize((120, 120)).save(target)


@pytest.mark.parametrize("copy", [shutil.copy, smaller])
@pytest.mark.parametrize(
    ("source", "target", "kind", "severities"),
    [
        ("train/lemon/00.jpg", "val/lemon/x.jpg", "leak", ("error", "warning")),
        ("train/lemon/00.jpg", "train/teapot/x.jpg", "conflict", ("error", "warning")),
        ("train/lemon/00.jpg", "val/teapot/x.jpg", "conflict", ("error", "warning")),
        ("train/lemon/00.jpg", "train/lemon/x.jpg", "repeated", ("note", "note")),
        ("train/lemon/00.jpg", "../negatives/x.jpg", "opposed", ("error", "warning")),
        ("train/lemon/00.jpg", "../retention/x.jpg", "measured", ("error", "warning")),
        ("train/lemon/00.jpg", "../anchors/x.jpg", "reused", ("warning", "note")),
        ("val/lemon/06.jpg", "../anchors/x.jpg", "measured", ("error", "warning")),
        ("../anchors/a.jpg", "../retention/x.jpg", "measured", ("error", "warning")),
    ],
)
def test_a_copy_is_found_wherever_it_lies(
    folder: Path, copy: Callable[[Path, Path], object], source: str, target: str, kind: str,
    severities: tuple[str, str],
) -> None:  # fmt: skip
    for role, name in (("negatives", "orange"), ("retention", "candle"), ("anchors", "banana")):
        (folder / ".." / role).mkdir()
        as_jpeg(PHOTOS / name / "00.webp", folder / ".." / role / "a.jpg")
    copy(folder / source, folder / target)
    others = {role: scan_images([folder.parent / role]) for role in ("negatives", "retention", "anchors")}
    finding = only(report(folder, others=others), kind)
    assert finding.severity == severities[copy is smaller]
    assert finding.similar == (copy is smaller)
    files = {image.path.resolve() for image in finding.groups[0]}
    assert files == {(folder / source).resolve(), (folder / target).resolve()}


def test_a_mirrored_copy_in_another_class_says_what_training_does(folder: Path) -> None:
    with Image.open(folder / "train/lemon/00.jpg") as image:
        ImageOps.mirror(image).save(folder / "train/teapot/x.png")
    found = only(report(folder), "mirrored")
    assert found.severity == "warning"
    assert found.title == "1 group of similar images is mirrored under different labels"
    assert "augment.horizontal_flip=0" in found.advice
    assert names(found, folder) == [["train/lemon/00.jpg", "train/teapot/x.png"]]


def test_a_turned_copy_in_another_class_may_be_right(folder: Path) -> None:
    with Image.open(folder / "train/lemon/00.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "train/teapot/x.png")
    assert report(folder).findings == ()


def test_turned_copies_in_another_class_and_in_val_are_a_leak_alone(folder: Path) -> None:
    with Image.open(folder / "train/lemon/00.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_180).save(folder / "train/teapot/x.png")
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "val/lemon/x.png")
    (found,) = report(folder).findings
    assert found.kind == "leak"
    assert names(found, folder) == [["train/lemon/00.jpg", "val/lemon/x.png"]]


def test_a_turned_copy_in_val_is_a_leak(folder: Path) -> None:
    with Image.open(folder / "train/lemon/00.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(folder / "val/lemon/x.png")
    assert names(only(report(folder), "leak"), folder) == [["train/lemon/00.jpg", "val/lemon/x.png"]]


def test_unreadable_images_are_listed_with_their_reasons(folder: Path) -> None:
    for place in range(12):
        (folder / "train" / "lemon" / f"good{place}.png").write_bytes(
            (PHOTOS / "orange" / "00.webp").read_bytes()
        )
    (folder / "train" / "lemon" / "page.jpg").write_text("<html>")
    finding = only(report(folder), "unreadable")
    assert finding.severity == "warning"
    assert finding.groups[0][0].remark == "a web page (a download that failed?), not an image"


def test_a_class_whose_images_are_all_unreadable_is_an_error(folder: Path) -> None:
    for path in (folder / "train" / "teapot").iterdir():
        path.write_bytes(b"")
    finding = only(report(folder), "unreadable")
    assert (finding.severity, len(finding.groups)) == ("error", 6)
    assert "of class teapot none can be read" in finding.advice


def test_blank_and_tiny_images_are_found(folder: Path) -> None:
    Image.new("RGB", (300, 200), (250, 250, 250)).save(folder / "train" / "lemon" / "blank.png")
    with Image.open(PHOTOS / "orange" / "00.webp") as image:
        image.resize((20, 24)).save(folder / "train" / "lemon" / "tiny.png")
    found = report(folder)
    assert names(only(found, "blank"), folder) == [["train/lemon/blank.png"]]
    assert names(only(found, "tiny"), folder) == [["train/lemon/tiny.png"]]


@pytest.mark.parametrize(("size", "is_long"), [((400, 70), True), ((70, 400), True), ((400, 80), False)])
def test_images_more_than_five_times_longer_than_wide_are_found(
    folder: Path, size: tuple[int, int], is_long: bool
) -> None:
    with Image.open(PHOTOS / "orange" / "00.webp") as image:
        image.resize(size).save(folder / "train" / "lemon" / "strip.png")
    found = [finding for finding in report(folder).findings if finding.kind == "long"]
    assert [names(finding, folder) for finding in found] == [[["train/lemon/strip.png"]]] * is_long


def test_nearly_black_images_are_found(folder: Path) -> None:
    twelve_bits = np.linspace(0, 4095, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(twelve_bits).save(folder / "train" / "lemon" / "scan.png")
    found = report(folder)
    assert names(only(found, "dark"), folder) == [["train/lemon/scan.png"]]


def test_tiffs_of_several_pages_are_found_and_smaller_copies_are_no_pages(folder: Path) -> None:
    with Image.open(PHOTOS / "orange" / "00.webp") as image:
        first = image.convert("RGB")
        second = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        first.save(folder / "train" / "lemon" / "stack.tif", save_all=True, append_images=[second, second])
        copy = first.resize((50, 40))
        copy.encoderinfo = {"tiffinfo": {254: 1}}
        first.save(folder / "train" / "lemon" / "pyramid.tif", save_all=True, append_images=[copy])
    with Image.open(folder / "train" / "lemon" / "pyramid.tif") as written:
        assert getattr(written, "n_frames", 1) == 2
    found = report(folder)
    assert names(only(found, "pages"), folder) == [["train/lemon/stack.tif"]]


def test_animations_are_one_finding_that_counts_them(folder: Path) -> None:
    with Image.open(PHOTOS / "orange" / "00.webp") as image:
        first = image.convert("RGB")
    second = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for name in ("a.gif", "b.webp", "c.png"):
        first.save(folder / "train" / "lemon" / name, save_all=True, append_images=[second])
    first.save(folder / "train" / "lemon" / "single.gif")
    found = only(report(folder), "pages")
    assert found.title == "3 images have several pages or frames"
    assert found.advice.startswith("the first one is used")


def test_very_unequal_classes_and_one_image_and_no_validation_say_what_to_do(tmp_path: Path) -> None:
    for name, count in (("lemon", 12), ("teapot", 1)):
        (tmp_path / "train" / name).mkdir(parents=True)
        for place, path in enumerate(photos(name)[:count]):
            shutil.copy(path, tmp_path / "train" / name / f"{place}.jpg")
    told = report(tmp_path, val_fraction=0)
    assert "add images of the small classes" in only(told, "unequal").advice
    titles = [finding.title for finding in told.findings]
    assert "there are no validation images: what is learned will not be measured" in titles
    assert "1 class has one training image: teapot" in titles


def test_problems_of_the_layout_are_errors_all_of_them(folder: Path) -> None:
    (folder / "train" / "empty").mkdir()
    (folder / "val" / "leomn").mkdir()
    shutil.copy(photos("lemon")[9], folder / "val" / "leomn")
    titles = [finding.title for finding in report(folder).findings if finding.kind == "layout"]
    assert len(titles) == 2
    assert "is it 'lemon'?" in titles[1]


def test_what_was_probably_taken_wrongly_is_a_warning_and_no_decision(folder: Path) -> None:
    for split in ("train", "val"):
        for name in ("day", "night"):
            (folder / split / name).mkdir()
            for place, path in enumerate(photos("lemon")[:3]):
                shutil.copy(path, folder / split / name / f"{('hall', 'yard', 'park')[place]}.jpg")
    for split in ("train", "val"):
        shutil.rmtree(folder / split / "lemon")
        shutil.rmtree(folder / split / "teapot", ignore_errors=True)
    told = report(folder)
    words = "day and night are taken for classes, but hold images of the same names (hall, park, yard)"
    assert words in only(told, "layout").title
    assert only(told, "layout").severity == "warning"
    assert not any(words in note for note in told.notes)


CATEGORIES = ("mouse", "crane", "crane", "goldfish", "ear")
WNIDS = ("n03793489", "n02012849", "n03126707", "n01443537", "n13133613")


def test_a_class_name_is_described_by_the_output_that_it_means() -> None:
    described = describe_outputs(
        ("Mouse", "crane", "goldfish", "n02012849", "gold fsh", "several; close: of"), CATEGORIES, WNIDS
    )
    mouse = described["Mouse"]
    assert (mouse.status, mouse.name, mouse.wnid, mouse.instead_of) == (
        "known",
        "mouse",
        "n03793489",
        "animal",
    )
    assert mouse.definition.startswith("a hand-operated electronic device")
    assert (described["crane"].status, described["goldfish"].instead_of) == ("ambiguous", "")
    assert described["n02012849"].key == 1
    assert described["gold fsh"] == Output("new", "a new output; close to it are goldfish")
    assert described["several; close: of"] == Output("new", "a new output")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("ants", "the network's ant means the same (call the class ant to train it)"),
        ("Bird", "59 of the network's outputs are kinds of it: cock, hen, ostrich, ..."),
        ("sofa", "the network's studio couch is a kind of it"),
        ("mole", "the network's breakwater may mean the same (call the class breakwater to train it)"),
        ("my_bird", ""),  # what a compound means is not known
    ],
)
def test_a_new_output_is_described_by_what_the_network_knows_of_it(name: str, said: str) -> None:
    found = describe_outputs((name,), imagenet_categories(), imagenet_wnids())[name]
    assert found.status == "new"
    assert found.name.removeprefix("a new output").removeprefix("; ").partition("close to it")[0] == said


@pytest.mark.parametrize(
    ("classes", "doubtful"),
    [
        (("Chihuahua", "pug", "boxer"), {}),
        (("nail", "hammer", "screw"), {}),
        (("nail", "hand"), {"nail": "body part"}),
        (("kite", "robin", "jay"), {}),
        (("kite", "ball", "frisbee"), {"kite": "object"}),
        (("mouse", "cat", "dog"), {"mouse": "animal"}),
        (("mouse", "laptop", "keyboard"), {}),
        (("beaver",), {"beaver": "body part"}),
        (("crane", "heron", "stork"), {"crane": "animal"}),
        (("crane", "heron"), {}),
        (("crane", "truck", "tractor"), {}),
        (("amphibian", "reptile", "mammal"), {"amphibian": "animal"}),
        (("cardigan", "pug", "poodle"), {"cardigan": "animal"}),
        (("cardigan", "jean", "pug", "poodle"), {}),
        (("plane", "car", "ship", "truck"), {"plane": "airplane"}),
        (("pajama", "purse", "iron"), {}),
    ],
)
def test_the_other_classes_tell_what_a_name_means(classes: tuple[str, ...], doubtful: dict[str, str]) -> None:
    found = describe_outputs(classes, imagenet_categories(), imagenet_wnids())
    assert {name: one.instead_of for name, one in found.items() if one.instead_of} == doubtful


def test_doubtful_outputs_are_findings(folder: Path) -> None:
    (folder / "train" / "lemon").rename(folder / "train" / "mouse")
    (folder / "val" / "lemon").rename(folder / "val" / "mouse")
    (folder / "train" / "teapot").rename(folder / "train" / "crane")
    (folder / "val" / "teapot").rename(folder / "val" / "crane")
    outputs = describe_outputs(("mouse", "crane"), CATEGORIES, WNIDS)
    found = [finding for finding in report(folder, outputs=outputs).findings if finding.kind == "output"]
    assert [finding.severity for finding in found] == ["error", "warning"]
    assert found[0].lines[0].startswith("crane: n02012849 (crane), n03126707 (crane)")
    assert found[1].lines == (
        "mouse means mouse (n03793489), a hand-operated electronic device; not the animal",
    )
    assert found[1].groups[0][0].label == "mouse"


def test_names_that_look_the_same_are_warned_of(folder: Path) -> None:
    shutil.copytree(folder / "train/lemon", folder / "train/lemo\u043f")  # Cyrillic, another shape
    shutil.copytree(folder / "train/teapot", folder / "train/te\u0430pot")  # Cyrillic, the same shape
    found = [one for one in report(folder).findings if one.kind == "names" and one.severity == "warning"]
    assert [one.title for one in found] == ["1 group of classes with names that look the same"]
    assert found[0].lines == ("'teapot' and 'te\\u0430pot'",)


def test_files_that_nobody_can_read_are_no_copies_of_each_other(folder: Path) -> None:
    for name in ("lemon", "teapot"):
        (folder / "train" / name / "x.jpg").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    found = report(folder)
    assert {finding.kind for finding in found.findings} == {"unreadable"}
    assert only(found, "unreadable").advice.startswith("run git lfs pull")


def test_unusual_names_are_noted(folder: Path) -> None:
    for place, name in enumerate(("=1+1", "K\udce4fer", "דג", "\x1b[1m", "<b>")):
        (folder / "train" / name).mkdir()
        shutil.copy(photos("orange")[place], folder / "train" / name / "a.jpg")
    found = [finding for finding in report(folder).findings if finding.kind == "names"]
    assert {finding.title for finding in found} == {
        "1 name not in UTF-8", "1 name with control characters", "1 name written from right to left",
        "1 name that a spreadsheet would take for a formula", "2 names with signs of markup",
    }  # fmt: skip
    assert all("\x1b" not in line for finding in found for line in finding.lines)
