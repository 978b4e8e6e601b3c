from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import Draw
from visionlora.data.layout.folders import scan
from visionlora.data.tables.files_by_name import PathsOf
from visionlora.data.tables.rows import MOST_BYTES
from visionlora.data.tables.table import read_table
from visionlora.errors import VisionLoraError


@pytest.fixture(autouse=True)
def some_images(draw: Draw) -> None:
    for name in ("images/1.png", "images/2.png", "images/3.png", "images/4.png"):
        draw(name)


def table(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding=encoding)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "path,label\nimages/1.png,a\nimages/2.png,b\n",
        "images/1.png,a\nimages/2.png,b",
        "Class;Image\n a ; images/1.png \n\nb;images/2.png\n",
        "filename\tcategory\nimages/1.png\ta\nimages/2.png\tb\n",
        'id,file_name,label\n7,"images/1.png",a\n8,images\\2.png,b\n',
    ],
)
def test_any_usual_way_to_write_the_table_is_understood(tmp_path: Path, text: str) -> None:
    folder = scan(table(tmp_path, text), val_fraction=0)
    assert [(image.path, image.label) for image in folder.train] == [
        (tmp_path / "images/1.png", "a"),
        (tmp_path / "images/2.png", "b"),
    ]


def test_a_byte_order_mark_and_absolute_paths_are_understood(tmp_path: Path) -> None:
    path = table(tmp_path, f"path,label\n{tmp_path}/images/1.png,a\n", encoding="utf-8-sig")
    assert scan(path).train[0].path == tmp_path / "images/1.png"


def test_a_split_column_splits(tmp_path: Path) -> None:
    rows = "images/1.png,a,train\nimages/2.png,a,Val\nimages/3.png,a,test\nimages/4.png,a,training\n"
    for text in (rows, "path,label,split\n" + rows):
        folder = scan(table(tmp_path, text))
        assert (len(folder.train), len(folder.val), len(folder.test)) == (2, 1, 1)


def test_without_a_split_column_a_stratified_split_is_made(tmp_path: Path) -> None:
    folder = scan(table(tmp_path, "".join(f"images/{i}.png,a\n" for i in (1, 2, 3, 4))))
    assert (len(folder.train), len(folder.val)) == (3, 1)


def test_a_table_of_paths_takes_the_class_name_from_the_configuration(tmp_path: Path) -> None:
    folder = scan(table(tmp_path, "path\nimages/1.png\n"), class_name="goldfish")
    assert folder.classes == ("goldfish",)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is empty"),
        (
            "colour,shape\nred,round\n",
            "no path column among colour, shape; call one of them path .understood are path, file_path",
        ),
        ("path,label\n", "lists no images to train with"),
        ("path,label,split\nimages/1.png,a,val\n", "lists no images to train with"),
        ("path,label\nimages/1.png,a\nimages/2.png\n", "line 3: no label"),
        ("path,label\n,a\n", "line 2: no path"),
        (
            "path,label,split\nimages/1.png,a,elsewhere\n",
            "line 2: split is 'elsewhere'; write train, val or test",
        ),
        ("images/1.png,a\nimages/1.png,b\n", "line 2: .* is already in line 1"),
        (
            "no/1.png,a\nno/2.png,a\nimages/1.png,a\n",
            "files that do not exist: .*no/1.png and 1 more; paths are",
        ),
        ("images/1.png,Newt\nimages/2.png,newt\n", "one class in two spellings"),
    ],
)
def test_a_table_that_cannot_be_used_says_which_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(VisionLoraError, match=complaint) as caught:
        scan(table(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "labels.csv" in str(caught.value)


def test_a_table_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\x00\x01")
    with pytest.raises(VisionLoraError, match="it is not text"):
        scan(tmp_path / "labels.csv")


def test_a_table_of_many_missing_files_is_refused_without_reading_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"elsewhere/{number}.jpg,a\n" for number in range(20_000))
    path = table(tmp_path, f"path,label\n{rows}")
    looked_for: list[str] = []
    existing = PathsOf.existing
    monkeypatch.setattr(
        PathsOf, "existing", lambda self, name: looked_for.append(name) or existing(self, name)
    )
    with pytest.raises(VisionLoraError, match=r"0\.jpg and at least 999 more; paths are relative"):
        scan(path)
    assert len(looked_for) == 1003, "the first one is looked for in three folders above, too"


def test_many_files_that_lie_elsewhere_are_found_by_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("visionlora.data.tables.table_images.MANY", 2)
    folder = scan(table(tmp_path, "path,label\n1.png,a\n2.png,a\n3.png,b\n4.png,b\n"), val_fraction=0)
    assert [image.path.parent.name for image in folder.train] == ["images"] * 4


def test_a_table_without_end_or_of_a_size_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    endless, huge = tmp_path / "metadata.csv", tmp_path / "t.csv"
    endless.symlink_to("/dev/zero")
    with huge.open("wb") as file:
        file.truncate(MOST_BYTES + 1)  # takes no room on the disk
    for path, said in ((endless, "not an ordinary file"), (huge, "has more than 512 MiB")):
        with pytest.raises(VisionLoraError, match=said):
            read_table(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n".join(",".join(f"{letter}{n}" for n in range(100_000)) for letter in "cx"), "no path column"),
        (f"path,label\n{'a' * 100_000}.png,x\n", "do not exist"),
    ],
    ids=["columns", "letters in a path"],
)
def test_a_hundred_thousand_of_anything_is_refused_in_seconds_and_shown_in_part(
    tmp_path: Path, text: str, said: str
) -> None:
    path = table(tmp_path, text)
    started = time.process_time()
    with pytest.raises(VisionLoraError, match=said) as refused:
        read_table(path)
    assert time.process_time() - started < 5
    assert len(str(refused.value)) < 3000


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"{'x' * 140_000}.png,a", "line 2: field larger than field limit"),
        (f"{'x' * 300}.png,a", "files that do not exist"),
        (f"{'x/' * 3000}nothing.png,a", "files that do not exist"),
        ("images/\0001.png,a", "files that do not exist|line 2"),
    ],
)
def test_a_row_that_no_file_system_takes_is_refused(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(VisionLoraError, match=said) as refused:
        scan(table(tmp_path, f"path,label\n{row}\n"))
    assert len(str(refused.value)) <= 4000
