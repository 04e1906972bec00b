"""The benchmarks: what they reckon by hand, and one tiny case from the measuring to the picture."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def benchmark(monkeypatch):
    """Imports one of the benchmarks' modules."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def turn(epoch, epochs, **values):
    first = epoch + 1
    whole = first + epoch * (epochs - 1)
    return {"first": first, "epochs": [epoch] * (epochs - 1), "whole": whole, "memory": 30, "engine": "", **values}


def test_operations_of_an_epoch_by_hand(benchmark):
    cases = benchmark("fit_cases")
    # 32-10-1, one row. Forward: 32·10 and 10·1 products, each a multiplication and an addition. Backward: the same for
    # the weights' gradients, and 10·1 once more, for the gradient of what the hidden layer gave.
    forward = 2 * (32 * 10 + 10 * 1)
    backward = 2 * (32 * 10 + 10 * 1) + 2 * 10 * 1
    assert cases.flops(cases.Case(group="", hidden=(10,), rows=1)) == forward + backward == 1340
    # 32-64-64-1: 6208 weights, 2048 of them in the first layer.
    assert cases.flops(cases.Case(group="", rows=20_000)) == 20_000 * (6 * 6208 - 2 * 2048)
    # Iris, 4-64-64-3, 150 rows: other inputs and outputs.
    iris = cases.Case(group="", rows=150, task="multiclass", iris=True)
    assert cases.flops(iris) == 150 * (6 * (4 * 64 + 64 * 64 + 64 * 3) - 2 * 4 * 64)


def test_the_loop_by_hand_trains_as_fit_does(benchmark, monkeypatch):
    by_hand = benchmark("by_hand")
    monkeypatch.setattr(by_hand, "ROWS", 20 * by_hand.BATCH_SIZE)
    by_hand.check(*by_hand.rows())


@pytest.mark.parametrize("task", ["regression", "binary", "multilabel", "multiclass"])
def test_data_is_what_the_task_needs(benchmark, task):
    cases = benchmark("fit_cases")
    case = cases.Case(group="", rows=500, task=task)
    x, y = cases.data(case)
    assert (x.shape, x.dtype) == ((500, 32), np.float32)
    assert y.shape == ((500, 5) if task == "multilabel" else (500,))
    if task != "regression":
        assert set(np.unique(y)) == set(range(case.outputs if task == "multiclass" else 2))


def test_cases_are_told_apart_and_nobody_is_left_without_an_epoch_to_measure(benchmark):
    cases = benchmark("fit_cases")
    for run in (cases.CASES, cases.QUICK):
        assert len({case.name for case in run}) == len(run)
        assert all(2 <= case.sampled <= case.epochs for case in run)
    assert cases.CASES[0].name == "2×64, batch 32, 150 rows"


def test_epochs_that_were_not_trained_are_added(benchmark):
    fit, cases = benchmark("fit"), benchmark("fit_cases")
    case = cases.Case(group="", epochs=20, sampled=4)
    short = fit.summary(case, [turn(2.0, 4), turn(4.0, 4), turn(3.0, 4, memory=None)])
    assert (short["epoch"], short["first"], short["memory"]) == (3.0, 4.0, 30)
    assert short["whole"] == 4 + 19 * 3
    assert short["reckoned"]
    assert not fit.summary(case, [turn(2.0, 20)])["reckoned"]


@pytest.fixture
def results(benchmark):
    fit, cases = benchmark("fit"), benchmark("fit_cases")
    ours = [turn(0.5, 20, engine="xla", rate=1e11)]
    full = {"ours": ours, "keras": [turn(5.0, 5)], "keras32": [turn(2.0, 5)], "torch": [turn(1.25, 5, memory=0)]}
    lines = [
        fit.line(cases.Case(group="rows", sampled=5, main=True), {**full, "sklearn": [turn(1.0, 5)]}),
        fit.line(cases.Case(group="layers", sampled=5, batch_norm=True), full),
    ]
    return {
        "date": "2026-01-31",
        "processor": "a processor",
        "cores": 2,
        "versions": {"keras": "3.15.1"},
        "minutes": 20.0,
        "failed": [],
        "cases": lines,
    }


