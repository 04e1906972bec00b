"""Values in an HDF5 file: types, shapes, attributes, texts; `hdf5` reads the objects that they belong to."""

from __future__ import annotations

import math
import struct
from typing import Any, NoReturn

import numpy as np

from mlp_toolkit.errors import UserError, shorten

NOWHERE = 2**64 - 1
MOST_PARTS = 500_000  # of the file: messages, names and strings; a model file of 10,000 columns has some 200,000
MOST_DIMENSIONS = 32
MOST_TIMES = 16  # that a byte is taken, on average; of what Keras writes it is less than 3
# Of IEEE's numbers: bytes → bits of exponent and mantissa, and where these begin.
FLOATS = {2: (16, 10, 5, 0, 10, 15), 4: (32, 23, 8, 0, 23, 127), 8: (64, 52, 11, 0, 52, 1023)}
BOOLEAN = (b"FALSE\0\0\0TRUE\0\0\0\0\0\x01", b"FALSE\0TRUE\0\0\x01")  # h5py's, older and newer
STRING, TEXT = "string", "text"  # of a fixed length in place; of any length in the file's heap


class Values:
    """Takes values out of a file's bytes, with a budget: no more is taken out than the file holds.

    Args:
        raw: The whole file.
        place: Names it in messages.
    """

    def __init__(self, raw: bytes, place: str) -> None:
        self.raw, self.place = raw, place
        self.heaps: dict[int, dict[int, tuple[int, int]]] = {}
        self.parts, self.attribute_bytes, self.taken = 0, 0, 0

    def refuse(self, what: str) -> NoReturn:
        """Ends the reading: this is nothing that is read."""
        raise UserError(f"refused: {what}", place=self.place)

    def damaged(self, what: str) -> NoReturn:
        """Ends the reading: the file contradicts itself."""
        raise UserError(f"damaged: {what}", place=self.place)

    def count(self, parts: int = 1) -> None:
        """Counts parts of the file, which are bounded in number."""
        self.parts += parts
        if self.parts > MOST_PARTS:
            self.refuse(f"the file has more than {MOST_PARTS:,} parts")

    def take(self, begin: int, size: int) -> bytes:
        """So many bytes from a place on."""
        if begin > len(self.raw) or size > len(self.raw) - begin:
            self.damaged("a part of the file lies beyond its end")
        self.taken += size
        if self.taken > MOST_TIMES * len(self.raw):
            self.refuse("its parts lie over one another")
        return self.raw[begin : begin + size]

    def numbers(self, form: str, begin: int) -> tuple[Any, ...]:
        """Numbers from a place on, of a form of `struct`'s."""
        return struct.unpack("<" + form, self.take(begin, struct.calcsize("<" + form)))

    def dataspace(self, body: bytes) -> tuple[int, ...] | None:
        """The shape; None for an attribute without a value."""
        version, rank, _, kind = body[:4]
        if version not in (1, 2) or rank > MOST_DIMENSIONS:
            self.damaged("a shape that is none")
        if version == 2 and kind == 2:
            return None
        return struct.unpack_from(f"<{rank}Q", body, 8 if version == 1 else 4)

    def datatype(self, body: bytes) -> tuple[np.dtype[Any] | str, int]:
        """A type of numpy's, STRING or TEXT, and the bytes of each value."""
        kind, version, (size,) = body[0] & 15, body[0] >> 4, struct.unpack_from("<I", body, 4)
        if version not in (1, 2, 3, 4, 5):
            self.damaged(f"a type of version {version}")
        order = ">" if body[1] & 1 else "<"
        if kind == 0 and size in (1, 2, 4, 8) and struct.unpack_from("<HH", body, 8) == (0, 8 * size):
            return np.dtype(f"{order}{'i' if body[1] & 8 else 'u'}{size}"), size
        if kind == 1 and size in FLOATS and not body[1] & 0x40:
            begin, bits, exponent_at, exponent, mantissa_at, mantissa, bias = struct.unpack_from("<HHBBBBI", body, 8)
            if begin == 0 and (bits, exponent_at, exponent, mantissa_at, mantissa, bias) == FLOATS[size]:
                return np.dtype(f"{order}f{size}"), size
        if kind == 3:
            return STRING, size
        if kind == 8 and size == 1 and body[20:].startswith(BOOLEAN):
            return np.dtype("bool"), size
        if kind == 9 and body[1] & 15 == 1 and size == 16:
            return TEXT, size
        return "another", size

    def attribute(self, body: bytes) -> tuple[str, Any]:
        """An attribute's name and value."""
        version, flags, *lengths = struct.unpack_from("<BBHHH", body)
        if version not in (1, 2, 3):
            self.damaged(f"an attribute of version {version}")
        if version > 1 and flags & 3:
            self.refuse("an attribute of a type of one's own")
        at = 9 if version == 3 else 8
        parts = []
        for length in lengths:
            parts.append(body[at : at + length])
            at += -(-length // 8) * 8 if version == 1 else length
        name = parts[0].split(b"\0")[0].decode()
        (dtype, each), shape = self.datatype(parts[1]), self.dataspace(parts[2])
        if shape is None:
            return name, None
        count = math.prod(shape)
        if dtype == "another" or each == 0 or count * each > len(body) - at:
            self.refuse(f"the attribute {shorten(name)!r} is neither text nor numbers")
        self.spend(count * each)
        data = body[at : at + count * each]
        if isinstance(dtype, np.dtype):
            return name, np.frombuffer(data, dtype).reshape(shape)
        self.count(count)
        pieces = [data[index * each : (index + 1) * each] for index in range(count)]
        texts = [self.text(piece) if dtype == TEXT else piece.rstrip(b"\0").decode() for piece in pieces]
        return name, texts if shape else texts[0]

    def text(self, place: bytes) -> str:
        """A text out of the file's heap."""
        length, heap, index = struct.unpack("<IQI", place)
        if length == 0 or heap in (0, NOWHERE):
            return ""
        if heap not in self.heaps:
            self.heaps[heap] = self.heap(heap)
        begin, size = self.heaps[heap].get(index) or self.damaged("a text that is not there")
        if length > size:
            self.damaged("a text longer than its place")
        self.spend(length)
        return self.take(begin, length).rstrip(b"\0").decode()

    def heap(self, address: int) -> dict[int, tuple[int, int]]:
        """Where the texts of one of the file's heaps are."""
        magic, version, _, size = self.numbers("4sB3sQ", address)
        if magic != b"GCOL" or version != 1:
            self.damaged("texts without their heap")
        self.take(address, size)
        found: dict[int, tuple[int, int]] = {}
        at, end = address + 16, address + size
        while at + 16 <= end:
            self.count()
            index, _, _, length = self.numbers("HHIQ", at)
            if index == 0:
                break
            if length > end - at - 16:
                self.damaged("a text beyond its heap")
            found[index] = (at + 16, length)
            at += 16 + -(-length // 8) * 8
        return found

    def spend(self, size: int) -> None:
        """Counts bytes of attributes: no more than the file has."""
        self.attribute_bytes += size
        if self.attribute_bytes > len(self.raw):
            self.refuse("its attributes hold more than the file")
