"""What all tests share: one TensorFlow process, small real data, and a run of each task."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings
from sklearn import datasets
from support import RECIPES

import mlp_toolkit as mt
from mlp_toolkit.cli import main

# A busy machine is no failure. CI draws the same examples every time; at home new ones are looked for.
settings.register_profile("home", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("home"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "home")


@pytest.fixture(scope="session")
def people() -> pd.DataFrame:
    """240 rows of mixed columns around the breast cancer data: numbers, words, dates, missing cells, four targets."""
    source = datasets.load_breast_cancer(as_frame=True).frame.iloc[:240]
    random = np.random.default_rng(0)
    frame = source[["mean radius", "mean texture", "mean area"]].copy()
    frame["when"] = pd.date_range("2024-01-30", periods=240).strftime("%d.%m.%Y")
    frame["blood"] = random.choice(["A", "B", "AB", "0+"], 240)
    frame["age"] = (frame["mean radius"] * 3 + random.normal(0, 2, 240)).round(2)
    frame["kind"] = source["target"].map({0: "malignant", 1: "benign"})
    frame["big"] = (frame["mean area"] > frame["mean area"].median()).astype(int)
    frame["dark"] = (frame["mean texture"] > 19).astype(int)
    frame["city"] = pd.cut(frame["mean radius"], 3, labels=["Graz", "Linz", "Wien"]).astype(str)
    frame.loc[random.choice(240, 20, replace=False), "mean texture"] = np.nan
    frame.loc[random.choice(240, 20, replace=False), "blood"] = None
    return frame


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory, people: pd.DataFrame) -> Path:
    """A folder with the people's file and a recipe for each task."""
    path = tmp_path_factory.mktemp("people")
    people.to_csv(path / "people.csv", index=False)
    for task, text in RECIPES.items():
        (path / f"{task}.yaml").write_text(text)
    return path


@pytest.fixture(scope="session")
def runs(folder: Path) -> dict[str, mt.Run]:
    """A finished run of each task."""
    return {task: mt.run(folder / f"{task}.yaml", out=folder / "runs" / task, verbose=0) for task in RECIPES}


@pytest.fixture
def call(capsys, monkeypatch):
    """Runs the program in this process: exit code, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["mlp-toolkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.main()
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run
