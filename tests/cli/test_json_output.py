"""`--json`: one document on standard output, which is what stands in the run directory already."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.cli.json_output import plain


def strict(text):
    """The only document in a text; NaN and infinity are none of JSON's."""

    def refused(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refused)


def test_results_become_what_json_knows():
    @dataclass
    class Found:
        rows: np.int64
        table: pd.DataFrame
        named: pd.DataFrame
        listed: tuple

    table = pd.DataFrame({"a": [1, 2], "b": [0.5, math.nan], "c": ["x", None]})
    found = Found(np.int64(3), table, pd.DataFrame({"r": [math.inf]}, index=["auc"]), (np.array([1.5, -np.inf]), True))
    assert plain(found) == {
        "rows": 3,
        "table": [{"a": 1, "b": 0.5, "c": "x"}, {"a": 2, "b": None, "c": None}],
        "named": {"auc": {"r": None}},
        "listed": [[1.5, None], True],
    }
    assert plain(pd.DataFrame(columns=["row"])) == []


def test_run_prints_metrics_json(call, folder, tmp_path):
    code, out, err = call("run", folder / "binary.yaml", "-o", "train.epochs=1", "--out", tmp_path / "run", "--json")
    assert code == 0
    assert strict(out) == json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert str(tmp_path / "run") in err


def test_cross_validation_prints_its_file(call, folder, tmp_path):
    arguments = ["-o", "train.epochs=1", "--folds", 2, "--out", tmp_path / "folds", "--json"]
    code, out, err = call("cross-validate", folder / "regression.yaml", *arguments)
    assert code == 0
    assert strict(out) == json.loads((tmp_path / "folds" / "cross_validation.json").read_text())
    assert "fold 2 of 2" in err


def test_evaluate_prints_what_python_gives(call, runs, folder, people):
    code, out, _ = call("evaluate", runs["binary"].directory, folder / "people.csv", "--json")
    assert code == 0
    assert strict(out) == pytest.approx(runs["binary"].evaluate(people))


def test_explain_prints_its_file_and_writes_the_report(call, runs, tmp_path):
    shutil.copytree(runs["regression"].directory, tmp_path / "run")
    code, out, err = call("explain", tmp_path / "run", "--json")
    assert code == 0
    assert strict(out) == json.loads((tmp_path / "run" / "explanation.json").read_text())
    assert "report.html" in err


def test_compare_drift_and_audit_print_their_results(call, runs, folder, tmp_path):
    own = runs["binary"].directory
    shutil.copytree(own, tmp_path / "other")
    code, out, _ = call("compare", own, tmp_path / "other", "--json")
    found, expected = strict(out), mt.compare([own, tmp_path / "other"])
    assert code == 0
    assert (found["rows"], len(found["differences"])) == (expected.rows, len(expected.differences))
    assert found["scores"]["auc"]["other"] == pytest.approx(runs["binary"].metrics["test"]["auc"])
    code, out, _ = call("drift", own, folder / "people.csv", "--json")
    assert code == 0
    assert {column["name"] for column in strict(out)["columns"]} >= {"age", "blood"}
    code, out, err = call("audit", folder / "people.csv", "--target", "kind", "--json")
    assert code == 0
    assert {*strict(out)} == {"findings", "suspects"}
    assert "task: binary" in err
    code, out, _ = call("drift", own, folder / "people.csv", "--json", "--fail-above", "-1")
    assert code == 3
    assert strict(out)["rows"] == 240


def test_a_wrong_input_prints_no_document(call, folder):
    code, out, err = call("run", folder / "binary.yaml", "-o", "train.epochs=none", "--json")
    assert (code, out) == (2, "")
    assert "train.epochs" in err


@pytest.mark.parametrize(
    "command", ["run", "evaluate", "compare", "explain", "drift", "audit", "cross-validate", "tune"]
)
def test_these_commands_have_it(call, command):
    assert "--json" in call(command, "--help")[1]
