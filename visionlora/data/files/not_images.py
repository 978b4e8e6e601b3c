"""What files are that are not images, by their names, and how they become images or lead to them."""

from __future__ import annotations

import os
import re

from visionlora.data.files.formats import IDX, PICKLE, SUFFIXES

_OTHERS: tuple[tuple[str, str], ...] = (
    (".heic .heif .hif", "HEIC images; pip install 'visionlora[heic]' reads them, or save them as JPEG"),
    (".avif", "AVIF images; a newer Pillow reads them, or save them as JPEG"),
    (".jp2 .j2k .jpx .jpf", "JPEG 2000 images; save them as JPEG"),
    (
        ".cr2 .cr3 .crw .nef .nrw .arw .srf .sr2 .dng .orf .rw2 .raf .pef .srw .x3f .rwl .3fr .fff .erf .kdc "
        ".dcr .mrw .mef .mos .iiq .gpr",
        "camera raw files; save them as JPEG",
    ),
    (".jxl", "JPEG XL images; save them as JPEG"),
    (
        ".pcx .qoi .dds .sgi .icns .ico .cur .exr .hdr .fits .fit .pfm .xpm .xbm .wbmp .bpg .flif .jxr "
        ".wdp .jls .wmf .emf .fz .ecw .sid",
        "images of a kind that is not read; save them as PNG",
    ),
    (".svg .eps .ai .pdf .djvu", "drawings or documents; export them as PNG"),
    (".psd .psb .xcf .kra .clip .afphoto", "layered images; export them as PNG"),
    (
        ".zip .tar .gz .tgz .bz2 .xz .rar .7z .zst .lz4 .dmg .iso .tzst .zipx .z .lzma .lha .lzh .cab .cbz "
        ".cbr .jar .br",
        "archives; unpack them",
    ),
    (
        ".crdownload .part .partial .download .opdownload .!ut .!qb .!bt .bc! .aria2 .filepart .ytdl",
        "unfinished downloads; load them again",
    ),
    (
        ".lmdb .mdb .rec .tfrecord .tfrecords .tfrec .record .mds .lance .sidx .frame_idx .beton .ffcv "
        ".msgpack .bson .duckdb .sqlite .sqlite3",
        "databases; save each image as PNG",
    ),
    (".icloud", "placeholders of files that are only in iCloud; download them in the Finder"),
    (".dvc", "pointers of DVC to files elsewhere; dvc pull fetches them"),
    (".lnk", "shortcuts of Windows; put in what they lead to"),
    (".url .webloc .desktop .gdoc .gshortcut", "shortcuts; put in what they lead to"),
    (".npy .npz .mat .h5 .hdf5 .zarr .idx", "arrays; save each image as PNG"),
    (".pkl .pickle .joblib .pt .pth", "objects of Python, which are not read; save each image as PNG"),
    (
        ".parquet .arrow .feather",
        "tables of Arrow (a data set of Hugging Face?); save each image as PNG into a folder of its class",
    ),
    (
        ".mp4 .mov .avi .mkv .webm .m4v .mpg .mpeg .wmv .flv .3gp .mts .m2ts .mp .insv .mjpeg",
        "videos; save frames of them as JPEG",
    ),
    (".wav .mp3 .flac .ogg .aac .m4a .wma .aiff", "sounds; save spectrograms of them as PNG"),
    (
        ".obj .stl .ply .off .fbx .glb .gltf .dae .3ds .blend .step .stp .usdz .pcd .las .laz .e57",
        "3D models; render views of them as PNG",
    ),
    (
        ".dcm .nii .nrrd .mha .czi .lif .svs .nd2 .oib .oif .oir .lsm .zvi .vsi .ndpi .scn .mrxs .ims "
        ".dm3 .dm4",
        "scans; export them as PNG or TIFF",
    ),
)  # fmt: skip
_HINTS = {suffix: hint for suffixes, hint in _OTHERS for suffix in suffixes.split() if suffix not in SUFFIXES}
_BY_KIND = {
    IDX: ".npy", PICKLE: ".pkl", "a DICOM scan": ".dcm", "an HDF5 file": ".h5", "a NumPy array": ".npy",
    "JPEG XL": ".jxl", "a Photoshop file": ".psd", "a PDF document": ".pdf", "an SVG drawing": ".svg",
    "a zip archive": ".zip", "a rar archive": ".rar", "a 7z archive": ".7z", "a gzip archive": ".gz",
    "a video": ".mp4", "a Parquet file": ".parquet", "an Arrow file": ".arrow",
    "a camera raw file": ".cr2", "a sound": ".mp3", "a bzip2 archive": ".bz2", "an xz archive": ".xz",
    "a zstd archive": ".zst", "JPEG XR": ".jxr",
    "an SQLite database": ".sqlite", "HEIF": ".heic", "AVIF": ".avif",
}  # fmt: skip
"""What the first bytes of a file say -> a suffix of that kind."""
_PACKED = (".gz", ".bz2", ".xz", ".z", ".zst")
_TEXTS = frozenset(
    re.findall(
        r"\S+",
        ".txt .csv .tsv .tab .lst .json .jsonl .ndjson .xml .yaml .yml .toml .ini .cfg .md .rst .html .htm "
        ".log .py .ipynb .m .r .sh .bat .c .cpp .h .js .css .tex .doc .docx .odt .rtf .xls .xlsx .xlsm "
        ".ods .ppt .pptx .db .dat .xmp .aae .pp3 .dop .on1 .thm .ttf .exe .dll .so",
    )
)
"""Of what is no image, and says nothing of images that could be had."""
_LEFT = re.compile(
    r"\.(bak|old|orig|tmp|temp|swp|backup|original)|.*(~|#|_original|_bak|\.bak)", re.IGNORECASE
)
"""Copies that programs leave beside an image that they have changed."""
_UNTOLD = re.compile(r"|\.\d*|.*[?&=: ].*|\.(jpe?g|png|webp)[_-](large|orig|small|medium)", re.IGNORECASE)
_PART = re.compile(r".*\.(\d{3}|z\d\d|r\d\d|part\d+\.rar|(tar|tgz|zip|7z|gz|bz2|xz)\.a[a-z])", re.IGNORECASE)
_SHARD = re.compile(r"-\d+-of-\d+$")


