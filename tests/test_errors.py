"""What a user reads when something is wrong, and which exit code it means."""

from __future__ import annotations

import os
import pty
import termios

import pytest

from mlp_toolkit.errors import MissingExtra, ToolkitError, UserError, listing, nearest, on_screen, shorten


def test_the_exit_code_belongs_to_the_class():
    assert ToolkitError.exit_code == 1
    assert UserError.exit_code == 2
    assert MissingExtra("serve", "Serving").exit_code == 2


def test_a_user_error_is_a_value_error_for_python_callers():
    with pytest.raises(ValueError, match="not good"):
        raise UserError("not good")


def test_a_message_says_place_found_allowed_nearest_and_remedy_in_this_order():
    error = UserError(
        "unknown loss", place="a.yaml:3:5", found="hubr", allowed=["mse", "huber"], remedy="See the table."
    )
    assert str(error).splitlines() == [
        "a.yaml:3:5: unknown loss",
        "  found:   hubr",
        "  allowed: mse, huber",
        "  did you mean 'huber'?",
        "  See the table.",
    ]


def test_a_message_with_a_problem_only_is_one_line():
    assert str(UserError("no rows")) == "no rows"


def test_an_allowed_phrase_is_shown_as_it_is():
    assert "allowed: greater than 0" in str(UserError("too small", found=-1, allowed="greater than 0"))


def test_nothing_found_suggests_nothing():
    assert "did you mean" not in str(UserError("missing", allowed=["none", "nine"]))


def test_a_missing_extra_says_how_to_install_it():
    message = str(MissingExtra("onnx", "Export to ONNX"))
    assert 'pip install "mlp-toolkit[onnx]"' in message
    assert "Export to ONNX" in message


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        ("epoch", ["epochs", "batch_size"], "epochs"),
        ("ReLU", ["relu", "elu"], "relu"),
        ("adamw", ["AdamW"], "AdamW"),
        ("adm", ["adam", "Adam"], "adam"),
        ("zzz", ["relu", "elu"], None),
        ("relu", ["relu"], None),
        ("", ["relu"], None),
        (5, ["50"], "50"),
        ("relu", [], None),
    ],
)
def test_nearest_offers_the_most_similar_other_name(found, known, expected):
    assert nearest(found, known) == expected


def test_a_long_value_is_cut_to_one_line():
    assert shorten("a" * 500, 20) == "a" * 19 + "…"
    assert shorten(list(range(10_000)), 30).endswith("…")


@pytest.mark.parametrize("control", ["\n", "\x1b", "\x00", "\u2028", "\ud800"])
def test_characters_that_would_change_the_terminal_are_written_out(control):
    shown = shorten(f"a{control}b")
    assert control not in shown
    assert shown.isprintable()


def test_a_place_is_written_out_likewise():
    assert str(UserError("no", place="a\x1b.yaml")) == r"a\x1b.yaml: no"


def test_values_that_python_cannot_write_out_are_named_by_type():
    endless: list[object] = []
    for _ in range(100_000):
        endless = [endless]
    assert shorten(16**5000) == "<int>"
    assert shorten(endless) == "<list>"
    assert nearest(16**5000, ["relu"]) is None


def test_a_long_listing_says_how_many_names_are_left_out():
    assert listing(["a", "b"]) == "a, b"
    assert listing(["a", "b", "c"], limit=2) == "a, b, … (1 more)"


def test_lines_end_between_words_in_a_terminal_and_nowhere_else():
    reading, writing = pty.openpty()
    termios.tcsetwinsize(writing, (24, 40))
    long = "/a/path/without/any/blank/that/is/longer/than/the/screen"
    text = f"accuracy 0.8579 (0.8525 to 0.8632)  auc 0.9109 (0.9061 to 0.9156)\n  in {long}\nshort"
    with open(writing, "w") as terminal, open(os.devnull, "w") as file:
        assert on_screen(text, terminal).split("\n") == [
            "accuracy 0.8579 (0.8525 to 0.8632)  auc",
            "  0.9109 (0.9061 to 0.9156)",
            "  in",
            f"    {long}",
            "short",
        ]
        assert on_screen(text, file) == on_screen(text, None) == text
    os.close(reading)
