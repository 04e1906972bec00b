"""Augmentation gives what Keras's classic generator and scipy give, image by image, and draws what it was asked for."""

from __future__ import annotations

import contextlib
import typing

import numpy as np
import pytest
from matplotlib import image as pictures
from scipy import ndimage

import mlp_toolkit as mt
from mlp_toolkit.model.backend import keras, tf
from mlp_toolkit.model.keras_private import fast_random_numbers
from mlp_toolkit.model.layers import augmentation
from mlp_toolkit.model.layers.augmentation import FOLDED, Augmentation, Drawn
from mlp_toolkit.recipe import catalog, spec
from mlp_toolkit.runs.contact_sheet import BORDER, SHEET_DPI, contact_sheet
from mlp_toolkit.training.engine import epoch

MODES = ["nearest", "reflect", "wrap", "constant"]
# Even heights: a shear leaves a middle row as it is, on the very edge in places, where scipy's own rounding decides.
SHAPES = [(8, 8, 1), (12, 7, 1), (6, 11, 3)]
GEOMETRY = {"rotation": 40, "width_shift": 0.3, "height_shift": 0.3, "shear": 20, "zoom": 0.4}
ALL = {**GEOMETRY, "horizontal_flip": True, "vertical_flip": True, "brightness": 0.5}
SETTINGS = {
    "rotation": {"rotation": 180},
    "width_shift": {"width_shift": 1.0},
    "height_shift": {"height_shift": 1.0},
    "shear": {"shear": 60},
    "zoom": {"zoom": [0.3, 3.0]},
    "zoom_by_one_number": {"zoom": 0.5},
    "flips": {"horizontal_flip": True, "vertical_flip": True},
    "flips_and_shift": {"horizontal_flip": True, "vertical_flip": True, "width_shift": 0.3},
    "brightness": {"brightness": [0.2, 3.0]},
    "all": ALL,
}
# In `wrap` and `constant` the picture jumps at the edge: within float32's rounding of it, either side is right. Such
# pixels come in fours, as what is turned is symmetric; a test leaves out no more than this share.
ROUNDING = 1e-4
LEFT_OUT = 0.005
ROWS = 40


def seed_of(*numbers):
    return tf.constant(numbers, tf.int32)


def some_images(shape, rows=ROWS, seed=0):
    return np.random.default_rng(seed).random((rows, *shape), dtype=np.float32)


def one(drawn, index):
    return Drawn(*(float(values[index]) for values in drawn))


def matrix(drawn, height, width):
    """The generator's own product of matrices, on (x, y), and then on (row, column), about the image's centre.

    Keras takes the centre of the transposed image; that is the same for square images only.
    """
    cos, sin = np.cos(drawn.theta), np.sin(drawn.theta)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    shift = np.array([[1, 0, drawn.shift_columns], [0, 1, drawn.shift_rows], [0, 0, 1]])
    shear = np.array([[1, -np.sin(drawn.shear), 0], [0, np.cos(drawn.shear), 0], [0, 0, 1]])
    zoom = np.diag([drawn.zoom_columns, drawn.zoom_rows, 1])
    to_centre, back = np.eye(3), np.eye(3)
    to_centre[:2, 2] = -(width / 2 - 0.5), -(height / 2 - 0.5)
    back[:2, 2] = -to_centre[:2, 2]
    both = back @ rotation @ shift @ shear @ zoom @ to_centre
    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    return swap @ both @ swap


def classic(image, drawn, mode, highest=1.0):
    """The image after scipy's resampling, flips, and brightness."""
    both = matrix(drawn, *image.shape[:2])
    channels = [
        ndimage.affine_transform(channel, both[:2, :2], both[:2, 2], order=1, mode=mode, cval=0.0)
        for channel in np.moveaxis(image.astype(np.float64), 2, 0)
    ]
    return finished(np.stack(channels, axis=2), drawn, highest)


def finished(result, drawn, highest=1.0):
    if drawn.flip_horizontal:
        result = result[:, ::-1]
    if drawn.flip_vertical:
        result = result[::-1]
    return np.clip(result * drawn.brightness, 0, highest) if drawn.brightness != 1 else result


