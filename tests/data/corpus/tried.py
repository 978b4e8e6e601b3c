# ruff: noqa: E501 - a case a line reads better
"""Kinds of input that nobody had written down yet when the other modules' inputs all worked."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import (
    CLASSES,
    EIGHT,
    GIVEN,
    HALF,
    LABELS,
    ONE,
    TWO,
    Case,
    below,
    both,
    called,
    files,
    many,
    rows,
    table,
    tables,
    zipped,
)

SPLIT = (*(f"train/{number}.png" for number in range(8)), *(f"val/{number}.png" for number in range(8, 12)))
SPLITS = {"cat": (4, 2, 0), "dog": (4, 2, 0)}
FOLDERS = ("no column of splits: those of the folders train and val are taken",)
LIES = "preview.png lies beside the folders"
case = tables("tried")


def tried() -> Iterator[Case]:
    """Every case."""
    yield from _strays()
    yield from _wrapped()
    yield from _parts()
    yield from _columns()
    yield from _splits()
    yield from _flat_splits()
    yield from _split_files()
    yield from _tools()


def _strays() -> Iterator[Case]:
    yield Case("a preview beside class folders", both(many(*CLASSES), files("preview.png")), counts=TWO, notes=(LIES,))  # fmt: skip
    yield Case("a preview beside splits", both(many(*below("train"), *below("val")), files("preview.png")), counts=GIVEN, notes=(LIES,))  # fmt: skip
    yield Case("a preview in train", both(many(*below("train"), *below("val")), files("train/preview.png")), counts=GIVEN, notes=(f"{LIES} in train",))  # fmt: skip
    yield Case("a preview beside a wrapper", both(many(*below("pets")), files("preview.png")), counts=TWO, notes=(LIES, "pets is the only folder"))  # fmt: skip
    yield Case("a preview beside splits in class folders", both(many("cat/train/{}.png", "cat/val/{}.png", "dog/train/{}.png", "dog/val/{}.png"), files("preview.png")), counts=GIVEN, notes=(LIES,))  # fmt: skip
    yield Case("a preview beside images and their table", both(many("images/{}.png", count=8), table("labels.csv", rows("file,label", "{}.png,{}")), files("preview.png")), counts=TWO, notes=(LIES, "1 image is not in labels.csv: left out"))  # fmt: skip
    yield Case("data beside src and a figure", both(many(*below("data")), files("src/x.py", "figures/plot.png")), counts=TWO, notes=("data: entered", "figures lies beside data, which has the folders of images: left out"))  # fmt: skip
    yield Case("images of splits beside a logo", both(many(*below("images/train"), *below("images/val")), files("assets/logo.png")), counts=GIVEN, notes=("assets lies beside images",))  # fmt: skip
    yield Case("all beside train and val", many(*below("all"), "all/cat/x{}.png", "all/dog/x{}.png", "train/cat/a{}.png", "train/dog/a{}.png", "val/cat/b{}.png", "val/dog/b{}.png"), counts=GIVEN, notes=("all is not one of the splits: left out",))  # fmt: skip
    yield Case("images to predict beside yes and no", many("yes/{}.png", "no/{}.png", "pred/{}.png"), counts={"no": ONE, "pred": ONE, "yes": ONE}, notes=("pred is taken for a class",))  # fmt: skip
    yield Case("an image beside the one folder of images", both(many("cat/{}.png", count=9), files("a.png")), error="mixes layouts")  # fmt: skip
    yield Case("an alias of macOS beside others", both(many(*CLASSES), called(b"book\0\0\0\0mark" + bytes(99), "cat/x.jpg alias")), counts=TWO, notes=("left out 1 file",))  # fmt: skip
    yield Case("FiftyOne's _unlabeled", many(*CLASSES, "_unlabeled/{}.png"), counts={**TWO, "_unlabeled": ONE}, notes=("_unlabeled is taken for a class",))  # fmt: skip
    yield Case("a heart with and without the mark of emoji", many("\u2764/{}.png", "\u2764\ufe0f/{}.png"), problems=("are one class in two spellings",))  # fmt: skip
    samples = [f"{number}.jpg" for number in range(4)]
    yield Case("Teachable Machine's samples", both(zipped("cat-samples.zip", *samples), zipped("dog-samples.zip", *samples)), counts=TWO)  # fmt: skip
    yield Case("Teachable Machine's samples of classes without names", both(zipped("Class 1-samples.zip", *samples), zipped("Class 2-samples.zip", *samples)), counts={"Class 1": ONE, "Class 2": ONE})  # fmt: skip
    yield Case("Teachable Machine's samples, loaded twice", both(zipped("cat-samples.zip", *samples), zipped("cat-samples (1).zip", *samples), zipped("dog-samples.zip", *samples)), notes=("taken for two classes: cat-samples and cat-samples (1)",))  # fmt: skip


def _wrapped() -> Iterator[Case]:
    """What a folder around it, a system's files in it or an archive must not change."""
    flat = many("shots/{}.png", count=8)
    entered = ("shots is not taken for a class: entered",)
    yield Case("metadata.csv in a folder of another name", both(flat, table("shots/metadata.csv", rows("file_name,label", "{}.png,{}"))), counts=TWO, notes=entered)  # fmt: skip
    yield Case("metadata.csv of one class in a class folder", both(flat, table("shots/metadata.csv", rows("file_name,label", "{}.png,cat"))), counts={"shots": (6, 2, 0)})  # fmt: skip
    one_hot = "filename,cat,dog\n0.png,1,0\n1.png,0,1\n"
    yield Case("Roboflow's tables in a folder of another name", both(many("shots/train/{}.png", "shots/valid/{}.png", count=2), *(table(f"shots/{split}/_classes.csv", one_hot) for split in ("train", "valid"))), counts={"cat": HALF, "dog": HALF}, split="given", notes=entered)  # fmt: skip
    yield Case("train.csv in a folder of another name", both(many("shots/train/{}.png", "shots/test/x{}.png", count=8), table("shots/train.csv", rows("file,label", "{}.png,{}"))), counts=TWO, notes=entered)  # fmt: skip
    boxes = [table(f"shots/{n}.json", json.dumps({"shapes": [{"label": LABELS[n], "points": [[0, 0], [9, 9]]}], "imagePath": f"{n}.png"})) for n in range(8)]  # fmt: skip
    yield Case(
        "labelme's outlines in a folder of another name", both(flat, *boxes), counts=TWO, notes=entered
    )
    yield Case("a preview in a wrapper", both(many("x/pets/cat/{}.png", "x/pets/dog/{}.png"), files("x/pets/preview.png")), counts=TWO, notes=("x/pets is the only folder", LIES))  # fmt: skip
    yield Case("outputs that a Mac has looked at", both(many(*CLASSES), files("outputs/.DS_Store", "outputs/folder/.DS_Store", "outputs/folder/pocket/2026-01-01_00-00-00/best.png")), counts=TWO, silent=True)  # fmt: skip
    yield Case("a class Recycled with an icon of its own", both(many("glass/{}.png", "Recycled/{}.png"), table("Recycled/desktop.ini", "[.ShellClassInfo]\nIconResource=x.ico\n")), counts={"Recycled": ONE, "glass": ONE})  # fmt: skip
    yield Case("Windows' Recycled with its desktop.ini", both(many(*CLASSES), files("Recycled/a.png"), table("Recycled/desktop.ini", "[.ShellClassInfo]\nCLSID={645FF040-5081-101B-9F08-00AA002F954E}\n")), counts=TWO, silent=True)  # fmt: skip
    yield Case("a zip file of numbers and data.yaml", zipped("x.zip", *(f"{split}/{n}/{i}.png" for split in ("train", "valid") for n in (0, 1) for i in range(4)), **{"data.yaml": b"names: [cat, dog]\n"}), root="x.zip", counts=GIVEN, notes=("class names are those of data.yaml",))  # fmt: skip


