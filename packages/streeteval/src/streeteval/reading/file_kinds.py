"""Recognise files that are no images, or images of a kind that is not read, by how they begin."""

from __future__ import annotations

__all__ = ["INSTALL_HEIF", "what_it_is"]

INSTALL_HEIF = "pip install pillow-heif, which reads HEIC"
_FIRST_BYTES = {  # of files that Pillow does not open
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"GIF8": "GIF",
    b"\0\0\0\x0cjP": "JPEG 2000",
    b"%PDF": "PDF",
}
_VIDEO_STARTS = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"FLV")  # Matroska and WebM, MPEG, Flash
_BRANDS = {  # after "ftyp"
    b"avif": "AVIF",
    b"avis": "AVIF",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1"), "HEIF"),
}
_LFS_POINTER = b"version https://git-lfs"


def what_it_is(data: bytes, formats: tuple[str, ...]) -> str:
    """Say why Pillow does not open a file, and what to do.

    Args:
        data: The first bytes of the file, at least 12.
        formats: Formats that are accepted, by Pillow's names.
    """
    kind = next((name for start, name in _FIRST_BYTES.items() if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        kind = _BRANDS.get(data[8:12], "video")
    if kind == "HEIF" and kind not in formats:
        remedy = f", or {INSTALL_HEIF}" if "JPEG" in formats else ""  # it is no format of ids
        return f"not an image that is read: a HEIC picture: convert it to JPEG or PNG{remedy}"
    if kind == "video" or data.startswith(_VIDEO_STARTS):
        return "not an image: a video: take frames out of it, for example with ffmpeg"
    if kind in formats:
        problem = f"it begins as a {kind} does, but is damaged or of an unusual kind"
        return f"not an image that can be read: {problem}: copy it again, or convert it to a PNG of 8 bits"
    if data.startswith(_LFS_POINTER):
        return "not an image but a pointer of Git LFS: fetch the files with git lfs pull"
    found = f" that is read ({kind})" if kind else ""
    return f"not an image{found}: one of {', '.join(formats)} is expected"
