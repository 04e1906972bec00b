"""Every trap of Keras that users fall into, and what this toolkit says or does there.

`docs/traps.md` is written from these cases: python tests/whole/test_traps.py
"""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest

import mlp_toolkit as mt
from mlp_toolkit.recipe import old_names

PAGE = Path(__file__).parents[2] / "docs" / "traps.md"

# What stands before every case, on the page too.
BEFORE = '''
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import mlp_toolkit as mt

random = np.random.default_rng(0)
X = random.normal(size=(60, 3)).astype("float32")
amount = X[:, 0] - 2 * X[:, 1]  # a number for each row
yes = (amount > 0).astype(int)  # 0 or 1
kind = np.digitize(amount, [-1, 1])  # a class: 0, 1 or 2
labels = np.stack([yes, kind == 0, kind == 2], axis=1).astype(int)  # three yes/no labels


def built(task, **options):
    """A network as this toolkit builds it."""
    outputs = 3 if task in ("multiclass", "multilabel") else 1
    return mt.build_mlp(task, n_features=3, n_outputs=outputs, hidden=[8], seed=0, **options)


def own(units, activation, loss, optimizer="sgd", **options):
    """A network as Keras users write it."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(units, activation)])
    model.compile(optimizer, loss, **options)
    return model
'''


class Trap(NamedTuple):
    """One case.

    Attributes:
        what: Its heading.
        code: What the user does; it is run as it stands.
        keras: What Keras 3.15 does.
        says: What must be in this toolkit's message. Where there is none, the code itself says what must be true.
        then: What this toolkit does instead, where it says nothing.
    """

    what: str
    code: str
    keras: str
    says: tuple[str, ...] = ()
    then: str = ""


NETWORK = [
    Trap(
        "Categorical cross entropy on one neuron",
        'mt.fit(own(1, "sigmoid", "categorical_crossentropy"), X, yes)',
        "A SyntaxWarning. The loss is 0.0 from the first epoch on, whatever is predicted; only rows "
        "of the class 0 move the weights, and push towards no.",
        ("categorical_crossentropy on one output neuron is constant", "binary_crossentropy and a sigmoid"),
    ),
    Trap(
        "The same, asked for when the network is built",
        'built("binary", loss="categorical_crossentropy")',
        "The same.",
        ("does not fit one output neuron", "nothing is learnt", "Use binary_crossentropy"),
    ),
    Trap(
        "Softmax on one neuron",
        'mt.fit(own(1, "softmax", "binary_crossentropy"), X, yes)',
        "A UserWarning; the network predicts 1 for every row, whatever it is trained on.",
        ("softmax on one output neuron is constant", "sigmoid"),
    ),
    Trap(
        "Cross entropy on an output without sigmoid or softmax",
        'mt.fit(own(1, "linear", "binary_crossentropy"), X, yes)',
        "Nothing is said. Outputs are cut to the range 0 to 1, and most gradients are lost.",
        ("takes probabilities", "sigmoid or softmax", "from_logits=True"),
    ),
    Trap(
        "Not compiled",
        "mt.fit(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]), X, amount)",
        "``You must call `compile()` before using the model``.",
        ("not compiled", "model.compile(...)", "build_mlp"),
    ),
]

