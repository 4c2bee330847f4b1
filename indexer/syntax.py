"""How the small languages of the command line point at a mistake."""

import unicodedata

_SHOWN = {"Cc": " ", "Zl": " ", "Zp": " ", "Cs": "\N{REPLACEMENT CHARACTER}"}


def pointing(message: str, text: str, position: int) -> str:
    """The message, then the text on one line, then a caret below its character at `position`."""
    line = "".join(_SHOWN.get(unicodedata.category(character), character) for character in text)
    pointer = " " * position + "^"
    return f"{message} (character {position + 1})\n  {line}\n  {pointer}"
