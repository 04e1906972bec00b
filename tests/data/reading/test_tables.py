"""Files become tables of numbers and text, or one clear message."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mlp_toolkit import files
from mlp_toolkit.data.reading import frames, tables
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import catalog

ROUNDS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MISSING = catalog.config("features")["missing_values"]
TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), max_size=12)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    raw = content.encode() if isinstance(content, str) else content
    file.write_bytes(gzip.compress(raw) if name.endswith(".gz") and isinstance(content, str) else raw)
    return file


def rows(file: Path) -> list[list[object]]:
    frame = tables.read_table(file).frame.astype(object)
    return frame.where(frame.notna(), None).to_numpy().tolist()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "x,y\n1,red\n,blue\n"),
        ("A.CSV", "x,y\r\n1,red\r\n,blue\r\n"),
        ("a.csv.gz", "x,y\n1,red\n,blue\n"),
        ("a.tsv", "x\ty\n1\tred\n\tblue\n"),
        ("a.tsv.gz", "x\ty\n1\tred\n\tblue"),
        ("semicolon.csv", "x;y\n1;red\n;blue\n"),
        ("bar.csv", "x|y\n1|red\nNA|blue\n"),
        ("blank_lines.csv", "\n\r\nx,y\n1,red\n\n,blue\n\n"),
        ("mark.csv", "\ufeffx,y\n1,red\n,blue\n"),
        ("blanks_in_header.csv", " x , y\n1,red\nNULL,blue\n"),
    ],
)
def test_text_files_give_the_same_table(tmp_path, name, content):
    file = write(tmp_path, name, content)
    assert tables.header(file) == ["x", "y"]
    assert list(tables.read_table(file).frame.columns) == ["x", "y"]
    assert rows(file) == [["1", "red"], [None, "blue"]]


def test_another_separator_is_noted_and_the_usual_one_is_not(tmp_path):
    assert "semicolon" in " ".join(tables.read_table(write(tmp_path, "a.csv", "x;y\n1;2\n")).notes)
    assert tables.read_table(write(tmp_path, "b.csv", "x,y\n1,2\n")).notes == ()


def test_quoted_fields_hold_separators_quotes_and_line_breaks(tmp_path):
    file = write(tmp_path, "a.csv", '"na,me","two\nlines"\n"a, ""b""","c\nd"\n2,3\n')
    assert tables.header(file) == ["na,me", "two\nlines"]
    assert rows(file) == [['a, "b"', "c\nd"], ["2", "3"]]


def test_a_separator_inside_a_quoted_name_does_not_count(tmp_path):
    assert tables.header(write(tmp_path, "a.csv", '"size, cm";"weight, kg";y\n1;2;3\n')) == [
        "size, cm",
        "weight, kg",
        "y",
    ]


def test_a_row_may_be_longer_than_a_megabyte(tmp_path):
    long = "x" * 3_000_000
    assert rows(write(tmp_path, "a.csv", f'x,y\n1,"{long}"\n2,b\n')) == [["1", long], ["2", "b"]]


def test_a_name_that_begins_like_an_archive_is_a_name(tmp_path):
    assert rows(write(tmp_path, "a.csv", "PK,y\n1,2\n")) == [["1", "2"]]