def _parts() -> Iterator[Case]:
    """Tables that label some of the images."""
    images = many("images/{}.png", count=12)
    train = table("train.csv", rows("file,label", "{}.png,{}"))
    rest = ("4 images are not in train.csv: left out", "the labels are those of train.csv")
    yield Case("Kaggle's train.csv of some images", both(images, train), counts=TWO, notes=rest)
    yield Case("Kaggle's train.csv of some images and test.csv", both(images, train, table("test.csv", "file\n8.png\n"), table("sample_submission.csv", "file,label\n8.png,cat\n")), counts=TWO, notes=(*rest, "test.csv is not read"))  # fmt: skip
    yield Case(
        "Kaggle's train.csv among its images", both(many("{}.png", count=12), train), counts=TWO, notes=rest
    )
    yield Case("train.csv of some images in train", both(many("train/{}.png", count=12), train), counts=TWO, notes=rest)  # fmt: skip
    yield Case("labels.csv of some images", both(images, table("labels.csv", rows("file,label", "{}.png,{}"))), counts=TWO, notes=("4 images are not in labels.csv: left out",))  # fmt: skip
    yield Case("train.csv of some images and test.csv with labels of others", both(images, train, table("test.csv", "file,label\n8.png,cat\n")), error="train.csv, if that lists their labels")  # fmt: skip
    yield Case("numbers for names of one word", both(many("images/img_{}.jpg", count=8), table("labels.csv", rows("id,label", "{},{}"))), counts=TWO, notes=("0 is taken for img_0.jpg",))  # fmt: skip
    yield Case("numbers for names with zeros", both(files(*(f"images/IMG_{n:04}.jpg" for n in range(8))), table("labels.csv", rows("id,label", "{},{}"))), counts=TWO, notes=("0 is taken for IMG_0000.jpg",))  # fmt: skip
    yield case("numbers from 0 on for names from 1 on", rows("id,label", "{},{}"), *(f"i/img_{n}.jpg" for n in range(1, 9)), error="lists files that do not exist")  # fmt: skip
    yield case("numbers for names of two words", rows("id,label", "{},{}"), *(f"i/{'ab'[n % 2]}_{n}.jpg" for n in range(8)), error="lists files that do not exist")  # fmt: skip
    yield Case("labels.xlsx and notes.csv beside images", both(many("images/{}.png"), called(b"PK\x03\x04", "labels.xlsx"), table("notes.csv", "who,when\nme,now\n")), error="labels.xlsx may list their labels")  # fmt: skip


