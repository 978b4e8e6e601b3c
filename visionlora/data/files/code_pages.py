"""Which encoding a text is in: spreadsheets and zip programs write the code page of their system."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import islice

_READ, _WORDS = 2**20, 1000
"""Bytes that are looked at, and different words in them."""
_FIELD = re.compile(rb"[@-\xff]{1,256}")
"""A word, or a piece of a long one. Bytes below ``@`` are no part of a letter in any of these code pages."""
_SIGNS = (
    "\u2018\u2019\u201c\u201d\u201e\u2013\u2014\u2026\xab\xbb\u20ac\xb0\xa3\xa7\xa9\xae\xb2\xb3\xbd\u2116"
)
"""Signs that a word may begin and end with: quotes, dashes, those of units."""
_PUNCTUATION = re.compile(r"[\u3000-\u303f\uff01-\uff5e]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_GOOD, _FAIR = 2, 1
_KNOWN = 8
"""How good a word is that is expected in the text."""


def _latin(word: str) -> int:
    letters = word.strip(_SIGNS).replace("\u2019", "'")
    accents = [letter for letter in letters if not letter.isascii()]
    usual = all("\xc0" <= letter <= "\u017f" and letter.isalpha() for letter in accents)
    strange = re.search(r"[^\x00-\x7f]{3}|[A-Za-z][\xc0-\xde\u0152\u0160\u0178\u017d][a-z]", letters)
    alone = len(word) > 1 and not re.search("[A-Za-z]", letters)
    return _GOOD if usual and not strange and not alone else 0


def _western(word: str) -> int:
    """:func:`_latin` without what are letters of other languages in truth. Turkish: Icelandic's have the same
    bytes, and stand neither at the end of a word nor beside a c with a cedilla. Czech and Croatian: French's
    and Italian's have the bytes of č, ě, ň and ů, and stand before consonants, or at the end; Danish's have
    those of ć and ř, and stand with other letters."""
    letters = word.casefold()
    turkish = re.search("þ(?![aeiouyáéíóúýöæðjrv])|[ðþ].*[çü]|[çü].*[ðþ]", letters)
    return 0 if turkish or _CENTRAL.search(letters) else _latin(word)


_CENTRAL = re.compile(
    r"è[aeiouyáéíóúýùì]|(?<![a-zß-ÿ])(è[^s]|ï)|[ao]è(?![mst])|è[kn](?![eèi])|uè$|[ìù][a-zß-ÿ]|ôò|[aouø]æ|iæ$"
    r"|ø.*[áíýúšžèìù]|[áíýúšžèìù].*ø|oø|uøe|øi|øe[^nrt]|[šž].*[èìùò]|[èìùò].*[šž]|õ(z|$)|[^c]rû$|[aeiou]tû$"
)
"""In words of Czech, Slovak, Croatian, Slovenian and Hungarian whose bytes are read as Windows-1252."""


def _central(word: str) -> int:
    """:func:`_latin` without what are French words in truth, whose è has the byte of č: it stands before
    consonants and an e, or before an s at the end."""
    return 0 if re.search(r"č([b-df-hj-np-tv-z]+e(s|nt)?|s)$", word.casefold()) else _latin(word)


def _turkish(word: str) -> int:
    """:func:`_latin` without letters that Turkish lacks, and others have at their bytes."""
    return 0 if re.search(r"[^\x00-\x7fçğ\u0131i̇öşüâîû]", word.casefold().strip(_SIGNS)) else _latin(word)


def _greek(word: str) -> int:
    """How good a Greek word is; one in small letters that ends as none does is none (Hebrew's bytes)."""
    rated = _alphabet("\u0386", "\u03ce")(word)
    bare = rated == _GOOD and not re.search("[αεηιουωάέήίόύώνςρσ]$", word.strip(_SIGNS))
    return -_GOOD if bare else rated


def _hebrew(word: str) -> int:
    """How good a Hebrew word is: five letters have another form at its end, and only there."""
    rated = _alphabet("\u05d0", "\u05ea")(word)
    letters = word.strip(_SIGNS)
    wrong = re.search("[ךםןףץ].|.[כמנפצ]$", letters)
    return -_GOOD if rated and wrong else _GOOD if rated else 0


def _cyrillic(word: str) -> int:
    """How good a Cyrillic word is; one in small letters without a vowel is none (Hebrew has those bytes)."""
    rated = _alphabet("\u0401", "\u0491")(word)
    bare = rated == _GOOD and len(word) > 2 and not re.search("[аеёиоуыэюяіїє]", word.casefold())
    return -_GOOD if bare else rated


def _alphabet(first: str, last: str) -> Callable[[str], int]:
    """How good a word is that has only letters of one alphabet: capitals stand at its beginning or, in
    fewer texts, throughout."""

    def rate(word: str) -> int:
        letters = re.sub(r"['_@]", "", word.strip(_SIGNS))
        if len(letters) < 2 or not all(first <= letter <= last for letter in letters):
            return 0
        caseless = letters.lower() == letters.upper()
        return _GOOD if letters[1:].islower() else _FAIR if letters.isupper() or caseless else 0

    return rate


def _east_asian(
    codec: str, first: int, last: int, second: int = 0, kana: bool = False
) -> Callable[[str], int]:
    """How good a word is whose letters should be common ones: their first byte is in a range, their second
    at least ``second`` (the standards put the common letters first)."""

    def is_common(letter: str) -> bool:
        if letter.isascii() or _PUNCTUATION.fullmatch(letter) or (kana and _KANA.fullmatch(letter)):
            return True
        code = letter.encode(codec)
        return len(code) == 2 and first <= code[0] <= last and code[1] >= second

    def rate(word: str) -> int:
        if kana and all(map(_KANA.fullmatch, word)):
            return _GOOD + _FAIR
        mixed = re.search("[A-Za-z]", word)
        return 0 if not all(map(is_common, word)) else _FAIR if mixed else _GOOD

    return rate


_PAGES: dict[str, tuple[str, Callable[[str], int]]] = {
    "cp1252": ("Windows-1252", _western),
    "cp1251": ("Windows-1251", _cyrillic),
    "koi8_r": ("KOI8-R", _cyrillic),
    "cp932": ("Shift-JIS", _east_asian("cp932", 0x88, 0x97, kana=True)),
    "gbk": ("GBK", _east_asian("gbk", 0xB0, 0xD7, 0xA1)),
    "cp949": ("EUC-KR", _east_asian("cp949", 0xB0, 0xC8, 0xA1)),
    "big5": ("Big5", _east_asian("big5", 0xA4, 0xC6)),
    "euc_jp": ("EUC-JP", _east_asian("euc_jp", 0xB0, 0xCF, 0xA1, kana=True)),
    "cp1254": ("Windows-1254", _turkish),
    "cp1250": ("Windows-1250", _central),
    "mac_roman": ("Mac Roman", _latin),
    "cp437": ("DOS code page 437", _latin),
    "cp866": ("DOS code page 866", _cyrillic),
    "cp1253": ("Windows-1253", _greek),
    "cp1256": ("Windows-1256", _alphabet("\u0621", "\u06ff")),
    "cp874": ("Windows-874", _alphabet("\u0e01", "\u0e5b")),
    "cp1255": ("Windows-1255", _hebrew),
}
"""Codec -> its name, and how good a word is in it. Of equally good ones the first is taken."""
CODE_PAGES = tuple(_PAGES)
_SYLLABLES = 8
"""With so many different letters that are common Korean ones, the text is not Chinese: there the first bytes
vary more."""

_ALL_HEBREW = 4
"""So many words that may be Hebrew or Russian are Hebrew: few Russian ones may be, by their last letters."""


def unicode_text(content: bytes) -> str | None:
    """A text in UTF-8, UTF-16 or UTF-32, with a mark of the byte order or without; None: it is in none."""
    try:
        if content.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
            return content.decode("utf-32")
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):  # Excel's "Unicode text", PowerShell
            return content.decode("utf-16")
        if content[:1] == b"\0":
            return content.decode("utf-16-be")
        if content[1:2] == b"\0":
            return content.decode("utf-16-le")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def likely_page(content: bytes, first: str = "cp1252", known: Collection[str] = ()) -> tuple[str, str, bool]:
    """(codec, its name, whether another one is as likely) of a text that is not UTF-8.

    That is the code page in which most of its words may be words. The letters of Chinese, Korean and Japanese
    overlap, so a few short words may be in several.

    Args:
        content: the text.
        first: the code page of a text that might be in any.
        known: words that are expected in it, in lower case.
    """
    every = (match[0] for match in _FIELD.finditer(content[:_READ]))
    found = dict.fromkeys(islice((field for field in every if not field.isascii()), 20 * _WORDS))
    fields = list(islice(found, _WORDS))
    pages = (first, *(page for page in _PAGES if page != first))
    rates = {page: sum(_rate(page, field, known) for field in fields) for page in pages}
    best = max(rates.values())
    likely = [page for page in pages if rates[page] == best]
    chosen = likely[0]
    if chosen == "gbk" and "cp949" in likely:
        letters = {letter for letter in b"".join(fields).decode("cp949", "ignore") if not letter.isascii()}
        chosen = "cp949" if len(letters) >= _SYLLABLES else chosen
    if chosen == "cp1251" and "cp1255" in likely and len(fields) >= _ALL_HEBREW:
        chosen = "cp1255"
    return chosen, _PAGES[chosen][0], best <= 0 or (chosen != first and len(likely) > 1)


def _rate(page: str, field: bytes, known: Collection[str]) -> int:
    try:
        text = field.decode(page)
    except UnicodeDecodeError:
        return -_GOOD
    words = [word for word in re.split(r"[\x00-@\[-`{-\x7f]+", text) if not word.isascii()]
    expected = _KNOWN * sum(word.lower() in known for word in words)
    return expected + min((_PAGES[page][1](word) for word in words), default=0)