TARGETS = [
    Trap(
        "A metric of your own, and targets (rows,)",
        """
def squared_error(y, predicted):
    return keras.ops.mean((y - predicted) ** 2)

model = own(1, "linear", "mse", keras.optimizers.SGD(1e-12), metrics=[squared_error])
history = mt.fit(model, X, amount, epochs=1, batch_size=60).history
assert np.isclose(history["squared_error"][0], history["loss"][0], rtol=1e-3)
""",
        "(n,) minus (n, 1) is (n, n): the mean is one over all pairs of rows, a wrong number, and nothing is said.",
        then="Targets get the shape of the output, (rows, 1), before anything is computed.",
    ),
    Trap(
        "AUC, precision or F1 of class numbers",
        'mt.fit(own(3, "softmax", "sparse_categorical_crossentropy", metrics=["AUC"]), X, kind)',
        "A page of graph errors about a sum of segments.",
        ("each of the 3 outputs with a target of its own", "to_categorical(y)"),
    ),
    Trap(
        "Classes as columns, and accuracy of class numbers",
        """
accuracy = keras.metrics.SparseCategoricalAccuracy()
mt.fit(own(3, "softmax", "categorical_crossentropy", metrics=[accuracy]), X, np.eye(3)[kind])
""",
        "A page of graph errors about `Equal`.",
        ("takes class numbers", "with categorical_accuracy"),
    ),
    Trap(
        "A set of labels in each row",
        'mt.fit(built("multilabel"), X, [{"spam"}, {"spam", "urgent"}] * 30)',
        "`Unrecognized data type`, with all rows of X.",
        ("a set of labels in each row", "MultiLabelBinarizer"),
    ),
    Trap(
        "More target columns than outputs",
        'mt.fit(own(1, "linear", "mse"), X, X[:, :2])',
        "Nothing is said: one output is trained towards both columns at once.",
        ("y has 2 columns, the network 1 output", "n_outputs=2"),
    ),
    Trap(
        "Fewer target columns than outputs",
        'mt.fit(own(3, "linear", "mse"), X, X[:, :1])',
        "Nothing is said: all three outputs are trained towards the one column.",
        ("y has 1 column, the network 3 outputs",),
    ),
    Trap(
        "Several labels a row, and a loss of one class a row",
        'mt.fit(own(3, "softmax", "categorical_crossentropy"), X, (X > 0).astype(int))',
        "Nothing is said: softmax shares one probability among all labels of a row.",
        ("its columns sum to 1; in row", "task multilabel"),
    ),
    Trap(
        "Several labels a row, and a loss of class numbers",
        'mt.fit(built("multiclass"), X, (X > 0).astype(int))',
        "An error about the ranks of `output` and `target`.",
        ("one column per class", "task multilabel"),
    ),
    Trap(
        "A class number that there is no output for",
        'mt.fit(built("multiclass"), X, np.where(kind == 2, 7, kind))',
        "A page of graph errors; compiled by XLA: the loss is NaN, and nothing is said.",
        ("class numbers from 0 to 2", "holds 7", "Number the classes from 0"),
    ),
    Trap(
        "Class numbers that begin below 0",
        'mt.fit(built("multiclass"), X, kind - 1)',
        "The same.",
        ("class numbers from 0 to 2", "holds -1"),
    ),
    Trap(
        "Class numbers that are not whole",
        'mt.fit(built("multiclass"), X, kind * 0.85)',
        "Nothing is said: 1.7 is class 1.",
        ("class numbers from 0 to 2", "0.85"),
    ),
    Trap(
        "One-hot rows with the sparse loss",
        'mt.fit(built("multiclass"), X, np.eye(3)[kind])',
        "``Argument `output` must have rank (ndim) `target.ndim - 1` ``.",
        ("one column per class", "takes class numbers", "y.argmax", 'loss="categorical_crossentropy"'),
    ),
    Trap(
        "Class numbers with the one-hot loss",
        'mt.fit(built("multiclass", loss="categorical_crossentropy"), X, kind)',
        "``Arguments `target` and `output` must have the same rank (ndim)``.",
        ("one-hot rows", "sparse_categorical_crossentropy"),
    ),
    Trap(
        "One-hot rows of two classes for one output",
        'mt.fit(built("binary"), X, np.eye(2)[yes])',
        "``Arguments `target` and `output` must have the same shape``.",
        ("2 columns", "y[:, 1]"),
    ),
    Trap(
        "Yes and no as 2 and 1",
        'mt.fit(built("binary"), X, yes + 1)',
        "It trains. The loss falls below 0 without an end.",
        ("labels 0 and 1", "row 0 holds 2", "subtract 1"),
    ),
    Trap(
        "Yes and no as +1 and −1",
        'mt.fit(built("binary"), X, 2 * yes - 1)',
        "It trains. The accuracy stays where it was.",
        ("labels 0 and 1", "holds -1", "(y + 1) / 2"),
    ),
    Trap(
        "Classes as words",
        'mt.fit(built("binary"), X, np.where(yes, "yes", "no"))',
        "`Invalid dtype: str96`.",
        ("holds text", "Number the classes from 0", "mlp-toolkit run"),
    ),
    Trap(
        "A positive output and negative targets",
        'mt.fit(own(1, "relu", "mse"), X, amount)',
        "It trains. The output is 0 for these rows, whatever is learnt.",
        ("output is never below 0", "Scale the targets", "an output that reaches them"),
    ),
    Trap(
        "A bounded output and targets beyond",
        'mt.fit(built("regression", output="bounded(-1, 1)"), X, amount)',
        "The same.",
        ("output lies between -1 and 1",),
    ),
    Trap(
        "A missing target",
        "mt.fit(built('regression'), X, np.where(np.arange(60) == 7, np.nan, amount))",
        "The loss is NaN, and so are all weights after the first epoch. It trains on.",
        ("y holds NaN", "row 7", "X[known], y[known]"),
    ),
    Trap(
        "A target frame whose rows are in another order",
        'mt.fit(built("binary"), pd.DataFrame(X), pd.Series(yes).sample(frac=1, random_state=0))',
        "The index is ignored: rows get the targets of other rows.",
        ("different indexes", "y.loc[X.index]", "to_numpy()"),
    ),
    Trap(
        "Targets of another length",
        'mt.fit(built("binary"), X, yes[:50])',
        "`Data cardinality is ambiguous`.",
        ("X has 60 rows, y has 50", "Each row of X needs its target"),
    ),
]

