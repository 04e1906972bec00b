"""HDF5 files, read without the HDF5 library: only what Keras writes, every address and size checked before it is used.

The C library that h5py wraps has had memory-safety errors, and a damaged file can end the whole process. This reader
is Python alone, so that the worst a file can do is to be refused. It knows groups, plain arrays of numbers, and
attributes; links to other places, filters, chunks, values outside the file and types of one's own are refused by name.

Source: the HDF5 File Format Specification, version 3.0.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from mlp_toolkit.errors import UserError, shorten
from mlp_toolkit.storage.untrusted.hdf5_values import NOWHERE, Values

SIGNATURE = b"\x89HDF\r\n\x1a\n"
DEEPEST = 60

DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT, FILTERS = 1, 2, 3, 6, 7, 8, 11
ATTRIBUTE, CONTINUATION, SYMBOLS, ATTRIBUTE_INFO = 12, 16, 17, 21
KNOWN = {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 18, 19, 21, 22}  # of these messages all are understood


class Array(NamedTuple):
    """Numbers in a file.

    Attributes:
        dtype: Their type, with the file's byte order.
        shape: Its dimensions; () is a single number.
        raw: Where they are.
        begin: From which byte on.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    raw: bytes
    begin: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return math.prod(self.shape)

    def values(self) -> np.ndarray:
        """The numbers, in the machine's byte order; not to be written to."""
        flat = np.frombuffer(self.raw, self.dtype, self.size, self.begin)
        return flat.reshape(self.shape).astype(self.dtype.newbyteorder("="), copy=False)


class Group(NamedTuple):
    """A folder of a file.

    Attributes:
        attributes: Texts are str, lists of texts list[str], all else arrays of numpy's; None stands for an empty one.
        groups: The groups in it.
        arrays: The arrays in it.
    """

    attributes: dict[str, Any]
    groups: dict[str, Group]
    arrays: dict[str, Array]

    def walk(self, place: str = "") -> Iterator[tuple[str, Array]]:
        """All arrays below, with their paths from here."""
        for name, array in self.arrays.items():
            yield place + name, array
        for name, group in self.groups.items():
            yield from group.walk(f"{place}{name}/")

    def array(self, path: str) -> Array | None:
        """The array at a path from here, or None."""
        *folders, name = [part for part in path.split("/") if part] or [""]
        group: Group | None = self
        for folder in folders:
            group = group.groups.get(folder) if group else None
        return group.arrays.get(name) if group else None


def read_hdf5(raw: bytes, place: str) -> Group:
    """The contents of an HDF5 file.

    Args:
        raw: The whole file; arrays refer to it.
        place: Names the file in messages.

    Raises:
        UserError: It is no such file, it is damaged, or it holds what is refused.
    """
    if raw[: len(SIGNATURE)] != SIGNATURE:
        raise UserError("not an HDF5 file, or damaged: its first bytes are others", place=place)
    reader = _Reader(raw, place)
    try:
        root = reader.group(reader.root(), 0)
        reader.check_apart()
    except UserError:
        raise
    except (struct.error, ValueError, IndexError, OverflowError, RecursionError, TypeError) as error:
        raise UserError(f"damaged: {shorten(str(error))}", place=place) from None
    return root


class _Message(NamedTuple):
    kind: int
    flags: int
    body: bytes