def _flat_splits() -> Iterator[Case]:
    """A val or test without class folders, whose labels a table lists."""
    signs = both(many("Train/0/0_{}.png", "Train/1/1_{}.png", "Test/{}.png", "Meta/{}.png"), table("Train.csv", "".join(["ClassId,Path\n", *(f"{c},Train/{c}/{c}_{n}.png\n" for c in (0, 1) for n in range(4))])), table("Test.csv", "ClassId,Path\n0,Test/0.png\n1,Test/1.png\n0,Test/2.png\n1,Test/3.png\n"), table("Meta.csv", "Path,ClassId\nMeta/0.png,0\nMeta/1.png,1\n"))  # fmt: skip
    yield Case("GTSRB as Kaggle has it", signs, counts={"0": (3, 1, 2), "1": (3, 1, 2)}, notes=("Test has no class folders: its labels are those of Test.csv", "Meta is not one of the splits"))  # fmt: skip
    flat, val = many(*below("train"), "val/{}.png"), rows("file,label", "{}.png,{}", 4)
    yield Case("a val of images and val.csv", both(flat, table("val.csv", val)), counts={"cat": (4, 2, 0), "dog": (4, 2, 0)}, split="given", notes=("its labels are those of val.csv",))  # fmt: skip
    yield Case("a val of images and a list in it", both(many(*below("train"), "val/images/{}.png"), table("val/val_annotations.txt", "".join(f"{n}.png\t{LABELS[n]}\t0\t0\t62\t62\n" for n in range(4)))), counts={"cat": (4, 2, 0), "dog": (4, 2, 0)}, split="given", notes=("its labels are those of val_annotations.txt",))  # fmt: skip
    yield Case("a val of images and val.csv of other classes", both(flat, table("val.csv", val.replace("cat", "0"))), counts=TWO, notes=("val holds images without labels: left out",))  # fmt: skip
    yield Case("a test of images and an example of a submission", both(many(*below("train"), "test/{}.png"), table("sample_submission.csv", val)), counts=TWO, notes=("test holds images without labels: left out",))  # fmt: skip
    yield Case("a test of images and labels.csv of all", both(many("train/cat/{}.png", "train/dog/a{}.png", "test/b{}.png"), table("labels.csv", rows("file,label", "b{}.png,{}", 4))), counts=TWO, notes=("test holds images without labels: left out",))  # fmt: skip


