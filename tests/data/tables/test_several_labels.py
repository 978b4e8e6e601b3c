"""Tables in which an image has any number of labels."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import PREPROCESSING, Draw
from visionlora.data import ImageDataset, scan
from visionlora.data.images.decode import ImageFile, labelled
from visionlora.data.splits.several_split import spread
from visionlora.data.tables.several_labels import require_several
from visionlora.errors import VisionLoraError


@pytest.fixture(autouse=True)
def images(draw: Draw) -> None:
    for number in range(1, 5):
        draw(f"{number}.png", colour=(50 * number, 30, 30))


def labels_of(root: Path, separator: str = "auto") -> list[tuple[str, ...] | None]:
    found = scan(root, separator=separator, val_fraction=0)
    return [image.labels for image in sorted(found.train, key=lambda one: one.path.name)]


ROWS = [("cat",), ("cat", "dog"), ("dog", "old dog"), ()]
PLAIN = [("cat",), ("cat", "dog"), ("bird", "dog"), ()]


def written(mark: str, rows: list[tuple[str, ...]]) -> str:
    cells = [f'"{mark.join(names)}"' for names in rows]
    return "path,tags\n" + "".join(f"{place}.png,{cell}\n" for place, cell in enumerate(cells, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (written("|", ROWS), ROWS),
        (written(" | ", ROWS), ROWS),
        (written(";", ROWS), ROWS),
        (written(", ", ROWS), ROWS),
        (written(" ", PLAIN), PLAIN),
        ("\ufeff" + written("|", ROWS).replace("\n", "\r\n"), ROWS),
        ("path,cat,dog,bird\n1.png,1,0,0\n2.png,1,1,0\n3.png,0,1,1\n4.png,0,0,0\n", PLAIN),
        ("path;cat;dog;bird\n1.png;1.0;0.0;\n2.png;1;1;0\n3.png;0;true;yes\n4.png;;;\n", PLAIN),
        ("path,cat,dog,bird\n1.png,y,n,n\n2.png,T,t,F\n3.png,n,Y,y\n4.png,f,f,f\n", PLAIN),
        ("name,cat,dog,bird,age\n1.png,1,0,0,7\n2.png,1,1,0,3\n3.png,0,1,1,4\n4.png,0,0,0,9\n", PLAIN),
        ("path,object,animal\n1.png,1,0\n2.png,1,1\n3.png,0,1\n4.png,0,0\n",
         [("object",), ("animal", "object"), ("animal",), ()]),
        ("path,label\n1.png,cat\n2.png,cat\n2.png,dog\n3.png,dog\n3.png,bird\n4.png,\n", PLAIN),
        ("path,tag\n1.png,['cat']\n2.png,\"['cat', 'dog']\"\n3.png,\"['dog','bird']\"\n4.png,[]\n", PLAIN),
        ("1.png,cat\n2.png,cat|dog\n3.png,dog|bird|\n4.png,\n", PLAIN),
    ],
)  # fmt: skip
def test_any_usual_way_to_write_several_labels_is_understood(
    tmp_path: Path, text: str, expected: list[tuple[str, ...]]
) -> None:
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    assert labels_of(tmp_path / "labels.csv") == expected


def test_lists_in_json_lines_are_labels(tmp_path: Path) -> None:
    lines = [
        f'{{"file_name": "{place}.png", "labels": {list(names)}}}' for place, names in enumerate(PLAIN, 1)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines).replace("'", '"'))
    assert labels_of(tmp_path / "labels.jsonl") == PLAIN


def test_what_was_recognised_is_said(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(written("|", ROWS))
    found = scan(tmp_path / "labels.csv", separator="auto", val_fraction=0)
    assert "labels separated by a bar (|)" in found.layout
    assert "2 of 4 images have several labels, up to 2, and 1 have none of them" in found.notes


def test_a_given_separator_is_taken_even_where_another_is_in_the_column(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text('path,tags\n1.png,"a|b,c"\n2.png,c\n3.png,c\n4.png,c\n')
    assert labels_of(tmp_path / "labels.csv", "comma")[0] == ("a|b", "c")
    assert labels_of(tmp_path / "labels.csv")[0] == ("a", "b,c")


def test_split_folders_and_zip_files_hold_several_labels_too(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        folder = tmp_path / "data" / split
        folder.mkdir(parents=True)
        for name in ("1.png", "2.png", "3.png"):
            shutil.copy(tmp_path / name, folder / name)
        (folder / "_classes.csv").write_text("filename,cat,dog\n1.png,1,0\n2.png,1,1\n3.png,0,0\n")
    zipped = shutil.make_archive(str(tmp_path / "zipped"), "zip", tmp_path / "data")
    for root in (tmp_path / "data", Path(zipped)):
        found = scan(root, separator="auto")
        assert (len(found.train), len(found.val), found.classes) == (3, 3, ("cat", "dog"))
        assert [image.labels for image in found.val] == [("cat",), ("cat", "dog"), ()]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (written("|", PLAIN), "several labels of an image, the first: cat, dog; set task=multi_label"),
        (written(" ", [("cat",), ("dog",), ("cat", "dog")]), "the first: cat, dog; set task=multi_label"),
        ("path,cat,dog\n1.png,1,1\n2.png,1,0\n", "line 2: cat, dog at once; set task=multi_label"),
        ("path,label\n1.png,cat\n1.png,dog\n", "line 3: .* set task=multi_label to learn both"),
        ("path,label\n1.png,\"['cat', 'dog']\"\n2.png,cat\n", "several labels .* set task=multi_label"),
    ],
)
def test_several_labels_are_refused_where_an_image_has_one(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(VisionLoraError, match=complaint) as refused:
        scan(tmp_path / "labels.csv")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "labels",
    [
        ("red apple", "red pear", "green apple"),
        ("Oil, painting", "Oil, sketch"),
        ("animal|cat", "animal|dog"),
        ("a;b", "c"),
    ],
)
def test_names_with_separators_in_them_stay_classes(tmp_path: Path, labels: tuple[str, ...]) -> None:
    rows = "".join(f'{place}.png,"{name}"\n' for place, name in enumerate(labels, 1))
    (tmp_path / "labels.csv").write_text(f"path,label\n{rows}")
    assert set(scan(tmp_path / "labels.csv", val_fraction=0).classes) == set(labels)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,cat,dog\n1.png,1,0\n2.png,-1,1\n", "line 3: '-1' in column cat; .* write one of them"),
        ("path,label,split\n1.png,cat,train\n1.png,dog,val\n", "line 3: .* is in val, and in train above"),
        ("path,label\n1.png,cat\n1.png,Cat\n2.png,dog\n", "one class in two spellings"),
        (
            "path,label,split\n1.png,cat|dog,train\n2.png,bird,val\n",
            "class 'bird' is in val but not in train",
        ),
    ],
)
def test_a_table_of_labels_that_cannot_be_used_says_why(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(VisionLoraError, match=complaint):
        scan(tmp_path / "labels.csv", separator="auto")


def test_class_folders_say_one_label(tmp_path: Path, draw: Draw) -> None:
    draw("folder/cat/1.png")
    with pytest.raises(VisionLoraError, match=r"class folders say one label an image; .* give a CSV"):
        scan(tmp_path / "folder", separator="auto")


def test_one_label_each_is_not_several() -> None:
    one = [labelled(Path(f"{name}.png"), [name]) for name in "ab"]
    with pytest.raises(VisionLoraError, match="each image has one label, and task=multi_label"):
        require_several(Path("x.csv"), one)
    require_several(Path("x.csv"), [*one, labelled(Path("c.png"), [])])


def test_a_column_without_a_single_image_is_said(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,cat,dog\n1.png,1,0\n2.png,0,0\n3.png,1,0\n")
    found = scan(tmp_path / "labels.csv", separator="auto", val_fraction=0)
    assert found.classes == ("cat",)
    assert "labels.csv: no image has dog" in found.notes


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sets(st.sampled_from("abcd")), min_size=2, max_size=40), st.floats(0.1, 0.6))
def test_a_split_has_each_label_on_both_sides_where_it_can(rows: list[set[str]], fraction: float) -> None:
    images = [labelled(Path(f"{place}.png"), names) for place, names in enumerate(rows)]
    validating = spread(images, fraction, {})
    for label in set().union(*rows):
        own = [image for image in images if label in image.names]
        there = sum(image in validating for image in own)
        assert there < len(own), "a label is left for training"
        assert there <= max(1, round(fraction * len(own))) + sum(len(image.names) > 1 for image in own)


def test_a_split_keeps_copies_together() -> None:
    images = [labelled(Path(f"{place}.png"), ["a", "b"][: 1 + place % 2]) for place in range(12)]
    copies = {image.path: bytes([place // 2]) for place, image in enumerate(images)}
    validating = spread(images, 0.4, copies)
    sides = [{image in validating for image in images[place : place + 2]} for place in range(0, 12, 2)]
    assert validating and all(len(side) == 1 for side in sides)


def test_a_batch_has_a_column_for_each_output(tmp_path: Path) -> None:
    images = [
        labelled(tmp_path / "1.png", ["dog"]),
        labelled(tmp_path / "2.png", ["cat", "dog"]),
        labelled(tmp_path / "3.png", []),
    ]
    dataset = ImageDataset(images, PREPROCESSING, targets={"cat": 0, "bird": 1, "dog": 2})
    labels = dataset.collate([dataset[place] for place in range(3)])["labels"]
    assert torch.equal(labels, torch.tensor([[0.0, 0, 1], [1, 0, 1], [0, 0, 0]]))
    assert ImageFile(Path("x"), "cat").names == ("cat",)
