"""A run watched from outside while it trains: TensorBoard's files, and MLflow."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlp_toolkit.errors import MissingExtra
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.recipe.resolving import Resolved
from mlp_toolkit.recipe.spec import Recipe

ARTIFACTS = ("model.h5", "recipe.yaml", "metrics.json", "report.html", "environment.json")
LONGEST_PARAMETER = 500  # MLflow's own limit in its older stores


def check_trackers(spec: Recipe) -> None:
    """Refuses a recipe whose trackers are not installed.

    Raises:
        MissingExtra: With the extra to install.
    """
    for module, wanted in (("tensorboard", spec.train.tensorboard), ("mlflow", spec.train.mlflow)):
        if wanted and importlib.util.find_spec(module) is None:
            raise MissingExtra(module, f"train.{module}: true")


@contextlib.contextmanager
def tracked(resolved: Resolved, directory: Path) -> Iterator[tuple[list[Any], Callable[[Mapping[str, Any]], None]]]:
    """Tracks a run by what its recipe asks for.

    Args:
        resolved: The recipe.
        directory: The run directory; TensorBoard's files lie below it.

    Yields:
        Callbacks for the training, and a function that takes the record of the finished run.
    """
    train = resolved.spec.train
    with contextlib.ExitStack() as stack:
        callbacks: list[Any] = []
        if train.tensorboard:
            callbacks.append(stack.enter_context(contextlib.closing(TensorBoard(directory / "tensorboard"))))
        mlflow = stack.enter_context(_mlflow_run(resolved)) if train.mlflow else None
        if mlflow:
            callbacks.append(
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: mlflow.log_metrics(_numbers(logs), step=epoch + 1)
                )
            )

        def finished(record: Mapping[str, Any]) -> None:
            if mlflow:
                scores = {f"{part}_{k}": v for part in ("train", "validation", "test") for k, v in record[part].items()}
                mlflow.log_metrics(scores, step=record["best_epoch"])
                for name in ARTIFACTS:
                    mlflow.log_artifact(str(directory / name))

        yield callbacks, finished


class TensorBoard(keras.callbacks.Callback):
    """Writes each epoch's numbers for TensorBoard, under the names that Keras's own callback gives them.

    Keras's callback watches every batch, which would take training out of its compiled epoch.

    Args:
        directory: Gets a folder `train` and a folder `validation`.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.writers = {part: tf.summary.create_file_writer(str(directory / part)) for part in ("train", "validation")}

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Writes the logs of an epoch."""
        logs = dict(logs or {})
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        for name, value in _numbers(logs).items():
            part = "validation" if name.startswith("val_") else "train"
            with self.writers[part].as_default():
                tf.summary.scalar(f"epoch_{name.removeprefix('val_')}", value, step=epoch)
            self.writers[part].flush()

    def close(self) -> None:
        """Closes the files."""
        for writer in self.writers.values():
            writer.close()


@contextlib.contextmanager
def _mlflow_run(resolved: Resolved) -> Iterator[Any]:
    """An MLflow run where the environment says, by default in `mlruns`; it fails where the training does."""
    import mlflow

    with mlflow.start_run(run_name=resolved.spec.name):
        mlflow.log_params({key: str(value)[:LONGEST_PARAMETER] for key, value in _flat(resolved.values)})
        yield mlflow


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """All values under dotted keys."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value and all(isinstance(name, str) for name in value):
            yield from _flat(value, f"{before}{key}.")
        elif value is not None:
            yield f"{before}{key}", value


def _numbers(logs: Mapping[str, Any] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (logs or {}).items()}
