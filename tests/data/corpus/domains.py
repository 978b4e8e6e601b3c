# ruff: noqa: E501 - a case a line reads better; letters that look like others are the point
"""Folders from hospitals, satellites, factories, biologists, telephones, clouds, scrapers and labelling tools."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.data.corpus.case import (
    CLASSES,
    EACH,
    GIVEN,
    ONE,
    TESTED,
    THREE,
    TWO,
    Case,
    Make,
    below,
    both,
    called,
    files,
    image_bytes,
    link,
    many,
    table,
    tarred,
    zipped,
)

DICOM = bytes(128) + b"DICM" + bytes(99)


def medical() -> Iterator[Case]:
    yield Case("DICOM files without suffix", called(DICOM, "S1/IM0001", "S1/IM0002", "S2/IM0001"), error="3 files (without suffix) are scans; export them as PNG or TIFF")  # fmt: skip
    yield Case("DICOM files that end in numbers", called(DICOM, "S1/IM.1", "S1/IM.2"), error="2 files (.1, .2) are scans")  # fmt: skip
    yield Case("DICOM files that end in anything", called(DICOM, "cat/a.ima", "dog/b.ima"), error="scans; export them as PNG or TIFF")  # fmt: skip
    yield Case("a DICOMDIR beside images", both(many(*CLASSES), called(DICOM, "DICOMDIR")), counts=TWO, notes=("left out 1 file", "scans"))  # fmt: skip
    yield Case("NIfTI files that are packed", files("sub1/t1.nii.gz", "sub2/t1.nii.gz"), error="2 .gz files are scans; export them as PNG or TIFF")  # fmt: skip
    yield Case("FITS files that are packed", files("gal/a.fits.gz", "star/b.fit.gz", "star/c.fits.fz"), error="images of a kind that is not read")  # fmt: skip
    yield Case("BreaKHis", many("BreaKHis_v1/histology_slides/breast/benign/SOB/adenosis/SOB_B_A_14-22549AB/40X/SOB_{}.png", "BreaKHis_v1/histology_slides/breast/malignant/SOB/ductal/SOB_M_DC_14-2/40X/SOB_{}.png"), counts={"benign": ONE, "malignant": ONE}, notes=("BreaKHis_v1/histology_slides/breast is the only folder", "benign (SOB), malignant (SOB)"))  # fmt: skip
    yield Case("IDC's patients before their classes", many(*(f"{who}/{kind}/{who}_{{}}_class{kind}.png" for who in ("10253", "10254", "10255") for kind in "01")), notes=("hold the same folders (0, 1)",))  # fmt: skip
    yield Case("lung and colon", many("lung_colon_image_set/lung_image_sets/lung_aca/{}.jpeg", "lung_colon_image_set/lung_image_sets/lung_n/{}.jpeg", "lung_colon_image_set/colon_image_sets/colon_aca/{}.jpeg", "lung_colon_image_set/colon_image_sets/colon_n/{}.jpeg"), notes=("if those folders are the classes, move them up",))  # fmt: skip
    yield Case("CheXpert's table", table("CheXpert-small/train.csv", "Path,Sex,Age,No Finding,Cardiomegaly\nCheXpert-small/train/p1/s1/view1.jpg,F,68,1.0,\nCheXpert-small/train/p2/s1/view1.jpg,M,60,,1.0\n", "CheXpert-small/train/p1/s1/view1.jpg", "CheXpert-small/train/p2/s1/view1.jpg"), root="CheXpert-small/train.csv", counts={"No Finding": (1, 0, 0), "Cardiomegaly": (1, 0, 0)})  # fmt: skip
    yield Case("a table of scans", both(called(DICOM, "images/a.dcm", "images/b.dcm"), table("t.csv", "patientId,Target\na,0\nb,1\n")), root="t.csv", error="scans")  # fmt: skip
    yield Case("the retinas' levels", both(many("train/{}_left.jpeg", "train/{}_right.jpeg", count=2), table("trainLabels.csv", "image,level\n0_left,0\n0_right,1\n1_left,0\n1_right,1\n")), root="trainLabels.csv", counts={"0": (1, 1, 0), "1": (1, 1, 0)})  # fmt: skip
    yield Case("SIIM's melanomas", table("t.csv", "image_name,patient_id,sex,diagnosis,benign_malignant,target\na,P1,f,nevus,benign,0\nb,P2,m,melanoma,malignant,1\n", "jpeg/train/a.jpg", "jpeg/train/b.jpg"), root="t.csv", counts={"nevus": (1, 0, 0), "melanoma": (1, 0, 0)})  # fmt: skip
    yield Case("channels of the Human Protein Atlas", many(*(f"{kind}/{{}}_{colour}.png" for kind in ("nuclei", "golgi") for colour in ("red", "green", "blue", "yellow"))), counts={"nuclei": (12, 4, 0), "golgi": (12, 4, 0)}, notes=("images come in sets of 4 (_blue, _green, _red and 1 more)",))  # fmt: skip
    yield Case("channels of a microscope", many(*(f"{kind}/B03_s{{}}_{channel}.tif" for kind in ("drug", "control") for channel in ("w1", "w2"))), notes=("images come in sets of 2 (_w1, _w2)",))  # fmt: skip


def satellites() -> Iterator[Case]:
    yield Case("EuroSAT", many("2750/AnnualCrop/AnnualCrop_{}.jpg", "2750/Forest/Forest_{}.jpg"), counts={"AnnualCrop": ONE, "Forest": ONE}, notes=("2750 is the only folder",))  # fmt: skip
    yield Case("UC Merced", both(many("UCMerced_LandUse/Images/beach/beach0{}.tif", "UCMerced_LandUse/Images/forest/forest0{}.tif"), files("UCMerced_LandUse/readme.txt")), counts={"beach": ONE, "forest": ONE})  # fmt: skip
    yield Case("GeoTIFFs with their world files", both(many("urban/{}.tif", "water/{}.tif"), files("urban/0.tfw", "urban/0.tif.aux.xml", "urban/0.prj", "urban/0.tif.ovr")), counts={"urban": ONE, "water": ONE}, notes=("left out 4 files",))  # fmt: skip
    yield Case("bands of BigEarthNet", both(many(*(f"S2A_{patch}_{{}}/S2A_{patch}_{{}}_{band}.tif" for patch in "ab" for band in ("B01", "B02", "B8A")), count=2), files("S2A_a_0/S2A_a_0_labels_metadata.json")), notes=("hold one set of images each (_B01, _B02, _B8A)",))  # fmt: skip
    yield Case("LoveDA", many(*(f"{split}/{area}/{kind}/{{}}.png" for split in ("Train", "Val") for area in ("Rural", "Urban") for kind in ("images_png", "masks_png"))), counts={"Rural": (4, 4, 0), "Urban": (4, 4, 0)}, notes=("masks of images are left out: Rural/masks_png",))  # fmt: skip
    yield Case("images_png and masks_png", many("images_png/{}.png", "masks_png/{}.png"), problems=("masks_png looks like masks of the images in images_png",))  # fmt: skip
    yield Case("rasters that are not read", files("a/x.ecw", "b/y.sid", "b/z.jpgw"), error="holds no images")
    yield Case("tiles of a map", many("18/137/{}.png", "18/138/{}.png"), counts={"137": ONE, "138": ONE}, notes=("18 is the only folder",))  # fmt: skip
    yield Case("images of a road and what is on it", many("tile/{}_sat.jpg", "tile/{}_mask.png"), notes=("images come in sets of 2 (_mask, _sat)",))  # fmt: skip
    yield Case("colours and depths", many(*(f"{fruit}/{fruit}_{{}}_{kind}.png" for fruit in ("apple", "pear") for kind in ("crop", "depthcrop", "maskcrop"))), notes=("images come in sets of 3 (_crop, _depthcrop, _maskcrop)",))  # fmt: skip
    yield Case("Radiance and EXR renders", files("wood/a.hdr", "stone/b.exr"), error="images of a kind that is not read")  # fmt: skip


def factories() -> Iterator[Case]:
    yield Case("DAGM", many("Class1/Train/{}.PNG", "Class1/Train/Label/{}_label.PNG", "Class1/Test/{}.PNG", "Class2/Train/{}.PNG", "Class2/Train/Label/{}_label.PNG", "Class2/Test/{}.PNG"), counts={"Class1": (3, 1, 4), "Class2": (3, 1, 4)}, notes=("masks of images are left out: Train/Label",))  # fmt: skip
    yield Case("KolektorSDD", many("kos01/Part{}.jpg", "kos01/Part{}_label.bmp", "kos02/Part{}.jpg", "kos02/Part{}_label.bmp"), notes=("8 images look like the mask or thumbnail of another image",))  # fmt: skip
    yield Case("NEU-DET", both(many(*(f"NEU-DET/{split}/images/{kind}/{{}}.jpg" for split in ("train", "validation") for kind in ("crazing", "patches"))), files("NEU-DET/train/annotations/crazing_1.xml", "NEU-DET/validation/annotations/crazing_2.xml")), counts={"crazing": (4, 4, 0), "patches": (4, 4, 0)}, split="given")  # fmt: skip
    yield Case("castings in two sizes", many(*below("casting_data/casting_data/train"), *below("casting_data/casting_data/test"), *below("casting_512x512/casting_512x512")), notes=("casting_512x512 (casting_512x512), casting_data (casting_data)",))  # fmt: skip
    yield Case("SDNET", many("D/CD/{}.jpg", "D/UD/{}.jpg", "P/CP/{}.jpg", "P/UP/{}.jpg"), notes=("D (CD, UD), P (CP, UP)",))  # fmt: skip
    yield Case("Severstal's outlines", table("t.csv", "ImageId_ClassId,EncodedPixels\na.jpg_1,1 2\na.jpg_2,\n", "train_images/a.jpg"), root="t.csv", error="no path column")  # fmt: skip
    yield Case("the working copies of a shift", many("ok/raw/{}.png", "ok/cropped/{}.png", "nok/raw/{}.png", "nok/cropped/{}.png"), notes=("hold the same folders (cropped, raw)",))  # fmt: skip
    yield Case("batches in splits before the classes", many(*(f"{split}/batch{n}/{one}" for split in ("train", "val") for n in (1, 2) for one in CLASSES)), notes=("batch1 and batch2 are taken for classes, but hold the same folders (cat, dog)",))  # fmt: skip


def living() -> Iterator[Case]:
    yield Case("a genus for each folder, species below", many("Quercus/Quercus robur/{}.jpg", "Quercus/Quercus rubra/{}.jpg", "Acer/Acer campestre/{}.jpg"), counts={"Quercus": (6, 2, 0), "Acer": ONE}, notes=("Acer (Acer campestre), Quercus (Quercus robur, Quercus rubra)",))  # fmt: skip
    yield Case("a genus for each folder in splits", many(*(f"{split}/{one}/{{}}.jpg" for split in ("train", "val") for one in ("Quercus/robur", "Quercus/rubra", "Acer/campestre"))), notes=("Acer (campestre), Quercus (robur, rubra)",))  # fmt: skip
    yield Case("PlantVillage", many(*(f"plantvillage dataset/{kind}/{leaf}/{{}}.JPG" for kind in ("color", "grayscale", "segmented") for leaf in ("Apple___scab", "Apple___healthy"))), notes=("hold the same folders (Apple___healthy, Apple___scab)",))  # fmt: skip
    yield Case("New Plant Diseases", many(*(f"New Plant Diseases Dataset(Augmented)/New Plant Diseases Dataset(Augmented)/{split}/{one}" for split in ("train", "valid") for one in CLASSES), "test/test/AppleScab{}.JPG"), notes=("New Plant Diseases Dataset(Augmented) (New Plant Diseases Dataset(Augmented)), test (test)",))  # fmt: skip
    yield Case("names that are cut out of numbers", many("001.ak47/001_000{}.jpg", "002.american-flag/002_000{}.jpg"), counts={"001.ak47": ONE, "002.american-flag": ONE}, silent=True)  # fmt: skip
    yield Case("letters before the classes", many("a/abbey/{}.jpg", "b/balcony/interior/{}.jpg", "b/bar/{}.jpg"), counts={"abbey": ONE, "balcony": ONE, "bar": ONE}, notes=("the folders below letters are taken for the classes",))  # fmt: skip
    yield Case("each class in a folder of its own name", many("cat/cat/{}.png", "dog/dog/{}.png"), counts=TWO, silent=True)  # fmt: skip
    yield Case("a data set called like one of its classes", many("dog/dog/{}.png", "dog/cat/{}.png"), root="dog", counts=TWO, silent=True)  # fmt: skip
    yield Case("Food-11", many(*below("training"), *below("validation"), *below("evaluation")), counts=THREE, split="given")  # fmt: skip
    yield Case("train, dev and eval", many(*below("train"), *below("dev"), *below("eval")), counts=THREE, split="given")  # fmt: skip
    yield Case("ASL's letters", many("asl_alphabet_train/asl_alphabet_train/A/A{}.jpg", "asl_alphabet_train/asl_alphabet_train/B/B{}.jpg", "asl_alphabet_test/asl_alphabet_test/A_test{}.jpg"), counts={"A": ONE, "B": ONE}, notes=("asl_alphabet_test holds images without labels",))  # fmt: skip
    yield Case("Fruits-360", many("fruits-360/Training/Apple/{}_100.jpg", "fruits-360/Test/Apple/{}_100.jpg", "fruits-360/test-multiple_fruits/{}.jpg"), error="test-multiple_fruits lies beside")  # fmt: skip
    yield Case("Omniglot", many("omniglot/images_background/Greek/character01/{}.png", "omniglot/images_evaluation/Tibetan/character01/{}.png"), notes=("images_background (Greek), images_evaluation (Tibetan)",))  # fmt: skip
    yield Case("FER+", many(*below("FER2013Train"), *below("FER2013Valid"), *below("FER2013Test")), counts=THREE, split="given")  # fmt: skip
    yield Case("FER's two tests", many(*below("Training"), *below("PublicTest"), *below("PrivateTest")), counts=THREE, split="given")  # fmt: skip
    yield Case("splits of each class beside one another", many("cat_train/{}.png", "cat_test/{}.png", "dog_train/{}.png", "dog_test/{}.png"), counts={"cat": (3, 1, 4), "dog": (3, 1, 4)}, notes=("cat_train is train of class cat and cat_test is test of class cat",))  # fmt: skip
    yield Case("Keras' cats and dogs", both(many(*(f"cats_and_dogs_filtered/{split}/{kind}/{kind[:-1]}.{{}}.jpg" for split in ("train", "validation") for kind in ("cats", "dogs"))), files("cats_and_dogs_filtered/vectorize.py")), counts={"cats": (4, 4, 0), "dogs": (4, 4, 0)}, split="given")  # fmt: skip
    yield Case("PyTorch's ants and bees", many(*(f"hymenoptera_data/{split}/{kind}/{{}}.jpg" for split in ("train", "val") for kind in ("ants", "bees"))), counts={"ants": (4, 4, 0), "bees": (4, 4, 0)})  # fmt: skip
    yield Case("fast.ai's Imagenette", both(many("imagenette2/train/n01440764/{}.JPEG", "imagenette2/val/n01440764/{}.JPEG"), table("imagenette2/noisy_imagenette.csv", "path,noisy_labels_0,is_valid\ntrain/n01440764/0.JPEG,n01440764,False\n")), counts={"n01440764": (4, 4, 0)})  # fmt: skip
    yield Case("splits below a folder of images", many(*below("images/train"), *below("images/val")), counts=GIVEN, split="given")  # fmt: skip
    yield Case("splits in some of the classes", many("cat/train/{}.png", "cat/val/{}.png", "dog/{}.png"), notes=("cat (train, val)",))  # fmt: skip


def telephones() -> Iterator[Case]:
    for name in ("202105", "2021-05", "2021_05_30", "20210530", "2021.05.30", "30.05.2021", "2021-05-30 Berlin", "May 2021", "Mai 2021", "30 May 2021", "Camera Uploads", "My Pictures", "Eigene Bilder", "Instagram", "Downloads", "Favorites", "Bursts", "Recents", "Exports", "Edited", "iCloud Photos", "darktable_exported"):  # fmt: skip
        yield Case(f"a folder {name} of a telephone", many(f"{name}/{{}}.jpg"), counts={name: ONE}, notes=(f"{name} is taken for a class",))  # fmt: skip
    yield Case("Google Takeout's new sidecars", both(many("Takeout/Google Photos/Photos from 2021/IMG_{}.jpg", "Takeout/Google Photos/Cats/IMG_{}-edited.jpg"), files("Takeout/Google Photos/Cats/IMG_0-edited.jpg.supplemental-metadata.json", "Takeout/Google Photos/Cats/IMG_1-edited.jpg.supplemen.json")), counts={"Photos from 2021": ONE, "Cats": ONE}, notes=("Photos from 2021 is taken for a class",))  # fmt: skip
    yield Case("iCloud's download", both(many("iCloud Photos Part 1 of 2/Photos/IMG_{}.JPG", "iCloud Photos Part 2 of 2/Photos/IMG_{}.JPG"), table("iCloud Photos Part 1 of 2/Photos/Photo Details.csv", "imgName,fileChecksum,favorite,hidden,deleted\nIMG_0.JPG,x,no,no,no\n")), notes=("iCloud Photos Part 1 of 2",))  # fmt: skip
    yield Case("WhatsApp's images", many("WhatsApp Images/IMG-20210530-WA000{}.jpg", "WhatsApp Images/Sent/IMG-20210530-WA000{}.jpg"), notes=("WhatsApp Images is taken for a class",))  # fmt: skip
    yield Case("WhatsApp's images alone", many("IMG-20210530-WA000{}.jpg"), error="holds images but no class folders")  # fmt: skip
    yield Case("Telegram's images and thumbnails", many("cat/photo_{}@30-05-2021.jpg", "cat/photo_{}@30-05-2021_thumb.jpg", "dog/photo_{}.jpg"), notes=("4 images look like the mask or thumbnail of another image",))  # fmt: skip
    yield Case("a camera's card", both(many("DCIM/100CANON/IMG_{}.JPG", "DCIM/101CANON/IMG_{}.JPG"), files("MISC/AUTPRINT.MRK", "DCIM/EOSMISC/M0100.CTG")), notes=("100CANON, 101CANON are taken for classes",))  # fmt: skip
    for name in ("LOST.DIR", "CaptureOne", "iPod Photo Cache", "_gsdata_", "BridgeCache", "Photos Library.aplibrary", "resource.frk", "_thumbs", "OneDriveTemp"):  # fmt: skip
        yield Case(f"{name}, which a program keeps for itself", both(many(*CLASSES), called(image_bytes(), f"{name}/a.png", f"cat/{name}/b.png")), counts=TWO, silent=True)  # fmt: skip
    yield Case("Lightroom's sidecars", both(many(*CLASSES), files("cat/0.xmp", "cat/a.dng", "Lightroom Catalog.lrcat")), counts=TWO, notes=("camera raw files",))  # fmt: skip
    yield Case("a class of drawings", both(many("cat/{}.png"), files("dog/a.svg", "dog/b.svg")), problems=("dog holds no images (2 .svg); 2 .svg files are drawings or documents; export them as PNG",))  # fmt: skip
    yield Case("a class of videos", both(many("cat/{}.png"), files("dog/a.mp4")), problems=("dog holds no images (1 .mp4); 1 .mp4 file is one of videos",))  # fmt: skip


def scraped() -> Iterator[Case]:
    yield Case("names that are hashes", many(*(f"{kind}/{kind[0]}1b2c3d4e5f60718293a4b5c6d7e8f9{{}}.jpg" for kind in ("cat", "dog"))), counts=TWO, silent=True)  # fmt: skip
    yield Case("icrawler's", many("downloads/cat/00000{}.jpg", "downloads/dog/00000{}.jpg"), counts=TWO, notes=("downloads is the only folder",))  # fmt: skip
    yield Case("img2dataset's shards", both(many("00000/00000000{}.jpg", "00001/00001000{}.jpg"), files("00000/000000000.json", "00000/000000000.txt", "00000.parquet", "00000_stats.json")), notes=("Arrow",))  # fmt: skip
    yield Case("Open Images' toolkit", both(many("OID/Dataset/train/Apple/{}.jpg", "OID/Dataset/train/Pear/{}.jpg", "OID/Dataset/validation/Apple/{}.jpg"), files("OID/Dataset/train/Apple/Label/0.txt", "OID/csv_folder/class-descriptions-boxable.csv")), counts={"Apple": (4, 4, 0), "Pear": (4, 0, 0)})  # fmt: skip
    yield Case("a data set of a repository", both(many("data/cat/{}.png", "data/dog/{}.png", "docs/img/{}.png"), files("README.md", "setup.py", "src/a.py")), notes=("data (cat, dog), docs (img)",))  # fmt: skip
    yield Case("suffixes in all cases", both(many("cat/{}.Jpg", "dog/{}.PnG"), called(image_bytes("jpg"), "cat/x.JPeG")), counts={"cat": (4, 1, 0), "dog": ONE}, silent=True)  # fmt: skip
    yield Case("names of 255 bytes", many(f"cat/{'a' * 250}{{}}.png", f"dog/{'ä' * 124}{{}}.png"), counts=TWO, silent=True)  # fmt: skip
    yield Case("class folders that are links to another disk", both(many("store/x1/{}.png", "store/x2/{}.png"), link("set/cat", "../store/x1"), link("set/dog", "../store/x2")), root="set", counts=TWO, silent=True)  # fmt: skip
    yield Case("images that are links", both(many("all/{}.png"), link("set/cat/a.png", "../../all/0.png"), link("set/dog/b.png", "../../all/1.png")), root="set", counts=EACH, silent=True)  # fmt: skip


def tools() -> Iterator[Case]:
    boxes = "looks like boxes"
    yield Case("Label Studio's YOLO", both(many("images/{}.jpg"), files("labels/0.txt", "classes.txt"), table("notes.json", "{}")), error=boxes)  # fmt: skip
    yield Case("CVAT's LabelMe", both(many("default/{}.jpg"), files("default/0.xml")), error=boxes)
    yield Case("Datumaro's", both(many("images/default/{}.jpg"), table("annotations/default.json", '{"info": {}, "categories": {}, "items": [{"id": "0", "annotations": [{"type": "label", "label_id": 0}]}]}')), error=boxes)  # fmt: skip
    yield Case("Datumaro's folder of what has no label", many(*CLASSES, "no_label/{}.png"), notes=("no_label is taken for a class",))  # fmt: skip
    yield Case("KITTI", both(many("training/image_2/{}.png"), files("training/label_2/0.txt", "training/calib/0.txt")), problems=("label_2 holds no images (1 .txt); it looks like boxes for the images in image_2",))  # fmt: skip
    yield Case("Roboflow's for Keras", both(many("train/{}.jpg", "valid/{}.jpg"), table("train/_annotations.txt", "0.jpg 1,2,3,4,0\n"), files("train/_classes.txt")), error=boxes)  # fmt: skip
    yield Case("Cityscapes", many(*(f"{kind}/{split}/aachen/{{}}.png" for kind in ("leftImg8bit", "gtFine") for split in ("train", "val"))), problems=("gtFine looks like masks of the images in leftImg8bit",))  # fmt: skip
    yield Case("Stanford's cars", both(many("cars_train/0000{}.jpg", "cars_test/0000{}.jpg"), called(b"x", "devkit/cars_train_annos.mat")), error="cars_train_annos.mat may list their labels")  # fmt: skip
    for name in ("class_to_idx.json", "cat_to_name.json", "class_dict.csv", "imagenet_class_index.json", "LOC_synset_mapping.txt", "labels_map.txt", "classnames.txt", "id2label.json", "species.csv", "config.json"):  # fmt: skip
        content = '{"cat": 0, "dog": 1}' if name.endswith("json") else "0 cat\n1 dog\n"
        if name == "config.json":
            content = '{"lr": 0.1, "id2label": {"0": "cat", "1": "dog"}}'
        yield Case(f"numbers and their names in {name}", both(many("0/{}.png", "1/{}.png"), table(name, content)), counts=TWO, notes=(f"class names are those of {name}: 0 is cat, 1 is dog",))  # fmt: skip
    yield Case("numbers and no names", both(many("0/{}.png", "1/{}.png"), files("README.md", "requirements.txt")), counts={"0": ONE, "1": ONE}, notes=("left out 2 files",))  # fmt: skip


def packed() -> Iterator[Case]:
    members = tuple(f"{name}/{number}.png" for name in ("cat", "dog") for number in range(4))
    yield Case("a class that is still packed", both(many("cat/{}.png"), zipped("dog.zip", "0.png")), counts={"cat": ONE}, notes=("1 .zip file is one of archives; unpack them",))  # fmt: skip
    yield Case("a class with its own archive", both(many(*CLASSES), zipped("cat/cat.zip", "0.png")), counts=TWO, notes=("1 .zip file is one of archives",))  # fmt: skip
    yield Case("a zip file of a table alone", zipped("train.csv.zip", **{"train.csv": b"path,label\na.png,cat\n"}), root="train.csv.zip", error="holds a table and no images; unpack it, and give the table")  # fmt: skip
    yield Case("a table that is packed", table("t.csv.gz", b"\x1f\x8b\x08"), root="t.csv.gz", error="archives; unpack them")  # fmt: skip
    yield Case("an empty file called x.zip", called(b"", "x.zip"), root="x.zip", error="it is empty")
    yield Case("an empty file called x.tar.gz", called(b"", "x.tar.gz"), root="x.tar.gz", error="it is empty")
    yield Case("a file of zeros called x.zip", called(bytes(500), "x.zip"), root="x.zip", error="it is a file of zeros (an interrupted copy?)")  # fmt: skip
    yield Case("a tar file of long names", tarred("x.tar", *(f"{kind}/{'long ' * 30}{n}.png" for kind in ("cat", "犬") for n in range(4))), root="x.tar", counts={"cat": ONE, "犬": ONE})  # fmt: skip
    yield Case("a gzip file called .tar", both(tarred("x.tgz", *members), lambda folder: _rename(folder, "x.tgz", "x.tar")), root="x.tar", counts=TWO)  # fmt: skip
    yield Case("a tar file called .tgz", both(tarred("x.tar", *members), lambda folder: _rename(folder, "x.tar", "x.tgz")), root="x.tgz", counts=TWO)  # fmt: skip
    yield Case("a wrapper beside a readme in a zip file", zipped("x.zip", "README.md", "LICENSE", *(f"pets-main/{one}" for one in members)), root="x.zip", counts=TWO, notes=("pets-main is the only folder",))  # fmt: skip
    yield Case("a tar file in a zip file", zipped("x.zip", "README.md", **{"images.tar.gz": b"\x1f\x8b"}), root="x.zip", error="images.tar.gz")  # fmt: skip
    yield Case("a zip file of another method", _method(9), root="x.zip", error="is neither deflated nor stored; unpack it yourself")  # fmt: skip
    yield Case("a zip file with one damaged image", _damaged, root="x.zip", error="cannot unpack")
    yield Case("train and val beside their archives", both(many(*below("train"), *below("val")), files("train.zip", "val.zip")), counts=GIVEN)  # fmt: skip
    yield Case("a test that is still packed", both(many(*below("train"), *below("test")), files("val.tar.gz")), counts=TESTED, notes=("val.tar.gz is an archive: unpack it",))  # fmt: skip
    yield Case(
        "a data set and a database", both(files("train.bson", "category_names.csv")), error="databases"
    )


def _rename(folder: Path, old: str, new: str) -> None:
    (folder / old).rename(folder / new)


def _method(number: int) -> Make:
    def make(folder: Path) -> None:
        zipped("x.zip", "cat/0.png")(folder)
        content = bytearray((folder / "x.zip").read_bytes())
        for magic, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
            content[content.index(magic) + place] = number
        (folder / "x.zip").write_bytes(content)

    return make


def _damaged(folder: Path) -> None:
    zipped("x.zip", "cat/0.png", "cat/1.png")(folder)
    content = bytearray((folder / "x.zip").read_bytes())
    content[60] ^= 255
    (folder / "x.zip").write_bytes(content)


def domains() -> Iterator[Case]:
    """All of them."""
    for kind in (medical, satellites, factories, living, telephones, scraped, tools, packed):
        yield from kind()
