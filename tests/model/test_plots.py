"""Pictures: what is drawn equals what is computed another way."""

from __future__ import annotations

import re

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.special import erf, expit

import mlp_toolkit as mt
from mlp_toolkit.estimators.perceptron import Perceptron

mpl.use("agg")

Z = np.linspace(-4, 4, 401)
BY_HAND = {
    "step": lambda z: (z >= 0) * 1.0,
    "sigmoid": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.1 * z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(z)),
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
    "swish": lambda z: z * expit(z),
    "mish": lambda z: z * np.tanh(np.log1p(np.exp(z))),
    "softplus": lambda z: np.log1p(np.exp(z)),
}
KINKS = ("step", "relu", "leaky_relu", "selu")  # their derivative jumps at 0
rng = np.random.default_rng(0)
PLANE = rng.uniform(-2, 2, (40, 2))
ABOVE = (PLANE @ [1, 2] > 0.5).astype(int)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(axes):
    return {line.get_label(): line.get_xydata().T for line in axes.lines if not line.get_label().startswith("_")}


def linear(weights, bias, **others):
    """A network of an output layer alone: sigmoid(w·x + b)."""
    model = mt.build_mlp("binary", n_features=2, hidden=[], **others)
    model.set_weights([np.reshape(weights, (2, 1)), np.array([bias])])
    return model


def regions(axes, points):
    """The class of the region each point lies in."""
    classes = np.full(len(points), -1)
    filled = next(kind for kind in axes.collections if getattr(kind, "filled", False))
    for number, path in enumerate(filled.get_paths()):
        if len(path.vertices):
            classes[path.contains_points(points)] = number
    return classes


@pytest.mark.parametrize("name", BY_HAND)
def test_an_activation_is_the_one_of_the_formula(name):
    (axes,) = mt.plot_activations([name])
    curves = drawn(axes)
    z, values = curves["f(z)"]
    np.testing.assert_allclose(z, Z, atol=1e-6)
    np.testing.assert_allclose(values, BY_HAND[name](z), atol=2e-6)
    smooth = abs(z) > (0.01 if name in KINKS else -1)
    numeric = (BY_HAND[name](z + 1e-5) - BY_HAND[name](z - 1e-5)) / 2e-5
    np.testing.assert_allclose(curves["slope"][1][smooth], numeric[smooth], atol=1e-4)
    assert axes.get_title() == name


def test_all_activations_of_the_table_but_softmax_are_drawn():
    places = mt.plot_activations(derivatives=False)
    assert [axes.get_title() for axes in places] == list(BY_HAND)
    assert {name for axes in places for name in drawn(axes)} == {"f(z)"}
    assert len(places[0].figure.axes) == len(places)


def test_activations_go_where_they_are_told_with_the_settings_given():
    steep = {"name": "leaky_relu", "slope": 0.5}
    figure, axes = plt.subplots(1, 2)
    places = mt.plot_activations([steep, {"name": "leaky_relu", "slope": 0.2}], span=(-2, 0), axes=axes)
    assert list(places) == list(axes)
    for place, slope in zip(places, (0.5, 0.2), strict=True):
        assert place.get_title() == f"leaky_relu, slope {slope}"
        np.testing.assert_allclose(drawn(place)["f(z)"][1], slope * np.linspace(-2, 0, 401), atol=1e-6)
    assert plt.get_fignums() == [figure.number]
    assert mt.plot_activations("tanh")[0].get_title() == "tanh"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"names": ["tanhh"]}, "unknown activation(.|\n)*did you mean 'tanh'"),
        ({"names": ["softmax"]}, "all neurons of a layer at once"),
        ({"names": [5]}, "plot_activations: names"),
        ({"names": []}, "one name at least"),
        ({"names": ["tanh", "relu"], "axes": [None]}, "2 axes"),
    ],
)
def test_wrong_activations_are_errors(arguments, said):
    with pytest.raises(mt.UserError, match=said):
        mt.plot_activations(**arguments)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_regions_of_a_linear_rule_are_its_half_planes(threshold):
    axes = mt.plot_decision_regions(linear([1, 2], -0.5), PLANE, ABOVE, threshold=threshold)
    sums = PLANE @ [1, 2] - 0.5 - np.log(threshold / (1 - threshold))
    clear = abs(sums) > 0.1
    np.testing.assert_array_equal(regions(axes, PLANE)[clear], (sums > 0)[clear])


