"""The page, from run directories that are written by hand: no network is trained here."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mlp_toolkit.evaluation import metrics
from mlp_toolkit.evaluation.report import framed, mistakes, write_report
from mlp_toolkit.evaluation.report.card import USE_FILE
from mlp_toolkit.evaluation.report.tested import read_tested, target_of
from mlp_toolkit.recipe import resolving, yaml_text
from mlp_toolkit.runs.directory import predicted_rows

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "]]> $x^$ &amp; </style>"]


class Page(HTMLParser):
    """What a browser would find: tags with their attributes, and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.said += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def left_by_a_run(
    folder: Path, task: str, names: list[str], *, rows: int = 200, classes: list[str] | None = None, **recipe: Any
) -> dict[str, Any]:
    """Writes a run directory with predictions by chance; gives what `metrics.json` would hold."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(0)
    data = {"path": "rows.csv", "target": names if task in ("multilabel", "regression") else names[0]}
    values = resolving.load_recipe({"task": task, "data": data, **recipe}).values
    values["data"] |= {"path": "folder/rows.csv", "features": {"a": "numeric", HOSTILE[0]: "categorical"}}
    values["data"]["classes"] = classes
    (folder / "recipe.yaml").write_text(f"# Every value.\n# read\n{yaml_text.dump(values)}", "utf-8")
    (folder / "environment.json").write_text(json.dumps({"versions": {"keras": "3"}, "data_sha256": "abc", "seed": 0}))
    pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "val_loss": [2.0, 1.5]}).to_csv(folder / "history.csv")
    outputs = len(classes or names) if task != "binary" else 1
    if task == "multiclass":
        told = random.dirichlet(np.ones(outputs), rows)
        true = np.array([random.choice(outputs, p=p) for p in told])[:, None]
    else:
        told = random.random((rows, outputs))
        true = told + 0.1 * random.normal(size=told.shape) if task == "regression" else random.random(told.shape) < told
    target = target_of(resolving.load_recipe(folder / "recipe.yaml"), {})
    piece = SimpleNamespace(row_numbers=np.arange(rows), values=true.astype(float))
    predicted_rows(piece, told, target).to_parquet(folder / "predictions.parquet")
    scores = metrics.score(true.astype(float), told, target, metrics.metric_names(task))
    return {
        "task": task,
        **dict.fromkeys(("train", "validation", "test"), scores),
        "test_interval": {name: [score - 0.1, score + 0.1] for name, score in scores.items()},
        **metrics.scores_of_each(true.astype(float), told, target),
        "best_epoch": 2,
        "epochs": 2,
        "rows": {"train": 1_000, "validation": 100, "test": rows},
        "seconds": {"fit": 1.0},
        "notes": ["a note"],
        "moved": [],
    }


def written(folder: Path, record: dict[str, Any]) -> tuple[Page, str]:
    text = write_report(folder, record).read_text("utf-8")
    return Page(text), text


TASKS = {
    "regression": (["price", "rate"], None, 4),
    "binary": (["kind"], ["no", "yes"], 5),
    "multilabel": (["old", "far"], None, 5),
    "multiclass": (["kind"], ["red", "green", "blue"], 4),
}


@pytest.mark.parametrize("task", TASKS)
def test_pictures_have_words_and_nothing_is_loaded(tmp_path, task):
    names, classes, pictures = TASKS[task]
    record = left_by_a_run(tmp_path / "run", task, names, classes=classes)
    page, text = written(tmp_path / "run", record)
    shown = page.of("img")
    assert len(shown) == 1 + pictures  # that of learning beside them
    for image in shown:
        assert len(image["alt"]) > 10
        assert image["src"].startswith("data:image/")
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    assert "default-src 'none'" in page.of("meta")[1]["content"]
    assert page.of("script") == [{}]
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in page.of("meta")[1]["content"]
    assert [t for t in page.of("table") if t.get("class") == "sorts"], "tables of several rows sort"
    assert all(head["scope"] == "col" for head in page.of("th"))


def test_names_of_any_writing_stand_in_pictures(tmp_path):
    classes = ["中文", "العربية", "_hidden"]
    record = left_by_a_run(tmp_path / "run", "multiclass", ["kind"], classes=classes)
    page, _ = written(tmp_path / "run", record)
    roc = next(image["src"] for image in page.of("img") if image["alt"].startswith("ROC"))
    drawn = base64.b64decode(roc.split(",")[1]).decode()
    assert all(f"{name}: {record['by_class'][name]['auc']:.4g}" in drawn for name in classes)


def test_what_curves_come_to_is_said_in_words(tmp_path):
    record = left_by_a_run(tmp_path / "run", "binary", ["kind"], classes=["no", "yes"])
    page, _ = written(tmp_path / "run", {**record, "thresholds": {"yes": 0.3}})
    told = " ".join(image["alt"] for image in page.of("img"))
    assert f"yes {record['test']['auc']:.4g}" in told
    assert f"yes {record['test']['pr_auc']:.4g}" in told
    assert "what decides: yes 0.3" in told
    assert "was chosen by the recipe" in page.said


def test_calibration_is_compared_with_what_the_network_said(tmp_path):
    record = left_by_a_run(tmp_path / "run", "binary", ["kind"], classes=["no", "yes"])
    page, _ = written(tmp_path / "run", {**record, "calibration": {"slope": 1.0, "offset": [0.0]}})
    now, before = re.findall(r"error of the test rows ([\d.]+), ([\d.]+) before", page.said)[0]
    assert now == before  # it changes nothing
    page, _ = written(tmp_path / "run", {**record, "calibration": {"slope": 0.2, "offset": [1.0]}})
    now, before = re.findall(r"error of the test rows ([\d.]+), ([\d.]+) before", page.said)[0]
    assert float(before) > 2 * float(now)  # the predictions are right as they are


def test_of_many_classes_the_worst_have_curves_and_the_page_stays_small(tmp_path):
    names = [f"class {number}" for number in range(200)]
    record = left_by_a_run(tmp_path / "run", "multiclass", ["kind"], classes=names, rows=1_500)
    page, text = written(tmp_path / "run", record)
    told = next(image["alt"] for image in page.of("img") if image["alt"].startswith("ROC"))
    known = {name: scores["auc"] for name, scores in record["by_class"].items() if "auc" in scores}
    assert re.findall(r"class \d+", told) == sorted(known, key=known.__getitem__)[:3]
    assert len(text) < 1_500_000
    labels = [f"label {number}" for number in range(60)]
    record = left_by_a_run(tmp_path / "labels", "multilabel", labels, rows=1_000)
    assert len(written(tmp_path / "labels", record)[1]) < 1_500_000


def test_points_of_many_rows_are_few(tmp_path):
    record = left_by_a_run(tmp_path / "run", "regression", ["price"], rows=30_000)
    assert len(written(tmp_path / "run", record)[1]) < 500_000


def test_intervals_are_drawn_where_predictions_have_them(tmp_path):
    record = left_by_a_run(tmp_path / "run", "regression", ["price"], intervals=0.9)
    file = tmp_path / "run" / "predictions.parquet"
    rows = pd.read_parquet(file)
    rows = rows.assign(prediction_lower=rows["prediction"] - 0.05, prediction_upper=rows["prediction"] + 0.05)
    rows.to_parquet(file)
    page, _ = written(tmp_path / "run", record)
    held = (rows["target"] - rows["prediction"]).abs().le(0.05).mean()
    assert f"intervals hold {held:.1%} of the test rows, 90% were asked for" in [i["alt"] for i in page.of("img")]


def test_a_brief_report_has_few_pictures(tmp_path):
    record = left_by_a_run(tmp_path / "run", "binary", ["kind"], classes=["no", "yes"], report="brief")
    assert len(written(tmp_path / "run", record)[0].of("img")) == 2


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_hostile_names_do_nothing(tmp_path, task):
    classes = {"binary": HOSTILE[:2], "multiclass": HOSTILE}.get(task)
    record = left_by_a_run(tmp_path / "run", task, HOSTILE, classes=classes)
    record["notes"], record["moved"] = [HOSTILE[0]], [{"column": HOSTILE[1], "psi": 1.0}]
    column = {"column": HOSTILE[0], "importance": 0.1, "low": 0.0, "high": 0.2}
    grid = {"column": HOSTILE[1], "grid": HOSTILE, "mean": np.ones((3, 3)).tolist()}
    slices = [{"slice": HOSTILE[2], "rows": 30, "times": 2.0}]
    told = {"score": "auc", "rows": 100, "importance": [column], "dependence": [grid], "slices": slices}
    (tmp_path / "run" / "explanation.json").write_text(json.dumps(told))
    (tmp_path / "run" / USE_FILE).write_text(HOSTILE[0])
    tested = read_tested(tmp_path / "run", record)
    kept = [mistakes.told_of(tested, 0, np.ones((2, 2, 1)))]
    (tmp_path / "run" / mistakes.FILE).write_text(json.dumps(kept))
    page, text = written(tmp_path / "run", record)
    assert len(page.of("script")) == len(page.of("style")) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert all(image["src"].startswith("data:image/") for image in page.of("img"))
    assert HOSTILE[0] in page.said.replace("\n", "")
    for image in page.of("img"):  # a script inside a picture would not run; there is none all the same
        drawn = base64.b64decode(image["src"].split(",")[1])
        assert b"<script" not in drawn
    outer = Page(framed(text))
    assert len(outer.of("iframe")) == 1
    assert outer.of("iframe")[0]["srcdoc"] == text
    assert not outer.of("script")


def test_the_card_says_what_one_can_check(tmp_path):
    folder = tmp_path / "run"
    record = left_by_a_run(folder, "binary", ["kind"], classes=["no", "yes"])
    (folder / "model.h5").write_bytes(b"a model")
    page, _ = written(folder, record)
    card = page.said[page.said.index("Model card") :]
    assert hashlib.sha256(b"a model").hexdigest() in card
    assert hashlib.sha256((folder / "recipe.yaml").read_bytes()).hexdigest() in card
    assert "rows.csv; SHA-256 abc" in card
    assert "folder/rows.csv" not in card[: card.index("Recipe, every value")]
    assert "1 numeric, 1 categorical" in card
    assert "1,000 train" in card
    assert "To fill in" in card
    assert "a note" in card
    (folder / USE_FILE).write_text("Only for tests.")
    page, _ = written(folder, {**record, "moved": [{"column": "month", "psi": 0.4}]})
    assert "Only for tests." in page.said
    assert "To fill in" not in page.said
    assert "not like its training rows: month" in page.said


def test_the_worst_images_are_kept_small(tmp_path):
    classes = ["red", "green", "blue"]
    record = left_by_a_run(tmp_path / "run", "multiclass", ["kind"], classes=classes)
    tested = read_tested(tmp_path / "run", record)
    worst = mistakes.worst_rows(tested)
    assert len(worst) == 12
    rows = tested.frame
    wrong = rows[rows["target"] != rows["prediction"]]
    chance = [row[f"probability_{row['target']}"] for _, row in wrong.iterrows()]
    assert worst.tolist() == wrong.index[np.argsort(chance, kind="stable")[:12]].tolist()
    levels = np.linspace(0, 1, 8 * 6 * 3).reshape(8, 6, 3)
    told = mistakes.told_of(tested, int(worst[0]), levels)
    row = rows.iloc[worst[0]]
    assert (told["row"], told["true"], told["predicted"]) == (row["row"], row["target"], row["prediction"])
    assert told["probability"] == pytest.approx(row[f"probability_{row['prediction']}"])
    read = np.asarray(Image.open(io.BytesIO(base64.b64decode(told["png"]))))
    np.testing.assert_array_equal(read, np.rint(levels * 255))
    large = mistakes.told_of(tested, 0, np.random.default_rng(0).random((300, 200, 3)))
    assert Image.open(io.BytesIO(base64.b64decode(large["png"]))).size == (53, 80)
    assert len(large["png"]) < 30_000
