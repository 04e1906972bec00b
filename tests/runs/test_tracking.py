"""A run can be watched in TensorBoard and MLflow."""

from __future__ import annotations

import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.runs import checkpoint, tracking


def test_tensorboard_reads_every_epoch(folder, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = mt.run(folder / "binary.yaml", {"train.tensorboard": True}, out=tmp_path / "run", verbose=0)
    assert run.engine == "graph"  # not step by step, as with Keras's own callback
    for part, prefix in (("train", ""), ("validation", "val_")):
        events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / part)).Reload()
        for name in ("loss", "accuracy"):
            told = [event.tensor_proto for event in events.Tensors(f"epoch_{name}")]
            values = [proto.float_val[0] if proto.float_val else None for proto in told]
            if values[0] is None:
                from tensorboard.util.tensor_util import make_ndarray

                values = [float(make_ndarray(proto)) for proto in told]
            assert values == pytest.approx(run.history[prefix + name].tolist(), rel=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # MLflow's own, of the libraries it uses
def test_mlflow_gets_parameters_scores_and_files(folder, tmp_path):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.create_experiment("people", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment("people")
    run = mt.run(folder / "binary.yaml", {"train.mlflow": True}, out=tmp_path / "run", verbose=0)
    (found,) = mlflow.MlflowClient().search_runs([mlflow.get_experiment_by_name("people").experiment_id])
    assert found.info.status == "FINISHED"
    assert found.data.params["train.optimizer.name"] == "adam"
    assert found.data.params["data.target"] == "kind"
    assert found.data.metrics["test_auc"] == pytest.approx(run.metrics["test"]["auc"])
    told = mlflow.MlflowClient().get_metric_history(found.info.run_id, "val_loss")
    assert [metric.value for metric in told] == pytest.approx(run.history["val_loss"].tolist())
    kept = {file.path for file in mlflow.MlflowClient().list_artifacts(found.info.run_id)}
    assert {"model.h5", "recipe.yaml", "report.html"} <= kept


def test_what_is_not_installed_is_named_before_anything_is_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(mt.MissingExtra, match=r'pip install "mlp-toolkit\[mlflow\]"'):
        mt.run(folder / "binary.yaml", {"train.mlflow": True}, out=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


def test_history_is_there_while_the_run_goes_on(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "TRAINING_PER_CHECKPOINT", 0)
    seen = []
    write = checkpoint.Checkpoint.write

    def watched(self, network, state):
        if state.epochs > 1:
            seen.append(len(pd.read_csv(tmp_path / "run" / "history.csv")))
        return write(self, network, state)

    monkeypatch.setattr(checkpoint.Checkpoint, "write", watched)
    mt.run(folder / "regression.yaml", out=tmp_path / "run", verbose=0)
    assert seen == [1, 2, 3]
