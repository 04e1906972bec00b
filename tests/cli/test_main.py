"""The command line: what it prints, and how it exits."""

from __future__ import annotations

import importlib.metadata
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

PROGRAM = [sys.executable, "-m", "mlp_toolkit"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["recipes"],
        ["validate", "adult"],
        ["show", "adult"],
        ["validate", "iris"],
        ["run", "no-such-recipe"],
    ],
)
def test_these_commands_do_not_import_tensorflow(arguments):
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('loaded', [m for m in ('tensorflow', 'keras') if m in sys.modules]))\n"
        f"sys.argv = ['mlp-toolkit', *{arguments!r}]\n"
        "from mlp_toolkit.cli.main import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("loaded []\n"), done.stderr


def test_init_does_not_import_tensorflow(folder, tmp_path):
    code = "import sys\nfrom mlp_toolkit.cli.main import main\ntry:\n    main()\n"
    code += "finally:\n    print('tensorflow' in sys.modules)\n"
    arguments = ["init", folder / "people.csv", "--target", "kind", "-O", tmp_path / "r.yaml"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("False\n"), done.stderr


def test_run_prints_the_directory_last_and_the_rest_elsewhere(call, folder, tmp_path):
    code, out, err = call("run", folder / "binary.yaml", "-o", "train.epochs=1", "--out", tmp_path / "run")
    assert code == 0
    assert out == f"{tmp_path / 'run'}\n"
    assert "positive class: 'malignant'" in err
    assert "test: accuracy" in err


def test_predict_in_a_new_process_repeats_the_predictions_kept(runs, folder, tmp_path, people):
    run = runs["multiclass"].directory
    kept = pd.read_parquet(run / "predictions.parquet")
    for name in ("predicted.csv", "predicted.parquet"):
        done = subprocess.run(
            [*PROGRAM, "predict", run, folder / "people.csv", "-O", tmp_path / name],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        predicted = read(tmp_path / name)
        assert len(predicted) == len(people)
        predicted = predicted.iloc[kept["row"]].reset_index(drop=True)
        assert predicted["label"].tolist() == kept["prediction"].tolist()
        for column in ("probability_Graz", "probability_Linz", "probability_Wien"):
            np.testing.assert_allclose(predicted[column], kept[column], atol=1e-6)


def test_evaluate_gives_scores_of_new_rows(call, runs, folder, people):
    code, out, _ = call("evaluate", runs["binary"].directory, folder / "people.csv")
    scores = dict(line.split() for line in out.splitlines())
    chance = runs["binary"].predict(people)["probability"]
    assert code == 0
    assert float(scores["auc"]) == pytest.approx(metrics.roc_auc_score(people["kind"] == "malignant", chance), abs=1e-5)


def test_a_model_file_serves_where_a_run_directory_does(call, runs, folder, tmp_path):
    code, _, _ = call("predict", runs["binary"].directory / "model.h5", folder / "people.csv", "-O", tmp_path / "p.csv")
    assert code == 0
    assert list(pd.read_csv(tmp_path / "p.csv")) == ["label", "probability"]


def test_inspect_says_what_a_file_holds(call, runs):
    code, out, _ = call("inspect", runs["binary"].directory / "model.h5")
    assert code == 0
    assert "classes benign, malignant" in out
    assert "hidden_1  Dense" in out


@pytest.mark.parametrize("task", ["regression", "binary", "multilabel", "multiclass"])
def test_init_writes_a_recipe_that_runs(call, folder, tmp_path, task):
    targets = {"regression": "age", "binary": "kind", "multilabel": "big,dark", "multiclass": "city"}
    recipe = tmp_path / "drafted.yaml"
    code, out, err = call("init", folder / "people.csv", "--target", targets[task], "-O", recipe)
    assert (code, out) == (0, f"{recipe}\n")
    assert f"task: {task}, since" in err
    assert call("validate", recipe)[0] == 0
    code, out, _ = call("run", recipe, "-o", "train.epochs=1", "--out", tmp_path / "run")
    assert code == 0


def test_init_writes_over_nothing(call, folder, tmp_path):
    (tmp_path / "mine.yaml").write_text("precious")
    code, _, err = call("init", folder / "people.csv", "--target", "kind", "-O", tmp_path / "mine.yaml")
    assert code == 2
    assert "there already" in err
    assert (tmp_path / "mine.yaml").read_text() == "precious"


def test_show_prints_a_recipe_with_the_origin_of_every_value(call, folder):
    from ruamel.yaml import YAML

    code, out, _ = call("show", folder / "binary.yaml", "-o", "seed=3")
    assert code == 0
    assert YAML(typ="safe").load(out)["model"]["hidden"] == {"layers": 2, "neurons": 64}
    origin = {line.split(":")[0].strip(): line.split("  # ")[-1] for line in out.splitlines() if "  # " in line}
    assert origin["seed"].startswith("override")
    assert origin["loss"] == "table (binary)"
    assert origin["batch_size"] == "preset (slides)"
    assert "binary.yaml:4" in origin["dropout"]
    assert all("#" in line or line.endswith(":") for line in out.splitlines())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "no-such.yaml"], "no such recipe file"),
        (["validate", "binary.yaml", "-o", "train.epoch=5"], "did you mean 'epochs'"),
        (["validate", "binary.yaml", "-o", "data.target=kin"], "did you mean 'kind'"),
        (["validate", "binary.yaml", "-o", "nonsense"], "KEY=VALUE"),
        (["predict", "nowhere", "people.csv", "-O", "x.csv"], "no such run directory"),
        (["predict", "runs/binary", "nowhere.csv", "-O", "x.csv"], "no such file"),
        (["predict", "runs/binary", "people.csv", "-O", "x.xlsx"], ".csv or .parquet"),
        (["evaluate", "people.csv", "people.csv"], "ends in .h5"),
        (["inspect", "people.csv"], "ends in .h5"),
        (["report", "nowhere"], "no such run directory"),
        (["init", "people.csv", "--target", "sort"], "not in the data"),
        (["init", "people.csv", "--target", "kind", "--task", "binry"], "did you mean 'binary'"),
        (["frobnicate"], "no such command"),
        (["run"], "Missing argument"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(call, runs, folder, monkeypatch, arguments, says):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    code, out, err = call(*arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert sorted(folder.rglob("*")) == before


def test_prediction_rows_may_lack_the_target_but_no_feature(call, runs, folder, people, tmp_path):
    people.drop(columns="kind").to_csv(tmp_path / "new.csv", index=False)
    assert call("predict", runs["binary"].directory, tmp_path / "new.csv", "-O", tmp_path / "p.csv")[0] == 0
    people.drop(columns="mean area").to_csv(tmp_path / "less.csv", index=False)
    code, _, err = call("predict", runs["binary"].directory, tmp_path / "less.csv", "-O", tmp_path / "q.csv")
    assert code == 2
    assert "mean area" in err
    assert not (tmp_path / "q.csv").exists()


def test_ctrl_c_leaves_no_half_written_model_and_a_run_to_go_on_with(folder, tmp_path):
    out = tmp_path / "run"
    arguments = ["run", folder / "binary.yaml", "-o", "train.epochs=100000", "-o", "train.early_stopping=null"]
    process = subprocess.Popen(
        [*PROGRAM, *arguments, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert {path.name for path in out.iterdir()} <= {"recipe.yaml", "environment.json", "checkpoint.h5", "history.csv"}


def test_recipes_lists_what_ships(call):
    code, out, _ = call("recipes")
    assert code == 0
    assert {"iris", "adult", "diabetes", "yeast"} <= {line.split()[0] for line in out.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian", "x.yaml"], "Did you mean `mlp-toolkit run`?"),
        (["predct"], "Did you mean `mlp-toolkit predict`?"),
        (["qqqq"], "allowed: run, launch, validate, show"),
        (["run", "rows.csv"], "`mlp-toolkit init rows.csv --target COLUMN` writes a recipe"),
        (["show", "rows.parquet"], "this is data, not a recipe"),
        (["run", "other.yaml"], "Did you mean other.yml?"),
        (["run", "other"], "Did you mean other.yml?"),
        (["validate", "other.yml", "-o", "task=classification"], "binary: a column of two classes; multiclass"),
        (["validate", "other.yml", "-o", "task=binary_classification"], "Write binary."),
    ],
)
def test_what_was_meant_is_guessed_and_said(call, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    (tmp_path / "other.yml").write_text("task: binary\ndata: {path: rows.csv, target: b}\n")
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert err.startswith("mlp-toolkit: ")


def test_init_without_a_target_lists_the_columns(call, folder, tmp_path):
    code, _, err = call("init", folder / "people.csv", "-O", tmp_path / "r.yaml")
    assert code == 2
    assert "which column is to be predicted?" in err
    assert "kind" in err
    assert not (tmp_path / "r.yaml").exists()


def test_the_version_is_that_of_the_package(call):
    assert call("--version") == (0, f"mlp-toolkit {importlib.metadata.version('mlp-toolkit')}\n", "")


def test_columns_of_the_data_are_kept_beside_the_predictions(call, runs, folder, tmp_path, people):
    run = runs["binary"].directory
    arguments = ("predict", run, folder / "people.csv", "-O", tmp_path / "kept.csv")
    code, _, err = call(*arguments, "--keep", "city,blood", "--keep", "age")
    assert (code, err) == (0, "")
    kept = pd.read_csv(tmp_path / "kept.csv", keep_default_na=False)
    assert list(kept) == ["city", "blood", "age", "label", "probability"]
    pd.testing.assert_frame_equal(
        kept[["city", "blood"]], people[["city", "blood"]].fillna("").astype(str), check_dtype=False
    )
    for wrong in ("nobody", "city,nobody"):
        code, _, err = call(*arguments[:-1], tmp_path / "none.csv", "--keep", wrong)
        assert code == 2
        assert "--keep: 'nobody' is not in the data" in err
    people.assign(label=1).to_csv(tmp_path / "clash.csv", index=False)
    code, _, err = call("predict", run, tmp_path / "clash.csv", "-O", tmp_path / "none.csv", "--keep", "label")
    assert code == 2
    assert "called as one of the predictions" in err
    assert not (tmp_path / "none.csv").exists()