FEATURES = [
    Trap(
        "A missing number",
        'mt.fit(built("binary"), pd.DataFrame(X, columns=["age", "size", "cost"]).mask(X > 2), yes)',
        "The loss is NaN, and so are all weights after the first epoch. It trains on, and prints an accuracy.",
        ("X holds NaN", "column 'size', row 26", "Fill or drop", "mlp-toolkit run"),
    ),
    Trap(
        "Infinity",
        'mt.fit(built("binary"), np.where(X > 2, np.inf, X), yes)',
        "The same.",
        ("infinity", "column number 1, row 26"),
    ),
    Trap(
        "Columns of words",
        'mt.fit(built("binary"), pd.DataFrame(X).assign(city="Graz"), yes)',
        "`Invalid dtype: str`.",
        ("columns city do not hold numbers", "mlp-toolkit run"),
    ),
    Trap(
        "No rows",
        'mt.fit(built("binary"), X[:0], yes[:0])',
        "An empty history, and nothing is said.",
        ("X has no rows",),
    ),
    Trap(
        "Another number of columns",
        'mt.fit(built("binary"), X[:, :2], yes)',
        "`Input 0 with name 'features' of layer 'mlp' is incompatible with the layer`.",
        ("(60, 2)", "(rows, 3)", "n_features=2"),
    ),
    Trap(
        "A generator",
        'mt.fit(built("binary"), (batch for batch in [(X, yes)]))',
        "It works, one batch after another; ImageDataGenerator, which generators came from, is gone.",
        ("gives batches", "generator", 'augmentation={"rotation": 10', "a recipe streams"),
    ),
    Trap(
        "A Sequence (today PyDataset)",
        """
class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 1

    def __getitem__(self, number):
        return X, yes

mt.fit(built("binary"), Batches())
""",
        "The same.",
        ("gives batches", "Batches", "augmentation={"),
    ),
    Trap(
        "A tf.data.Dataset",
        """
import tensorflow as tf

mt.fit(built("binary"), tf.data.Dataset.from_tensor_slices((X, yes)).batch(32))
""",
        "The same.",
        ("gives batches", "Dataset", "a recipe streams"),
    ),
    Trap(
        "No targets",
        'mt.fit(built("binary"), X)',
        "`None values not supported.`",
        ("there are no targets", "mt.fit(model, X, y)"),
    ),
]

