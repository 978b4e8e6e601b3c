# ruff: noqa: E501 - a case a line reads better
"""Tables of labelling tools, clouds, camera traps, shops and spreadsheets that others have not shown yet."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.data.corpus.case import BODY, CLASSES, EACH, HALF, IMAGES, Case, both, files, many, table, tables

case = tables("listed")


def splits() -> Iterator[Case]:
    for name in ("dataset", "mode", "data_type", "group", "train_test", "purpose", "Split_1", "data_split", "ImageSet", "tvt", "split_name"):  # fmt: skip
        yield case(f"a split in column {name}", f"path,label,{name}\ni/a.png,cat,train\ni/b.png,cat,test\n", counts={"cat": (1, 0, 1)})  # fmt: skip
    yield case("a split in the first column", "kind_of_use,path,label\ntraining,i/a.png,cat\nvalidation,i/b.png,cat\n", counts={"cat": HALF})  # fmt: skip
    yield case("a split and a label that is a split", "path,label,split\ni/a.png,test,train\ni/b.png,train,train\n", counts={"test": (1, 0, 0), "train": (1, 0, 0)})  # fmt: skip
    yield case("the classes are test and train", "path,kind\ni/a.png,test\ni/b.png,train\n", counts={"test": (1, 0, 0), "train": (1, 0, 0)})  # fmt: skip
    yield case("tr, va and te", "path,label,split\ni/a.png,cat,tr\ni/b.png,cat,va\n", counts={"cat": HALF})
    yield case("a split of each fold", "path,label,split\ni/a.png,cat,train_1\ni/b.png,cat,val_1\n", counts={"cat": HALF})  # fmt: skip
    yield case("a cell without a split", "path,label,split\ni/a.png,cat,train\ni/b.png,cat,\n", error="line 3: split is ''; write train, val or test")  # fmt: skip


def two_columns() -> Iterator[Case]:
    yield case("Timelapse", "File,RelativePath,DateTime,Species\nIMG_0001.JPG,s1,2021,fox\nIMG_0001.JPG,s2,2021,deer\n", "s1/IMG_0001.JPG", "s2/IMG_0001.JPG", counts={"fox": (1, 0, 0), "deer": (1, 0, 0)})  # fmt: skip
    for column in ("folder", "dir", "directory", "subdir", "Directory Name", "image_dir"):
        yield case(f"a folder and a file ({column})", f"{column},filename,label\nx,0.png,cat\ny,0.png,dog\n", "x/0.png", "y/0.png")  # fmt: skip
    yield case("a folder that is in the path already", "folder,filename,label\ni,i/a.png,cat\ni,i/b.png,dog\n")  # fmt: skip
    yield case("a folder of another computer", "folder,filename,label\n/home/x,i/a.png,cat\n/home/x,i/b.png,dog\n")  # fmt: skip
    yield case("a name and a suffix", "name,extension,label\ni/a,png,cat\ni/b,.png,dog\n")


def answers() -> Iterator[Case]:
    rejected = "1 line has 'reject' in column answer and is used anyway; remove it if it should not be"
    yield case("Prodigy's answers", "".join(json.dumps({"image": f"i/{n}.png", "label": "cat", "answer": answer}) + "\n" for n, answer in (("a", "accept"), ("b", "reject"))), file="t.jsonl", notes=(rejected,))  # fmt: skip
    for column, value in (("status", "rejected"), ("quality", "bad"), ("review", "skipped"), ("flag", "exclude"), ("state", "deleted"), ("validity", "invalid")):  # fmt: skip
        yield case(f"{value} in column {column}", f"path,label,{column}\ni/a.png,cat,ok\ni/b.png,dog,{value}\n", notes=(f"1 line has {value!r} in column {column}",))  # fmt: skip
    for column in ("DeleteFlag", "is_deleted", "exclude", "ignore", "skip", "blurry", "was_cancelled"):
        yield case(f"true in column {column}", f"path,label,{column}\ni/a.png,cat,false\ni/b.png,dog,true\n", notes=(f"1 line has 'true' in column {column}",))  # fmt: skip
    yield case("Open Images' labels of confidence 0", "ImageID,Source,LabelName,Confidence\na,verification,cat,1\nb,verification,dog,0\n", "i/a.jpg", "i/b.jpg", notes=("1 line has '0' in column Confidence",))  # fmt: skip
    yield case("everything is deleted or nothing", "path,label,deleted\ni/a.png,cat,no\ni/b.png,dog,no\n", counts=EACH, silent=True)  # fmt: skip
    yield case("classes good and bad", "path,quality\ni/a.png,good\ni/b.png,bad\n", counts={"good": (1, 0, 0), "bad": (1, 0, 0)})  # fmt: skip


def which_label() -> Iterator[Case]:
    yield case("what was predicted and what is true", "path,predicted_class,true_class\ni/a.png,dog,cat\ni/b.png,dog,dog\n", counts=EACH)  # fmt: skip
    yield case("a prediction and a label", "path,pred,prob,label\ni/a.png,dog,0.7,cat\ni/b.png,dog,0.9,dog\n", counts=EACH)  # fmt: skip
    yield case("coarse and fine labels", "path,coarse_label,fine_label\ni/a.png,pet,cat\ni/b.png,wild,fox\n", notes=("column fine_label may be the label, too; coarse_label is taken",))  # fmt: skip
    yield case("a shop's categories", "id,gender,masterCategory,subCategory,articleType,name\n1,Men,Apparel,Topwear,Shirts,A, B\n2,Men,Shoes,Sport,Boots,C\n", "images/1.jpg", "images/2.jpg", notes=("column subCategory may be the label, too; masterCategory is taken",))  # fmt: skip
    yield case("a caption for each image", "path,caption\n" + "".join(f"i/{n}.png,image of thing {n}\n" for n in range(20)), *(f"i/{n}.png" for n in range(20)), notes=("20 images have 20 labels; is column caption the label?",))  # fmt: skip
    yield case("ImageNet's solution", "ImageId,PredictionString\n" + "".join(f"v_{n},n0399537{n % 2} {n} 1 499 272\n" for n in range(20)), *(f"val/v_{n}.JPEG" for n in range(20)), notes=("20 images have 20 labels",))  # fmt: skip
    yield case("a class of one image each", "path,label\n" + "".join(f"i/{n}.png,class {n}\n" for n in range(9)), *(f"i/{n}.png" for n in range(9)), counts={f"class {n}": (1, 0, 0) for n in range(9)})  # fmt: skip
    yield case("ages, genders and races", "file,age,gender,race\ni/a.png,20-29,Male,x\ni/b.png,30-39,Female,y\n", error="no label column among file, age, gender, race")  # fmt: skip
    yield case("Galaxy Zoo", "GalaxyID,Class1.1,Class1.2\n100008,0.38,0.62\n100023,0.32,0.68\n", "images/100008.jpg", "images/100023.jpg", error="no label column")  # fmt: skip


def clouds() -> Iterator[Case]:
    sage = [{"source-ref": f"s3://bucket/i/{n}.png", "pets": k, "pets-metadata": {"class-name": label, "confidence": 0.9, "type": "groundtruth/image-classification"}} for k, (n, label) in enumerate((("a", "cat"), ("b", "dog")))]  # fmt: skip
    yield case("SageMaker's manifest", "\n".join(map(json.dumps, sage)), file="output.manifest", counts=EACH)
    vertex = [{"imageGcsUri": f"gs://b/i/{n}.png", "classificationAnnotation": {"displayName": "cat"}, "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": use}} for n, use in (("a", "training"), ("b", "validation"))]  # fmt: skip
    yield case("Vertex AI's", "\n".join(map(json.dumps, vertex)), file="t.jsonl", counts={"cat": HALF}, split="given")  # fmt: skip
    azure = [{"image_url": f"azureml://subscriptions/x/paths/i/{n}.png", "label": label} for n, label in (("a", "cat"), ("b", "dog"))]  # fmt: skip
    yield case("Azure ML's", "\n".join(map(json.dumps, azure)), file="t.jsonl", counts=EACH)
    labelbox = [{"data_row": {"external_id": f"i/{n}.png", "id": "ck1"}, "projects": {"p": {"labels": [{"annotations": {"classifications": [{"name": "kind", "radio_answer": {"name": label}}]}}]}}} for n, label in (("a", "cat"), ("b", "dog"))]  # fmt: skip
    yield case("Labelbox's", "\n".join(map(json.dumps, labelbox)), file="t.ndjson", counts=EACH)
    edge = {"version": 1, "files": [{"path": f"i/{n}.png", "category": "training", "label": {"type": "label", "label": label}} for n, label in (("a", "cat"), ("b", "dog"))]}  # fmt: skip
    yield case("Edge Impulse's", json.dumps(edge), file="info.labels", counts=EACH)
    yield case("S3's plus signs for spaces", "path,label\ns3://b/i/a+b.png,cat\n", "i/a b.png", counts={"cat": (1, 0, 0)})  # fmt: skip
    mega = {"images": [{"file": f"i/{n}.png", "detections": [{"category": "1", "conf": 0.9, "bbox": [0, 0, 1, 1]}]} for n in "ab"], "detection_categories": {"1": "animal"}}  # fmt: skip
    yield case("MegaDetector's", json.dumps(mega), file="t.json", error="MegaDetector's")
    vott = {"name": "p", "assets": {"x": {"asset": {"name": "a.png"}, "regions": [{"tags": ["cat"]}]}}}
    yield case(
        "VoTT's",
        json.dumps(vott),
        file="t.json",
        counts={"cat": (1, 0, 0)},
        notes=("read as a file of VoTT's: an image has the class of its boxes",),
    )


def tools() -> Iterator[Case]:
    via = 'filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\na.png,1,"{""kind"":""cat""}",0,0,"{}","{}"\nb.png,1,"{""kind"":""dog""}",0,0,"{}","{}"\n'
    yield case("VIA's CSV", via, counts=EACH)
    project = {"_via_settings": {"ui": {}}, "_via_img_metadata": {f"{n}.png1": {"filename": f"{n}.png", "size": 1, "regions": [], "file_attributes": {"kind": label}} for n, label in (("a", "cat"), ("b", "dog"))}, "_via_attributes": {}}  # fmt: skip
    yield case("VIA's project", json.dumps(project), file="t.json", counts=EACH)
    datumaro = {"info": {}, "categories": {"label": {"labels": [{"name": "cat"}]}}, "items": [{"id": "a", "annotations": [{"type": "label", "label_id": 0}], "image": {"path": "a.png"}}]}  # fmt: skip
    yield case("Datumaro's JSON", json.dumps(datumaro), file="t.json", counts={"cat": (1, 0, 0)}, notes=("read as a file of Datumaro's: an image has the class written",))  # fmt: skip
    yield case("makesense.ai's", "a.png,cat,640,480\nb.png,dog,640,480\n", counts=EACH)
    yield case("ML.NET's tags", "a.png\tcat\nb.png\tdog\n", file="tags.tsv", counts=EACH)
    yield case("VoTT's CSV", 'image,xmin,ymin,xmax,ymax,label\n"a.png",1,2,3,4,"cat"\n"b.png",1,2,3,4,"dog"\n', counts=EACH)  # fmt: skip
    yield case("Macaulay Library's", "ML Catalog Number,Common Name\n1001,cat\n1002,dog\n", "i/1001.jpg", "i/1002.jpg", counts=EACH)  # fmt: skip
    yield case("VisA's table of splits", "object,split,label,image,mask\ncandle,train,normal,candle/Images/0.JPG,\ncandle,test,anomaly,candle/Images/1.JPG,candle/Masks/1.png\ncandle,train,anomaly,candle/Images/2.JPG,candle/Masks/2.png\n", "candle/Images/0.JPG", "candle/Images/1.JPG", "candle/Images/2.JPG", "candle/Masks/1.png", "candle/Masks/2.png", file="split_csv/1cls.csv", counts={"anomaly": (1, 0, 1), "normal": (1, 0, 0)}, notes=("paths are taken from",))  # fmt: skip
    yield case("paths that begin above the table", "path,label\ndata/x/0.png,cat\ndata/y/0.png,dog\n", "data/x/0.png", "data/y/0.png", file="notebooks/lists/t.csv", counts=EACH, notes=("paths are taken from",))  # fmt: skip


def spreadsheets() -> Iterator[Case]:
    yield case("Excel took the zeros", "image,label\n1,cat\n2,dog\n", "i/0001.png", "i/0002.png", counts=EACH, notes=("2 files were found by name",))  # fmt: skip
    yield case("pandas made decimals of numbers", "image,label\n1.0,cat\n2.0,dog\n", "i/1.png", "i/2.png", counts=EACH)  # fmt: skip
    yield case("files that were converted since", "image,label\na.bmp,cat\nb.bmp,dog\n", counts=EACH, notes=("2 files were found by name",))  # fmt: skip
    yield case("names with dots and no suffix", "image_id,label\nv1.0.a,cat\nv1.0.b,dog\n", "i/v1.0.a.png", "i/v1.0.b.png", counts=EACH)  # fmt: skip
    yield case("a title above the columns", f"My birds 2024,\n,\npath,label\n{BODY}", counts=EACH, notes=("what is above line 3 is taken for a title: left out",))  # fmt: skip
    yield case("two titles above the columns", f"Export of project 7\nmade on 2024-01-01\n\npath,label\n{BODY}", counts=EACH)  # fmt: skip
    yield case("a number of lines above the columns", "2\nimage_name  category_label\ni/a.png     cat\ni/b.png     dog\n", file="list_category_img.txt", counts=EACH)  # fmt: skip
    yield case("CelebA's lists", "2\nSmiling Male\na.png  1 -1\nb.png -1  1\n", file="list_attr.txt", counts={"Smiling": (1, 0, 0), "Male": (1, 0, 0)})  # fmt: skip
    yield case("spaces in a CSV", "path label\ni/a.png cat\ni/b.png dog\n", counts=EACH)
    yield case("a sign of comment before the columns", f"#path,label\n{BODY}", counts=EACH)
    yield case("NumPy's columns in a comment", f"# path,label\n{BODY}", counts=EACH)
    yield case("two colons", "path::label\ni/a.png::cat\ni/b.png::dog\n", counts=EACH)
    yield case("carets", "path^label\ni/a.png^cat\ni/b.png^dog\n", counts=EACH)
    yield case("tildes", "path~label\ni/a.png~cat\ni/b.png~dog\n", counts=EACH)
    yield case("CSV in quotes as a whole", '"path,label"\n"i/a.png,cat"\n"i/b.png,dog"\n', counts=EACH)
    yield case("signs of the web", "path,label\ni/a.png,Tom &amp; Jerry\ni/b.png,dog\n", counts={"Tom &amp; Jerry": (1, 0, 0), "dog": (1, 0, 0)}, notes=("are written for web pages (Tom &amp; Jerry)",))  # fmt: skip
    yield case("formulas for text", 'path,label\n"=""i/a.png""","=""cat"""\n"=""i/b.png""","=""dog"""\n', counts=EACH)  # fmt: skip
    yield case("an apostrophe before numbers", "path,label\ni/a.png,'1\ni/b.png,'2\n", counts={"'1": (1, 0, 0), "'2": (1, 0, 0)})  # fmt: skip
    for name in ("t.toml", "t.arff", "t.dat", "t.list", "t.data", "t.rtf", "t.docx", "t.ipynb", "t.html"):
        content = f"path,label\n{BODY}" if name in ("t.list", "t.data") else "x = 1\n"
        yield case(f"called {name}", content, file=name, **({"counts": EACH} if "," in content else {"error": "save it as CSV"}))  # fmt: skip
    yield Case("listed: paths of darknet", both(files(*IMAGES), table("train.list", "i/a.png\ni/b.png\n")), root="train.list", error="lists paths and no labels")  # fmt: skip
    yield Case("listed: hashed folders", both(many("train/0/0/00{}.jpg", "train/a/f/af{}.jpg", count=1), table("train.csv", "id,landmark_id\n000,7\naf0,8\n")), root="train.csv", counts={"7": (1, 0, 0), "8": (1, 0, 0)})  # fmt: skip
    yield Case("listed: mini-ImageNet", both(many("images/n01{}.jpg", count=2), table("train.csv", "filename,label\nn010.jpg,n01\nn011.jpg,n02\n"), table("val.csv", "filename,label\n")), root="train.csv", counts={"n01": (1, 0, 0), "n02": (1, 0, 0)}, notes=("only train.csv is read, and not val.csv",))  # fmt: skip
    yield Case("listed: a table and its images in a folder of another name", both(many("pictures/{}.jpg", count=2), table("meta data/t.csv", "file,label\n0.jpg,cat\n1.jpg,dog\n")), root="meta data/t.csv", counts=EACH)  # fmt: skip
    yield Case("listed: a table beside a folder of the same classes", both(many(*CLASSES), table("t.csv", "path,label\ncat/0.png,cat\ndog/0.png,dog\n")), root="t.csv", counts=EACH)  # fmt: skip


def listed() -> Iterator[Case]:
    """All of them."""
    for kind in (splits, two_columns, answers, which_label, clouds, tools, spreadsheets):
        yield from kind()
