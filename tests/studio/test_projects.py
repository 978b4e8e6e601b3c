"""Classes and images of a project are kept as they are meant, and no name becomes a path."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from visionlora.data import scan
from visionlora.errors import VisionLoraError
from visionlora.studio.prepare import MEASURED, choices, training_files
from visionlora.studio.projects import Projects

HOSTILE = [
    "../../etc",
    "a/b",
    "C:\\x",
    "<b>x</b>",
    "$5_{$",
    "=cmd()",
    "\x1b[31mred",
    "x" * 5000,
    "ä ö 金魚",
    ".",
]


@pytest.fixture
def projects(tmp_path: Path) -> Projects:
    return Projects(tmp_path / "projects", most=30)


def an_image(folder: Path, number: int) -> Path:
    path = folder / f"upload-{number}"
    folder.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8), (number * 7 % 256, number // 36, 5)).save(path, "PNG")
    return path


def some(folder: Path, count: int, first: int = 0, suffix: str = ".png") -> list[tuple[Path, str]]:
    return [(an_image(folder, number), f"{number}{suffix}") for number in range(first, first + count)]


def test_images_are_there_again_for_a_studio_that_starts_later(projects: Projects, tmp_path: Path) -> None:
    project = projects.create("Fish")
    assert projects.add(project.id, some(tmp_path, 3), "class", "goldfish") == {"added": 3, "left_out": []}
    found = Projects(tmp_path / "projects", most=30).get(project.id)
    assert (found.name, found.classes, len(found.images)) == ("Fish", ["goldfish"], 3)
    assert projects.image(project.id, found.images[0].id).is_file()


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_leads_out_of_the_project(projects: Projects, tmp_path: Path, name: str) -> None:
    project = projects.create(name)
    (path, _), *_ = some(tmp_path / "up", 1)
    projects.add(project.id, [(path, f"x{name}.png")], "class", name)
    before = {path for path in tmp_path.rglob("*") if "projects" not in path.parts}
    found = projects.get(project.id)
    assert found.images[0].label == found.classes[0]
    assert "\x1b" not in found.classes[0]
    assert len(found.classes[0]) <= 200
    training_files(found, projects.folder(project.id) / "images", projects.folder(project.id) / "check")
    assert {path for path in tmp_path.rglob("*") if "projects" not in path.parts} == before
    folder = scan(projects.folder(project.id) / "check" / "images.csv", val_fraction=0.0, seed=0)
    assert folder.classes == (found.classes[0],)


def test_what_is_no_image_is_there_already_or_too_many_is_left_out_and_named(
    projects: Projects, tmp_path: Path
) -> None:
    project = projects.create()
    projects.add(project.id, some(tmp_path, 1), "class", "a")
    files = [*some(tmp_path, 1), (an_image(tmp_path, 99), "notes.txt"), *some(tmp_path, 40, first=1)]
    answer = projects.add(project.id, files, "class", "a")
    assert answer["added"] == 29
    reasons = [reason for _, reason in answer["left_out"]]
    assert reasons[:2] == ["it is there already", "not an image"]
    assert reasons[-1] == "the project has 30 images, as many as it may"


def test_a_class_is_renamed_joined_and_removed(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    projects.add(project.id, some(tmp_path, 2), "class", "a")
    projects.add(project.id, some(tmp_path, 2, first=5), "class", "b")
    assert projects.rename_class(project.id, "a", "b").classes == ["b"]
    assert [image.label for image in projects.get(project.id).images] == ["b"] * 4
    assert projects.rename_class(project.id, "b", "").images == []
    assert list((projects.folder(project.id) / "images").iterdir()) == []


def test_a_file_in_two_classes_stays_until_both_are_gone(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    for label in ("a", "b"):
        projects.add(project.id, some(tmp_path, 1), "class", label)
    first, second = projects.get(project.id).images
    projects.remove(project.id, [first.id])
    assert projects.image(project.id, second.id).is_file()


def test_a_file_in_two_classes_is_a_finding_of_the_check_and_no_end_to_it(
    projects: Projects, tmp_path: Path
) -> None:
    project = projects.create()
    for label in ("a", "b/c"):
        projects.add(project.id, some(tmp_path, 2), "class", label)
    training_files(projects.get(project.id), projects.folder(project.id) / "images", tmp_path / "files")
    found = scan(tmp_path / "files" / "images.csv", val_fraction=0.0, seed=0).train
    assert [image.label for image in sorted(found, key=lambda one: one.path)] == ["a", "a", "b/c", "b/c"]
    assert len({image.path.name for image in found}) == 2, "findings name images by their files"


def test_some_images_to_keep_measure_and_do_not_train(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    projects.add(project.id, some(tmp_path, 2), "class", "a")
    projects.add(project.id, some(tmp_path, 9, first=10), "keep", "")
    projects.add(project.id, some(tmp_path, 2, first=20), "others", "")
    images = projects.folder(project.id) / "images"
    words = training_files(projects.get(project.id), images, tmp_path / "files")
    given = dict(word.split("=", 1) for word in words)
    anchors, root = (
        {path.name for path in Path(given[f"retention.{key}"]).iterdir()} for key in ("anchors", "root")
    )
    assert len(root) == 9 // MEASURED
    assert len(anchors) == 6
    assert not anchors & root
    assert "contrast.root" not in given, "two images are too few to divide"
    assert len(list(Path(given["contrast.anchors"]).iterdir())) == 2


def test_a_training_keeps_its_images_when_the_project_loses_them(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    projects.add(project.id, some(tmp_path, 3), "class", "a")
    training_files(projects.get(project.id), projects.folder(project.id) / "images", tmp_path / "files")
    projects.delete(project.id, tmp_path / "bin")
    assert len(scan(tmp_path / "files" / "images.csv", val_fraction=0.0, seed=0).train) == 3


def test_a_project_without_images_to_learn_says_so(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    with pytest.raises(VisionLoraError, match="nothing to learn yet"):
        training_files(project, projects.folder(project.id), tmp_path / "files")


@pytest.mark.parametrize("identity", ["../x", "", "A", "x/y", "a" * 50])
def test_what_is_no_id_is_refused(projects: Projects, identity: str) -> None:
    with pytest.raises(VisionLoraError, match="is not an id"):
        projects.get(identity)


def test_a_deleted_project_is_in_the_bin(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    projects.delete(project.id, tmp_path / "bin")
    assert projects.all() == []
    assert len(list((tmp_path / "bin").iterdir())) == 1


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(
        VisionLoraError, match="there is no choice 'all'; there are everything, most, nothing"
    ):
        choices("all", "quick", "pocket")


def test_an_image_of_two_classes_is_there_once_when_one_gets_the_name_of_the_other(
    projects: Projects, tmp_path: Path
) -> None:
    project = projects.create()
    for label in ("cat", "cats"):
        projects.add(project.id, some(tmp_path / label, 2), "class", label)
    projects.add(project.id, some(tmp_path / "more", 1, first=2), "class", "cats")
    found = projects.rename_class(project.id, "cats", "cat")
    assert found.classes == ["cat"]
    assert len(found.images) == len({image.file for image in found.images}) == 3


def test_images_to_keep_belong_to_no_class_that_could_be_removed(projects: Projects, tmp_path: Path) -> None:
    project = projects.create()
    projects.add(project.id, some(tmp_path, 2), "keep", "")
    assert len(projects.rename_class(project.id, "", "").images) == 2