def jumps(drawn, height, width):
    """The pixels of the result that are looked up within float32's rounding of a jump, but not exactly on it."""
    both = matrix(drawn, height, width)
    places = np.einsum("ab,bij->aij", both[:2, :2], np.mgrid[:height, :width]) + both[:2, 2, None, None]
    last = np.array([height - 1, width - 1])[:, None, None]
    distance = np.abs(places - last * np.round(places / last))
    near = ((distance > 0) & (distance < ROUNDING)).any(axis=0)
    near = near[:, ::-1] if drawn.flip_horizontal else near
    return near[::-1] if drawn.flip_vertical else near


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SETTINGS)
def test_every_image_is_what_scipy_gives(name, mode, shape):
    layer = Augmentation(**SETTINGS[name], fill_mode=mode)
    images = some_images(shape)
    drawn = layer.draw(ROWS, *shape[:2], seed_of(len(name), shape[0]))
    found = layer.transform(tf.constant(images), drawn).numpy()
    assert found.shape == images.shape
    assert found.dtype == np.float32
    assert np.abs(found - images).max() > 0.1
    left_out = 0
    for index in range(ROWS):
        own = one(drawn, index)
        expected = classic(images[index], own, mode)
        if mode in ("wrap", "constant"):
            near = jumps(own, *shape[:2])
            left_out += near.sum()
            expected[near] = found[index][near]
        np.testing.assert_allclose(found[index], expected, atol=1e-4)
    assert left_out <= LEFT_OUT * ROWS * shape[0] * shape[1]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(1, 6, 1), (6, 1, 1), (1, 1, 3), (2, 2, 1)], ids=str)