WEIGHTS = [
    Trap(
        "Balanced class weights",
        """
history = mt.fit(built("binary"), X, yes, class_weight="balanced", epochs=1).history
assert np.isfinite(history["loss"][0])
""",
        "`'str' object has no attribute 'get'`.",
        then="Each class weighs as much as the other, as scikit-learn counts.",
    ),
    Trap(
        "A class without a weight",
        'mt.fit(built("binary"), X, yes, class_weight={1: 5.0})',
        "Nothing is said: the other class weighs 1.",
        ("must name each class once", "allowed: 0, 1", "0 has no weight"),
    ),
    Trap(
        "A weight without a class",
        'mt.fit(built("binary"), X, yes, class_weight={0: 1.0, 1: 5.0, 2: 9.0})',
        "Nothing is said.",
        ("must name each class once", "allowed: 0, 1", "2 does not occur"),
    ),
    Trap(
        "Classes as text",
        'mt.fit(built("binary"), X, yes, class_weight={"0": 1.0, "1": 5.0})',
        "Nothing is said: all of the weights are ignored.",
        ("must name each class once", "These are text, and the data has numbers: write 0 for '0'"),
    ),
    Trap(
        "Class weights and sample weights",
        """
own_weights, by_class = np.linspace(0.5, 2, 60), np.where(yes == 1, 5.0, 1.0)
both, by_hand = built("binary"), built("binary")
mt.fit(both, X, yes, class_weight={0: 1.0, 1: 5.0}, sample_weight=own_weights, epochs=1)
mt.fit(by_hand, X, yes, sample_weight=own_weights * by_class, epochs=1)
assert np.allclose(both.get_weights()[0], by_hand.get_weights()[0], atol=1e-6)
""",
        "``You cannot `class_weight` and `sample_weight` at the same time``.",
        then="They multiply.",
    ),
    Trap(
        "Class weights for several labels a row",
        """
heavy, plain = built("multilabel", optimizer="sgd"), built("multilabel", optimizer="sgd")
weighted = mt.fit(heavy, X, labels, class_weight={0: 5.0, 1: 1.0, 2: 1.0}, epochs=1, batch_size=60).history["loss"][0]
entropy = keras.losses.binary_crossentropy(labels[..., None], plain(X)[..., None])
by_hand = np.mean(np.array(entropy) * np.where(labels * [1, 0, 0] == 1, 5.0, 1.0))
assert np.isclose(weighted, by_hand, rtol=1e-4)
""",
        "Nothing is said: a row weighs what its first label that is 1 weighs (the largest entry of the row).",
        then="The weight of a label is that of the rows that have it, beside 1 for those that have not.",
    ),
    Trap(
        "Balanced class weights for several labels a row",
        """
history = mt.fit(built("multilabel"), X, labels, class_weight="balanced", epochs=1).history
assert np.isfinite(history["loss"][0])
""",
        "`'str' object has no attribute 'get'`.",
        then="Each label's rows with and without it weigh the same.",
    ),
    Trap(
        "Class weights for numbers",
        'mt.fit(built("regression"), X, amount, class_weight={0: 10.0, 1: 1.0})',
        "Nothing is said: targets are rounded, and those that come to 0 weigh ten times as much.",
        ("for classes", "regression", "sample_weight"),
    ),
    Trap(
        "Class weights and the validation loss",
        """
history = mt.fit(
    built("binary"), X, yes, class_weight={0: 10.0, 1: 10.0}, validation_data=(X, yes), epochs=1
).history
assert np.isclose(history["val_weighted_loss"][0], 10 * history["val_loss"][0], rtol=1e-4)
""",
        "`loss` is weighted and `val_loss` is not: one cannot be read beside the other, and nothing is said.",
        then="`val_weighted_loss` stands beside `val_loss`; it is what early stopping goes by.",
    ),
    Trap(
        "Negative sample weights",
        'mt.fit(built("binary"), X, yes, sample_weight=-np.ones(60))',
        "Nothing is said: the loss is negative, and the network learns to be wrong.",
        ("sample_weight must hold numbers of 0 or more", "row 0"),
    ),
    Trap(
        "Sample weights that are all 0",
        'mt.fit(built("binary"), X, yes, sample_weight=np.zeros(60))',
        "Nothing is said: the loss is 0, and nothing is learnt.",
        ("all sample weights are zero",),
    ),
    Trap(
        "A missing sample weight",
        'mt.fit(built("binary"), X, yes, sample_weight=np.where(np.arange(60) == 3, np.nan, 1.0))',
        "The loss is NaN, and so are all weights. It trains on.",
        ("sample_weight must hold numbers of 0 or more", "row 3 holds nan"),
    ),
]