def _columns() -> Iterator[Case]:
    for column, value in (("category", "animal"), ("type", "image"), ("tags", "[]"), ("tags", "")):
        yield case(f"a {column} of all images, {value!r}, and species", rows(f"path,{column},species", f"images/{{}}.png,{value},{{}}"), *EIGHT, counts=TWO)  # fmt: skip
    yield case("one label and a type of each image", "path,type,label\ni/a.png,photo,cat\ni/b.png,drawing,cat\n", counts={"cat": (1, 1, 0)})  # fmt: skip
    yield case("tags and the ground truth", rows("filepath,tags,ground_truth", "images/{0}.png,\"['{0}']\",{1}"), *EIGHT, counts=TWO)  # fmt: skip
    yield case("the ranks of taxonomy", "path,kingdom,class,order,family,species\ni/a.png,Animalia,Mammalia,Carnivora,Felidae,Felis catus\ni/b.png,Animalia,Mammalia,Carnivora,Canidae,Canis lupus\n", counts={"Felis catus": (1, 0, 0), "Canis lupus": (1, 0, 0)})  # fmt: skip
    yield case("the ranks of taxonomy alone", "path,kingdom,class,order\ni/a.png,Animalia,Mammalia,Carnivora\ni/b.png,Animalia,Aves,Anseriformes\n", counts={"Mammalia": (1, 0, 0), "Aves": (1, 0, 0)})  # fmt: skip
    yield case("the name that people use and the epithet", "filename,genus,species,common_name\ni/a.png,Felis,catus,cat\ni/b.png,Canis,lupus,dog\n")  # fmt: skip
    yield case("pandas' dummies", "path,label_cat,label_dog\ni/a.png,1,0\ni/b.png,0,1\n", counts={"cat": (1, 0, 0), "dog": (1, 0, 0)}, notes=("behind label_",))  # fmt: skip
    yield case("columns that begin with one word of something else", "path,big_cat,big_dog\ni/a.png,1,0\ni/b.png,0,1\n", counts={"big_cat": (1, 0, 0), "big_dog": (1, 0, 0)}, silent=True)  # fmt: skip
    for mark in ("x", "X", "\u2713"):
        yield case(
            f"a {mark} in the column of the class", f"path,cat,dog\ni/a.png,{mark},\ni/b.png,,{mark}\n"
        )
    classes = {
        "0": {"name": "cat", "images": ["i/a.png", "i/b.png"]},
        "1": {"name": "dog", "images": ["i/c.png"]},
    }
    three = ("i/a.png", "i/b.png", "i/c.png")
    yield case("JSON of the images of each numbered class", json.dumps(classes), *three, file="t.json", counts={"cat": (1, 1, 0), "dog": (1, 0, 0)})  # fmt: skip
    yield case("JSON of objects with several images", json.dumps([{"path": ["i/a.png", 3], "label": "cat"}]), *three, file="t.json", error="entry 1: no path, or several")  # fmt: skip
    columns = {"label_names": ["cat", "dog"], "image_names": [f"/home/ana/images/{n}.png" for n in range(8)], "image_labels": [n % 2 for n in range(8)]}  # fmt: skip
    yield case(
        "JSON of columns and the names of classes", json.dumps(columns), *EIGHT, file="t.json", counts=TWO
    )
    triples = [["i/a.png", "cat", "train"], ["i/b.png", "cat", "val"]]
    yield case("JSON of triples", json.dumps(triples), *three, file="t.json", counts={"cat": (1, 1, 0)}, split="given")  # fmt: skip
    yield case("a quotation mark that is not closed", 'path,text,label\ni/a.png,"x,cat\n' + "i/b.png,x,dog\n" * 20_000, error="a quotation mark that is not closed?")  # fmt: skip
    some = {"counts": {"cat": (2, 1, 0), "dog": (2, 1, 0)}}
    half = "".join(f"images/{n}.png,{LABELS[n] if n < 6 else ''}\n" for n in range(8))
    yield case("rows that nobody has labelled yet", f"path,label\n{half}", *EIGHT, notes=("2 lines name an image and no class: left out",), **some)  # fmt: skip
    yield case("rows of empty lists", f"path,choices\n{half}".replace(",\n", ",[]\n"), *EIGHT, notes=("2 lines name an image and no class: left out",), **some)  # fmt: skip
    tasks = [{"image": f"/data/upload/1/0a1b2c3d-{n}.png", **({"choice": LABELS[n]} if n < 6 else {})} for n in range(8)]  # fmt: skip
    yield case("Label Studio's JSON-MIN of some tasks", json.dumps(tasks), *EIGHT, file="t.json", notes=("2 entries name an image and no class: left out",), **some)  # fmt: skip
    yield case("one name in train and in test", "".join(["file,label,split\n", *(f"{n}.png,{LABELS[n]},{split}\n" for split in ("train", "test") for n in range(8))]), *(f"{split}/{n}.png" for split in ("train", "test") for n in range(8)), counts={"cat": (3, 1, 4), "dog": (3, 1, 4)})  # fmt: skip
    chat = '{"messages": [{"role": "user"}, {"role": "assistant"}], "images": ["i/a.png"]}\n'
    yield case("chats about images", chat, file="t.jsonl", error="line 1: no label, or several")
    yield case("masks for labels", rows("image,label", "images/{0}.png,masks/{0}.png"), *EIGHT, *(f"masks/{n}.png" for n in range(8)), error="column label has names of images where classes are wanted")  # fmt: skip
    yield case("a line of images for each class", "cat: i/a.png i/b.png\ndog: i/c.png i/d.png\n", "i/a.png", "i/b.png", "i/c.png", "i/d.png", file="t.txt", error="has names of images where classes are wanted")  # fmt: skip
    for name, head in (
        ("base64", "iVBORw0KGgo"),
        ("base64", "/9j/4AAQ"),
        ("Hugging Face's bytes", "{'bytes': b'"),
    ):
        yield case(f"{name} of images, {head}", f"image,label\n{head}AAA,cat\n{head}BBB,dog\n", error="those are images themselves: save each as a file")  # fmt: skip
    yield case("folders for images", "path,label\ni,cat\nj,dog\n", "i/a.png", "j/b.png", error="it is a folder: list each image")  # fmt: skip


