"""What a cell of a column of yes and no says, in any spelling (compare ``cell.casefold()``)."""

from __future__ import annotations

YES = frozenset(
    {
        "1", "1.0", "true", "yes", "t", "y", "x", "\u2713", "\u2714",
        "ja", "wahr", "oui", "vrai", "sí", "si", "verdadero", "sì", "vero", "sim", "verdadeiro",
        "tak", "prawda", "да", "истина", "так", "evet", "是", "はい", "예", "نعم",
    }
)  # fmt: skip
NO = frozenset(
    {
        "0", "0.0", "false", "no", "f", "n",
        "nein", "falsch", "nee", "non", "faux", "falso", "não", "nao", "nie", "fałsz", "нет", "ложь", "ні",
        "hayır",  # noqa: RUF001 - Turkish
        "否", "不是", "いいえ", "아니요", "لا",
    }
)  # fmt: skip
NO_VALUE = frozenset(
    {
        "nan", "na", "n/a", "<na>", "none", "null", "nil", "?", "-", "--", "#n/a", "#ref!", "#value!",
        "#name?", "(null)", "unlabeled", "unlabelled", "no label", "no_label", "nolabel",
        "undefined", "todo", "tbd",
    }
)  # fmt: skip
"""What programs write where there is no value."""