def test_the_fingerprint_is_the_hash_of_the_bytes(tmp_path):
    file = write(tmp_path, "a.csv", "abc")
    file.write_bytes(b"x\n1\n")
    same, other = write(tmp_path, "b.csv", "x\n1\n"), write(tmp_path, "c.csv", "x\n2\n")
    assert (
        tables.read_table(file).fingerprint
        == tables.read_table(same).fingerprint
        != tables.read_table(other).fingerprint
    )
    assert len(tables.read_table(file).fingerprint) == 64


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "is empty"),
        ("empty.csv.gz", b"", "is empty"),
        ("breaks.csv", b"\n\n", "is empty"),
        ("header.csv", b"x,y\n", "no rows"),
        ("header_alone.csv", b"x,y", "no rows"),
        ("twice.csv", b"x,y,x\n1,2,3\n", "more than once in the header: x"),
        ("nameless.csv", b"x,,y\n1,2,3\n", "no name in column 2"),
        ("long.csv", b"x,y\n1,2\n1,2,3\n", "long.csv:3: the row ending here has 3 fields, the header names 2"),
        ("short.csv", b"x,y\n1,2\n\n1\n", "short.csv:4: the row ending here has 1 fields"),
        ("ragged.tsv", b"x\ty\n1\t2\t3\n", "ragged.tsv:2"),
        ("open.csv", b'x,y\n1,2\n3,"4\n5,6\n', "open.csv:3: a double quote opens a field here and is never closed"),
        ("utf16.csv", "x,y\n1,2\n".encode("utf-16"), "UTF-16"),
        ("utf16_without_mark.csv", "x,y\n1,2\n".encode("utf-16-le"), "zero bytes"),
        ("latin.csv", "x,y\n1,2\n3,é\n".encode("latin-1"), "latin.csv:3: not UTF-8 text: byte 0xe9"),
        ("zeros.csv", b"\0" * 100, "zero bytes"),
        ("workbook.csv", b"PK\x03\x04rest of a workbook", "Excel"),
        ("cut.csv.gz", gzip.compress(b"x,y\n" + bytes(range(48, 58)) * 500, mtime=0)[:-12], "cannot be read"),
        ("plain.csv.gz", b"x,y\n1,2\n", "cannot be read"),
        ("wrong.parquet", b"x,y\n1,2\n", "wrong.parquet"),
        ("wrong.npz", b"x,y\n1,2\n", "damaged or of another kind"),
        ("wrong.xlsx", b"x", "unknown kind of file"),
        ("no_suffix", b"x", "unknown kind of file"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path, name, content, says):
    file = write(tmp_path, name, content)
    with pytest.raises(UserError) as caught:
        tables.read_table(file)
    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_absent_files_and_folders_are_errors_of_the_user(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name in ("absent.csv", "absent.parquet", "absent.npz", "folder.csv", "folder.csv/absent.csv", "nul\0.csv"):
        for look in (tables.header, tables.read_table):
            with pytest.raises(UserError):
                look(tmp_path / name)


def test_parquet_keeps_numbers_and_turns_the_rest_into_text(tmp_path):
    frame = pd.DataFrame(
        {
            "whole": [1, 2],
            "gap": [1.5, None],
            "yes": [True, False],
            "maybe": pd.array([True, None], "boolean"),
            "word": ["a", None],
            "colour": pd.Categorical(["red", None]),
            "grade": pd.Categorical.from_codes([0, -1], categories=[3, 4]),
            "day": pd.to_datetime(["2024-02-29", None]),
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    assert tables.header(tmp_path / "a.parquet") == list(frame.columns)
    read = tables.read_table(tmp_path / "a.parquet").frame
    assert read["whole"].tolist() == [1, 2]
    assert read["yes"].tolist() == [1, 0]
    for name, value in {"gap": 1.5, "maybe": 1}.items():
        assert read[name][0] == value
        assert np.isnan(read[name][1])
    texts = ["word", "colour", "grade", "day"]
    assert [read[name][0] for name in texts] == ["a", "red", "3", "2024-02-29 00:00:00"]
    assert read[texts].loc[1].isna().all()


@pytest.mark.parametrize("name", [["a"], {"a": 1}, 7])
def test_what_others_write_about_columns_as_pandas_does_no_harm(tmp_path, name):
    about = {"columns": [{"field_name": name, "pandas_type": "categorical"}]}
    table = pa.table({"a": [1, 2]}).replace_schema_metadata({"pandas": json.dumps(about)})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert tables.read_table(tmp_path / "a.parquet").frame["a"].tolist() == [1, 2]


def test_categories_of_numbers_may_have_gaps():
    column = pd.Categorical.from_codes([0, -1, 1], categories=[3, 4])
    read = frames.normalise(pd.DataFrame({"x": column}))["x"]
    assert read.dtype == "category"
    assert [None if pd.isna(value) else value for value in read] == ["3", None, "4"]


@pytest.mark.parametrize("odd", [[[1], [2]], [{"a": 1}, {}], [1j, 2j]])
def test_columns_of_other_objects_are_refused_by_name(odd):
    with pytest.raises(UserError, match="column 'odd'"):
        frames.normalise(pd.DataFrame({"odd": odd}))


def test_labels_in_sets_or_lists_are_told_how_they_become_columns():
    frame = pd.DataFrame({"labels": [["spam"], ["spam", "urgent"]]})
    with pytest.raises(UserError, match="holds values of type list") as told:
        frames.normalise(frame)
    code = re.search(r"Labels: (.*)\.$", str(told.value))[1]
    assert eval(code, {"frame": frame}).to_dict("list") == {"spam": [1, 1], "urgent": [0, 1]}


def test_names_must_be_different_as_text():
    with pytest.raises(UserError, match="more than once"):
        frames.normalise(pd.DataFrame([[1, 2]], columns=[1, "1"]))


def test_npz_gives_a_column_for_each_value_of_a_row(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, X=np.arange(8).reshape(2, 4), y=np.array(["a", "b"]), big=np.array([1, 2], ">f8"), yes=[True, False])
    assert tables.header(file) == ["X_0", "X_1", "X_2", "X_3", "y", "big", "yes"]
    assert rows(file) == [[0, 1, 2, 3, "a", 1, 1], [4, 5, 6, 7, "b", 2, 0]]


def test_npz_arrays_of_images_are_one_column_and_others_are_not(tmp_path):
    grey, rgb, deep = np.arange(24).reshape(2, 3, 4), np.ones((2, 3, 4, 3)), np.ones((2, 3, 4, 2))
    np.savez(tmp_path / "a.npz", grey=grey, rgb=rgb)
    frame = tables.read_table(tmp_path / "a.npz").frame
    assert tables.header(tmp_path / "a.npz") == list(frame) == ["grey", "rgb"]
    np.testing.assert_array_equal(frame["grey"][1], grey[1])
    assert frame["rgb"][0].shape == (3, 4, 3)
    np.savez(tmp_path / "b.npz", deep=deep)
    table = tables.read_table(tmp_path / "b.npz")
    assert len(table.frame.columns) == 24
    assert "24 plain columns" in table.notes[0]


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"x": np.zeros(2), "y": np.zeros(3)}, "differ in their number of rows"),
        ({"x": np.float64(1)}, "differ in their number of rows"),
        ({}, "no arrays"),
        ({"x": np.zeros((2, 1)), "x_0": np.zeros(2)}, "more than once"),
        ({"x": np.array([None, 1], object)}, "damaged or of another kind"),
        ({"x": np.zeros(0)}, "no rows"),
    ],
)
def test_npz_files_that_are_no_table_are_refused(tmp_path, arrays, says):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=says):
        tables.read_table(tmp_path / "a.npz")


