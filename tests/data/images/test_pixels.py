"""Image columns: folders, paths, arrays; equal rows of pixels on the host and in the model file."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from ruamel.yaml import YAML
from sklearn import datasets

import mlp_toolkit as mt
from mlp_toolkit.data import dataset, roles
from mlp_toolkit.data.columns import encoder as features
from mlp_toolkit.data.columns.kinds import Kinds, infer_kinds
from mlp_toolkit.data.images import image_files, resizing
from mlp_toolkit.data.images import pixels as images
from mlp_toolkit.data.reading import tables
from mlp_toolkit.errors import UserError
from mlp_toolkit.model import prediction
from mlp_toolkit.model.backend import keras
from mlp_toolkit.model.layers.image import Images
from mlp_toolkit.model.model_file import build_encoder
from mlp_toolkit.recipe import resolving

TASK = "task: multiclass\n"
SHORT = "train: {epochs: 12, early_stopping: null}\n"
COLORS = np.array([[255, 60, 60], [60, 255, 60], [60, 60, 255]]) / 255


@pytest.fixture(scope="module")
def digits():
    """300 digits as 8-bit levels, and their labels."""
    source = datasets.load_digits()
    levels = np.rint(source.images[:300] * 255 / 16).astype(np.uint8)
    return levels, source.target[:300]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits):
    """A folder of digits in many kinds of files, one folder a class."""
    root = tmp_path_factory.mktemp("digits")
    ways = ["png", "jpg", "bmp", "gif", "tif", "webp", "alpha", "deep", "palette", "turned", "large"]
    for number, (levels, label) in enumerate(zip(*digits, strict=True)):
        place = root / str(label)
        place.mkdir(exist_ok=True)
        save(levels, ways[number % len(ways)], place / f"{number:03}")
    (root / "0" / "notes.txt").write_text("no image")
    (root / ".hidden.png").write_text("no image")
    (root / "empty").mkdir()
    return root


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    (out / "folder.yaml").write_text(TASK + f"data: {{path: '{folder}', target: label}}\n" + SHORT)
    return mt.run(out / "folder.yaml", out=out / "run", verbose=0)


def save(levels, way, file):
    """One digit in one kind of file; what is read of it is the digit again, or nearly so."""
    image = Image.fromarray(levels)
    if way == "alpha":
        image = image.convert("RGBA")
    elif way == "palette":
        image = image.convert("P")
    elif way == "deep":
        image = Image.fromarray(levels.astype(np.uint16) * 257)
    elif way == "large":
        image = image.resize((20, 23), Image.Resampling.NEAREST).convert("RGB")
    suffix = "jpg" if way == "turned" else way if len(way) < 5 and way != "deep" else "png"
    settings = {"quality": 100} if suffix == "jpg" else {"lossless": True} if suffix == "webp" else {}
    if way == "turned":
        exif = Image.Exif()
        exif[image_files.ORIENTATION] = 6
        settings["exif"], image = exif, image.transpose(Image.Transpose.ROTATE_90)
    image.save(file.with_suffix(f".{suffix}"), **settings)


def fit(cells, *, size="auto", color="auto", train=None):
    column = pd.Series(list(cells), dtype=object)
    train = np.arange(len(column)) if train is None else train
    return images.fit_images(column, "x", size=size, color=color, train=train)


def pixels(path):
    with image_files.quiet():
        return image_files.pixels(str(path))


# Files


@pytest.mark.parametrize("way", ["png", "bmp", "gif", "tif", "webp", "alpha", "deep", "palette", "jpg", "turned"])
def test_every_kind_of_file_gives_the_same_levels(tmp_path, digits, way):
    levels = digits[0][3][:, :7]
    save(levels, way, tmp_path / "a")
    (file,) = tmp_path.iterdir()
    read = pixels(file)
    off = 8 if file.suffix == ".jpg" else 0
    assert read.shape[:2] == levels.shape == image_files.look(str(file))[:2]
    np.testing.assert_allclose(read, np.repeat(levels[..., None], read.shape[2], 2).astype(int), atol=off)


def test_what_is_transparent_shows_white(tmp_path):
    half = np.zeros((2, 2, 4), np.uint8)
    half[0, 0] = (200, 0, 0, 255)
    half[0, 1] = (0, 0, 0, 128)
    Image.fromarray(half).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").tolist() == [[[200, 0, 0], [127, 127, 127]], [[255, 255, 255], [255, 255, 255]]]
    grey = Image.fromarray(half).convert("LA")
    grey.save(tmp_path / "b.png")
    assert pixels(tmp_path / "b.png")[..., 0].tolist()[1] == [255, 255]
    shades = Image.new("P", (2, 1))
    shades.putpalette([10, 20, 30, 40, 50, 60])
    shades.putdata([0, 1])
    shades.save(tmp_path / "c.png", transparency=1)
    assert pixels(tmp_path / "c.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]


def test_of_16_bits_white_stays_white_and_the_middle_the_middle(tmp_path):
    Image.fromarray(np.array([[0, 128, 129, 32896, 65535]], np.uint16)).save(tmp_path / "a.png")
    assert pixels(tmp_path / "a.png").ravel().tolist() == [0, 0, 1, 128, 255]


def test_of_several_frames_the_first_is_taken(tmp_path):
    first, second = Image.new("L", (4, 4), 255), Image.new("L", (4, 4), 0)
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert (pixels(tmp_path / "a.gif") == 255).all()


def test_levels_without_a_known_white_are_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="32-bit levels"):
        fit([str(tmp_path / "a.tif")])


def test_a_file_is_what_it_holds_not_what_it_is_called(tmp_path, digits):
    save(digits[0][0], "png", tmp_path / "a")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert pixels(tmp_path / "a.jpg").shape == (8, 8, 1)
    Image.new("L", (2, 2)).save(tmp_path / "b.ppm")
    (tmp_path / "b.ppm").rename(tmp_path / "b.png")
    with pytest.raises(UserError, match="not an image of a known format"):
        fit([str(tmp_path / "b.png")])


def test_all_images_that_cannot_be_used_are_told_together(tmp_path, monkeypatch):
    Image.new("RGB", (40, 40)).save(tmp_path / "good.png")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:60])
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    Image.new("1", (300, 300)).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    names = ["good", "cut", "absent", "text", "empty", "folder", "bomb"]
    cells = [*(str(tmp_path / f"{name}.png") for name in names), None, "nul\0.png", *("gone.png",) * 30]
    for choices in ({}, {"size": [8, 8], "color": "rgb"}):
        with pytest.raises(UserError) as caught:
            fit(cells, **choices)
        lines = str(caught.value).splitlines()
        assert "38 of 39 images cannot be used" in lines[0]
        assert "absent.png: no such file" in lines[2]
        assert "text.png: not an image" in lines[3]
        assert "directory" in lines[5]
        assert "300 × 300 pixels; at most 50,000" in lines[6]
        assert "row 7: no image" in lines[7]
        assert len([line for line in lines if "gone.png" in line]) == 12
        assert "and 18 more" in lines[-2]
        assert "good.png" not in str(caught.value)


# Folders


def test_a_folder_gives_paths_and_labels_in_the_order_of_their_names(folder):
    table = tables.read_table(folder)
    assert tables.header(folder) == list(table.frame) == ["image", "label"]
    assert len(table.frame) == 300
    assert table.frame["label"].tolist() == sorted(table.frame["label"])
    assert "no image in the folders empty" in table.notes
    assert any("2 files" in note for note in table.notes)
    flat = tables.read_table(folder / "3")
    assert list(flat.frame) == ["image"]
    assert all(str(folder / "3") in path for path in flat.frame["image"])


def test_folders_that_could_mean_two_things_are_refused(tmp_path):
    for name in ("a/x.png", "b/y.png", "z.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (2, 2)).save(tmp_path / name)
    for look in (tables.header, tables.read_table):
        with pytest.raises(UserError, match="in the folder itself and in folders below"):
            look(tmp_path)
    deep = tmp_path / "train" / "cat"
    deep.mkdir(parents=True)
    (tmp_path / "z.png").rename(deep / "z.png")
    with pytest.raises(UserError, match="two folders deep"):
        tables.read_table(tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match=r"neither \.parquet files nor images"):
        tables.read_table(tmp_path / "nothing")


def test_a_folder_of_parquet_files_stays_one(tmp_path):
    pd.DataFrame({"x": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    Image.new("L", (2, 2)).save(tmp_path / "a.png")
    assert tables.header(tmp_path) == ["x"]


def test_the_fingerprint_depends_on_names_and_bytes(tmp_path):
    def of(name, shade):
        root = tmp_path / f"{name}{shade}"
        for label in "ab":
            (root / label).mkdir(parents=True)
            for number in range(6):
                Image.new("L", (4, 4), 40 * number + shade).save(root / label / f"{name}{number}.png")
        (root / "r.yaml").write_text("task: binary\ndata: {path: ., target: label}\n")
        return dataset.load_dataset(resolving.load_recipe(root / "r.yaml").spec).fingerprint

    found = [of("x", 0), of("x", 1), of("y", 0)]
    assert len(set(found)) == 3
    (tmp_path / "again").mkdir()
    (tmp_path / "x0").rename(tmp_path / "again" / "x0")
    assert (
        dataset.load_dataset(resolving.load_recipe(tmp_path / "again" / "x0" / "r.yaml").spec).fingerprint == found[0]
    )


# Size, colour, scale


def test_a_slip_under_data_images_gets_the_nearest_name(tmp_path):
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: x.npz, target: y, images: {colour: rgb}}\n")
    with pytest.raises(UserError, match="did you mean 'color'"):
        resolving.load_recipe(tmp_path / "r.yaml")


def test_images_of_one_small_size_keep_it_and_others_become_32_by_32():
    assert fit(np.zeros((3, 64, 5), np.uint8)).levels.shape == (3, 64, 5, 1)
    assert fit(np.zeros((3, 65, 5), np.uint8)).levels.shape == (3, 32, 32, 1)
    mixed = fit([np.zeros((4, 5), np.uint8), np.zeros((6, 3), np.uint8)])
    assert mixed.levels.shape == (2, 32, 32, 1)
    assert "images of 4 × 3 to 6 × 5 pixels become 32 × 32" in mixed.notes[0]
    assert fit(np.zeros((3, 9, 9), np.uint8), size=[2, 7]).levels.shape == (3, 2, 7, 1)


def test_colour_is_kept_where_there_is_some():
    grey = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 1), np.uint8)
    coloured = grey.repeat(3, 3)
    assert fit(coloured).image.channels == 1
    np.testing.assert_array_equal(fit(coloured).levels, grey)
    coloured[2, 1, 1, 0] ^= 1
    assert fit(coloured).image.channels == 3
    assert fit(coloured, color="grayscale").image.channels == 1
    np.testing.assert_array_equal(fit(grey, color="rgb").levels, grey.repeat(3, 3))
    expected = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in coloured])
    np.testing.assert_array_equal(fit(coloured, color="grayscale").levels[..., 0], expected)


@pytest.mark.parametrize(
    ("dtype", "most", "divisor", "whole"),
    [
        (np.uint8, 255, 255, True),
        (np.uint8, 200, 255, True),
        (np.uint8, 16, 16, True),
        (np.int64, 255, 255, False),
        (np.uint16, 4095, 4095, False),
        (np.float64, 0.5, 0.5, False),
        (bool, 1, 1, False),
        (np.uint8, 0, 1, True),
    ],
)
def test_levels_are_divided_by_white_or_by_the_greatest_in_training(dtype, most, divisor, whole):
    cells = np.zeros((4, 3, 3), dtype)
    cells[:3] = np.array(most, dtype)
    cells[3] = np.array(min(2 * most, 255), dtype)
    found = fit(cells, train=np.array([0, 1]))
    assert (found.image.divisor, found.image.whole) == (divisor, whole)
    assert found.levels.dtype == (np.uint8 if whole else np.float32)
    assert f"divided by {divisor:g}" in found.notes[-1]
    encoded = np.empty((4, 9), np.float32)
    images.encode_images(found.levels, found.image, encoded)
    np.testing.assert_array_equal(encoded[0], np.float32(most / divisor))


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        (np.array([[1.0, -0.5]]), "row 1: a negative level, -0.5"),
        (np.array([[1.0, np.nan]]), "row 1: NaN or infinity"),
        (np.array([[1.0, np.inf]]), "row 1: NaN or infinity"),
        (np.zeros((3, 4, 2)), r"row 1: an array of shape \(3, 4, 2\)"),
        (np.zeros((0, 4)), "row 1: an array of shape"),
        (np.zeros((2, 2), complex), "row 1: an array of type complex"),
        (None, "row 1: no image|8-bit images and arrays"),
    ],
)
def test_odd_arrays_are_refused_with_their_row(cell, says):
    with pytest.raises(UserError, match=says):
        fit([np.ones((2, 2)), cell, np.ones((2, 2))], size=[2, 2], color="grayscale")


def test_numbers_are_no_images_and_images_no_numbers():
    with pytest.raises(UserError, match="is to hold images, and holds numbers"):
        images.fit_images(pd.Series([1.0, 2.0]), "x", size="auto", color="auto", train=np.arange(2))
    frame = pd.DataFrame({"x": list(np.zeros((100, 2, 2)))})
    for kind in ("numeric", "categorical"):
        kinds = infer_kinds(frame, {"x": kind})
        for rows in (frame, frame[:3]):
            with pytest.raises(UserError, match="holds images where numbers or words are expected"):
                features.fit_encoding(rows, kinds)


def test_one_image_column_at_most():
    frame = pd.DataFrame({"x": list(np.zeros((2, 2, 2))), "y": list(np.zeros((2, 2, 2)))})
    with pytest.raises(UserError, match="at most one image column"):
        infer_kinds(frame)
    assert infer_kinds(frame, {"y": "ignore"}).of("image") == ["x"]


# Resizing


def test_resizing_is_what_pillow_does():
    random = np.random.default_rng(1)
    for high, wide, height, width in [(20, 31, 8, 8), (8, 8, 20, 31), (7, 50, 32, 3), (1, 1, 4, 4), (33, 2, 1, 1)]:
        exact = random.random((high, wide)).astype(np.float32) * 255
        theirs = np.asarray(Image.fromarray(exact).resize((width, height), Image.Resampling.BILINEAR))
        ours = resizing.resize(exact[None, ..., None], height, width, whole=False)
        np.testing.assert_allclose(ours[0, ..., 0], theirs, atol=1e-3)
        rounded = random.integers(0, 256, (high, wide, 3), np.uint8)
        theirs = np.asarray(Image.fromarray(rounded).resize((width, height), Image.Resampling.BILINEAR))
        ours = resizing.resize(rounded[None], height, width, whole=True)
        assert np.abs(ours[0] - theirs).max() <= 1.5
        assert (ours == np.floor(ours)).all()


def test_ties_go_up_on_the_host_and_in_the_layer():
    image = np.array([[[[1], [2]]]], np.uint8)  # the middle of 1 and 2
    assert resizing.resize(image, 1, 1, whole=True).item() == 2
    layer = Images("x", height=1, width=1, channels=1, divisor=1.0, whole=True)
    assert layer(image).numpy().item() == 2


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_layer_gives_what_the_host_gives(data):
    side = st.integers(1, 40)
    high, wide, height, width = (data.draw(side) for _ in range(4))
    if data.draw(st.booleans()):
        high, wide = height, width
    channels, whole = data.draw(st.sampled_from([1, 3])), data.draw(st.booleans())
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    raw = random.integers(0, 256, (3, high, wide, channels), np.uint8)
    if not whole:
        raw = (raw / 7).astype(np.float32)
    image = images.Image("x", height, width, channels, 255.0 if whole else 36.5, whole)
    levels = images.read_images(pd.Series(list(raw)), image)
    encoded = np.empty((3, image.pixels), np.float32)
    images.encode_images(levels, image, encoded)
    size = {"height": height, "width": width, "channels": channels, "divisor": image.divisor, "whole": whole}
    layer = Images("x", **size)
    np.testing.assert_allclose(layer(raw.astype(np.float32)).numpy(), encoded, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(layer(levels.astype(np.float32)).numpy(), encoded)
    if (high, wide) == (height, width):
        np.testing.assert_array_equal(levels, raw)


def test_a_model_takes_images_of_any_size_and_ends_an_encoded_row_with_them(digits):
    frame = pd.DataFrame({"n": np.arange(300.0), "w": list("abc") * 100, "gap": [None, 1.0] * 150})
    frame["picture of/it"] = list(digits[0])
    found = images.fit_images(frame["picture of/it"], "picture of/it", size=[5, 6], color="rgb", train=np.arange(200))
    kinds = Kinds({"n": "numeric", "w": "categorical", "gap": "numeric", "picture of/it": "image"})
    encoding = features.fit_encoding(frame[:200], kinds, found.image)
    assert encoding.columns == ["n", "gap", "w", "picture of/it"]
    assert (encoding.image_begin, encoding.width) == (6, 6 + 90)
    encoded = features.encode(frame, encoding)
    assert (encoded[:, 6:].min(), encoded[:, 6:].max()) == (0, 1)
    encoder = build_encoder(encoding)
    np.testing.assert_array_equal(prediction.raw_outputs(encoder, frame, encoding), encoded)
    assert prediction.encoding_of(encoder) == encoding
    inputs = features.model_inputs(frame, encoding)
    for raw in (digits[0][..., None].repeat(3, 3), digits[0][..., None].repeat(3, 3).astype(np.float32)):
        batch = {
            name: keras.ops.convert_to_tensor(values) for name, values in inputs.items() if name != "picture of/it"
        }
        got = encoder(batch | {"picture of/it": keras.ops.convert_to_tensor(raw)}).numpy()
        np.testing.assert_allclose(got, encoded, rtol=0, atol=1e-6)


# Runs


def test_a_folder_runs_end_to_end(run, folder):
    assert run.metrics["test"]["accuracy"] > 0.6
    written = YAML(typ="safe").load((run.directory / "recipe.yaml").read_text())
    assert written["data"]["images"] == {"size": [32, 32], "color": "grayscale"}
    assert written["data"]["features"] == {"image": "image"}
    text = (run.directory / "recipe.yaml").read_text()
    assert "# columns: 1 image" in text
    assert "# image: 32 × 32 pixels (height × width), grayscale, levels divided by 255" in text
    assert len(pd.read_parquet(run.directory / "predictions.parquet")) == run.metrics["rows"]["test"]


def test_running_what_a_run_wrote_repeats_it(run, tmp_path):
    again = mt.run(run.directory / "recipe.yaml", out=tmp_path / "again", verbose=0)
    first, second = (pd.read_parquet(one.directory / "predictions.parquet") for one in (run, again))
    pd.testing.assert_frame_equal(first, second)


def test_the_model_file_predicts_from_raw_pixels_what_the_run_kept(run, folder):
    kept = pd.read_parquet(run.directory / "predictions.parquet")
    paths = tables.read_table(folder).frame["image"]
    for model in (mt.load(run.directory / "model.h5"), keras.models.load_model(run.directory / "model.h5")):
        for at, row in list(enumerate(kept["row"]))[::7]:
            raw = resizing.in_color(pixels(paths[row])[None], 1).astype(np.float32)
            got = np.asarray(model({"image": raw}))[0]
            np.testing.assert_allclose(got, kept.filter(like="probability_").iloc[at].to_numpy(), atol=1e-5)


def test_predict_takes_paths_arrays_and_pillow_images_alike(run, folder, monkeypatch):
    paths = tables.read_table(folder).frame["image"].tolist()
    monkeypatch.chdir(folder)
    relative = [path[len(str(folder)) + 1 :] for path in paths]
    opened = [Image.open(path) for path in paths[:80]]
    ways = [
        relative[:80],
        [image_files.pixels(path) for path in paths[:80]],
        opened,
        [folder / r for r in relative[:80]],
    ]
    expected = mt.predict(run.model, folder)
    for cells in ways:
        for rows in (80, 5, 1):
            got = run.predict(pd.DataFrame({"image": cells[:rows]}))
            pd.testing.assert_frame_equal(got, expected[:rows], atol=1e-6, rtol=0)
    mixed = run.predict(pd.DataFrame({"image": [cells[n] for n, cells in enumerate(ways)]}))
    pd.testing.assert_frame_equal(mixed, expected[:4], atol=1e-6, rtol=0)
    for image in opened:
        image.close()


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (["absent.png", "gone.png"], "2 of 2 images cannot be used"),
        ([np.full((8, 8), 0.5)], "levels from 0 to 1"),
        ([np.full((8, 8), -1)], "negative"),
        ([np.full((8, 8), 4000)], "the greatest in training was 255"),
        ([np.zeros((8, 8, 4), np.uint8)], "an array of shape"),
        ([3.0], "holds numbers"),
        ([None], "no image"),
    ],
)
def test_images_that_cannot_be_predicted_for_are_refused(run, cells, says):
    with pytest.raises(UserError, match=says):
        run.predict(pd.DataFrame({"image": pd.Series(cells, dtype=None if isinstance(cells[0], float) else object)}))
    with pytest.raises(UserError, match="image"):
        run.predict(pd.DataFrame({"picture": cells}))


def test_init_validate_run_predict_and_evaluate_a_folder(call, run, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    code, out, err = call("init", ".", "--target", "label", "-O", tmp_path / "r.yaml")
    assert (code, out) == (0, f"{tmp_path / 'r.yaml'}\n")
    drafted = (tmp_path / "r.yaml").read_text()
    assert "    image: image\n" in drafted
    assert "# augmentation:" in drafted
    monkeypatch.setattr(image_files, "look", None)  # no image is opened
    monkeypatch.setattr(image_files, "pixels", None)
    code, out, _ = call("validate", tmp_path / "r.yaml")
    assert (code, out.split(";")[1]) == (0, f" task multiclass, {folder.name} has 2 columns\n")
    monkeypatch.undo()
    code, _, err = call("run", tmp_path / "r.yaml", "-o", "train.epochs=1", "--out", tmp_path / "run")
    assert code == 0, err
    assert "300 labels" not in err
    code, _, err = call("predict", run.directory, folder / "3", "-O", tmp_path / "p.csv")
    assert (code, err) == (
        0,
        f"{len(list((folder / '3').iterdir()))} images, in the order of their folders' and their own names\n",
    )
    assert (pd.read_csv(tmp_path / "p.csv")["label"] == 3).mean() > 0.5
    code, out, _ = call("evaluate", run.directory, folder)
    assert code == 0
    assert float(dict(line.split() for line in out.splitlines())["accuracy"]) > 0.6
    code, out, _ = call("inspect", run.directory)
    assert "mlp_toolkit>Images" in out


@pytest.fixture(scope="module")
def table(tmp_path_factory, digits):
    """A CSV file whose rows hold a path that counts from its folder, a number and a word."""
    root = tmp_path_factory.mktemp("table")
    (root / "pictures").mkdir()
    random = np.random.default_rng(0)
    for number, levels in enumerate(digits[0]):
        tinted = (levels[..., None] * COLORS[number % 3]).astype(np.uint8)
        Image.fromarray(tinted).save(root / "pictures" / f"{number}.png")
    frame = pd.DataFrame({"file": [f"pictures/{number}.png" for number in range(300)]})
    frame["age"] = random.normal(40, 9, 300).round(1)
    frame["place"] = random.choice(["hill", "lake"], 300)
    frame["digit"] = digits[1]
    frame.to_csv(root / "rows.csv", index=False)
    return root


@pytest.mark.parametrize("declared", ["", "features: {file: image}, ", "features: [file, age, place], "])
def test_a_csv_file_of_paths_with_other_columns(table, declared, tmp_path, call):
    (tmp_path / "r.yaml").write_text(TASK + f"data: {{path: '{table}/rows.csv', {declared}target: digit}}\n" + SHORT)
    data = dataset.load_dataset(resolving.load_recipe(tmp_path / "r.yaml").spec)
    assert data.encoding.columns == ["age", "place", "file"]
    assert data.encoding.width == 1 + 2 + 8 * 8 * 3
    assert any("image files, by their names" in note for note in data.notes) == ("image" not in declared)
    if declared:
        return
    done = mt.run(tmp_path / "r.yaml", out=tmp_path / "run", verbose=0)
    kept = pd.read_parquet(done.directory / "predictions.parquet")
    assert call("predict", done.directory, table / "rows.csv", "-O", tmp_path / "p.csv")[0] == 0
    rows = pd.read_csv(tmp_path / "p.csv").iloc[kept["row"]].reset_index(drop=True)
    for column in kept.filter(like="probability_"):
        np.testing.assert_allclose(rows[column], kept[column], atol=1e-6)
    assert float(call("evaluate", done.directory, table / "rows.csv")[1].split()[1]) > 0.6
    pd.testing.assert_frame_equal(
        mt.predict(done.model, table / "rows.csv").iloc[kept["row"]]["label"].to_frame(),
        kept["prediction"].to_frame("label").set_axis(kept["row"]),
        check_names=False,
    )


def test_images_of_a_table_belong_to_its_fingerprint_and_are_never_streamed(table, tmp_path):
    frame = pd.read_csv(table / "rows.csv")[:60]
    for number in range(60):
        Image.new("L", (4, 4), 3 * number).save(tmp_path / f"{number}.png")
    frame["file"] = [f"{number}.png" for number in range(60)]
    frame["digit"] = np.arange(60) % 2
    frame.to_csv(tmp_path / "rows.csv", index=False)
    text = "task: binary\ndata: {path: rows.csv, target: digit%s}\n"
    (tmp_path / "r.yaml").write_text(text % "")
    first = dataset.load_dataset(resolving.load_recipe(tmp_path / "r.yaml").spec).fingerprint
    Image.new("L", (4, 4), 99).save(tmp_path / "0.png")
    assert dataset.load_dataset(resolving.load_recipe(tmp_path / "r.yaml").spec).fingerprint != first
    (tmp_path / "r.yaml").write_text(text % ", stream: true")
    with pytest.raises(UserError, match="column 'file' holds images: rows with images are not streamed"):
        mt.run(tmp_path / "r.yaml", out=tmp_path / "run", verbose=0)
    (tmp_path / "r.yaml").write_text(text % ", stream: true, features: {file: image}")
    with pytest.raises(UserError, match="rows with images are not streamed"):
        resolving.load_recipe(tmp_path / "r.yaml")
    (tmp_path / "r.yaml").write_text(text % ", features: {file: image, place: image}")
    with pytest.raises(UserError, match="two columns are images"):
        resolving.load_recipe(tmp_path / "r.yaml")


def test_broken_images_stop_a_run_before_anything_is_written(call, table, tmp_path):
    frame = pd.read_csv(table / "rows.csv")
    frame["file"] = [str(table / path) for path in frame["file"]]
    frame.loc[7, "file"] = "nowhere.png"
    frame.loc[9, "file"] = None
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "r.yaml").write_text(TASK + "data: {path: rows.csv, target: digit, features: {file: image}}\n")
    code, _, err = call("run", tmp_path / "r.yaml", "--out", tmp_path / "run")
    assert code == 2
    assert "2 of 300 images cannot be used" in err
    assert "nowhere.png: no such file" in err
    assert "row 9: no image" in err
    assert not (tmp_path / "run").exists()


def test_arrays_of_an_npz_file_run_end_to_end(digits, tmp_path, call):
    small = np.rint(digits[0] / 255 * 16).astype(np.uint8)
    np.savez(tmp_path / "a.npz", X=small, y=digits[1], size=small.mean((1, 2)))
    assert call("init", tmp_path / "a.npz", "--target", "y", "-O", tmp_path / "r.yaml")[0] == 0
    done = mt.run(tmp_path / "r.yaml", {"train.epochs": 20}, out=tmp_path / "run", verbose=0)
    assert done.metrics["test"]["accuracy"] > 0.7
    kept = pd.read_parquet(done.directory / "predictions.parquet")
    got = np.asarray(
        done.model(
            {
                "X": small[kept["row"], :, :, None].astype("f4"),
                "size": small.mean((1, 2))[kept["row"], None].astype("f4"),
            }
        )
    )
    np.testing.assert_allclose(got, kept.filter(like="probability_").to_numpy(), atol=1e-5)
    # The white of a file is the greatest level of training.
    Image.fromarray(np.rint(small[0] / 16 * 255).astype(np.uint8)).save(tmp_path / "0.png")
    frame = pd.DataFrame({"X": [str(tmp_path / "0.png"), small[0]], "size": small[0].mean()})
    both = done.predict(frame).filter(like="probability_").to_numpy()
    np.testing.assert_allclose(both[0], both[1], atol=1e-3)
    with pytest.raises(UserError, match="the greatest in training was 16"):
        done.predict(pd.DataFrame({"X": [digits[0][0]], "size": [1.0]}))


def test_twins_among_images_are_counted(digits, tmp_path):
    levels = np.concatenate([digits[0][:60]] * 2)
    np.savez(tmp_path / "a.npz", X=levels, y=np.arange(120) % 2)
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: a.npz, target: y}\n")
    data = dataset.load_dataset(resolving.load_recipe(tmp_path / "r.yaml").spec)
    assert any("test rows" in note for note in data.notes)


def test_rows_for_the_parts_may_lie_in_folders_of_their_own(folder, tmp_path):
    (tmp_path / "r.yaml").write_text(TASK + f"data: {{path: '{folder}', target: label, test_path: '{folder}'}}\n")
    data = dataset.load_dataset(resolving.load_recipe(tmp_path / "r.yaml").spec)
    assert data.counts["test"] == 300
    assert data.frame["image"].iloc[0].shape == (32, 32, 1)
    with pytest.raises(UserError, match="lacks columns"):
        roles.check_header(
            resolving.load_recipe(tmp_path / "r.yaml", {"data.test_path": str(folder / "3")}).spec, "r.yaml"
        )


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "P", "I;16", "1", "CMYK"])
def test_a_large_image_made_small_strip_by_strip_is_the_same_to_the_bit(tmp_path, monkeypatch, mode):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (53, 37, 4)).astype(np.uint8))
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 2**16, (53, 37)).astype(np.uint16))
    else:
        image = noise.convert(mode) if mode in ("RGBA", "LA") else noise.convert("RGB").convert(mode)
    file = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    turned = Image.Exif()
    turned[image_files.ORIENTATION] = 6  # a photograph taken on its side
    image.save(file, exif=turned if mode == "RGB" else Image.Exif())
    cells = {"size": [16, 11], "color": "auto", "train": np.ones(2, bool)}
    whole = images.fit_images(pd.Series([str(file)] * 2), "image", **cells)
    monkeypatch.setattr(image_files, "LARGE_PIXELS", 100)
    strips = images.fit_images(pd.Series([str(file)] * 2), "image", **cells)
    assert strips.image == whole.image
    assert len(np.unique(whole.levels)) > 1
    np.testing.assert_array_equal(strips.levels, whole.levels)
