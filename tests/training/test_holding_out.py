"""`fit(validation_split=...)`: rows drawn at random, a like share of each class, weights with their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlp_toolkit as mt
from mlp_toolkit.training.rows_of_arrays import held_out

X = np.arange(300, dtype="float32").reshape(100, 3)
RARE = np.repeat([0, 1, 2], [80, 18, 2])


def network(task: Any = "multiclass", **options: Any) -> Any:
    outputs = {"multiclass": 3, "multilabel": 2}.get(task, 1)
    return mt.build_mlp(task, n_features=3, n_outputs=outputs, hidden=[4], seed=0, **options)


def parted(y: Any, x: Any = X, weights: Any = None, model: Any = None, share: float = 0.2, seed: int = 0) -> Any:
    return held_out(model or network(), x, y, weights, validation_data=None, share=share, seed=seed)


@pytest.mark.parametrize(
    ("task", "y"),
    [("multiclass", RARE), ("one-hot", np.eye(3)[RARE]), ("binary", (RARE > 0).astype(int)), ("binary", RARE > 0)],
)
def test_each_class_gives_its_share(task: Any, y: np.ndarray) -> None:
    one_hot = {"loss": "categorical_crossentropy"} if task == "one-hot" else {}
    _, left, _, (_, own) = parted(y, model=network("multiclass" if one_hot else task, **one_hot))
    classes = own.argmax(axis=1) if own.ndim == 2 else own
    assert len(own) == 20
    assert len(left) == 80
    assert abs(int((classes == 0).sum()) - 16) <= 1


def test_a_class_of_one_row_is_trained_on() -> None:
    y = np.where(np.arange(100) == 50, 2, np.arange(100) % 2)
    for seed in range(20):
        _, left, _, (_, own) = parted(y, seed=seed)
        assert 2 in left
        assert 2 not in own


def test_rows_weights_and_targets_stay_together_and_no_row_is_lost() -> None:
    weights = X[:, 0] + 1
    x, y, own, (held_x, held_y, held_weights) = parted(X[:, 0], weights=weights, model=network("regression"))
    for part, target, weight in ((x, y, own), (held_x, held_y, held_weights)):
        assert (part[:, 0] == target).all()
        assert (part[:, 0] + 1 == weight).all()
    assert sorted([*x[:, 0], *held_x[:, 0]]) == X[:, 0].tolist()
    assert not (held_x == X[-20:]).all()


def test_the_seed_decides() -> None:
    first, again, other = (parted(RARE, seed=seed)[3][0] for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_data_frames_and_lists_are_parted_by_position() -> None:
    frame, y = pd.DataFrame(X, index=range(500, 600)), pd.Series(RARE, index=range(500, 600))
    x, left, _, (held_x, own) = parted(y, frame)
    assert (x.index == left.index).all()
    assert (held_x.index == own.index).all()
    assert parted(RARE.tolist(), X.tolist())[0].shape == (80, 3)


def test_messages_name_rows_by_the_users_numbers() -> None:
    x = X.copy()
    x[97, 1] = np.nan
    with pytest.raises(mt.UserError, match="number 1, row 97"):
        mt.fit(network(), x, RARE, validation_split=0.5, verbose=0)
    with pytest.raises(mt.UserError, match="X has 100 rows, y has 99"):
        mt.fit(network(), X, RARE[:99], validation_split=0.5, verbose=0)


@pytest.mark.parametrize("share", [0, 1, 0.0, 1.0, -0.1, 20, True, "0.2", None.__class__, float("nan")])
def test_no_share_is_refused(share: Any) -> None:
    with pytest.raises(mt.UserError, match="above 0 and below 1"):
        mt.fit(network(), X, RARE, validation_split=share, verbose=0)


def test_few_rows() -> None:
    with pytest.raises(mt.UserError, match="too few"):
        parted(RARE[:1], X[:1])
    with pytest.raises(mt.UserError, match="each class needs a row"):
        parted(np.array([0, 1, 2]), X[:3], share=0.3)
    assert len(parted(X[:2, 0], X[:2], model=network("regression"), share=0.1)[0]) == 1


def test_images_that_are_augmented_are_parted_too() -> None:
    images = np.random.default_rng(0).uniform(size=(20, 4, 4)).astype("float32")
    model = mt.build_mlp("binary", n_features=16, hidden=[4], seed=0)
    history = mt.fit(
        model, images, np.arange(20) % 2, validation_split=0.25, augmentation={"rotation": 10}, epochs=1, verbose=0
    )
    assert "val_loss" in history.history


def test_class_weights_count_the_rows_that_are_trained_on() -> None:
    history = mt.fit(network(), X / 100, RARE, validation_split=0.2, class_weight="balanced", epochs=1, verbose=0)
    assert "val_weighted_loss" in history.history
