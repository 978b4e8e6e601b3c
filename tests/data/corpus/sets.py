# ruff: noqa: E501 - a case a line reads better
"""More data sets as their makers pack them, tried when the other modules' inputs all worked."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import (
    EACH,
    GIVEN,
    HALF,
    IMAGES,
    ONE,
    TWO,
    Case,
    below,
    both,
    called,
    files,
    many,
    table,
    tables,
    tarred,
    zipped,
)

case = tables("sets")


def images() -> Iterator[Case]:
    yield Case("RGB-D scenes in a folder for each object", many(*(f"{kind}/{kind}_{n}/{kind}_{n}_{{}}.png" for kind in ("apple", "ball") for n in (1, 2))), notes=("apple (apple_1, apple_2), ball (ball_1, ball_2)",))  # fmt: skip
    yield Case("LFW", many("lfw/George_W_Bush/George_W_Bush_000{}.jpg", "lfw/Tony_Blair/Tony_Blair_000{}.jpg"), counts={"George_W_Bush": ONE, "Tony_Blair": ONE}, notes=("lfw is the only folder",))  # fmt: skip
    yield Case("UTKFace", many("UTKFace/{}_0_2_20170111.jpg.chip.jpg"), counts={"UTKFace": ONE})
    yield Case("Chars74K", many("English/Img/GoodImg/Bmp/Sample001/img001-{}.png", "English/Img/GoodImg/Bmp/Sample002/img002-{}.png", "English/Img/GoodImg/Msk/Sample001/img001-{}.png", "English/Img/GoodImg/Msk/Sample002/img002-{}.png"), notes=("Bmp and Msk are taken for classes, but hold the same folders (Sample001, Sample002)",))  # fmt: skip
    yield Case("SVHN's folders", both(many("train/{}.png", "test/{}.png", "extra/{}.png"), called(b"\x89HDF" + bytes(9), "train/digitStruct.mat")), error="digitStruct.mat may list their labels")  # fmt: skip
    yield Case("STL-10's binaries", both(files("stl10_binary/class_names.txt"), called(bytes(999), "stl10_binary/train_X.bin", "stl10_binary/test_X.bin")), error="holds no images (2 .bin, 1 .txt)")  # fmt: skip
    yield Case("PCam", called(b"\x89HDF" + bytes(99), "camelyonpatch_train_x.h5"), error="arrays; save each image as PNG")  # fmt: skip
    yield Case("Kvasir with its README in each class", both(many("kvasir/polyps/{}.jpg", "kvasir/esophagitis/{}.jpg"), files("kvasir/polyps/README", "kvasir/esophagitis/readme.txt")), counts={"esophagitis": ONE, "polyps": ONE}, notes=("left out 2 files",))  # fmt: skip
    yield Case("OCT in its wrappers", many(*(f"OCT2017 /{split}/{kind}/{kind}-{{}}-1.jpeg" for split in ("train", "test", "val") for kind in ("CNV", "DRUSEN"))), counts={"CNV": (4, 4, 4), "DRUSEN": (4, 4, 4)}, split="given")  # fmt: skip
    yield Case("the chest X-rays of Kaggle", both(many(*(f"chest_xray/{split}/{kind}/{{}}.jpeg" for split in ("train", "test", "val") for kind in ("NORMAL", "PNEUMONIA"))), files("chest_xray/__MACOSX/chest_xray/._train", "chest_xray/train/.DS_Store")), counts={"NORMAL": (4, 4, 4), "PNEUMONIA": (4, 4, 4)}, split="given")  # fmt: skip
    yield Case("malaria's cells in a copy", many("cell_images/Parasitized/{}.png", "cell_images/Uninfected/{}.png", "cell_images/cell_images/Parasitized/{}.png", "cell_images/cell_images/Uninfected/{}.png"), problems=("a copy of them?",))  # fmt: skip
    yield Case("sign language in ranges of letters", many("A-M/A/{}.jpg", "A-M/B/{}.jpg", "N-Z/N/{}.jpg"), notes=("A-M (A, B), N-Z (N)",))  # fmt: skip
    yield Case("PACS", both(many(*(f"kfold/{domain}/{kind}/pic_{{}}.jpg" for domain in ("art_painting", "photo") for kind in ("dog", "horse"))), files("splits/photo_train_kfold.txt")), notes=("art_painting and photo are taken for classes, but hold the same folders (dog, horse)",))  # fmt: skip
    yield Case("Camelyon's patients with their slides", many("tumor/tumor_001/{}.png", "tumor/tumor_002/{}.png", "normal/normal_001/{}.png"), notes=("normal (normal_001), tumor (tumor_001, tumor_002)",))  # fmt: skip
    yield Case("DocVQA's pages", both(many("invoice/{}.tif", "letter/{}.tif"), files("invoice/a.pdf", "letter/b.docx")), counts={"invoice": ONE, "letter": ONE}, notes=("drawings or documents",))  # fmt: skip
    yield Case("spectrograms beside their sounds", both(many("bird/{}.png", "frog/{}.png"), files("bird/0.wav", "frog/0.flac")), counts={"bird": ONE, "frog": ONE}, notes=("left out 2 files",))  # fmt: skip
    yield Case("sounds alone", files("bird/0.wav", "frog/0.mp3"), error="2 files (.mp3, .wav) are sounds; save spectrograms")  # fmt: skip
    yield Case("3D models alone", files("chair/0.obj", "table/0.stl", "table/1.ply", "table/2.off"), error="4 files (.obj, .off, .ply, .stl) are 3D models; render views of them as PNG")  # fmt: skip
    yield Case("point clouds alone", files("car/0.pcd", "tree/0.las"), error="3D models")
    yield Case("text alone", files("pos/0.txt", "neg/0.txt"), error="holds no images (2 .txt)")
    yield Case("Lottie and icons", files("a/x.ico", "b/y.icns"), error="images of a kind that is not read")
    yield Case("eml files", files("spam/0.eml", "ham/1.msg"), error="holds no images")
    yield Case("a Keras tutorial's generator folders", both(many(*below("data/train"), *below("data/validation")), files("data/bottleneck_features_train.npy", "first_try.h5")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("a sorted folder beside the raw one", many("raw/IMG_{}.jpg", "sorted/cat/a{}.jpg", "sorted/dog/b{}.jpg"), notes=("sorted (cat, dog)",))  # fmt: skip
    yield Case("a class for what nobody knows", many("cat/{}.png", "dog/{}.png", "unknown/{}.png"), counts={**TWO, "unknown": ONE})  # fmt: skip
    yield Case("Teachable Machine's folders", many("Class 1-samples/{}.jpg", "Class 2-samples/{}.jpg"), counts={"Class 1-samples": ONE, "Class 2-samples": ONE})  # fmt: skip
    yield Case("Lobe's export", both(many("images/{}.jpg"), table("labels.json", json.dumps([{"image": f"{n}.jpg", "tag": "cat"} for n in range(4)]))), counts={"cat": ONE}, notes=("the labels are those of labels.json",))  # fmt: skip
    yield Case("Custom Vision's export", both(many("images/{}.jpg"), table("dataset.json", json.dumps([{"path": f"images/{n}.jpg", "tags": ["cat"]} for n in range(4)]))), counts={"cat": ONE}, notes=("the labels are those of dataset.json",))  # fmt: skip
    yield Case("a photo shoot in selections", many("Selects/DSC_{}.jpg", "Rejects/DSC_{}.jpg"), counts={"Rejects": ONE, "Selects": ONE})  # fmt: skip
    yield Case("stars for classes", many("1 star/{}.jpg", "5 stars/{}.jpg"), counts={"1 star": ONE, "5 stars": ONE}, silent=True)  # fmt: skip
    yield Case("a class called None beside others", many("None/{}.png", "rust/{}.png"), counts={"None": ONE, "rust": ONE})  # fmt: skip
    yield Case("angles for classes", many("0/{}.png", "90/{}.png", "180/{}.png", "-90/{}.png", "-180/{}.png"), counts={"-180": ONE, "-90": ONE, "0": ONE, "180": ONE, "90": ONE}, silent=True)  # fmt: skip
    yield Case("temperatures for classes", many("-5 °C/{}.png", "5 °C/{}.png"), counts={"-5 °C": ONE, "5 °C": ONE}, silent=True)  # fmt: skip
    yield Case("signs for classes", many("A+/{}.png", "A-/{}.png", "A/{}.png"), counts={"A": ONE, "A+": ONE, "A-": ONE}, silent=True)  # fmt: skip
    yield Case("C, C++ and C#", many("C/{}.png", "C++/{}.png", "C#/{}.png"), counts={"C": ONE, "C#": ONE, "C++": ONE}, silent=True)  # fmt: skip
    yield Case("Roman numbers", many("I/{}.png", "II/{}.png", "III/{}.png"), silent=True)
    yield Case("sizes S and s", many("S/{}.png", "s/{}.png"), problems=("are one class in two spellings",))
    yield Case("pass and passes", many("pass/{}.png", "fail/{}.png"), counts={"fail": ONE, "pass": ONE}, silent=True)  # fmt: skip
    yield Case("a tar of a WebDataset with classes in text", tarred("s.tar", "0.jpg", "1.jpg"), root="s.tar", error="holds images but no class folders")  # fmt: skip
    yield Case("a zip file of three wrappers and litter", zipped("x.zip", *(f"a/b/c/{one}/{n}.png" for one in ("cat", "dog") for n in range(4)), "a/.git/HEAD", "a/b/@eaDir/x.png", "a/b/Thumbs.db"), root="x.zip", counts=TWO)  # fmt: skip


def lists() -> Iterator[Case]:
    yield case("left and right images", "left_image,right_image,label\ni/a.png,i/c.png,cat\ni/b.png,i/d.png,dog\n", *IMAGES, "i/c.png", "i/d.png", notes=("columns left_image and right_image both have images",))  # fmt: skip
    yield case("an image and its thumbnail", "image,thumbnail,label\ni/a.png,t/a.png,cat\ni/b.png,t/b.png,dog\n", *IMAGES, "t/a.png", "t/b.png")  # fmt: skip
    yield case("before and after", "before,after,label\ni/a.png,i/c.png,cat\ni/b.png,i/d.png,dog\n", *IMAGES, "i/c.png", "i/d.png", notes=("both have images",))  # fmt: skip
    yield case("scores for labels", "path,score\ni/a.png,7\ni/b.png,9\n", counts={"7": (1, 0, 0), "9": (1, 0, 0)}, notes=("column score is taken for the label",))  # fmt: skip
    yield case("ratings in decimals", "path,rating\ni/a.png,3.5\ni/b.png,4.25\n", notes=("classes are decimal numbers",))  # fmt: skip
    yield case("decimal commas for labels", "path;value\ni/a.png;3,5\ni/b.png;4,25\n", notes=("classes are decimal numbers",))  # fmt: skip
    yield case("dates for labels", "path,label\n" + "".join(f"i/{n}.png,2024-01-{n:02}\n" for n in range(1, 21)), *(f"i/{n}.png" for n in range(1, 21)), notes=("20 images have 20 labels",))  # fmt: skip
    yield case("one label for all", "path,label\ni/a.png,cat\ni/b.png,cat\n", counts={"cat": HALF})
    yield case("a class in each row and a weight", "path,label,weight\ni/a.png,cat,0.5\ni/b.png,dog,1.0\n", counts=EACH, silent=True)  # fmt: skip
    yield case("an image of two rows and different splits", "path,label,split\ni/a.png,cat,train\ni/a.png,cat,test\ni/b.png,cat,train\n", error="i/a.png is in test, and in train above")  # fmt: skip
    yield case("a file in two ways of writing", "path,label\ni/a.png,cat\n./i/a.png,dog\ni/b.png,dog\n", error="as 'cat', and 'dog' here")  # fmt: skip
    yield case("a file by two paths with one label", "path,label\ni/a.png,cat\ni/../i/a.png,cat\ni/b.png,dog\n", counts=EACH, notes=("1 lines repeat an image",))  # fmt: skip
    yield case("numbers with commas for thousands", '"image","label"\n"1,001","cat"\n"1,002","dog"\n', "i/1001.png", "i/1002.png", error="files that do not exist")  # fmt: skip
    yield case("scientific numbers", "image,label\n1E+05,cat\n2E+05,dog\n", "i/100000.png", "i/200000.png", error="files that do not exist")  # fmt: skip
    yield case("labels with line ends in them", 'path,label\ni/a.png,"great\ndane"\ni/b.png,pug\n', counts={"great\ndane": (1, 0, 0), "pug": (1, 0, 0)})  # fmt: skip
    yield case("a column of paths to folders", "folder,label\ni,cat\nj,dog\n", "i/a.png", "i/b.png", "j/c.png", error="no path column among folder, label")  # fmt: skip
    yield case("a JSON list of classes alone", '["cat", "dog"]', file="classes.json", error="does not list images and labels")  # fmt: skip
    yield case("JSON of images in classes below a key", '{"dataset": {"cat": ["i/a.png"], "dog": ["i/b.png"]}}', file="t.json", counts=EACH)  # fmt: skip
    yield case("JSON of classes with their images as objects", '{"classes": [{"name": "cat", "images": ["i/a.png", "i/c.png"]}, {"name": "dog", "images": ["i/b.png"]}]}', *IMAGES, "i/c.png", file="t.json", counts={"cat": HALF, "dog": (1, 0, 0)})  # fmt: skip


def sets() -> Iterator[Case]:
    """All of them."""
    yield from images()
    yield from lists()