VALIDATION = [
    Trap(
        "A share of the rows for validation, from a sorted table",
        """
order = np.argsort(amount)
weights = np.linspace(0.5, 2, 60)
history = mt.fit(
    built("binary"), X[order], yes[order], validation_split=0.2, sample_weight=weights, seed=0, epochs=1
).history
assert "val_loss" in history
""",
        "The last rows are taken as they stand: here all of them are of one class.",
        then="Rows are drawn at random by the seed, a like share of each class; their weights go with them.",
    ),
    Trap(
        "A share above 1",
        'mt.fit(built("binary"), X, yes, validation_split=20)',
        "It trains on no row at all, and validates on all of them.",
        ("above 0 and below 1", "Keras would train on no row at all", "validation_split=0.2"),
    ),
    Trap(
        "A share below 0",
        'mt.fit(built("binary"), X, yes, validation_split=-0.1)',
        "It trains without validation rows, and nothing is said.",
        ("above 0 and below 1", "without validation rows", "validation_split=0.2"),
    ),
    Trap(
        "A share and rows of their own",
        'mt.fit(built("binary"), X, yes, validation_split=0.2, validation_data=(X, yes))',
        "The share is ignored.",
        ("not from both",),
    ),
    Trap(
        "No validation rows",
        'mt.fit(built("binary"), X, yes, validation_data=(X[:0], yes[:0]))',
        "It trains without validation, and nothing is said.",
        ("validation X has no rows",),
    ),
    Trap(
        "Empty lists for validation",
        'mt.fit(built("binary"), X, yes, validation_data=([], []))',
        "`KeyError: 'pop from an empty set'`.",
        ("validation X has no rows",),
    ),
    Trap(
        "Early stopping by a metric that is not there",
        """
model = own(1, "sigmoid", "binary_crossentropy", metrics=["accuracy"])
stop = keras.callbacks.EarlyStopping(monitor="val_acc", mode="max", patience=3)
mt.fit(model, X, yes, validation_split=0.2, callbacks=[stop])
""",
        "A warning in each epoch, and it never stops.",
        ("EarlyStopping watches val_acc", "allowed: ", "val_accuracy", "did you mean 'val_accuracy'?"),
    ),
    Trap(
        "Early stopping by validation rows that are not there",
        'mt.fit(built("binary"), X, yes, callbacks=[keras.callbacks.EarlyStopping("val_loss")])',
        "A warning in each epoch, and it never stops.",
        ("EarlyStopping watches val_loss", "validation_data or validation_split"),
    ),
]

TRAINING = [
    Trap(
        "Batch size 0",
        'mt.fit(built("binary"), X, yes, batch_size=0)',
        "It is accepted.",
        ("batch_size", "a whole number of 1 or more"),
    ),
    Trap(
        "Batch size −1",
        'mt.fit(built("binary"), X, yes, batch_size=-1)',
        "`Invalid value in tensor used for shape: -60`.",
        ("batch_size", "a whole number of 1 or more"),
    ),
    Trap(
        "Batch size 8.0",
        'mt.fit(built("binary"), X, yes, batch_size=8.0)',
        "``Expected int32 passed to parameter 'size' of op 'Slice'``.",
        ("batch_size", "a whole number of 1 or more", "8.0"),
    ),
    Trap(
        "Batch size True",
        'mt.fit(built("binary"), X, yes, batch_size=True)',
        "It is accepted, as 1.",
        ("batch_size", "a whole number of 1 or more"),
    ),
    Trap(
        "A batch size above the number of rows",
        'mt.fit(built("binary"), X, yes, batch_size=1024, epochs=1)',
        "Nothing is said: each epoch is one step, and the network hardly learns.",
        ("60 rows", "each epoch is a single step", "batch_size=16"),
    ),
    Trap(
        "No epochs",
        'mt.fit(built("binary"), X, yes, epochs=0)',
        "An empty history, and nothing is said.",
        ("epochs", "a whole number of 1 or more"),
    ),
    Trap(
        "Learning rate 0",
        'mt.fit(own(1, "sigmoid", "binary_crossentropy", keras.optimizers.SGD(0.0)), X, yes)',
        "It is accepted: nothing is learnt.",
        ("learning rate of SGD is 0", "nothing would be learnt", "find_learning_rate"),
    ),
    Trap(
        "A negative learning rate",
        'mt.fit(own(1, "sigmoid", "binary_crossentropy", keras.optimizers.SGD(-0.1)), X, yes)',
        "It is accepted: the loss rises.",
        ("learning rate of SGD is -0.1", "make the loss greater", "learning_rate = 0.01"),
    ),
    Trap(
        "Learning rate NaN",
        'mt.fit(own(1, "sigmoid", "binary_crossentropy", keras.optimizers.Adam(float("nan"))), X, yes)',
        "It is accepted: the loss is NaN.",
        ("learning rate of Adam is nan", "learning_rate = 0.001"),
    ),
    Trap(
        "Learning rate 100",
        'mt.fit(own(1, "sigmoid", "binary_crossentropy", keras.optimizers.Adam(100.0)), X, yes, epochs=1)',
        "It is accepted: the loss is a matter of luck.",
        ("learning rate of Adam is 100", "100,000 times its usual 0.001", "find_learning_rate"),
    ),
    Trap(
        "`lr`",
        'built("binary", optimizer={"name": "adam", "lr": 0.1})',
        "`Adam(lr=0.1)`: `Argument(s) not recognized: {'lr': 0.1}`.",
        ("lr", "learning_rate"),
    ),
    Trap(
        "`decay`",
        'built("binary", optimizer={"name": "adam", "decay": 0.01})',
        "`Adam(decay=0.01)`: a warning, and it is ignored.",
        ("decay", "schedule", "weight_decay"),
    ),
    Trap(
        "Features that are not scaled",
        'mt.fit(own(1, "linear", "mse"), 1e6 * X, amount, epochs=50)',
        "The loss becomes infinite, then NaN, with all weights. It trains to the last epoch, and no cause is named.",
        ("Training stopped", "the features are not scaled", "mean 0 and deviation 1"),
    ),
    Trap(
        "Targets that are not scaled",
        'mt.fit(own(1, "linear", "mse"), X, 1e25 * amount, epochs=50)',
        "The same.",
        ("Training stopped", "the targets are not scaled", "mean 0 and deviation 1"),
    ),
    Trap(
        "A learning rate that is too high",
        'mt.fit(own(1, "linear", "mse", keras.optimizers.SGD(9.0)), X, amount, batch_size=1, epochs=50)',
        "The same.",
        ("Training stopped: the loss of epoch 1", "learning rate 9 is 900 times the usual 0.01 of SGD"),
    ),
    Trap(
        "The logarithm of 0 in a loss of your own",
        """
def surprise(y, predicted):
    return -keras.ops.mean(y * keras.ops.log(predicted))

mt.fit(own(1, "relu", surprise), X, yes, epochs=50)
""",
        "The same.",
        ("Training stopped: the loss of epoch 1", "the loss surprise takes the logarithm of 0", "1e-7"),
    ),
    Trap(
        "Dead ReLUs",
        """
model = built("binary")
kernel, bias, *others = model.get_weights()
model.set_weights([kernel, bias - 100, *others])  # as a learning rate that is too high leaves them
mt.fit(model, X, yes, epochs=1)
""",
        "Nothing is said. The neurons give 0 for every row, no gradient passes them, and they stay so.",
        ("hidden_1: 8 of 8 relu neurons (100 %)", "60 training rows", "leaky_relu", "batch_norm"),
    ),
]