def test_rows_are_drawn_in_the_colour_of_their_region():
    axes = mt.plot_decision_regions(linear([1, 2], -0.5), PLANE, ABOVE)
    filled, *_, first, second = axes.collections
    for number, scatter in enumerate((first, second)):
        np.testing.assert_array_equal(scatter.get_offsets(), PLANE[number == ABOVE])
        assert scatter.get_label() == str(number)
        np.testing.assert_allclose(scatter.get_facecolor()[0, :3], filled.get_facecolor()[number, :3])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$x_1$", "$x_2$")
    low, high = axes.get_xlim()
    assert low < PLANE[:, 0].min()
    assert high > PLANE[:, 0].max()


def test_a_data_frame_names_the_axes():
    frame = pd.DataFrame(PLANE, columns=["width", "height"])
    axes = mt.plot_decision_regions(Perceptron(passes=1000).fit(frame, ABOVE), frame, ABOVE, resolution=30)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width", "height")


def test_signs_are_classes_of_one_output_too():
    axes = mt.plot_decision_regions(linear([1, 2], -0.5), PLANE, 2 * ABOVE - 1)
    assert [kind.get_label() for kind in axes.collections[-2:]] == ["-1", "1"]


def test_of_several_outputs_the_highest_is_the_class():
    model = mt.build_mlp("multiclass", n_features=2, n_outputs=3, hidden=[])
    model.set_weights([np.array([[1, -1, 0], [0, 0, 3.0]]), np.array([0, 0, -1.0])])
    axes = mt.plot_decision_regions(model, PLANE)
    sums = np.column_stack([PLANE[:, 0], -PLANE[:, 0], 3 * PLANE[:, 1] - 1])
    ordered = np.sort(sums, axis=1)
    clear = ordered[:, -1] - ordered[:, -2] > 0.2
    np.testing.assert_array_equal(regions(axes, PLANE)[clear], sums.argmax(axis=1)[clear])


def test_labels_of_an_estimator_may_be_words_and_one_region_may_be_all():
    words = np.where(ABOVE, "up", "down")
    _, place = plt.subplots()
    model = Perceptron(passes=1000).fit(PLANE, words)
    assert mt.plot_decision_regions(model, PLANE, words, axes=place) is place
    assert [kind.get_label() for kind in place.collections[-2:]] == ["down", "up"]
    np.testing.assert_array_equal(regions(place, PLANE), ABOVE)
    alone = mt.plot_decision_regions(model, PLANE[words == "up"][:1], resolution=5)
    assert len(alone.collections) == 1


def test_a_run_of_two_columns_shows_its_labels(tmp_path):
    frame = pd.DataFrame(PLANE, columns=["width", "height"]).assign(kind=np.where(ABOVE, "up", "down"))
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "two.yaml").write_text("task: binary\ndata: {path: rows.csv, target: kind}\ntrain: {epochs: 2}\n")
    run = mt.run(tmp_path / "two.yaml", out=tmp_path / "run", verbose=0)
    rows = frame[["width", "height"]]
    for model in (run, run.model):
        axes = mt.plot_decision_regions(model, rows, frame["kind"], resolution=100)
        inside = regions(axes, PLANE)
        assert np.mean(inside == (run.predict(rows)["label"] == "up")) > 0.9
        assert axes.get_xlabel() == "width"


