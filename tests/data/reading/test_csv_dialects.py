"""CSV that does not follow the common form, against Python's own csv module, and in memory as piece by piece."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlp_toolkit.data.reading.csv_files import layout
from mlp_toolkit.data.reading.tables import header, read_table
from mlp_toolkit.data.streaming import csv_to_parquet
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe.resolving import load_recipe

FORMS = {
    "sep": ("sep=;\na;y\n1;2\n3;4\n", {"a": ["1", "3"], "y": ["2", "4"]}, "separator: semicolon, by the first line"),
    "sep of two": ("sep=|\r\na,b|y\r\n1|2\r\n3|4\r\n", {"a,b": ["1", "3"], "y": ["2", "4"]}, "bar"),
    "cr": ("a,y\r1,2\r3,4\r", {"a": ["1", "3"], "y": ["2", "4"]}, "carriage return"),
    "remarks": ("# made by X\n\n# m, s\na,b,y\n1,2,3\n", {"a": ["1"], "b": ["2"], "y": ["3"]}, "2 lines that begin"),
    "a header with #": ("#id,y\n1,2\n", {"#id": ["1"], "y": ["2"]}, None),
    "one column with #": ("#id\n1\n", {"#id": ["1"]}, None),
    "escapes": ('a,y\n"say \\"hi\\", twice",2\nb,4\n', {"a": ['say "hi", twice', "b"], "y": ["2", "4"]}, "quote"),
    "no escapes": ('a,y\n"C:\\dir\\",2\n"say ""hi\\""",4\n', {"a": ["C:\\dir\\", 'say "hi\\"'], "y": ["2", "4"]}, None),
    "blanks": ('a, "b c", y\n1, "u, v", 3\n2, "w",4\n', {"a": ["1", "2"], "b c": ["u, v", "w"], "y": ["3", "4"]}, None),
    "mark of UTF-8": ("\ufeffsep=;\na;y\n1;2\n", {"a": ["1"], "y": ["2"]}, "semicolon"),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read_as_it_is_meant(tmp_path, form):
    text, expected, note = FORMS[form]
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    table = read_table(path)
    assert table.frame.to_dict("list") == expected
    assert header(path) == list(expected)
    assert [note in said for said in table.notes] == [True] if note else table.notes == ()


@pytest.mark.parametrize("form", ["sep", "remarks", "a header with #", "escapes", "no escapes"])
def test_piece_by_piece_gives_the_same(tmp_path, form):
    text, expected, _ = FORMS[form]
    path = tmp_path / "rows.csv"
    path.write_bytes(text.encode())
    pieces = list(csv_to_parquet._blocks(path))
    assert len(pieces) == 1
    assert pieces[0].to_dict("list") == expected


@pytest.mark.parametrize(("form", "words"), [("cr", "carriage return alone"), ("blanks", "blanks stand before")])
def test_what_is_not_read_piece_by_piece_says_so(tmp_path, form, words):
    path = tmp_path / "rows.csv"
    path.write_bytes(FORMS[form][0].encode())
    with pytest.raises(UserError, match=words) as caught:
        list(csv_to_parquet._blocks(path))
    assert "data.stream: false" in str(caught.value)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)
CELLS = CELLS.filter(lambda text: text == text.strip())


@given(rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5), blanks=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cells_between_quotes_come_back(tmp_path, rows, blanks):
    """With and without blanks before the quotes, whatever stands in the cells: quotes, backslashes, separators, #."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    written = text.getvalue()
    if blanks:
        quoted = ['"' + cell.replace('"', '""') + '"' for row in [["a", "b", "c"], *rows] for cell in row]
        written = "".join(f"{', '.join(quoted[at : at + 3])}\n" for at in range(0, len(quoted), 3))
    path = tmp_path / "rows.csv"
    path.write_text(written, "utf-8", newline="")
    missing = {"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "#N/A", "<NA>"}
    expected = [[None if cell in missing else cell for cell in row] for row in rows]
    frame = read_table(path).frame
    assert frame.astype(object).where(frame.notna(), None).to_numpy().tolist() == expected


def test_the_line_of_a_wrong_row_is_the_one_an_editor_shows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("sep=;\n# a remark\na;y\n1;2\n1;2;3\n")
    with pytest.raises(UserError, match=r"rows\.csv:5: the row ending here has 3 fields"):
        read_table(path)


def test_a_header_after_many_remarks_is_found(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("# a long remark about the units\n" * 5_000 + "a,y\n1,2\n")
    assert layout(path).names == ["a", "y"]
    assert layout(path).before == 5_000
    load_recipe({"task": "regression", "data": {"path": str(path), "target": "y"}})