TABLE = """
frame = pd.DataFrame(X, columns=["age", "size", "cost"])
"""
RUN = """
frame.to_csv("people.csv", index=False)
Path("people.yaml").write_text("task: {task}\\ndata: {{path: people.csv, target: {target}}}\\ntrain: {{epochs: 1}}")
mt.run("people.yaml")
"""
DATA = [
    Trap(
        "A feature that is the target in other units",
        f'{TABLE}frame["price"] = amount\nframe["price_in_cents"] = 100 * amount'
        f"{RUN.format(task='regression', target='price')}",
        "Nothing is said: the scores are perfect, and the model is of no use.",
        (
            "gives the target 'price' away",
            "'price_in_cents' gives the target 'price' away: the same but for its scale",
            "{price_in_cents: ignore}",
        ),
    ),
    Trap(
        "Features that are known only after the target",
        f"{TABLE}"
        + """frame["ill"] = yes
frame["discharged_to"] = np.where(yes == 1, random.choice(["home", "hospice"], 60), None)
frame["days_in_hospital"] = np.where(yes == 1, 3, 0) + random.uniform(0, 2, 60)
""".rstrip()
        + RUN.format(task="binary", target="ill"),
        "The same.",
        (
            "gives the target 'ill' away",
            "'discharged_to' gives the target 'ill' away: each of its values goes with one class only",
            "'days_in_hospital' gives the target 'ill' away: a threshold alone",
            "{discharged_to: ignore}",
        ),
    ),
    Trap(
        "A score where one class does not occur",
        f'{TABLE}frame["ill"] = yes\nframe["part"] = "train"\nframe.loc[:9, "part"] = "validation"\n'
        f'frame.loc[frame.index[yes == 0][-5:], "part"] = "test"\n'
        'frame.to_csv("people.csv", index=False)\n'
        'Path("people.yaml").write_text(\n    "task: binary\\ndata: {path: people.csv, target: ill, split: part}\\n'
        'train: {epochs: 1}"\n)\n'
        'mt.run("people.yaml")\n',
        "`AUC` is 0.0, as if the network were at its worst.",
        ("the test rows give no auc, pr_auc, balanced_accuracy", "not every class occurs"),
    ),
]