@pytest.mark.parametrize(
    ("X", "others", "said"),
    [
        (PLANE[:, :1], {}, r"X must be \(rows, 2\), and is \(40, 1\)"),
        (PLANE[:0], {}, r"is \(0, 2\)"),
        ([["a", "b"]], {}, "numbers alone"),
        (PLANE * np.nan, {}, "NaN or infinity"),
        (PLANE, {"y": ABOVE[:-1]}, "a label for each of the 40 rows"),
        (PLANE, {"y": 1}, "a label for each"),
        (PLANE, {"y": ABOVE + 1}, r"class numbers from 0 to 1, or -1 and 1(.|\n)*\[2\]"),
        (PLANE, {"y": np.where(ABOVE, "up", "down")}, "class numbers from 0"),
        (PLANE, {"resolution": 1}, "resolution"),
        (PLANE, {"model": "a network"}, "neither a model nor a run"),
        (PLANE, {"model": mt.build_mlp("binary", n_features=3)}, r"a plane has 2 columns"),
    ],
)
def test_wrong_rows_and_labels_are_errors(X, others, said):
    with pytest.raises(mt.UserError, match=said):
        mt.plot_decision_regions(**{"model": linear([1, 2], 0), "X": X, **others})


def trained(epochs=3, **others):
    return mt.fit(linear([0, 0], 0, seed=0), PLANE, ABOVE, epochs=epochs, verbose=0, **others)


def test_a_history_is_drawn_by_epochs_from_1():
    history = trained(validation_split=0.25)
    for axes in (mt.plot_history(history), history.plot(), mt.plot_history(history.history)):
        curves = drawn(axes)
        for label, name in (("training", "loss"), ("validation", "val_loss")):
            np.testing.assert_array_equal(curves[label], [[1, 2, 3], history.history[name]])
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    assert [*drawn(mt.plot_history(trained()))] == ["training"]


def test_a_history_goes_where_it_is_told():
    _, place = plt.subplots()
    assert mt.plot_history({"loss": [3, 2]}, axes=place) is place
    assert mt.plot_history(pd.DataFrame({"epoch": [5, 6], "loss": [3, 2]})).lines[0].get_xdata().tolist() == [5, 6]


@pytest.mark.parametrize("wrong", [None, "loss", [1, 2], {}, {"loss": []}, {"loss": 1.0}, {"val_loss": [1]}])
def test_there_must_be_a_loss_to_draw(wrong):
    with pytest.raises(mt.UserError, match="no loss of any epoch"):
        mt.plot_history(wrong)


def cells(html):
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", line) for line in re.findall(r"<tr>(.*?)</tr>", html)]


def test_a_history_shows_itself_as_a_table():
    history = trained()
    losses = history.history["loss"]
    shown = history._repr_html_()
    assert f"3 epochs, engine {history.engine}" in shown
    assert repr(history) == f"History(3 epochs, engine {history.engine})"
    head, *lines = cells(shown)
    assert head == ["", "first", "last", "lowest", "highest"]
    low, high = np.argmin(losses), np.argmax(losses)
    assert [line[0] for line in lines] == list(history.history)
    shown_loss = next(line[1:] for line in lines if line[0] == "loss")
    assert shown_loss == [
        *(f"{losses[place]:.4g}" for place in (0, -1)),
        *(f"{losses[place]:.4g} (epoch {place + 1})" for place in (low, high)),
    ]


def test_a_history_without_a_number_shows_itself_too():
    history = trained()
    history.epoch, history.history = [0], {"loss": [float("nan")], "nothing": []}
    _, line, nothing = cells(history._repr_html_())
    assert line == ["loss", "nan", "nan", "", ""]
    assert nothing == ["nothing", "", "", "", ""]


def test_a_recipe_shows_every_value_with_its_origin():
    resolved = mt.load_recipe("iris", {"train.batch_size": 8})
    head, *lines = cells(resolved._repr_html_())
    assert head == ["key", "value", "where it comes from"]
    shown = {line[0].replace("&nbsp;", ""): line[1:] for line in lines}
    value, origin = shown["batch_size"]
    assert value == "<code>8</code>"
    assert "batch_size" in origin
    assert shown["task"][0] == "<code>multiclass</code>"
    assert shown["epochs"] == [f"<code>{resolved.values['train']['epochs']}</code>", shown["epochs"][1]]
    assert "iris.yaml" in shown["epochs"][1]
    assert str(resolved.path.parent) not in str(lines)