def test_tables_and_picture(benchmark, results, tmp_path):
    report = benchmark("fit_report")
    report.write(results, tmp_path / "new")
    text = (tmp_path / "new" / "fit.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| 2×64, batch 32, 20,000 rows |")]
    epochs, ratios, first, whole, memory = [[cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines]
    assert epochs == ["xla", "0.5", "5", "2", "1", "1.25", "0.00663"]
    assert ratios == ["10", "4.0", "2.0", "2.5", "75"]
    assert first == ["1.5", "6", "3", "2", "2.25"]
    assert whole == ["20", "11", "≈ 101", "≈ 41", "≈ 21", "≈ 26", "9.2"]
    assert memory == ["30", "30", "30", "30", "0"]
    assert "| 2×64, batch 32, 20,000 rows, BatchNorm | 30 | 30 | 30 |  | 0 |" in text
    assert (tmp_path / "new" / "fit.png").read_bytes().startswith(PNG)
    assert json.loads((tmp_path / "new" / "fit.json").read_text("utf-8")) == results


def test_the_readme_gets_the_main_rows(benchmark, results, tmp_path):
    report = benchmark("fit_report")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n", "utf-8")
    report.write_readme(results, readme)
    text = readme.read_text("utf-8")
    assert text.startswith("before\n<!-- bench -->\n| ")
    assert text.endswith(" |\n<!-- /bench -->\nafter\n")
    assert text.count("2×64") == 1
    assert "old" not in text


def test_without_pytorch_its_column_is_empty_and_the_extra_is_named(benchmark, monkeypatch, capsys):
    fit, cases = benchmark("fit"), benchmark("fit_cases")
    monkeypatch.setattr(fit.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(fit, "round_of", lambda case, names, index: {name: turn(1.0, 20, rate=1e11) for name in names})
    measured = fit.run([cases.Case(group="rows")])["cases"][0]["measured"]
    assert set(measured) == {"ours", "keras", "keras32", "sklearn"}
    assert "mlp-toolkit[bench]" in capsys.readouterr().out


def test_a_competitor_that_fails_leaves_the_others(benchmark, monkeypatch):
    fit, cases = benchmark("fit"), benchmark("fit_cases")
    monkeypatch.setattr(fit, "round_of", lambda case, names, index: {"ours": turn(1.0, 20, rate=1e11)})
    done = fit.run([cases.Case(group="rows")], ["ours", "keras"])
    assert list(done["cases"][0]["measured"]) == ["ours"]
    assert done["failed"] == ["Model.fit (2×64, batch 32, 20,000 rows)"]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "binary", "multilabel", "multiclass"])
def test_a_tiny_case_from_measuring_to_picture(benchmark, tmp_path, task):
    fit, cases, report = benchmark("fit"), benchmark("fit_cases"), benchmark("fit_report")
    case = cases.Case(group="rows", hidden=(8,), task=task, rows=100, epochs=4, sampled=3, rounds=1)
    done = fit.run([case])
    assert done["failed"] == []
    assert done["cases"][0]["name"].startswith("1×8, batch 32, 100 rows")
    measured = done["cases"][0]["measured"]
    assert {"ours", "keras", "keras32", "sklearn"} <= set(measured)
    for name, values in measured.items():
        assert 0 < values["epoch"] < values["whole"], name
        assert 0 < values["first"] <= values["whole"], name
        assert values["reckoned"] == (name != "ours"), name
        if sys.platform == "linux":
            assert 0 <= values["memory"] < 2000, name
    assert done["cases"][0]["rate"] > 1e8
    report.write(done, tmp_path)
    assert (tmp_path / "fit.png").read_bytes().startswith(PNG)