def test_images_of_a_pixel_or_two_across(shape, mode):
    layer = Augmentation(width_shift=1.0, height_shift=1.0, zoom=0.3, fill_mode=mode)
    images = some_images(shape)
    drawn = layer.draw(ROWS, *shape[:2], seed_of(1, 2))
    found = layer.transform(tf.constant(images), drawn).numpy()
    for index in range(ROWS):
        np.testing.assert_allclose(found[index], classic(images[index], one(drawn, index), mode), atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_nothing_drawn_changes_nothing(mode):
    layer = Augmentation(**ALL, fill_mode=mode)
    images = some_images((12, 7, 3))
    still = Drawn(*(tf.fill((ROWS,), float(zoom)) for zoom in (0, 0, 0, 0, 1, 1, 0, 0, 1)))
    np.testing.assert_array_equal(layer.transform(tf.constant(images), still), images)


@pytest.mark.parametrize("geometry", [{}, {"rotation": 5}], ids=["apart", "in one resampling"])
def test_flips_are_exactly_numpys(geometry):
    layer = Augmentation(horizontal_flip=True, vertical_flip=True, **geometry)
    images = some_images((12, 7, 3), rows=4)
    ones, zeros = tf.ones(4), tf.zeros(4)
    horizontal, vertical = tf.constant([0.0, 1, 0, 1]), tf.constant([0.0, 0, 1, 1])
    drawn = Drawn(zeros, zeros, zeros, zeros, ones, ones, horizontal, vertical, ones)
    found = layer.transform(tf.constant(images), drawn).numpy()
    for index, expected in enumerate([images[0], images[1][:, ::-1], images[2][::-1], images[3][::-1, ::-1]]):
        np.testing.assert_array_equal(found[index], expected)


def test_brightness_is_a_factor_cut_to_the_range_of_pixels():
    layer = Augmentation(brightness=[0.5, 2.0], highest=255.0)
    images = 255 * some_images((4, 5, 3))
    drawn = layer.draw(ROWS, 4, 5, seed_of(0, 0))
    found = layer.transform(tf.constant(images), drawn).numpy()
    expected = np.minimum(images * drawn.brightness.numpy()[:, None, None, None], 255)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.max() == 255
    assert (expected == 255).mean() > 0.05


def generator(**options):
    try:
        made = tf.keras.preprocessing.image.ImageDataGenerator
    except (AttributeError, ImportError):
        pytest.skip("this Keras has no ImageDataGenerator any more")
    return made(**options)


# Square images: for others Keras's generator turns about the centre of the transposed image. Its tx, which it draws
# from height_shift_range, moves columns: the two shifts are exchanged there, and are what they are called here.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("shape", [(10, 10, 1), (7, 7, 3)], ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_keras_own_generator_gives_the_same(mode, shape):
    classic_generator = generator(fill_mode=mode, cval=0.0)
    layer = Augmentation(**{**ALL, "brightness": 0.0}, fill_mode=mode)
    images = some_images(shape)
    drawn = layer.draw(ROWS, *shape[:2], seed_of(3, 4))
    found = layer.transform(tf.constant(images), drawn).numpy()
    left_out = 0
    for index in range(ROWS):
        own = one(drawn, index)
        told = {"theta": np.degrees(own.theta), "shear": np.degrees(own.shear)}
        told |= {"tx": own.shift_columns, "ty": own.shift_rows, "zx": own.zoom_columns, "zy": own.zoom_rows}
        told |= {"flip_horizontal": own.flip_horizontal, "flip_vertical": own.flip_vertical}
        expected = classic_generator.apply_transform(images[index], told)
        if mode in ("wrap", "constant"):
            near = jumps(own, *shape[:2])
            left_out += near.sum()
            expected[near] = found[index][near]
        np.testing.assert_allclose(found[index], expected, atol=1e-4)
    assert left_out <= LEFT_OUT * ROWS * shape[0] * shape[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_brightness_is_the_generators_within_its_whole_levels():
    classic_generator = generator()
    layer = Augmentation(brightness=0.6, highest=255.0)
    images = np.floor(256 * some_images((6, 6, 3), rows=10))
    drawn = layer.draw(10, 6, 6, seed_of(1, 1))
    found = layer.transform(tf.constant(images), drawn).numpy()
    for index in range(10):
        expected = classic_generator.apply_transform(images[index], {"brightness": one(drawn, index).brightness})
        assert np.abs(found[index] - expected).max() <= 1


@pytest.mark.parametrize("mode", MODES)
def test_xla_and_the_graph_give_the_same_inside_a_loop(mode):
    layer = Augmentation(**ALL, fill_mode=mode)
    images = tf.constant(some_images((12, 7, 3), rows=3 * ROWS))
    drawn = Drawn(*(tf.constant(values) for values in layer.draw(3 * ROWS, 12, 7, seed_of(5, 6))))

    def looped():
        def body(index, done):
            batch = tf.slice(images, [index * ROWS, 0, 0, 0], [ROWS, 12, 7, 3])
            own = Drawn(*(tf.slice(values, [index * ROWS], [ROWS]) for values in drawn))
            return index + 1, tf.tensor_scatter_nd_update(done, [[index]], layer.transform(batch, own)[None])

        start = (tf.constant(0), tf.zeros((3, ROWS, 12, 7, 3)))
        return tf.while_loop(lambda index, done: index < 3, body, start)[1]

    eager = layer.transform(images, drawn).numpy()
    for compiled in (True, False):
        found = tf.function(looped, jit_compile=compiled)().numpy().reshape(eager.shape)
        apart = np.abs(found - eager) > 1e-4
        if mode in ("wrap", "constant"):
            near = np.stack([jumps(one(drawn, index), 12, 7) for index in range(3 * ROWS)])
            assert near.mean() <= LEFT_OUT
            apart &= ~near[..., None]
        assert not apart.any()


@pytest.mark.parametrize("compiled", [True, False], ids=["xla", "graph"])
def test_what_is_drawn_lies_in_its_range_and_is_spread_evenly(compiled):
    rows = 20_000
    asked = {"rotation": 30, "width_shift": 0.1, "height_shift": 0.2, "shear": 10, "zoom": [0.7, 1.5]}
    layer = Augmentation(**asked, horizontal_flip=True, vertical_flip=True, brightness=0.4)
    with fast_random_numbers() if compiled else contextlib.nullcontext():
        draw = tf.function(lambda seed: layer.draw(rows, 50, 20, seed), jit_compile=compiled)
        drawn = Drawn(*(values.numpy() for values in draw(seed_of(7, 8))))
    degree = np.pi / 180
    ranges = Drawn(
        (-30 * degree, 30 * degree), (-10, 10), (-2, 2), (-10 * degree, 10 * degree), (0.7, 1.5), (0.7, 1.5),
        None, None, (0.6, 1.4),
    )  # fmt: skip  # as a table, several to a line
    for name, values in drawn._asdict().items():
        assert values.shape == (rows,)
        assert values.dtype == np.float32
        least, greatest = getattr(ranges, name) or (0, 1)
        assert least - 1e-6 <= values.min() < least + 0.001 * (greatest - least) + 1e-6
        assert greatest + 1e-6 >= values.max() > greatest - 0.001 * (greatest - least) - 1e-6
        spread = (greatest - least) / (2 if name.startswith("flip") else np.sqrt(12))
        assert abs(values.mean() - (least + greatest) / 2) < 4 * spread / np.sqrt(rows)
        assert abs(values.std() / spread - 1) < 0.02
        if name.startswith("flip"):
            assert set(values) == {0, 1}
    together = np.corrcoef(np.stack(drawn))
    assert np.abs(together - np.eye(9)).max() < 0.04


def test_the_same_seed_draws_the_same_and_another_option_leaves_it_as_it_is():
    layer = Augmentation(**GEOMETRY)
    images = some_images((9, 9, 1))
    first, again, other, third = (
        layer.augment(images, seed_of(*seed)).numpy() for seed in [(1, 2), (1, 2), (2, 2), (1, 3)]
    )
    np.testing.assert_array_equal(first, again)
    for another in (other, third):
        assert np.abs(first - another).max(axis=(1, 2, 3)).min() > 0.01
    flips = Augmentation(**GEOMETRY, horizontal_flip=True).draw(5, 9, 9, seed_of(1, 2))
    np.testing.assert_array_equal(flips.theta, layer.draw(5, 9, 9, seed_of(1, 2)).theta)


def test_seeds_of_training_are_spread_apart():
    layer = Augmentation(**GEOMETRY)
    plain = augmentation.on_features(layer, None, (9, 9, 1))
    images = tf.constant(some_images((9, 9, 1)))
    drawn = {
        (seed, *counter): augmentation.seeded(plain, seed)(images, seed_of(*counter)).numpy().tobytes()
        for seed in (0, 1, 2, 2**32 - 1)
        for counter in [(0, 0), (0, 1), (1, 0), (1, 1)]
    }
    assert len(set(drawn.values())) == len(drawn)
    again = augmentation.seeded(plain, 1)(images, seed_of(1, 0)).numpy().tobytes()
    assert again == drawn[1, 1, 0]


@pytest.mark.parametrize("compiled", [True, False], ids=["xla", "graph"])
def test_only_the_images_among_the_features_change(compiled):
    shape = (6, 5, 3)
    layer = Augmentation(**ALL)
    images = some_images(shape)
    others = np.random.default_rng(1).normal(size=(ROWS, 7)).astype(np.float32)
    x = np.concatenate([others[:, :3], images.reshape(ROWS, -1), others[:, 3:]], axis=1)
    with fast_random_numbers() if compiled else contextlib.nullcontext():
        traced = tf.function(augmentation.on_features(layer, 3, shape), jit_compile=compiled)
        found = traced(x, seed_of(1, 2)).numpy()
        expected = tf.function(layer.augment, jit_compile=compiled)(images, seed_of(1, 2)).numpy()
    assert found.shape == x.shape
    np.testing.assert_array_equal(found[:, :3], others[:, :3])
    np.testing.assert_array_equal(found[:, -4:], others[:, 3:])
    np.testing.assert_allclose(found[:, 3:-4].reshape(images.shape), expected, atol=1e-5)
    assert np.abs(expected - images).mean() > 0.05


@pytest.mark.parametrize("form", [(ROWS, 6, 5, 1), (ROWS, 6, 5), (ROWS, 30)], ids=str)
def test_features_that_are_nothing_but_images(form):
    layer = Augmentation(**ALL)
    images = some_images((6, 5, 1))
    expected = layer.augment(images, seed_of(1, 2)).numpy().reshape(form)
    begin = 0 if len(form) == 2 else None
    found = augmentation.on_features(layer, begin, (6, 5, 1))(tf.constant(images.reshape(form)), seed_of(1, 2))
    np.testing.assert_array_equal(found, expected)


def network(layer, shape):
    keras.utils.set_random_seed(0)
    stack = [keras.layers.Input(shape), layer, keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    model = keras.Sequential(stack)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_prediction_leaves_images_as_they_are_and_training_does_not():
    images = some_images((6, 5, 3))
    layer = Augmentation(**ALL, seed=3)
    for training in (False, None):
        np.testing.assert_array_equal(layer(images, training=training), images)
    first, second = layer(images, training=True).numpy(), layer(images, training=True).numpy()
    assert np.abs(first - images).mean() > 0.05
    assert np.abs(first - second).mean() > 0.05
    np.testing.assert_array_equal(Augmentation(**ALL, seed=3)(images, training=True), first)
    whole = (255 * images).astype(np.uint8)
    assert np.asarray(layer(whole, training=True)).dtype == np.float32


@pytest.mark.parametrize("compiled", [True, False], ids=["xla", "graph"])
def test_keras_trains_a_network_that_holds_the_layer(compiled):
    images, y = some_images((6, 5, 3)), np.arange(ROWS) % 3
    model = network(Augmentation(**ALL, seed=3), (6, 5, 3))
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=compiled)
    # The last batch is smaller, and Keras does not tell the layer of how many rows beforehand.
    losses = model.fit(images, y, epochs=2, batch_size=16, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    plain = keras.Sequential(model.layers[1:])
    np.testing.assert_allclose(model.predict(images, verbose=0), plain.predict(images, verbose=0), rtol=1e-5)


@pytest.mark.parametrize("engine", ["xla", "graph"])
def test_the_compiled_epoch_trains_a_network_that_holds_the_layer(engine, monkeypatch):
    monkeypatch.setattr(epoch, "XLA_SECONDS_TO_COMPILE", 0.0 if engine == "xla" else 1e9)
    images, y = some_images((6, 5, 3)), np.arange(ROWS) % 3
    history = mt.fit(network(Augmentation(**ALL, seed=3), (6, 5, 3)), images, y, epochs=2, batch_size=16, verbose=0)
    assert history.engine == engine
    assert np.isfinite(history.history["loss"]).all()


def test_a_model_file_holds_the_layer(tmp_path):
    images = some_images((6, 5, 3))
    options = {**ALL, "zoom": (0.8, 1.5), "fill_mode": "reflect", "highest": 2.0}
    model = network(Augmentation(**options, seed=3), (6, 5, 3))
    mt.save(model, tmp_path / "model.h5")
    loaded = mt.load(tmp_path / "model.h5")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert loaded.layers[0].zoom == (0.8, 1.5)
    np.testing.assert_array_equal(loaded.predict(images, verbose=0), model.predict(images, verbose=0))
    # The file holds where in its random numbers the layer stands.
    np.testing.assert_array_equal(loaded(images, training=True), model(images, training=True))


def test_a_recipes_settings_make_the_layer():
    given = catalog.config("options")["options"]["train.augmentation"]
    defaults = augmentation.from_spec(spec.Augmentation.model_validate(given), 1.0).get_config()
    assert {**defaults, "name": ""} == {**Augmentation().get_config(), "name": ""}
    asked = {**ALL, "zoom": [0.8, 1.5], "fill_mode": "wrap"}
    layer = augmentation.from_spec(spec.Augmentation.model_validate({**given, **asked}), 255.0)
    assert {**asked, "zoom": (0.8, 1.5), "highest": 255.0}.items() <= layer.get_config().items()
    assert tuple(FOLDED) == typing.get_args(spec.Augmentation.model_fields["fill_mode"].annotation)


@pytest.mark.parametrize("shape", [(28, 28, 1), (20, 30, 3), (40, 12, 1)], ids=str)
def test_the_contact_sheet_shows_originals_and_what_becomes_of_them(shape, tmp_path):
    layer = Augmentation(**GEOMETRY, fill_mode="constant", highest=16.0)
    # Brighter from image to image, and nothing but the border has the border's grey.
    levels = np.linspace(0, 0.7, 10)[:, None, None, None] + np.zeros((1, *shape))
    for name in ("augmentation.png", "again.png"):
        contact_sheet(16 * levels, layer, tmp_path / name, seed=5)
    sheet = pictures.imread(tmp_path / "augmentation.png")[..., :3]
    np.testing.assert_array_equal(sheet, pictures.imread(tmp_path / "again.png")[..., :3])
    height, width = shape[0] / max(shape[:2]), max(shape[1] / max(shape[:2]), 0.6)
    expected = (8 * height + 0.5, 8 * width + 0.4)
    assert np.abs(np.array(sheet.shape[:2]) - SHEET_DPI * np.array(expected)).max() <= 1
    middle = int((0.1 + width / 2) * SHEET_DPI)
    rows = [int((0.4 + height * (index + 0.5)) * SHEET_DPI) for index in range(8)]
    np.testing.assert_allclose(sheet[rows, middle], levels[:8, 0, 0, :1] + np.zeros(3), atol=0.01)
    beside = sheet[:, int((0.3 + width) * SHEET_DPI) :]
    assert (np.abs(beside - 0).max(axis=2) < 0.01).mean() > 0.01  # the corners that `constant` fills
    assert (np.abs(beside - BORDER).max(axis=2) < 0.01).any()


def test_a_contact_sheet_of_few_images(tmp_path):
    contact_sheet(some_images((8, 8, 1), rows=3), Augmentation(**ALL), tmp_path / "few.png", seed=0)
    assert pictures.imread(tmp_path / "few.png").shape[0] == pytest.approx(3.5 * SHEET_DPI, abs=1)
