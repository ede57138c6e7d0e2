"""Names from elsewhere (files, columns, models) as they are shown: what a terminal or a page would obey is spelt out.

A file name may hold the codes that clear a screen, retitle a window or turn text round; they are shown as "\\x1b".
"""

import unicodedata

OBEYED = {"Cc", "Cs", "Zl", "Zp"}  # controls, halves of characters, and separators of lines
JOINERS = "\u200c\u200d"  # format characters that words and emoji are spelt with


def visible(text: str, keep: str = "") -> str:
    """The text in one line, with every character that is not one to be seen as its escape; `keep` are left alone."""
    if text.isprintable():
        return text
    return "".join(c if c in keep or not _obeyed(c) else _spelt(c) for c in text)


def _obeyed(character: str) -> bool:
    category = unicodedata.category(character)
    return category in OBEYED or (category == "Cf" and character not in JOINERS)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode()
