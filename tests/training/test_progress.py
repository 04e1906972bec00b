"""What a person sees while a network trains."""

from __future__ import annotations

import io
import re
import sys

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError, number
from mlp_toolkit.training import progress


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [60, 80, 100, 120])
def test_in_a_narrow_terminal_scores_give_way_and_the_epoch_stays(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    watcher = progress.watcher("auto")
    watcher.set_params({"epochs": 7})
    watcher.on_train_begin()
    for epoch in range(7):
        logs = dict.fromkeys(("loss", "val_loss", "accuracy", "auc", "val_accuracy", "val_auc"), 0.123456)
        watcher.on_epoch_end(epoch, logs)
    watcher.on_train_end()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", sys.stderr.getvalue())
    lines = [line for part in shown.split("\n") for line in part.split("\r") if line.strip()]
    assert max(map(len, lines)) <= columns
    bar = lines[-1]
    assert "7/7" in bar
    assert "━" in bar
    assert "0:00:00" in bar
    assert "loss" in bar
    assert [line.split()[1] for line in lines if re.match(r"epoch +\d+/7 +\d+\.\d s", line)] == [
        "1/7",
        "2/7",
        "5/7",
        "7/7",
    ]


def rows_of_prices(targets=1):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    prices = 250_000 + 90_000 * x @ rng.normal(size=(3, targets)) * [1, 0.001][:targets]
    return pd.DataFrame(x, columns=list("abc")), pd.DataFrame(prices, columns=["y", "z"][:targets])


def test_errors_on_the_screen_are_in_the_targets_units(tmp_path, capsys):
    """After one epoch the line's scores are those of metrics.json, which scikit-learn counts in the target's units."""
    run = mt.run({"task": "regression", "train": {"epochs": 1}}, data=rows_of_prices(), out=tmp_path / "run", verbose=2)
    said = capsys.readouterr().err
    shown = re.search(r"val_mae ([\d,.]+) +val_rmse ([\d,.]+)", said)
    expected = run.metrics["validation"]
    for text, name in zip(shown.groups(), ("mae", "rmse"), strict=True):
        assert expected[name] > 1_000
        assert float(text.replace(",", "")) == pytest.approx(expected[name], rel=1e-3)
    assert "e+0" not in said


def test_errors_of_targets_in_different_units_are_left_out(tmp_path, capsys):
    mt.run({"task": "regression", "train": {"epochs": 1}}, data=rows_of_prices(2), out=tmp_path / "run", verbose=2)
    line = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("epoch"))
    assert "val_loss" in line
    assert "rmse" not in line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (23960.4, "23,960"),
        (1e3, "1,000"),
        (999.96, "1000"),
        (0.123456, "0.1235"),
        (-5e6, "-5,000,000"),
        (3e-9, "3e-09"),
    ],
)
def test_prices_have_no_powers_of_ten(value, text):
    assert number(value) == text


def test_a_notebook_shows_the_message_alone():
    error = UserError("a wrong value", place="recipe.yaml:3:1", found="x")
    assert error._render_traceback_() == [f"UserError: {error}"]


def test_in_a_notebook_without_widgets_there_are_lines_on_standard_output(monkeypatch, capsys):
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "find_spec", lambda name: None)
    assert progress.style("auto") == "lines"
    progress.speaker("auto")("hello")
    assert capsys.readouterr() == ("hello\n", "")
