"""What a run leaves for its report: images that are predicted worst, columns that moved, calibration."""

from __future__ import annotations

import base64
import io
import json
import shutil
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mlp_toolkit as mt


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A run on images of noise, of which nothing is to be learnt, and the images in order; their files are gone."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("images")
    images = random.integers(0, 256, (120, 6, 5), dtype=np.uint8)
    for row, image in enumerate(images):
        file = folder / "all" / ("<b>cat" if row < 60 else "dog") / f"{row:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(file)
    recipe = {"task": "binary", "data": {"path": str(folder / "all"), "target": "label"}, "train": {"epochs": 1}}
    run = mt.run(recipe, {"baselines": "none"}, out=folder / "run", verbose=0)
    shutil.rmtree(folder / "all")
    return run, images


def test_images_that_are_predicted_wrongly_are_kept(drawn):
    run, images = drawn
    rows = pd.read_parquet(run.directory / "predictions.parquet")
    wrong = rows[rows["target"] != rows["prediction"]].set_index("row")
    kept = json.loads((run.directory / "mistakes.json").read_text())
    assert len(kept) == min(12, len(wrong)) > 3
    for own in kept:
        assert (own["true"], own["predicted"]) == tuple(wrong.loc[own["row"], ["target", "prediction"]])
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(own["png"]))))
        np.testing.assert_array_equal(picture, images[own["row"]])
    sure = [own["probability"] for own in kept]
    assert sure == sorted(sure, reverse=True)
    page = run.report_path.read_text("utf-8")
    assert "Worst mistakes" in page
    assert "<b>cat" not in page
    assert "&lt;b&gt;cat" in page
    assert "moved" not in run.metrics  # images are not compared


def test_the_report_is_written_again_without_the_images(drawn):
    run, _ = drawn
    before = run.report_path.read_bytes()
    same = mt.load_run(run.directory).report().read_bytes() == before  # beside each other they would fill pages
    assert same


def test_rows_that_come_later_may_be_unlike_those_learnt(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"day": np.arange(1_000.0), "x": random.normal(size=1_000), "z": random.normal(size=1_000)})
    frame["x"] += frame["day"] / 200
    frame["y"] = frame["z"] + 0.1 * random.normal(size=1_000)
    data = {"target": "y", "features": ["x", "z"], "split": {"time": "day", "validation": 0.2, "test": 0.3}}
    recipe = {"task": "regression", "data": data, "train": {"epochs": 2}, "baselines": "none"}
    run = mt.run(recipe, data=frame, out=tmp_path / "run", verbose=0)
    assert [own["column"] for own in run.metrics["moved"]] == ["x"]
    assert "Its test rows are not like its training rows: x." in run.report_path.read_text("utf-8")


def test_numbers_of_a_text_file_have_quarters_and_a_line(runs):
    """CSV cells are texts until a network takes them; an explanation knows them as numbers."""
    told = json.loads((runs["regression"].directory / "explanation.json").read_text())
    shown = [own for own in told["dependence"] if own["column"].startswith("mean ")]
    assert shown
    for own in shown:
        assert own["grid"] == sorted(own["grid"])
        assert all(isinstance(value, float) for value in own["grid"])


def test_a_notebook_shows_the_report(runs, monkeypatch):
    shown = []
    notebook = ModuleType("IPython.display")
    notebook.HTML, notebook.display = lambda text: text, shown.append
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell, display=notebook))
    monkeypatch.setitem(sys.modules, "IPython.display", notebook)
    path = runs["binary"].report()
    assert path == runs["binary"].report_path
    (told,) = shown
    assert told.startswith("<div><iframe")
    assert "Model card" in told
