"""What moved, beside scipy's tests, and hardly a false word about rows that are the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mlp_toolkit as mt
from mlp_toolkit.errors import UserError
from mlp_toolkit.evaluation import drift

NUMERIC = ["even", "skewed", "few", "gaps", "zeros"]


def drawn(rows: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        "even": random.normal(size=rows) + 1e6,
        "skewed": np.round(random.exponential(size=rows), 1),
        "few": random.integers(0, 3, rows).astype(float),
        "gaps": np.where(random.random(rows) < 0.2, np.nan, random.normal(size=rows)),
        "zeros": np.where(random.random(rows) < 0.7, 0, random.random(rows)),
        "word": random.choice(["x", "y", "z", "q"], rows, p=[0.5, 0.3, 0.15, 0.05]),
    }


def test_rows_that_are_the_same_are_hardly_ever_said_to_have_moved() -> None:
    cried = 0
    for seed in range(40):
        seen = drift.seen_in(drawn(2_000, seed), NUMERIC, ["word"])
        cried += sum(own.moved for own in drift.moves(seen, drawn(100 + 60 * seed, 1_000 + seed)))
    assert cried == 0


def test_rare_words_that_were_never_met_are_no_move_and_many_are() -> None:
    """Of words whose shares fall as 1/rank a few new ones come with each table."""
    cried, found = 0, 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        shares = 1 / np.arange(1, 61) ** 1.5
        words = np.array([f"w{place}" for place in range(60)], object)
        then, now = (random.choice(words, size, p=shares / shares.sum()) for size in (1_000, 800))
        seen = drift.seen_in({"word": then}, [], ["word"])
        cried += sum(own.moved for own in drift.moves(seen, {"word": now}))
        others = np.where(random.random(800) < 0.1, "other", now.astype(object))
        found += sum(own.moved for own in drift.moves(seen, {"word": others}))
    assert (cried, found) == (0, 40)


def test_what_was_moved_is_told_each_by_itself() -> None:
    seen = drift.seen_in(drawn(2_000, 0), NUMERIC, ["word"])
    random = np.random.default_rng(5)
    changes: dict[str, Any] = {
        "even": lambda own: own + 0.6,
        "skewed": lambda own: own * 1.6,
        "few": lambda own: np.where(random.random(600) < 0.35, 2, own),
        "gaps": lambda own: np.where(random.random(600) < 0.4, np.nan, own),
        "zeros": lambda own: np.where(random.random(600) < 0.6, 0.0, own + 0.4),
        "word": lambda own: np.where(random.random(600) < 0.3, "never seen", own),
    }
    for name, change in changes.items():
        rows = drawn(600, 9)
        moved = {own.name: own for own in drift.moves(seen, {**rows, name: change(rows[name])})}
        assert [own.name for own in moved.values() if own.moved] == [name]
    assert moved["word"].unseen == pytest.approx(0.3, abs=0.06)


def test_the_distance_is_that_of_kolmogorov_and_smirnov() -> None:
    one, other = drawn(3_000, 0)["even"], drawn(2_000, 1)["even"] + 0.3
    (found,) = drift.moves(drift.seen_in({"even": one}, ["even"], []), {"even": other})
    theirs = stats.ks_2samp(one, other).statistic
    assert theirs - 0.03 < found.distance <= theirs + 1e-9  # looked at in 21 places
    shares = drift.seen_in({"w": np.array(["a"] * 60 + ["b"] * 40, object)}, [], ["w"])
    (moved,) = drift.moves(shares, {"w": np.array(["a"] * 90 + ["b"] * 60, object)})
    assert moved.psi == pytest.approx(0, abs=1e-9)
    (moved,) = drift.moves(shares, {"w": np.array(["a"] * 80 + ["b"] * 20, object)})
    expected = (0.8 - 0.6) * np.log(0.8 / 0.6) + (0.2 - 0.4) * np.log(0.2 / 0.4)
    assert moved.psi == pytest.approx(expected, abs=1e-9)


def test_a_model_file_tells_what_moved(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = pd.DataFrame(drawn(900, 0)).assign(y=lambda frame: frame["few"] + (frame["word"] == "x"))
    recipe = {"task": "regression", "data": {"target": "y"}, "train": {"epochs": 2}, "baselines": "none"}
    run = mt.run(recipe, data=rows, out=tmp_path / "run", verbose=0)
    model = mt.load(run.directory / "model.h5")
    same, other = pd.DataFrame(drawn(400, 1)), pd.DataFrame(drawn(400, 2)).assign(even=lambda frame: frame["even"] + 3)
    mt.predict(model, same)
    assert "not like those" not in caplog.text
    mt.predict(model, other)
    assert "'even'" in caplog.text
    other.to_csv(tmp_path / "other.csv", index=False)
    command = [sys.executable, "-m", "mlp_toolkit", "drift", str(run.directory), str(tmp_path / "other.csv")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "even: " in told
    assert "prediction of y" in told
    assert subprocess.run([*command, "--fail-above", "0.25"], capture_output=True, check=False).returncode == 3
    assert subprocess.run([*command, "--fail-above", "1000"], capture_output=True, check=False).returncode == 0


def test_of_a_model_without_its_rows_it_is_said(tmp_path: Path) -> None:
    from mlp_toolkit.data.reading import tables
    from mlp_toolkit.runs.analysis.drifting import drift_of

    earlier = Path(__file__).parents[1] / "whole" / "earlier_files" / "finished"
    rows = pd.DataFrame({"a": [1.0, 2.0]})
    rows.to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(UserError, match="keeps nothing"):
        drift_of(mt.load(earlier / "model.h5"), earlier, tables.read_table(tmp_path / "rows.csv"))


def test_codes_written_otherwise_have_not_moved() -> None:
    codes = np.random.default_rng(0).integers(1_000, 1_040, 800)
    seen = drift.seen_in({"zip": np.char.zfill(codes.astype(str), 5).astype(object)}, [], ["zip"])
    for again in (codes, codes.astype(float), codes.astype(str).astype(object)):
        (moved,) = drift.moves(seen, {"zip": again})
        assert (moved.psi, moved.unseen, moved.moved) == (pytest.approx(0, abs=1e-9), 0, False)
    with_gaps = np.where(np.arange(800) % 4 == 0, None, codes.astype(object))
    assert drift.moves(seen, {"zip": with_gaps})[0].missing == pytest.approx(0.25)


def test_dates_are_compared_as_times_however_they_are_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    days = pd.date_range("2024-01-01", periods=600, freq="D")
    rows = pd.DataFrame({"day": days.strftime("%Y-%m-%d"), "y": np.random.default_rng(0).normal(size=600)})
    recipe = {"task": "regression", "data": {"target": "y"}, "train": {"epochs": 1}, "baselines": "none"}
    run = mt.run(recipe | {"report": "brief"}, data=rows, out=tmp_path / "run", verbose=0)
    some = rows.sample(200, random_state=0)
    run.predict(some)
    run.predict(some.assign(day=pd.to_datetime(some["day"])))
    assert "not like those" not in caplog.text
    run.predict(some.assign(day=pd.to_datetime(some["day"]) + pd.Timedelta(days=400)))
    assert "'day'" in caplog.text
