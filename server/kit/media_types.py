"""What the first bytes of a file say it is: a declared type must agree with them.

The signatures are those of the formats themselves: PNG (RFC 2083), JPEG and GIF headers, RIFF containers, ISO base media files
(ISO/IEC 14496-12), Ogg (RFC 3533), Matroska's EBML, MPEG audio frames, ADTS and PDF.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

HEAD_BYTES = 4_096

_OLD_QUICKTIME = frozenset({b"moov", b"mdat", b"free", b"wide", b"skip"})


def _riff(form: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == form


def _starts(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _is_mp4(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] != b"qt  "


def _is_quicktime(head: bytes) -> bool:
    return (head[4:8] == b"ftyp" and head[8:12] == b"qt  ") or head[4:8] in _OLD_QUICKTIME


def _is_mpeg_audio(head: bytes) -> bool:
    has_frame = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0
    return head.startswith(b"ID3") or has_frame


def _is_aac(head: bytes) -> bool:
    return head.startswith(b"ADIF") or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode() if len(head) < HEAD_BYTES else head[: HEAD_BYTES - 4].decode(errors="ignore")
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)


_SIGNATURES: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": _starts(b"\x89PNG\r\n\x1a\n"),
    "image/jpeg": _starts(b"\xff\xd8\xff"),
    "image/gif": _starts(b"GIF87a", b"GIF89a"),
    "image/webp": _riff(b"WEBP"),
    "video/mp4": _is_mp4,
    "video/quicktime": _is_quicktime,
    "video/webm": _starts(b"\x1a\x45\xdf\xa3"),
    "video/ogg": _starts(b"OggS"),
    "video/x-msvideo": _riff(b"AVI "),
    "audio/mpeg": _is_mpeg_audio,
    "audio/mp4": _is_mp4,
    "audio/aac": _is_aac,
    "audio/wav": _riff(b"WAVE"),
    "application/pdf": _starts(b"%PDF-"),
    "text/plain": _is_text,
}


def is_known(mime_type: str) -> bool:
    """Say whether files of this type can be told by their first bytes."""
    return mime_type in _SIGNATURES


def agrees(mime_type: str, head: bytes) -> bool:
    """Say whether the first bytes (up to HEAD_BYTES) are those of a file of this type."""
    return mime_type in _SIGNATURES and _SIGNATURES[mime_type](head)
