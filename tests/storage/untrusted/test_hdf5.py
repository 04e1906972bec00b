"""Our reader of HDF5 files gives what the HDF5 library gives, and refuses the rest."""

from __future__ import annotations

import io
import struct

import h5py
import numpy as np
import pytest

from mlp_toolkit.errors import UserError
from mlp_toolkit.storage.untrusted import hdf5, hdf5_values

WRITERS = [{}, {"libver": "latest"}, {"libver": "v108"}, {"track_order": True}]


def written(fill, **options):
    held = io.BytesIO()
    with h5py.File(held, "w", **options) as file:
        fill(file)
    return held.getvalue()


def everything(file):
    file.attrs["text"], file.attrs["bytes"] = "höhe " * 20_000, b"bytes"
    file.attrs["number"], file.attrs["truth"] = 3, True
    file.attrs["names"], file.attrs["none"] = np.array([b"a", b"bb"]), np.array([])
    file.attrs["words"], file.attrs["empty"] = ["é", ""], h5py.Empty("f")
    group = file.create_group("a/b/c")
    group["matrix"] = np.arange(6.0).reshape(2, 3)
    group["half"], group["whole"] = np.float16([1, -2]), np.arange(3, dtype="uint64")
    group["truths"], group["other order"] = np.array([True, False]), np.arange(4, dtype=">f4")
    group["scalar"], group["nothing"] = np.float32(2), np.zeros((0, 3), "int8")
    small = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    small.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((2,))
    h5py.h5d.create(group.id, b"compact", h5py.h5t.NATIVE_INT32, space, small).write(
        h5py.h5s.ALL, h5py.h5s.ALL, np.int32([5, 6])
    )


def same(theirs, ours):
    assert set(theirs.attrs) == set(ours.attributes)
    for name, value in theirs.attrs.items():
        found = ours.attributes[name]
        if isinstance(value, h5py.Empty):
            assert found is None
        elif isinstance(value, bytes):
            assert found == value.decode()
        elif isinstance(found, list):
            assert found == [item.decode() if isinstance(item, bytes) else item for item in value.tolist()]
        else:
            assert np.array_equal(found, value)
    assert set(theirs) == ours.groups.keys() | ours.arrays.keys()
    for name, item in theirs.items():
        if isinstance(item, h5py.Group):
            same(item, ours.groups[name])
        else:
            values = ours.arrays[name].values()
            assert values.dtype == item.dtype.newbyteorder("=")
            np.testing.assert_array_equal(values, item[()])
            assert values.shape == item.shape


@pytest.mark.parametrize("options", WRITERS, ids=str)
def test_what_the_library_writes_is_read(options):
    raw = written(everything, **options)
    with h5py.File(io.BytesIO(raw)) as file:
        same(file, hdf5.read_hdf5(raw, "file"))


def test_a_group_of_many_names_is_read_as_keras_writes_it():
    def fill(file):
        for index in range(500):
            file[f"group {index}/values"] = np.full(3, index)

    raw = written(fill)
    with h5py.File(io.BytesIO(raw)) as file:
        same(file, hdf5.read_hdf5(raw, "file"))


def test_an_array_is_found_by_its_path():
    root = hdf5.read_hdf5(written(everything), "file")
    assert root.array("a/b/c/matrix").shape == (2, 3)
    assert root.array("/a/b/c/scalar").size == 1
    assert [root.array(path) for path in ("", "a", "a/b/c", "a/b/c/no", "no/matrix", "../a")] == [None] * 6


def overlapping(raw):
    """The second array's values are said to lie where the first one's do."""
    first, second = (raw.index(struct.pack("<4d", *[value] * 4)) for value in (1.5, 2.5))
    return raw.replace(struct.pack("<QQ", second, 32), struct.pack("<QQ", first, 32))


def two(file):
    file["first"], file["second"] = np.full(4, 1.5), np.full(4, 2.5)


def test_arrays_that_share_bytes_are_refused():
    raw = written(two)
    assert set(hdf5.read_hdf5(raw, "file").arrays) == {"first", "second"}
    with pytest.raises(UserError, match="listed more than once"):
        hdf5.read_hdf5(overlapping(raw), "file")


def test_names_in_an_index_of_the_newest_kind_are_refused():
    def many(file):
        for index in range(20):
            file[f"values {index}"] = np.zeros(2)

    with pytest.raises(UserError, match="newer kind"):
        hdf5.read_hdf5(written(many, libver="latest"), "file")


def test_every_cut_of_a_file_is_refused():
    raw = written(everything)
    for size in [*range(0, len(raw) - 1, 97), len(raw) - 1]:
        with pytest.raises(UserError, match=r"damaged"):
            hdf5.read_hdf5(raw[:size], "file")


def test_every_byte_of_a_small_file_may_be_another():
    """Whatever comes is an answer; nothing else than a refusal is raised."""
    raw = written(two)
    for place in range(len(raw)):
        for value in (0, 1, 0xFF, raw[place] ^ 0x10):
            broken = raw[:place] + bytes([value]) + raw[place + 1 :]
            try:
                root = hdf5.read_hdf5(broken, "file")
            except UserError:
                continue
            for _, array in root.walk():
                assert array.values().nbytes <= len(raw)


def test_no_more_is_taken_out_than_a_file_holds():
    values = hdf5_values.Values(bytes(100), "file")
    for _ in range(32):
        values.take(0, 50)
    with pytest.raises(UserError, match="over one another"):
        values.take(0, 50)
    with pytest.raises(UserError, match="beyond its end"):
        hdf5_values.Values(bytes(100), "file").take(2**62, 2**62)
