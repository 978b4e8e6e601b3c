# ruff: noqa: E501, RUF001 - a case a line reads better; letters that look like others are the point
"""Texts in old encodings, and class names that a program has garbled."""

from __future__ import annotations

from collections.abc import Iterator

from tests.data.corpus.case import ONE, Case, both, called, files, many, tables
from tests.data.corpus.joined import EIGHT, TWO, rows

case = tables("joined")


def garbled() -> Iterator[Case]:
    """Every case."""
    yield from _encodings()
    yield from _names()


def _encodings() -> Iterator[Case]:
    for codec, name, (one, two) in (
        ("iso2022_jp", "ISO-2022-JP", ("金魚", "いぬ")), ("iso2022_kr", "ISO-2022-KR", ("고양이", "강아지")),
        ("hz", "HZ", ("苹果", "猫")), ("utf-7", "UTF-7", ("Käfer", "Löwe")), ("utf-7", "UTF-7", ("кошка", "собака")),
        ("cp1250", "Windows-1250", ("żaba", "łoś")), ("cp1254", "Windows-1254", ("kuş", "ağaç")),
        ("cp1255", "Windows-1255", ("חתול שחור", "סוס ארוך מאוד")),
    ):  # fmt: skip
        text = rows("path,label\n", lambda n, words=(one, two): f"i/{n}.png,{words[n % 2]}").encode(codec)  # type: ignore[misc]
        yield case(
            f"a table of {one} in {name}",
            text,
            *EIGHT,
            counts={one: ONE, two: ONE},
            notes=(f"read as {name};",),
        )
        yield Case(
            f"names of numbers, {one} in {name}",
            both(many("0/{}.png", "1/{}.png"), called(f"{one}\n{two}\n".encode(codec), "classes.txt")),
            counts={one: ONE, two: ONE},
        )
    for label in ("cat+dog", "C++", "a+", "+1", "A+B-C", "R&B+soul"):
        yield case(
            f"labels {label} are no UTF-7",
            rows("path,label\n", lambda n, label=label: f"i/{n}.png,{(label, 'x')[n % 2]}"),
            *EIGHT,
            counts={label: ONE, "x": ONE},
            silent=True,
        )  # type: ignore[misc]
    joined = rows("path,label\n", lambda n: f"i/{n}.png,Käfer", 4).encode() + rows(
        "", lambda n: f"i/{n + 4}.png,Löwe", 4
    ).encode("latin-1")
    yield case(
        "lines of UTF-8 and of Latin-1",
        joined,
        *EIGHT,
        counts={"Käfer": ONE, "Löwe": ONE},
        notes=("UTF-8 with lines of Windows-1252",),
    )


def _names() -> Iterator[Case]:
    for garbled, name in (
        ("KÃ¤fer", "Käfer"), ("K├ñfer", "Käfer"), ("K√§fer", "Käfer"), ("РєРѕС€РєР°", "кошка"), ("çŒ«", "猫"), ("K#U00e4fer", "Käfer"),
        ("K\\u00e4fer", "Käfer"), ("K\\303\\244fer", "Käfer"), ("golden%20retriever", "golden retriever"), ("K%C3%A4fer", "Käfer"),
        ("Black &amp; White", "Black & White"), ("xn--kfer-loa", "käfer"),
    ):  # fmt: skip
        yield Case(
            f"a class {garbled}",
            many(f"{garbled}/{{}}.png", "dog/{}.png"),
            counts={garbled: ONE, "dog": ONE},
            notes=(f"garbled by an unzip program, a browser or a wrong encoding: {garbled} ({name})",),
        )
        yield Case(
            f"a class {garbled} beside {name}",
            many(f"{garbled}/{{}}.png", f"{name}/a{{}}.png"),
            problems=("are one class in two spellings",),
        )
    for name in ("K?fer", "K\ufffdfer"):
        yield Case(
            f"a class {name!a}, of which a letter is lost",
            many(f"{name}/{{}}.png", "dog/{}.png"),
            notes=("has lost letters of the name",),
        )
    for name in (
        "São Paulo",
        "ÎLE",
        "Ã",
        "50%",
        "100% wool",
        "C#",
        "R&D",
        "AT&T;",
        "naïve",
        "#1",
        "what?",
        "Ångström",
        "Señor",
        "BÉBÉ",
        "ÖÄÜ",
        "Ærø",
        "αβγ",
        "кот",
    ):
        yield Case(
            f"a class {name} is not garbled",
            many(f"{name}/{{}}.png", "dog/{}.png"),
            counts={name: ONE, "dog": ONE},
            silent=True,
        )
    yield Case(
        "a plus for a space",
        many("golden+retriever/{}.png", "golden retriever/a{}.png"),
        notes=("taken for two classes: golden retriever and golden+retriever",),
    )
    yield Case("C and C++", many("C/{}.png", "C++/a{}.png"), counts={"C": ONE, "C++": ONE}, silent=True)
    yield Case(
        "Windows' covers of albums",
        both(
            many("cat/{}.png", "dog/{}.png"), files("cat/AlbumArtSmall.jpg", "cat/AlbumArt_{0B-1}_Large.jpg")
        ),
        counts=TWO,
        silent=True,
    )
