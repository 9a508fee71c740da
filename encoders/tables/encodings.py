"""The character encoding of a text file: as given, by its byte marks, or guessed and said.

A file that is valid UTF-8 is UTF-8: text in another encoding almost never is. Anything else is guessed by
charset-normalizer from the lines that are not ASCII, among the encodings that spreadsheets and shop systems write. A
guess is reported with a sample of what it reads.
"""

import codecs
from dataclasses import dataclass

from flashsale_env.encoders.tables.sources import BROKEN_ARCHIVE, Source

# In the order in which they are preferred where the text reads equally well.
GUESSED = (
    *("cp1252", "gb18030", "big5", "cp932", "cp949", "cp1251", "cp1250", "cp1253", "cp1254", "cp1255"),
    *("cp1256", "cp1257", "cp1258", "cp874", "koi8_r", "mac_roman"),
)
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BLOCK = 1 << 20
_SAMPLE = 1 << 16  # bytes of lines that are not ASCII; charset-normalizer reads a few kilobytes of them
_SHOWN = 24


@dataclass(frozen=True)
class Encoding:
    """An encoding, and what to say about it ("" if it was given or is marked)."""

    name: str
    note: str = ""


def encoding_of(source: Source, given: str | None) -> Encoding:
    """The encoding in which all of a file reads.

    Args:
        source: of text.
        given: the encoding that the user named.

    Raises:
        ValueError: it does not read in the given encoding, or in none that is guessed.
    """
    source.refuse_foreign_bytes()
    start = source.first_bytes(4096)
    if given is not None:
        # A byte order mark is no part of the text.
        name = "utf-8-sig" if codecs.lookup(given).name == "utf-8" and start.startswith(codecs.BOM_UTF8) else given
        if (wrong := _first_wrong(source, name)) is not None:
            raise ValueError(_misfit(source, given, *wrong))
        return Encoding(name)
    name = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "") or _by_zeros(start)
    if name:
        if (wrong := _first_wrong(source, name)) is not None:
            raise ValueError(_misfit(source, name.removesuffix("-sig"), *wrong))
        return Encoding(name)
    if (wrong := _first_wrong(source, "utf-8")) is None:
        return Encoding("utf-8")
    return _guess(source, wrong)


def _by_zeros(start: bytes) -> str:
    """UTF-16 without a mark: every second byte of ASCII text is zero. "" if it is not."""
    if len(start) < 4 or b"\0" not in start:
        return ""
    for name, zeros, others in (("utf-16-le", start[1::2], start[::2]), ("utf-16-be", start[::2], start[1::2])):
        if zeros.count(0) > 0.3 * len(zeros) and others.count(0) == 0:
            return name
    return ""


def _first_wrong(source: Source, name: str) -> tuple[int, int, int] | None:
    """(byte, offset, line) of the first byte that does not fit, or None."""
    decoder = codecs.getincrementaldecoder(name)()
    offset = lines = 0
    try:
        with source.open() as handle:
            while block := handle.read(_BLOCK):
                kept = len(decoder.getstate()[0])  # the beginning of a character, from the block before
                try:
                    decoder.decode(block)
                except UnicodeDecodeError as error:
                    at = max(error.start - kept, 0)
                    return block[at], offset + at, lines + block.count(b"\n", 0, at) + 1
                offset += len(block)
                lines += block.count(b"\n")
    except BROKEN_ARCHIVE as error:
        raise ValueError(f"{source.name} is damaged: {error}.") from None
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return error.object[error.start], offset - 1, lines + 1
    return None


def _misfit(source: Source, name: str, byte: int, offset: int, line: int) -> str:
    return (
        f"{source.name} is not {name}: byte 0x{byte:02x} at offset {offset} (line {line}) does not fit. Leave out "
        f"--encoding to have it guessed, or give the file's own, e.g. --encoding cp1252 or --encoding gb18030."
    )


def _guess(source: Source, wrong: tuple[int, int, int]) -> Encoding:
    from charset_normalizer import from_bytes

    sample = _foreign_lines(source)
    readings: dict[str, tuple[float, float]] = {}
    for match in from_bytes(sample, cp_isolation=list(GUESSED)):
        for name in {match.encoding, *match.could_be_from_charset} & set(GUESSED):
            readings[name] = (round(match.chaos, 2), -round(match.coherence, 1))
    # What was guessed from a sample must read the whole file.
    ranked = [
        name
        for name in sorted(readings, key=lambda name: (readings[name], GUESSED.index(name)))
        if _first_wrong(source, name) is None
    ]
    if not ranked:
        raise ValueError(
            f"{source.name} is not utf-8 (byte 0x{wrong[0]:02x} at offset {wrong[1]}, line {wrong[2]}), and no other "
            f"encoding reads it well: give its own with --encoding NAME, e.g. cp1252 or gb18030."
        )
    first, *others = ranked
    shown = _shown(sample, first)
    doubt = next((name for name in others if _shown(sample, name) != shown), None)
    other = f", {doubt} would read {_shown(sample, doubt)!r}" if doubt else ""
    return Encoding(
        first, f"{source.name}: encoding guessed as {first} ({shown!r}{other}); --encoding NAME overrides it."
    )


def _foreign_lines(source: Source) -> bytes:
    """The first lines that are not ASCII."""
    lines, size = [], 0
    with source.open() as handle:
        for line in handle:
            if not line.isascii():
                lines.append(line[:4096])
                size += len(lines[-1])
                if size > _SAMPLE:
                    break
    return b"".join(lines)


def _shown(sample: bytes, name: str) -> str:
    """A few characters around the first that is not ASCII."""
    text = sample.decode(name, errors="replace")
    at = next((i for i, sign in enumerate(text) if not sign.isascii()), 0)
    return " ".join(text[max(0, at - _SHOWN // 2) : at + _SHOWN // 2].split())