def test_epochs_on_paper_by_hand(benchmark):
    scale = benchmark("scale")
    assert scale.weights([64, 64]) == 33 * 64 + 65 * 64 + 65
    work = {"xla": {"row": 1e-6, "weight": 0.0}, "graph": {"row": 2e-6, "weight": 0.0}}
    costs = {"cores": 2, **work, "kept": 4e-7, "sum": 1e-3, "sum_number": 1e-9}
    rows, numbers = 10 * scale.BATCH, scale.weights([])
    assert numbers == 33
    # One machine: a microsecond of two cores and what reading takes of them, no sums.
    assert scale.epoch_seconds(costs, rows, 1, []) == pytest.approx(rows * (0.5e-6 + 0.2e-6))
    # Four: a quarter of twice the work, all of the reading, ten steps of three turns of two and 2 · 3/4 of the numbers.
    step = 3 * 1e-3 + numbers * 1.5e-9
    assert scale.epoch_seconds(costs, rows, 4, []) == pytest.approx(rows * (0.25e-6 + 0.2e-6) + 10 * step)
    assert scale.least_batch(costs, 4, []) == pytest.approx(step / 0.25e-6)
    assert scale.least_batch(costs, 2, []) == np.inf


def test_the_page_on_scale_shows_what_was_measured(benchmark):
    scale = benchmark("scale")
    written = scale.page(json.loads(scale.MEASURED.read_text("utf-8")))
    assert scale.RESULTS.read_text("utf-8") == written
    shown = (BENCHMARKS.parent / "docs" / "scale.md").read_text("utf-8")
    assert written in shown


def test_without_a_gpu_its_check_says_so():
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "gpu_check.py"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "gpu-check: TensorFlow sees no GPU here; nothing was checked\n"


@pytest.mark.slow
def test_the_check_of_a_gpu_compares_every_task(benchmark, monkeypatch):
    check = benchmark("gpu_check")
    assert check.compared("cpu:0") == []
    monkeypatch.setattr(check, "TOLERANCE", -1.0)
    monkeypatch.setattr(check, "TASKS", {"binary": 1})
    assert check.compared("cpu:0") == ["binary plain", "binary batch_norm", "binary ensemble"]


def test_what_a_search_gained_by_hand(benchmark):
    tune = benchmark("tune")
    search = {"metric": "auc", "expected": None, "pruned": 3, "trials": 50, "values": {"model.dropout": 0.1}}
    area = tune.Gained(
        "slides", "one", 100, search, (0.8, 0.9), (0.8, 0.85), (5.0, 4.0)
    )  # lacks 0.2, then 0.15: a quarter less
    error = tune.Gained("slides", "two", 100, {**search, "metric": "rmse"}, (2.0, 2.0), (2.0, 3.0), (5.0, 4.0))
    page = tune.page([area, error])
    assert "| 0.8 → 0.85 | -25.0% |" in page
    assert "| 2 → 3 | +50.0% |" in page
    assert "on 1 of 2 sets; errors of the test rows change by +12.5% on average" in page


def test_the_standard_error_of_a_paired_difference_is_that_of_the_rows(benchmark):
    quality, random = benchmark("quality"), np.random.default_rng(1)
    y = pd.DataFrame({"y": random.integers(3, size=400)})
    ours, other = ((y["y"].to_numpy() + (random.random(400) < wrong)) % 3 for wrong in (0.3, 0.2))
    rows = quality.Rows("multiclass", [], y, y, y, y)
    found = quality.behind(rows, ours, other)
    apart = (ours != y["y"]).astype(float) - (other != y["y"])  # of shares of wrong classes: a mean over rows
    assert found["behind"] == pytest.approx(apart.mean())
    assert found["behind_error"] == pytest.approx(apart.std() / 20, rel=0.15)


def test_the_table_of_quality_names_the_sets_on_which_strong_is_clearly_behind(benchmark, monkeypatch, tmp_path):
    quality = benchmark("quality")
    monkeypatch.setattr(quality, "RESULTS", tmp_path)
    monkeypatch.setattr(quality, "RECORD", tmp_path / "quality.jsonl")
    for split, spread in enumerate([0.03, 0.04]):  # the mean's standard error: 0.025
        for name, behind in {"clear": 0.03, "unclear": 0.02, "ahead": -0.5}.items():
            told = {"error": 1.0, "seconds": 1.0, "behind": behind, "behind_error": spread}
            quality.record(name, split, "strong", told)
            quality.record(name, split, "linear", {"error": 1.0 - behind, "seconds": 1.0})
    text = quality.table()
    assert text.splitlines()[-1].endswith("on 1: clear (0.03 ± 0.025).")
    assert "Of 3 sets" in text
    assert (tmp_path / "quality.md").read_text("utf-8") == text + "\n"
