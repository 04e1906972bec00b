"""Names of earlier Keras versions that people still look for, and what is written today."""

from __future__ import annotations

from mlp_toolkit.errors import UserError

ARRAYS = "mt.fit(model, X, y) takes arrays"
LARGE = "data larger than memory: a recipe streams Parquet and CSV files (mlp-toolkit run RECIPE)"
CLASS_NUMBERS = (
    'mt.build_mlp("multiclass", …) takes class numbers from 0 as they are: mt.fit(model, X, y). '
    "For one-hot rows: keras.utils.to_categorical(y)"
)
AUGMENTATION = 'mt.fit(model, images, y, augmentation={"rotation": 10, "horizontal_flip": True})'

# Functions and classes that were Keras's, or wrapped it.
TODAY = {
    "ImageDataGenerator": f"{AUGMENTATION}; for a folder of images, a recipe with data.path: FOLDER",
    "KerasClassifier": "mt.MLPClassifier()",
    "KerasRegressor": "mt.MLPRegressor()",
    "evaluate_generator": "model.evaluate(X, y), or mlp-toolkit evaluate RUN DATA",
    "fit_generator": f"{ARRAYS}; with augmentation={{…}} images change in every epoch; {LARGE}",
    "flow_from_directory": "a recipe with data.path: FOLDER, one folder of images a class",
    "load_model": 'mt.load("model.h5")',
    "multi_gpu_model": 'mt.fit(model, X, y, device="all")',
    "np_utils": CLASS_NUMBERS,
    "predict_classes": "mt.predict(model, X).argmax(axis=1); with one sigmoid output (mt.predict(model, X) >= 0.5); "
    'with a model file\'s own labels run.predict(frame)["label"]',
    "predict_generator": "mt.predict(model, X)",
    "predict_proba": "mt.predict(model, X)",
    "save_model": 'mt.save(model, "model.h5")',
    "to_categorical": CLASS_NUMBERS,
}

# Settings of optimizers.
SETTINGS = {
    "decay": "Keras has no decay any more. A rate that falls while training: schedule: cosine (a recipe), or a Keras "
    "schedule as learning_rate; weights that shrink: weight_decay.",
    "lr": "Did you mean 'learning_rate'? That is its name today.",
    "schedule_decay": "Keras has no schedule_decay any more; Nadam counts it itself.",
}


class OldName(UserError, ImportError):  # noqa: N818  # it reads as what it is
    """A name that was never here, or is gone; also an ImportError, so that `from … import` shows its message."""


def check_old_name(name: str) -> None:
    """Says what is written today instead of a name of earlier Keras versions.

    Raises:
        OldName: It is one.
    """
    if name in TODAY:
        raise OldName(f"mlp_toolkit has no {name}", remedy=f"Today: {TODAY[name]}.")