@pytest.mark.parametrize("name", catalog.config("datasets")["datasets"])
def test_bundled_data_sets_have_the_columns_that_the_catalogue_lists(name):
    assert list(tables.read_dataset(name).frame.columns) == tables.dataset_header(name)


@pytest.mark.parametrize("suffix", files.DATA_SUFFIXES)
@ROUNDS
@given(
    raw=st.binary(max_size=200) | TEXT.map(str.encode),
    zipped=st.booleans(),
    start=st.sampled_from([b"", b"x,y\n", b"PAR1"]),
)
def test_no_bytes_raise_anything_but_a_user_error(tmp_path, suffix, raw, zipped, start):
    file = tmp_path / f"any{suffix}"
    file.write_bytes(gzip.compress(start + raw) if zipped else start + raw)
    for look in (tables.header, tables.read_table):
        try:
            look(file)
        except UserError as error:
            message = str(error)
        else:
            continue
        assert str(file) in message


@pytest.mark.parametrize("suffix", [".parquet", ".npz", ".csv.gz"])
@ROUNDS
@given(data=st.data())
def test_no_damage_to_a_good_file_raises_anything_but_a_user_error(tmp_path, suffix, data):
    good, file = tmp_path / f"good{suffix}", tmp_path / f"bad{suffix}"
    if not good.exists():
        frame = pd.DataFrame({"x": [1.0, 2.0], "y": ["a", "b"]})
        if suffix == ".npz":
            np.savez(good, x=frame["x"], y=["a", "b"])
        else:
            frame.to_parquet(good) if suffix == ".parquet" else frame.to_csv(good, index=False)
    raw = bytearray(good.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(raw[: data.draw(st.integers(1, len(raw)))] if data.draw(st.booleans()) else raw)
    for look in (tables.header, tables.read_table):
        with contextlib.suppress(UserError):
            look(file)


@ROUNDS
@given(
    table=st.lists(st.tuples(TEXT, st.floats(allow_nan=False), st.integers(-(2**60), 2**60)), min_size=1, max_size=8),
    names=st.lists(TEXT.map(str.strip).filter(bool), min_size=3, max_size=3, unique=True),
)
def test_what_pandas_writes_is_read_back(tmp_path, table, names):
    file = tmp_path / "a.csv"
    pd.DataFrame(table, columns=names).to_csv(file, index=False)
    read = tables.read_table(file)
    assert tables.header(file) == list(read.frame.columns) == names
    for (text, number, whole), row in zip(table, rows(file), strict=True):
        assert row[0] == (None if text in MISSING else text)
        assert float(row[1]) == number
        assert int(row[2]) == whole
