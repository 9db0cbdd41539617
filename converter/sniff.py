"""What a file is when it is not what it was given as: told from its first bytes."""

# (offset, bytes there, what it is). Checked in order.
_MAGIC = (
    (0, b"version https://git-lfs.github.com", "a Git LFS pointer, not the file it stands for"),
    (0, b"\x1f\x8b", "gzip-compressed"),
    (0, b"\xfd7zXZ\0", "xz-compressed"),
    (0, b"BZh", "bzip2-compressed"),
    (0, b"PK\x03\x04", "a zip archive (a PyTorch .pt file is one, too)"),
    (0, b"\x80\x02", "a Python pickle (an old PyTorch .pt file)"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89HDF", "an HDF5 file (Keras weights)"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (8, b"{", "a safetensors file"),
)

HEAD = 512  # bytes that ``what`` wants to see


def what(head: bytes) -> str | None:
    """A description of a file that starts with ``head``; None if it may be a .weights file.

    A .weights file starts with two small integers, so five of its first eight bytes are zero; text
    has no zero byte.
    """
    if not head:
        return None
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "an HTML page, not the file it was downloaded for"
    for offset, magic, name in _MAGIC:
        if head[offset:].startswith(magic):
            return name
    if len(head) >= 16 and b"\0" not in head:
        return "text" + (" that looks like a cfg" if text.startswith((b"[", b"#")) else "")
    return None