def _split_files() -> Iterator[Case]:
    """One file beside class folders that has all splits."""
    paths = [f"{name}/{n}.png" for name in ("cat", "dog") for n in range(4)]
    folders, counts = many(*CLASSES), {"cat": (2, 1, 1), "dog": (2, 1, 1)}
    lines = [(path, "test" if "3" in path else "train") for path in paths]
    for name in ("split.csv", "splits.csv", "dataset_splits.csv", "train_test_split.csv"):
        text = "file,split\n" + "".join(f"{path},{split}\n" for path, split in lines)
        yield Case(f"{name} beside class folders", both(folders, table(name, text)), counts=counts, notes=(f"the split is that of {name}",))  # fmt: skip
    text = "path,label,split\n" + "".join(f"{path},{path[:3]},{split}\n" for path, split in lines)
    yield Case("train_test_split.csv with labels", both(folders, table("train_test_split.csv", text)), counts=counts, notes=("the split is that of",))  # fmt: skip
    splits = json.dumps(
        {"train": [path for path, split in lines if split == "train"], "test": ["cat/3.png", "dog/3.png"]}
    )
    yield Case("splits.json beside class folders", both(folders, table("splits.json", splits)), counts=counts, notes=("the split is that of splits.json",))  # fmt: skip
    yield Case("split.csv that says none", both(folders, table("split.csv", "file,fold\n" + "".join(f"{path},1\n" for path in paths))), counts=TWO, notes=("split.csv is not read: it does not say train, val or test",))  # fmt: skip


