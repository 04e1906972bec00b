"""Rows, split, targets and weights of a recipe's data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlp_toolkit.data import dataset, splitting, targets
from mlp_toolkit.data.columns.numeric import Numeric
from mlp_toolkit.data.streaming import stream as streaming
from mlp_toolkit.errors import UserError
from mlp_toolkit.recipe import resolving, yaml_text


def encoded_targets(data, part):
    """Encoded targets of a part."""
    return data.target.encode(next(data.pieces(part)).values)


@pytest.fixture
def load(tmp_path):
    """Writes a table and a recipe, and loads the data by them."""

    def loaded(frame, task="regression", target="y", *, seed=0, output=None, **data):
        frame.to_csv(tmp_path / "data.csv", index=False)
        if isinstance(data.get("test_path"), pd.DataFrame):
            data["test_path"].to_csv(tmp_path / "test.csv", index=False)
            data["test_path"] = "test.csv"
        values = {"task": task, "seed": seed, "data": {"path": "data.csv", "target": target, **data}}
        if output:
            values["model"] = {"output": output}
        (tmp_path / "recipe.yaml").write_text(yaml_text.dump(values))
        return dataset.load_dataset(resolving.load_recipe(tmp_path / "recipe.yaml").spec)

    return loaded


def table(rows=100, **columns):
    rng = np.random.default_rng(7)
    return pd.DataFrame({"x": rng.normal(size=rows), "colour": rng.choice(["red", "blue"], rows)} | columns)


def labels(*names, rows=100):
    return [names[i % len(names)] for i in range(rows)]


def test_every_row_is_in_one_part_and_the_parts_have_their_shares(load):
    data = load(table(y=np.arange(100.0)), split={"validation": 0.15, "test": 0.2})
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 65, "validation": 15, "test": 20}
    assert sorted(np.concatenate(list(data.parts.values()))) == list(range(100))


def test_the_split_is_shuffled_and_belongs_to_the_seed(load):
    frame = table(y=np.arange(100.0))
    first, same, other = load(frame, seed=1), load(frame, seed=1), load(frame, seed=2)
    for part in splitting.PARTS:
        np.testing.assert_array_equal(first.parts[part], same.parts[part])
    assert first.parts["test"].tolist() != other.parts["test"].tolist()
    assert first.parts["test"].tolist() != list(range(80, 100))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_each_part_has_each_class_in_proportion(load, task):
    y = ["rare"] * 20 + ["usual"] * 80
    data = load(table(y=y), task, split={"validation": 0.2, "test": 0.2})
    rare = data.target.classes.index("rare")
    for rows in data.parts.values():
        assert np.mean(data.values[rows, 0] == rare) == pytest.approx(0.2, abs=0.01)


def test_a_class_of_one_row_is_trained_on(load):
    data = load(table(y=["single", *labels("a", "b", rows=99)]), "multiclass")
    assert 0 in data.parts["train"]
    assert "too few rows to be among the test rows" in " ".join(data.notes)


def test_a_column_says_the_part_of_each_row(load):
    part = ["train"] * 60 + ["Val"] * 20 + ["TEST"] * 20
    data = load(table(y=np.arange(100.0), part=part), split="part")
    assert data.parts["train"].tolist() == list(range(60))
    assert data.parts["validation"].tolist() == list(range(60, 80))
    assert data.parts["test"].tolist() == list(range(80, 100))
    assert "part" not in data.encoding.columns


def test_other_words_in_the_split_column_are_refused(load):
    with pytest.raises(UserError, match="other words than the names of the parts"):
        load(table(y=np.arange(100.0), part=labels("train", "tset")), split="part")


def test_test_rows_come_from_their_own_file(load):
    data = load(table(y=np.arange(100.0)), test_path=table(30, y=np.arange(30.0) + 500))
    assert data.values[data.parts["test"], 0].tolist() == list(range(500, 530))
    assert data.row_numbers[data.parts["test"]].tolist() == list(range(30))
    assert len(data.parts["train"]) + len(data.parts["validation"]) == 100


def test_test_rows_come_from_one_place_only(load):
    part = labels("train", "validation", "test")
    with pytest.raises(UserError, match=r"test rows come from data\.test_path and from the split column"):
        load(table(y=np.arange(100.0), part=part), split="part", test_path=table(30, y=np.arange(30.0), part="test"))


def test_a_test_file_without_the_columns_is_refused(load):
    with pytest.raises(UserError, match="lacks columns"):
        load(table(y=np.arange(100.0)), test_path=table(30, y=np.arange(30.0)).drop(columns="x"))


def test_nothing_is_fitted_to_validation_or_test_rows(load):
    frame = table(y=np.arange(100.0))
    frame.loc[3, "x"] = np.nan
    before = load(frame)
    changed = frame.copy()
    held_out = np.concatenate([before.parts["validation"], before.parts["test"]])
    changed.loc[held_out, "x"] = 1e6
    changed.loc[held_out, "y"] = -1e6
    changed.loc[held_out, "colour"] = "green"
    after = load(changed)
    for part in splitting.PARTS:
        np.testing.assert_array_equal(before.parts[part], after.parts[part])
    assert after.encoding == before.encoding
    assert after.target == before.target


def test_the_encoding_is_that_of_the_training_rows(load):
    data = load(table(y=np.arange(100.0)))
    x = data.frame["x"].astype(float).to_numpy()[data.parts["train"]]
    assert data.encoding.parts[0] == Numeric(("x",))
    assert data.encoding.scaling.fill[0] == pytest.approx(np.median(x), rel=1e-6)
    assert data.encoding.scaling.center[0] == pytest.approx(x.mean(), rel=1e-5)
    assert data.encoding.scaling.inverse_scale[0] == pytest.approx(1 / x.std(), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([1, 2], (1, 2)),
        ([-1, 1], (-1, 1)),
        (["-1", "+1"], (-1, 1)),
        ([0.0, 1.0], (0, 1)),
        ([2, 10], (2, 10)),
        (["yes", "no"], ("no", "yes")),
        ([True, False], ("False", "True")),
    ],
)
def test_two_labels_of_any_kind_are_a_binary_target(load, values, classes):
    given = labels(*values)
    data = load(table(y=given), "binary")
    assert data.target.classes == classes
    assert data.values.shape == (100, 1)
    positive = values.index(max(values, key=float)) if "yes" not in values else values.index("yes")
    assert data.values[:2, 0].tolist() == [int(positive == 0), int(positive == 1)]
    assert f"positive class: {classes[1]!r}" in " ".join(data.notes)
    assert encoded_targets(data, "train").dtype == np.float32


SHARES = labels("good", "good", "bad")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("values", "given", "classes", "why"),
    [
        (SHARES, {}, ("good", "bad"), "the rarer one"),  # the later word would be "good"
        (SHARES, {"positive": "good"}, ("bad", "good"), ""),
        (SHARES, {"classes": ["bad", "good"]}, ("bad", "good"), ""),
        (SHARES, {"classes": ["bad", "good"], "positive": "bad"}, ("good", "bad"), ""),
        (labels(1, 1, 0), {}, (1, 0), "the rarer one"),
        (labels(1, 1, 0), {"positive": 1}, (0, 1), ""),
        (labels(True, True, False), {"positive": True}, ("False", "True"), ""),
        (labels("good", "bad"), {}, ("bad", "good"), "the rarer one"),  # as many rows of both: the later word
    ],
)
def test_the_rarer_class_is_positive_unless_the_recipe_says_otherwise(tmp_path, values, given, classes, why, stream):
    table(y=values).to_csv(tmp_path / "data.csv", index=False)
    recipe = {"task": "binary", "data": {"path": "data.csv", "target": "y", "stream": stream, **given}}
    (tmp_path / "recipe.yaml").write_text(yaml_text.dump(recipe))
    spec = resolving.load_recipe(tmp_path / "recipe.yaml").spec
    data = streaming.open_stream(spec, "recipe", tmp_path) if stream else dataset.load_dataset(spec)
    assert data.target.classes == classes
    note = next(note for note in data.notes if note.startswith("positive class"))
    assert note.startswith(f"positive class: {classes[1]!r} (negative: {classes[0]!r})")
    assert ("the rarer one" in note) == bool(why)


def test_a_positive_class_that_is_none_of_the_classes_is_refused(load):
    with pytest.raises(UserError, match=r"data\.positive must be one of the two classes") as refused:
        load(table(y=SHARES), "binary", positive="ugly")
    assert "'bad'" in str(refused.value)
    with pytest.raises(UserError, match="for binary only"):
        load(table(y=labels("a", "b", "c")), "multiclass", positive="a")


def test_whole_numbers_are_numbers_however_new_rows_spell_them(load):
    data = load(table(y=labels("+1", "-1", "+1", "-1")), "binary")
    assert data.target.classes == (-1, 1)
    assert data.values[:4, 0].tolist() == [1, 0, 1, 0]
    np.testing.assert_array_equal(
        targets.known_values(pd.DataFrame({"y": ["+1", "1e0", "-1"]}), data.target), [[1], [1], [0]]
    )


@pytest.mark.parametrize("found", [("007", "7", "070"), ("01", "02", "10"), ("1", "+1", "-1")])
def test_labels_that_are_more_than_numbers_stay_text(load, found):
    data = load(table(y=labels(*found)), "multiclass")
    assert data.target.classes == tuple(sorted(found))
    known = targets.known_values(pd.DataFrame({"y": list(found)}), data.target)[:, 0]
    assert [data.target.classes[number] for number in known] == list(found)


def test_labels_beyond_what_floats_hold_stay_apart(load):
    exact = [2**53, 2**53 + 1, 2**53 + 2]
    data = load(table(y=labels(*map(str, exact))), "multiclass")
    assert data.target.classes == tuple(exact)


def test_classes_are_sorted_or_in_the_order_of_the_recipe(load):
    frame = table(y=labels("b", "c", "a"))
    sorted_ = load(frame, "multiclass")
    assert sorted_.target.classes == ("a", "b", "c")
    assert sorted_.values[:3, 0].tolist() == [1, 2, 0]
    assert encoded_targets(sorted_, "train").dtype == np.int32
    asked = load(frame, "multiclass", classes=["c", "a", "b"])
    assert asked.target.classes == ("c", "a", "b")
    assert asked.values[:3, 0].tolist() == [2, 0, 1]
    with pytest.raises(UserError, match=r"data\.classes must list each class"):
        load(frame, "multiclass", classes=["c", "a"])


@pytest.mark.parametrize(
    ("task", "values", "says"),
    [
        ("binary", ["a"], "one class only"),
        ("multiclass", ["a"], "one class only"),
        ("binary", ["a", "b", "c"], "has 3 classes, task: binary has two"),
        ("multiclass", [0.5, 1.5, 2.5], "not whole, such as 0.5"),
        ("regression", ["1", "two"], "must be numeric.*row 1 holds 'two'"),
        ("regression", [4.0], "is 4 in every row"),
        ("regression", [1.0, float("inf")], "infinity.*row 1"),
        ("regression", [None], "no value in any row"),
    ],
)
def test_targets_that_do_not_fit_the_task_are_refused(load, task, values, says):
    with pytest.raises(UserError, match=f"(?s){says}"):
        load(table(y=labels(*values)), task)


def test_several_label_columns_hold_zero_and_one(load):
    frame = table(a=labels(0, 1), b=labels(True, True, False))
    data = load(frame, "multilabel", ["a", "b"])
    assert data.values[:3].tolist() == [[0, 1], [1, 1], [0, 0]]
    assert data.target.n_outputs == 2
    frame.loc[5, "a"] = 2
    with pytest.raises(UserError, match="row 5 holds 2"):
        load(frame, "multilabel", ["a", "b"])


def test_rows_without_a_target_are_left_out_and_counted(load):
    frame = table(y=np.arange(100.0))
    frame.loc[[0, 50], "y"] = None
    data = load(frame)
    assert "2 of 100 rows have no target" in " ".join(data.notes)
    assert len(data.frame) == len(data.values) == 98
    assert data.row_numbers.tolist() == [row for row in range(100) if row not in (0, 50)]
    assert data.frame.index.tolist() == list(range(98))


def test_messages_name_rows_as_the_file_counts_them(load):
    frame = table(y=np.arange(100.0), w=1.0)
    frame.loc[[0, 1], "y"] = None
    frame.loc[40, "w"] = -1
    with pytest.raises(UserError, match="row 40 holds -1"):
        load(frame, sample_weight="w")


def test_test_rows_that_stand_in_training_too_are_noted(load):
    frame = table(50, y=np.arange(50.0))
    assert not any("same features" in note for note in load(frame).notes)
    repeated = pd.concat([frame] * 4, ignore_index=True)
    assert any("test rows have the same features as a training row" in note for note in load(repeated).notes)


def test_weights_are_read_and_are_no_feature(load):
    weights = np.arange(100.0) / 10
    data = load(table(y=np.arange(100.0), w=weights), sample_weight="w")
    assert data.encoding.columns == ["x", "colour"]
    np.testing.assert_allclose(data.part_weights("test"), weights[data.parts["test"]], rtol=1e-6)
    assert load(table(y=np.arange(100.0))).part_weights("train") is None


@pytest.mark.parametrize(("bad", "says"), [(-1.0, "holds -1"), (None, "holds nan"), (np.inf, "holds inf")])
def test_weights_must_be_numbers_from_zero_on(load, bad, says):
    frame = table(y=np.arange(100.0), w=1.0)
    frame.loc[9, "w"] = bad
    with pytest.raises(UserError, match=f"row 9 {says}"):
        load(frame, sample_weight="w")


def test_weights_must_not_all_be_zero(load):
    with pytest.raises(UserError, match="are 0"):
        load(table(y=np.arange(100.0), w=0), sample_weight="w")
    part = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    with pytest.raises(UserError, match="0 among the training rows"):
        load(table(y=np.arange(100.0), part=part, w=[0] * 60 + [1] * 40), split="part", sample_weight="w")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"target": "Y"}, "(?s)data.target: no such column.*did you mean 'y'"),
        ({"features": ["x", "z"]}, "data.features: no such column"),
        ({"features": ["x", "y"]}, "data.target cannot be a feature"),
        ({"features": ["x", "w"], "sample_weight": "w"}, "data.sample_weight cannot be a feature"),
        ({"sample_weight": "y"}, "data.sample_weight: this column is the target"),
        ({"split": "part"}, "data.split: no such column"),
        ({"features": {"x": "ignore", "colour": "ignore", "w": "ignore"}}, "no feature is left"),
    ],
)
def test_columns_have_one_role_each(load, data, says):
    with pytest.raises(UserError, match=says):
        load(table(y=np.arange(100.0), w=1.5), **data)


def test_the_recipe_chooses_features_and_their_kinds(load):
    frame = table(y=np.arange(100.0), code=labels(1, 2, 3))
    assert load(frame, features=["code", "x"]).encoding.columns == ["x", "code"]
    data = load(frame, features={"code": "categorical", "x": "ignore"})
    assert [part.kind for part in data.encoding.parts] == ["categorical"]
    assert dict(data.encoding.parts[0].vocabularies)["code"] == ("1", "2", "3")
    assert list(data.frame.columns) == ["colour", "code"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("linear", "linear"),
        ("positive", "positive"),
        ("bounded(0, 200)", "bounded(0, 1)"),
        ("bounded(-100, 100)", "bounded(-1, 1)"),
    ],
)
def test_the_target_is_scaled_for_its_output_and_back(load, output, expected):
    data = load(table(y=np.arange(100.0)), output=output)
    assert data.target.output == expected
    for part in splitting.PARTS:
        scaled = encoded_targets(data, part)
        back = scaled * data.target.scale + data.target.offset
        np.testing.assert_allclose(back, data.values[data.parts[part]], rtol=1e-5, atol=1e-4)
    if output == "linear":
        assert encoded_targets(data, "train").mean() == pytest.approx(0, abs=1e-6)
        assert encoded_targets(data, "train").std() == pytest.approx(1, rel=1e-6)
    elif output != "positive":
        assert encoded_targets(data, "train").min() >= -1
        assert encoded_targets(data, "train").max() <= 1


@pytest.mark.parametrize("output", ["positive", "bounded(0, 1)"])
def test_targets_outside_the_output_are_refused(load, output):
    with pytest.raises(UserError, match="the target 'y' reaches from -5 to 94"):
        load(table(y=np.arange(100.0) - 5), output=output)


def test_too_few_rows_are_an_error_of_the_user(load):
    with pytest.raises(UserError, match="rows"):
        load(table(2, y=[1.0, 2.0]))


def test_the_fingerprint_covers_all_files(load):
    frame, test = table(y=np.arange(100.0)), table(30, y=np.arange(30.0))
    alone, both, other = load(frame), load(frame, test_path=test), load(frame, test_path=test + test.assign(colour=""))
    assert len({data.fingerprint for data in (alone, both, other)}) == 3


def test_a_bundled_data_set_needs_no_file(tmp_path):
    (tmp_path / "iris.yaml").write_text("task: multiclass\ndata: {dataset: iris, target: target}\n")
    data = dataset.load_dataset(resolving.load_recipe(tmp_path / "iris.yaml").spec)
    assert data.target.classes == (0, 1, 2)
    assert [len(part.names) for part in data.encoding.parts if part.kind == "numeric"] == [4]