class _Reader(Values):
    """One pass over a file: no part is visited twice."""

    def __init__(self, raw: bytes, place: str) -> None:
        super().__init__(raw, place)
        self.seen: set[int] = set()
        self.spans: list[tuple[int, int]] = []

    def root(self) -> int:
        """The address of the first group."""
        version = self.raw[8] if len(self.raw) > 8 else self.damaged("the file is cut off")
        if version in (0, 1):
            sizes = self.numbers("BB", 13)
            base, _, end, _, _, root = self.numbers("6Q", 24 if version == 0 else 28)
        elif version in (2, 3):
            sizes = self.numbers("BB", 9)
            base, _, end, root = self.numbers("4Q", 12)
        else:
            self.damaged(f"a superblock of version {version}")
        if sizes != (8, 8) or base != 0:
            self.refuse("its addresses are of another width, or do not count from its first byte")
        if end > len(self.raw):
            self.damaged(f"the file is cut off: it has {len(self.raw):,} of {end:,} bytes")
        return int(root)

    # Objects: a header, which is a list of messages, says what each is.

    def messages(self, address: int) -> list[_Message]:
        """The messages of an object's header."""
        if address in self.seen:
            self.refuse("the same group or array is listed more than once")
        self.seen.add(address)
        newer = self.take(address, 4) == b"OHDR"
        if newer:
            version, flags = self.numbers("BB", address + 4)
            begin = address + 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
            width = 1 << (flags & 3)
            size = int.from_bytes(self.take(begin, width), "little")
            blocks, ordered = [(begin + width, size)], bool(flags & 0x04)
        else:
            version, _, _, _, size = self.numbers("BBHII", address)
            blocks, ordered = [(address + 16, size)], False
        if version != (2 if newer else 1):
            self.damaged(f"an object header of version {version}")
        found: list[_Message] = []
        head = (4 + 2 * ordered) if newer else 8
        for begin, size in blocks:  # grows while it is read
            self.take(begin, size)
            at, end = begin, begin + size
            while at + head <= end:
                self.count()
                kind, length, flags = self.numbers("BHB", at) if newer else self.numbers("HHB", at)
                if length > end - at - head:
                    self.damaged("a message is longer than its block")
                body = self.take(at + head, length)
                at += head + length
                if kind == CONTINUATION:
                    where, much = struct.unpack_from("<QQ", body)
                    if where in self.seen:
                        self.damaged("an object header runs in a circle")
                    self.seen.add(where)
                    if newer and (much < 8 or self.take(where, 4) != b"OCHK"):
                        self.damaged("an object header breaks off")
                    blocks.append((where + 4, much - 8) if newer else (where, much))
                elif kind not in KNOWN:
                    self.refuse(f"an object has properties of an unknown kind ({kind})")
                elif kind and flags & 0x02:
                    self.refuse("a type of one's own, or another part that several objects share")
                else:
                    found.append(_Message(kind, flags, body))
        return found

    def group(self, address: int, depth: int) -> Group:
        """The group at an address, with all below it."""
        if depth > DEEPEST:
            self.refuse(f"groups nested deeper than {DEEPEST}")
        return self.filled(self.messages(address), depth)

    def filled(self, messages: list[_Message], depth: int) -> Group:
        group = Group(self.attributes(messages), {}, {})
        for name, address in self.links(messages):
            if name in group.groups or name in group.arrays:
                self.refuse(f"the name {shorten(name)!r} stands twice in a group")
            if not name or "/" in name or name == ".":
                self.damaged("a name that is none")
            inner = self.messages(address)
            kinds = {message.kind for message in inner}
            if LAYOUT in kinds:
                group.arrays[name] = self.array(inner, name)
            elif kinds & {SYMBOLS, LINK, LINK_INFO}:
                if depth >= DEEPEST:
                    self.refuse(f"groups nested deeper than {DEEPEST}")
                group.groups[name] = self.filled(inner, depth + 1)
            else:
                self.refuse(f"{shorten(name)!r} is neither a group nor an array")
        return group

    def links(self, messages: list[_Message]) -> Iterator[tuple[str, int]]:
        """The names in a group, with their addresses."""
        for kind, _, body in messages:
            if kind == SYMBOLS:
                tree, heap = struct.unpack_from("<QQ", body)
                yield from self.symbols(tree, self.names(heap), 0)
            elif kind == LINK:
                yield self.link(body)
            elif kind == LINK_INFO:
                (where,) = struct.unpack_from("<Q", body, 2 + 8 * (body[1] & 1))
                if where != NOWHERE:
                    self.refuse("a group keeps its names in an index of a newer kind, which Keras does not write")

    def names(self, heap: int) -> Callable[[int], str]:
        """Looks up names by their place in a group's heap."""
        magic, version, _, size, _, begin = self.numbers("4sB3sQQQ", heap)
        if magic != b"HEAP" or version != 0:
            self.damaged("a group without its names")
        data = self.take(begin, size)

        def name(place: int) -> str:
            end = data.index(b"\0", place) if place < len(data) else self.damaged("a name beyond its heap")
            return data[place:end].decode()

        return name

    def symbols(self, node: int, name: Callable[[int], str], depth: int) -> Iterator[tuple[str, int]]:
        """The names below a node of a group's tree."""
        if node in self.seen or depth > DEEPEST:
            self.damaged("a group's tree runs in a circle")
        self.seen.add(node)
        magic = self.take(node, 4)
        if magic == b"TREE":
            kind, _, used = self.numbers("BBH", node + 4)
            if kind != 0:
                self.damaged("a group's tree is none of a group")
            self.count(used)
            for child in self.numbers(f"{2 * used + 1}Q", node + 24)[1::2]:
                yield from self.symbols(child, name, depth + 1)
        elif magic == b"SNOD":
            (used,) = self.numbers("H", node + 6)
            self.count(used)
            for index in range(used):
                place, address, cached = self.numbers("QQI", node + 8 + 40 * index)
                if cached == 2:
                    self.refuse(f"{shorten(name(place))!r} links to another place or file")
                yield name(place), address
        else:
            self.damaged("a group's tree breaks off")

    def link(self, body: bytes) -> tuple[str, int]:
        """A name and its address, as newer groups keep them."""
        version, flags = body[0], body[1]
        at, kind = 2, 0
        if flags & 0x08:
            kind, at = body[at], at + 1
        at += 8 * bool(flags & 0x04) + bool(flags & 0x10)
        width = 1 << (flags & 3)
        length = int.from_bytes(body[at : at + width], "little")
        at += width
        name = body[at : at + length].decode()
        if version != 1:
            self.damaged(f"a link of version {version}")
        if kind != 0:
            self.refuse(f"{shorten(name)!r} links to another place or file")
        return name, struct.unpack_from("<Q", body, at + length)[0]

    # Arrays.

    def array(self, messages: list[_Message], name: str) -> Array:
        """A plain array of numbers."""
        bodies = {message.kind: message.body for message in messages}
        shown = repr(shorten(name))
        if EXTERNAL in bodies:
            self.refuse(f"{shown} keeps its values outside the file")
        if FILTERS in bodies:
            self.refuse(f"{shown} is not a plain array of numbers: it is compressed")
        if not {DATASPACE, DATATYPE} <= bodies.keys() or len(bodies) != len(
            [message for message in messages if message.kind != ATTRIBUTE]
        ) + bool(ATTRIBUTE in bodies):
            self.damaged(f"{shown} is described twice, or not at all")
        dtype, _ = self.datatype(bodies[DATATYPE])
        shape = self.dataspace(bodies[DATASPACE])
        if not isinstance(dtype, np.dtype) or shape is None:
            self.refuse(f"{shown} is not a plain array of numbers")
        size = math.prod(shape) * dtype.itemsize
        if math.prod(side for side in shape if side) > len(self.raw):
            self.refuse(f"{shown} is not a plain array: it is declared larger than the file")
        version, kind = bodies[LAYOUT][:2]
        if version not in (3, 4) or kind > 1:
            virtual = "its values lie outside the file" if kind == 3 else "it lies in chunks"
            self.refuse(f"{shown} is not a plain array of numbers: {virtual}")
        if kind == 0:
            (held,) = struct.unpack_from("<H", bodies[LAYOUT], 2)
            if held != size or held > len(bodies[LAYOUT]) - 4:
                self.refuse(f"{shown} is not a plain array: its values are not all there")
            return Array(dtype, shape, bodies[LAYOUT], 4)
        begin, held = struct.unpack_from("<QQ", bodies[LAYOUT], 2)
        if size == 0:
            return Array(dtype, shape, b"", 0)
        if begin == NOWHERE or held != size:
            self.refuse(f"{shown} is not a plain array: its values are not all there")
        if begin > len(self.raw) or size > len(self.raw) - begin:
            self.damaged(f"{shown} lies beyond the end of the file")
        self.spans.append((begin, begin + size))
        return Array(dtype, shape, self.raw, begin)

    def check_apart(self) -> None:
        """No two arrays share a byte."""
        self.spans.sort()
        if any(end > begin for (_, end), (begin, _) in zip(self.spans, self.spans[1:], strict=False)):
            self.refuse("the same values are listed more than once")

    # Attributes.

    def attributes(self, messages: list[_Message]) -> dict[str, Any]:
        """All attributes of an object."""
        found: dict[str, Any] = {}
        for kind, _, body in messages:
            if kind == ATTRIBUTE:
                name, value = self.attribute(body)
                if name in found:
                    self.refuse(f"the attribute {shorten(name)!r} stands twice")
                found[name] = value
            elif kind == ATTRIBUTE_INFO:
                (where,) = struct.unpack_from("<Q", body, 2 + 2 * (body[1] & 1))
                if where != NOWHERE:
                    self.refuse("attributes are kept in an index of a newer kind, which Keras does not write")
        return found