def _splits() -> Iterator[Case]:
    yield case("splits called Training, PublicTest and PrivateTest", "path,label,Usage\ni/a.png,cat,Training\ni/b.png,cat,PublicTest\ni/c.png,cat,PrivateTest\n", "i/a.png", "i/b.png", "i/c.png", counts={"cat": (1, 1, 1)}, split="given")  # fmt: skip
    yield case("Vertex AI's unassigned images", rows("", "UNASSIGNED,gs://bucket/images/{}.png,{}"), *EIGHT, counts=TWO, split="made")  # fmt: skip
    yield case("Vertex AI's unassigned images beside others", "UNASSIGNED,gs://b/i/a.png,cat\nVALIDATION,gs://b/i/b.png,cat\n", counts={"cat": (1, 1, 0)}, split="given")  # fmt: skip
    for column in ("set", "phase", "usage", "group"):
        yield case(f"a column {column} of something else", f"path,label,{column}\ni/a.png,cat,day\ni/b.png,dog,night\n")  # fmt: skip
    yield case("a column set that is no split", "path,label,set\ni/a.png,cat,A\ni/b.png,dog,B\n", counts={"cat": (1, 0, 0), "dog": (1, 0, 0)}, notes=("column set does not say train, val or test",))  # fmt: skip
    for cell in ("fold_{}", "Fold {}", "{}.0", "f{}"):
        yield case(f"folds called {cell}", rows("path,label,fold", f"images/{{0}}.png,{{1}},{cell.format('{0}')}"), *EIGHT, counts=TWO, notes=("column fold has numbers",))  # fmt: skip
    named, plain = rows("file,label", "{}.png,{}", 12), "".join(f"{name},{label}\n" for name, label in zip(SPLIT, LABELS, strict=True))  # fmt: skip
    yield Case("labels.csv of the names in train and val", both(files(*SPLIT), table("labels.csv", named)), counts=SPLITS, split="given", notes=FOLDERS)  # fmt: skip
    yield Case("labels.csv of the paths in train and val", both(files(*SPLIT), table("labels.csv", f"file,label\n{plain}")), counts=SPLITS, split="given", notes=FOLDERS)  # fmt: skip
    yield Case("metadata.csv of the paths in train and val", both(files(*SPLIT), table("metadata.csv", f"file_name,label\n{plain}")), counts=SPLITS, split="given", notes=FOLDERS)  # fmt: skip
    yield case("paths in train and val", f"file,label\n{plain}", *SPLIT, counts=SPLITS, split="given", notes=FOLDERS)  # fmt: skip
    yield case("paths in train and in data", f"file,label\n{plain}".replace("val/", "data/"), *(name.replace("val", "data") for name in SPLIT), counts={"cat": (4, 2, 0), "dog": (4, 2, 0)}, split="made")  # fmt: skip
    yield case("paths in the folders of classes called train and test", "file,label\ntrain/a.png,train\ntest/b.png,test\n", "train/a.png", "test/b.png", counts={"train": (1, 0, 0), "test": (1, 0, 0)}, silent=True)  # fmt: skip
    yield case("paths in train and val, and a column of splits", "file,label,split\ntrain/a.png,cat,val\nval/b.png,cat,train\n", "train/a.png", "val/b.png", counts={"cat": (1, 1, 0)}, silent=True)  # fmt: skip


def _tools() -> Iterator[Case]:
    data = many("data/{}.jpg", count=8)
    said = ("read as a file of FiftyOne's", "the labels are those of labels.json")
    numbers = {str(n): n % 2 for n in range(8)}
    names = {str(n): {"label": LABELS[n], "confidence": 0.9} for n in range(8)}
    for name, classes, labels in (("numbers", ["cat", "dog"], numbers), ("names", None, names), ("lists", None, {key: [one] for key, one in names.items()})):  # fmt: skip
        text = json.dumps({"classes": classes, "labels": labels})
        yield Case(f"FiftyOne's labels.json of {name}", both(data, table("labels.json", text)), counts=TWO, notes=said)  # fmt: skip
    boxes = {key: [{**one, "bounding_box": [0, 0, 1, 1]}] for key, one in names.items()}
    yield Case("FiftyOne's labels.json of boxes", both(data, table("labels.json", json.dumps({"classes": None, "labels": boxes}))), counts=TWO, notes=("an image has the class of its boxes",))  # fmt: skip
    mmlab = {"metainfo": {"classes": ["cat", "dog"]}, "data_list": [{"img_path": f"data/{n}.jpg", "gt_label": n % 2} for n in range(8)]}  # fmt: skip
    yield Case("OpenMMLab's annotations", both(data, table("train.json", json.dumps(mmlab))), counts=TWO, notes=("read as a file of OpenMMLab's",))  # fmt: skip
    some = json.dumps({"classes": ["cat", "dog"], "labels": {**numbers, "7": None}})
    yield Case("FiftyOne's labels.json, one image without a label", both(data, table("labels.json", some)), counts={"cat": ONE, "dog": (2, 1, 0)}, notes=("1 entry names an image and no class: left out",))  # fmt: skip
    yield Case("FiftyOne's labels.json of a class that is not there", both(data, table("labels.json", json.dumps({"classes": ["cat"], "labels": numbers}))), error="holds images but no class folders")  # fmt: skip
