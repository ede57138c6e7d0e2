"""IDX, the format of the MNIST files: a magic number, the sizes, then the bytes (Y. LeCun et al. 1998)."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loglik.arguments.memory import check_memory, in_bytes
from loglik.errors import UnreadableData

AT_ONCE = 1 << 26
UNSIGNED_BYTE = 8  # the only type that MNIST and its successors use


def read_idx(path: Path) -> Tensor:
    """A file of unsigned bytes, plain or .gz, as a uint8 tensor of the sizes it states.

    Raises:
        UnreadableData: another format, a truncated file, or bytes left over.
    """
    content = read_bytes(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise UnreadableData(f"Expected an IDX file of unsigned bytes; got another format in {path}. Fetch it again.")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise UnreadableData(f"Expected an IDX file; got {path}, which ends within its header. Fetch it again.")
    sizes = struct.unpack(f">{content[3]}I", content[4:header])
    if len(content) - header != math.prod(sizes):
        raise UnreadableData(
            f"Expected {math.prod(sizes)} bytes in {path}; got {len(content) - header}. Fetch it again."
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).copy()).reshape(sizes)


def read_bytes(path: Path) -> bytes:
    """The content, unpacked if the name ends in .gz.

    Raises:
        UnreadableData: damaged. TooLarge: it unpacks to more than the memory at hand, whatever its end states.
    """
    if path.suffix != ".gz":
        check_memory(2.0 * path.stat().st_size, str(path), "Take a smaller file.")
        return path.read_bytes()
    parts: list[bytes] = []
    size = 0
    try:
        with gzip.open(path) as file:
            while part := file.read(AT_ONCE):
                parts.append(part)
                size += len(part)
                check_memory(float(size), f"{path}, of which {in_bytes(size)} are unpacked so far,", "Fetch it again.")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableData(f"Expected a gzipped file; got {path}, which is damaged ({error}).") from None
    return b"".join(parts)