def test_a_run_draws_its_losses_and_the_epoch_chosen(runs, call, tmp_path):
    run = runs["binary"]
    for axes in (run.plot_history(), mt.plot_history(run)):
        curves = drawn(axes)
        np.testing.assert_array_equal(curves["training"][1], run.history["loss"])
        np.testing.assert_array_equal(curves["validation"], run.history[["epoch", "val_loss"]].to_numpy().T)
        (line,) = [line for line in axes.lines if line.get_linestyle() == ":"]
        assert set(line.get_xdata()) == {run.metrics["best_epoch"]}

    picture = tmp_path / "losses.png"
    code, out, err = call("plot-history", run.directory, "-O", picture)
    assert (code, out, err) == (0, f"{picture}\n", "")
    with Image.open(picture) as image:
        assert image.width > image.height > 200


def test_activations_are_drawn_by_a_command(call, tmp_path):
    picture = tmp_path / "some.png"
    code, out, err = call("plot-activations", "tanh", "relu", "-O", picture)
    assert (code, out, err) == (0, f"{picture}\n", "")
    with Image.open(picture) as image:
        assert image.width > image.height
    code, out, err = call("plot-activations", "tanhh", "-O", tmp_path / "none.png")
    assert (code, out) == (2, "")
    assert "did you mean 'tanh'" in err
    assert not (tmp_path / "none.png").exists()


def test_pictures_of_commands_are_png_alone_and_runs_must_be_there(call, tmp_path):
    code, _, err = call("plot-activations", "-O", tmp_path / "some.pdf")
    assert code == 2
    assert ".png" in err
    code, _, err = call("plot-history", tmp_path / "nowhere", "-O", tmp_path / "some.png")
    assert code == 2
    assert "nowhere" in err


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: mt.load_recipe(3), "a recipe is the path of a YAML file"),
        (lambda: mt.load_recipe("iris", ["train.epochs=5"]), "a mapping from dotted keys"),
        (lambda: mt.plot_history({"loss": [1, 2], "val_loss": [1]}), "not of the same number of epochs"),
        (lambda: mt.plot_history({"loss": ["a", "b"]}), "a number for each epoch"),
        (lambda: mt.plot_history({"loss": [1, 2]}, axes=np.array([1, 2])), r"axes\[0\]"),
        (lambda: mt.plot_decision_regions(three_inputs(), np.eye(2)), "a plane has 2 columns"),
        (lambda: mt.plot_decision_regions(several_labels(), np.eye(2)), "no single class"),
        (lambda: mt.plot_decision_regions(several_labels(), np.eye(2), threshold="a"), "a number"),
        (lambda: mt.plot_activations(3), "names of activations"),
        (lambda: mt.plot_activations([np.tanh]), "the name of an activation"),
    ],
)
def test_what_cannot_be_drawn_is_told(call, words):
    with pytest.raises(mt.UserError, match=words):
        call()


def three_inputs():
    return mt.build_mlp("binary", n_features=3, hidden=[2])


def several_labels():
    return mt.build_mlp("multilabel", n_features=2, n_outputs=2, hidden=[2])


@pytest.mark.parametrize(
    ("place", "words"), [("nothing", "no such run directory"), ("a.txt", "a file, not a run"), (".", "not a run")]
)
def test_a_picture_of_no_run_is_told(tmp_path, monkeypatch, call, place, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").touch()
    code, _, err = call("plot-history", place)
    assert code == 2
    assert words in err


def test_a_picture_is_not_written_over_a_folder(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.png").mkdir()
    code, _, err = call("plot-activations", "relu", "-O", "x.png")
    assert code == 2
    assert "a folder of this name" in err