NAMES = [
    *(
        Trap(f"`{name}`", f"mt.{name}", "It is gone, or was never Keras's.", (name, "Today: ", today.split("(")[0]))
        for name, today in old_names.TODAY.items()
    ),
    Trap(
        "An old name in an import",
        "from mlp_toolkit import KerasClassifier",
        "`cannot import name`.",
        ("KerasClassifier", "mt.MLPClassifier"),
    ),
]

SECTIONS = {
    "The network": NETWORK,
    "Targets": TARGETS,
    "Features": FEATURES,
    "Weights": WEIGHTS,
    "Validation": VALIDATION,
    "Training": TRAINING,
    "The data of a recipe": DATA,
    "Old names": NAMES,
}
TRAPS = [trap for traps in SECTIONS.values() for trap in traps]


class Told(NamedTuple):
    """What the toolkit told: an error, or warnings and lines of a run."""

    text: str
    refused: bool


@functools.cache
def told(trap: Trap) -> Told:
    """Runs a case in an empty folder."""
    lines: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]  # of this one handler
    logger = logging.getLogger("mlp_toolkit")
    logger.addHandler(handler)
    passed, shown = logger.propagate, io.StringIO()
    logger.propagate = False
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stderr(shown):
            names: dict[str, Any] = {}
            exec(compile(BEFORE + trap.code, trap.what, "exec"), names)
    except mt.UserError as error:
        return Told(str(error), True)
    finally:
        logger.removeHandler(handler)
        logger.propagate = passed
    if trap.says:  # of what a run prints, the lines that it is about
        lines += [line for line in shown.getvalue().splitlines() if trap.says[0] in line]
    return Told("\n".join(lines), False)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.what)
def test_a_trap_is_told_or_has_no_effect(trap: Trap) -> None:
    text, _ = told(trap)
    assert bool(trap.says) != bool(trap.then)
    for words in trap.says:
        assert words in text
    if trap.then:
        assert text == ""


def test_the_page_is_what_these_cases_gave() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: python tests/whole/test_traps.py"


def test_old_names_are_errors_and_no_others_are_there() -> None:
    for name in old_names.TODAY:
        with pytest.raises(ImportError, match=name):
            exec(f"from mlp_toolkit import {name}")
        assert name not in dir(mt)
        assert name not in mt.__all__
    assert not hasattr(mt, "frobnicate")
    with pytest.raises(ImportError, match="cannot import name 'frobnicate'"):
        exec("from mlp_toolkit import frobnicate")


def page() -> str:
    """`docs/traps.md`. Its code is marked `py`: what is marked `python` on a page runs by itself, without an error."""
    parts = [
        "# Traps",
        "What goes wrong in Keras without a word, or with one that does not help, and what this toolkit says. Every "
        "piece of code here is run by `tests/whole/test_traps.py`, which writes this page and compares it with what "
        "was really said. What Keras does was seen in Keras 3.15; `tests/whole/test_keras_traps.py` runs most of it.",
        f"Before each piece stands:\n\n```py\n{BEFORE.strip()}\n```",
    ]
    for heading, traps in SECTIONS.items():
        parts.append(f"## {heading}")
        if traps is NAMES:
            parts.append("Names that tutorials use and `mlp_toolkit` does not have, as attributes and in imports.")
            rows = [f"| `{name}` | {today} |" for name, today in old_names.TODAY.items()]
            parts.append("\n".join(["| name | today |", "|---|---|", *rows]))
        for trap in traps[-1:] if traps is NAMES else traps:
            text, refused = told(trap)
            parts.append(f"### {trap.what}")
            parts.append(f"```py\n{trap.code.strip()}\n```")
            parts.append(f"Keras: {trap.keras}")
            if trap.then:
                parts.append(f"mlp_toolkit: {trap.then}")
            else:
                parts.append(f"mlp_toolkit {'refuses' if refused else 'warns'}:\n\n```text\n{text}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(f"{len(TRAPS)} cases -> {PAGE.name}", file=sys.stderr)