def only_bytes_tell(suffix: str) -> bool:
    """Whether a file with this suffix may be an image, which its name does not say: ``photo``, and what
    browsers and wget leave, ``photo.jpg?width=640``, ``photo.jpg_large``, ``photo.jpg.1``."""
    return _UNTOLD.fullmatch(suffix) is not None


def content_hint(kind: str | None) -> str | None:
    """What a file is, where its bytes alone say so (:func:`visionlora.data.files.formats.sniff`)."""
    return _HINTS.get(_BY_KIND.get(kind or "", ""))


def is_unknown(suffix: str) -> bool:
    """Whether nothing is known of files with this suffix: servers give images names like ``photo.php``."""
    known = suffix in SUFFIXES or suffix in _TEXTS or suffix_hint(suffix) is not None
    return not known and _LEFT.fullmatch(suffix) is None


def is_part(name: str) -> bool:
    """Whether a file is called like one of the parts that an archive was split into: ``x.7z.001``."""
    return _PART.fullmatch(name) is not None


def suffix_hint(suffix: str) -> str | None:
    """What files with this suffix are and how they become images, where that is known."""
    return _HINTS.get(_SHARD.sub("", suffix.casefold()))


def name_hint(name: str) -> str | None:
    """:func:`suffix_hint` of the name of a file, of its content where it is packed: ``t1.nii.gz``."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - names alone
    inner = os.path.splitext(stem)[1] if suffix.casefold() in _PACKED else ""  # noqa: PTH122
    return suffix_hint(inner) or suffix_hint(suffix)
