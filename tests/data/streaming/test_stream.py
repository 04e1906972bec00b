"""Data larger than memory gives what the same data gives in memory, but for the order of rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

import mlp_toolkit as mt
from mlp_toolkit.data import dataset
from mlp_toolkit.data.streaming import csv_to_parquet, scan
from mlp_toolkit.data.streaming import stream as streaming
from mlp_toolkit.data.streaming.row_cache import Spool
from mlp_toolkit.errors import UserError
from mlp_toolkit.model.mlp import build_mlp
from mlp_toolkit.recipe import resolving
from mlp_toolkit.training import rows_of_data


@pytest.fixture(scope="module")
def table(people: pd.DataFrame) -> pd.DataFrame:
    """The people, each with the part it belongs to and a weight; one has no target."""
    random = np.random.default_rng(1)
    frame = people.assign(
        part=random.choice(["train", "train", "train", "validation", "test"], len(people)),
        weight=random.uniform(0.5, 2, len(people)).round(3),
    )
    return frame.assign(age=frame["age"].where(frame.index != 7))


@pytest.fixture(scope="module")
def lake(table: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table as one Parquet file with small row groups, as a folder of files, and as CSV."""
    folder = tmp_path_factory.mktemp("lake")
    rows = pa.Table.from_pandas(table, preserve_index=False)
    parquet.write_table(rows, folder / "people.parquet", row_group_size=37)
    (folder / "parts").mkdir()
    parquet.write_table(rows[:100], folder / "parts" / "a.parquet", row_group_size=60)
    parquet.write_table(rows[100:], folder / "parts" / "b.parquet", row_group_size=60)
    table.to_csv(folder / "people.csv", index=False)
    return folder


def spec(lake: Path, path: str = "people.parquet", **more: object):
    usual = {"data.path": str(lake / path), "data.split": "part", "train.epochs": 2, "data.target": "kind"}
    (lake / "recipe.yaml").write_text("task: binary\ndata: {path: people.parquet, target: kind}\n")
    return resolving.load_recipe(lake / "recipe.yaml", {**usual, **more}).spec


TARGETS = {"regression": "age", "binary": "kind", "multilabel": ["big", "dark"], "multiclass": "city"}


@pytest.mark.parametrize("path", ["people.parquet", "parts", "people.csv"])
@pytest.mark.parametrize("task", TARGETS)
def test_kinds_encoding_and_target_are_those_of_the_data_in_memory(lake, tmp_path, path, task):
    wanted = spec(lake, path, task=task, **{"data.target": TARGETS[task]})
    expected, streamed = dataset.load_dataset(wanted), streaming.open_stream(wanted, "recipe", tmp_path)
    assert streamed.kinds.by_column == expected.kinds.by_column
    assert streamed.counts == expected.counts
    assert streamed.encoding.parts == expected.encoding.parts
    scalings = streamed.encoding.scaling, expected.encoding.scaling
    assert scalings[0].indicators == scalings[1].indicators
    for name in ("fill", "center", "inverse_scale"):
        np.testing.assert_allclose(*(getattr(scaling, name) for scaling in scalings), rtol=1e-9)
    assert streamed.target.classes == expected.target.classes
    np.testing.assert_allclose(streamed.target.offset, expected.target.offset, rtol=1e-9)
    np.testing.assert_allclose(streamed.target.scale, expected.target.scale, rtol=1e-9)


@pytest.mark.parametrize("task", TARGETS)
def test_an_epoch_holds_every_training_row_once_with_its_target_and_weight(lake, tmp_path, task, monkeypatch):
    monkeypatch.setattr(rows_of_data, "BLOCK_ROWS", 32)
    weighted = {"data.sample_weight": "weight", "train.batch_size": 16, "data.target": TARGETS[task]}
    if task != "regression":
        weighted["train.class_weight"] = "balanced"
    wanted = spec(lake, task=task, **weighted)
    epochs, held_out = [], []
    for data in (dataset.load_dataset(wanted), streaming.open_stream(wanted, "recipe", tmp_path)):
        network = build_mlp(task, n_features=data.encoding.width, n_outputs=data.target.n_outputs)
        rows, validation, _ = rows_of_data.rows_of(network, data, wanted)
        held_out.append([np.asarray(array) for array in next(validation.blocks(0))])
        epochs.append([[np.asarray(array) for array in block] for block in rows.blocks(3)])
    sizes = [len(block[0]) for block in epochs[1]]
    assert sizes[:-1] == [32] * (len(sizes) - 1)
    memory, stream = ([np.concatenate(parts) for parts in zip(*blocks, strict=True)] for blocks in epochs)
    assert len(memory) == len(stream) == 3
    flat = [np.concatenate([part.reshape(len(part), -1) for part in arrays], axis=1) for arrays in (memory, stream)]
    assert not np.array_equal(*flat)
    one, other = (rows[np.lexsort(rows.T.round(4))] for rows in flat)
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert len(held_out[0]) == len(held_out[1]) == (3 if task == "regression" else 4)
    for in_memory, streamed in zip(*held_out, strict=True):
        np.testing.assert_allclose(np.sort(in_memory, axis=0), np.sort(streamed, axis=0), atol=1e-5)


def test_rows_kept_on_disk_are_those_that_were_encoded(lake, tmp_path, monkeypatch):
    wanted = spec(lake, **{"data.sample_weight": "weight"})
    epochs = []
    for room in (0.5, 0.0):
        monkeypatch.setattr(streaming, "ROOM_TAKEN", room)
        data = streaming.open_stream(wanted, "recipe", tmp_path)
        assert (data.spool is None) == (room == 0)
        assert any("temporary file" in note for note in data.notes) == (room > 0)
        rows, _, _ = rows_of_data.rows_of(build_mlp("binary", n_features=data.encoding.width), data, wanted)
        epochs.append([[np.asarray(array) for array in block] for number in range(3) for block in rows.blocks(number)])
        rows.close()
    for kept, made in zip(*epochs, strict=True):
        for one, other in zip(kept, made, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not any(tmp_path.iterdir())


def test_a_full_disk_costs_speed_and_no_rows(tmp_path, monkeypatch, caplog):
    with open("/dev/full", "w+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda **_: full)
        spool = Spool(tmp_path)
        for _ in range(2):
            made = list(spool.group(0, lambda: iter([(np.arange(3.0),), (np.arange(4.0),)])))
            assert [len(x) for (x,) in made] == [3, 4]
    assert "No space left" in caplog.text
    assert len(caplog.records) == 1


@given(
    sizes=st.lists(st.integers(0, 9), max_size=12),
    pool=st.integers(1, 40),
    block=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_shuffling_gives_every_row_once_in_whole_blocks(sizes, pool, block, seed):
    numbers = np.arange(sum(sizes))
    pieces = [(part, part * 2.0) for part in np.split(numbers, np.cumsum(sizes)[:-1])] if sizes else []
    blocks = list(streaming.shuffled(iter(pieces), pool, block, np.random.default_rng(seed)))
    assert all(len(x) == block for x, _ in blocks[:-1])
    assert all((y == x * 2).all() for x, y in blocks)
    assert sorted(int(n) for x, _ in blocks for n in x) == numbers.tolist()
    again = list(streaming.shuffled(iter(pieces), pool, block, np.random.default_rng(seed)))
    assert [x.tolist() for x, _ in again] == [x.tolist() for x, _ in blocks]


def test_rows_move_far_through_the_pool():
    pieces = ((np.arange(begin, begin + 100),) for begin in range(0, 10_000, 100))
    order = np.concatenate([x for (x,) in streaming.shuffled(pieces, 2_000, 50, np.random.default_rng(0))])
    moved = np.abs(order - np.arange(10_000))
    assert 500 < np.median(moved) < 3_000
    assert abs(np.corrcoef(order[:200], np.arange(200))[0, 1]) < 0.3  # a batch is no stretch of the file


@pytest.mark.parametrize("path", ["people.parquet", "people.csv"])
def test_a_streamed_recipe_runs_to_the_end(lake, tmp_path, table, path):
    spec(lake)
    run = mt.run(
        lake / "recipe.yaml",
        {"data.path": str(lake / path), "data.stream": True, "train.epochs": 3},
        out=tmp_path / "run",
        verbose=0,
    )
    assert run.metrics["test"]["auc"] > 0.8
    assert sum(run.metrics["rows"].values()) == len(table)
    kept = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert len(kept) == run.metrics["rows"]["test"]
    assert (table["kind"].to_numpy()[kept["row"]] == kept["target"]).all()
    again = run.predict(table.iloc[kept["row"]])
    np.testing.assert_allclose(again["probability"], kept["probability"], atol=1e-6)
    assert not list((tmp_path / "run").glob(".mlp-toolkit-*"))
    repeated = mt.run(tmp_path / "run" / "recipe.yaml", out=tmp_path / "again", verbose=0)
    assert repeated.history.equals(run.history)


def test_files_of_the_user_beside_the_run_are_left_alone(lake, tmp_path):
    own = tmp_path / "rows-0.parquet"
    own.write_bytes((lake / "people.parquet").read_bytes())
    spec(lake)
    options = {"data.path": str(lake / "people.csv"), "data.stream": True, "train.epochs": 1}
    mt.run(lake / "recipe.yaml", options, out=tmp_path, verbose=0)
    assert own.read_bytes() == (lake / "people.parquet").read_bytes()


def test_a_pandas_index_in_the_file_is_no_feature_as_it_is_in_memory(lake, tmp_path, table):
    table.set_index("mean area").to_parquet(tmp_path / "indexed.parquet")
    wanted = spec(lake, **{"data.path": str(tmp_path / "indexed.parquet")})
    streamed, whole = streaming.open_stream(wanted, "recipe", tmp_path), dataset.load_dataset(wanted)
    assert streamed.kinds.by_column == whole.kinds.by_column
    assert "mean area" not in whole.kinds.by_column
    for data in (streamed, whole):
        assert any("'mean area', in which pandas keeps the names of the rows" in note for note in data.notes)


def test_row_groups_without_a_row_of_the_part_do_no_harm(lake, tmp_path, table):
    ordered = table.sort_values("part", ascending=False, key=lambda parts: parts != "test")
    ordered.to_parquet(tmp_path / "ordered.parquet", row_group_size=30, index=False)
    options = {"data.path": str(tmp_path / "ordered.parquet"), "data.split": "part", "data.stream": True}
    spec(lake)
    run = mt.run(lake / "recipe.yaml", {**options, "train.epochs": 1}, out=tmp_path / "run", verbose=0)
    assert len(pd.read_parquet(tmp_path / "run" / "predictions.parquet")) == run.metrics["rows"]["test"]


def test_a_small_validation_part_is_sampled_whole(lake, tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "SAMPLE_ROWS", 60)
    data = streaming.open_stream(spec(lake), "recipe", tmp_path)
    assert len(data.samples["validation"].frame) == data.counts["validation"] < 60
    assert 20 < len(data.samples["train"].frame) <= 60


def test_blank_lines_before_the_header_are_no_rows(lake, tmp_path, table):
    (tmp_path / "blank.csv").write_text("\n\n" + table.to_csv(index=False))
    wanted = spec(lake, **{"data.path": str(tmp_path / "blank.csv")})
    assert streaming.open_stream(wanted, "recipe", tmp_path).counts == dataset.load_dataset(wanted).counts


def test_numbers_in_other_writings_are_the_same_streamed(tmp_path):
    random = np.random.default_rng(2)
    cells = np.array([f"{number:.2f}".replace(".", ",") for number in random.normal(size=400)], object)
    frame = pd.DataFrame({"comma": cells, "word": random.normal(size=400).round(3).astype(str)})
    frame.loc[::40, "word"] = "refused"
    frame.assign(y=np.arange(400) % 2).to_csv(tmp_path / "rows.csv", index=False)
    data = {"path": str(tmp_path / "rows.csv"), "target": "y"}
    wanted = resolving.load_recipe({"task": "binary", "data": data}).spec
    there, here = streaming.open_stream(wanted, "recipe", tmp_path / "scratch"), dataset.load_dataset(wanted)
    assert there.kinds.by_column == here.kinds.by_column == {"comma": "numeric", "word": "numeric(refused)"}
    told = [note for note in there.notes if note.startswith(("comma: ", "word: "))]
    assert ["read as" in told[0], "'refused' taken for missing" in told[1], len(told)] == [True, True, 2]


@pytest.mark.parametrize(("before", "after"), [("1.234", "1.234,5"), ("0.05", "5 %"), ("$5", "€5"), ("1,5", "1.234")])
def test_numbers_are_written_by_one_rule_in_all_blocks_of_a_file(tmp_path, monkeypatch, before, after):
    monkeypatch.setattr(csv_to_parquet, "BLOCK_BYTES", 1_000)
    cells = [f'"{before}"', "0"] * 300 + ["0"] * 600 + [f'"{after}"', "0"] * 300
    rows = [f"{cell},{number % 2}" for number, cell in enumerate(cells)]
    (tmp_path / "rows.csv").write_text("\n".join(["x,y", *rows, ""]), "utf-8")
    recipe = {"task": "binary", "data": {"path": str(tmp_path / "rows.csv"), "target": "y"}}
    with pytest.raises(UserError, match=r"'x': numbers such as .* are not written by one rule"):
        csv_to_parquet.as_parquet(tmp_path / "rows.csv", tmp_path / "rows.parquet", resolving.load_recipe(recipe).spec)


@pytest.mark.parametrize(("before", "after"), [("1.234", "1.234,5"), ("0.05", "5 %")])
def test_numbers_are_written_by_one_rule_in_all_row_groups(tmp_path, monkeypatch, before, after):
    # Of twenty groups eight are looked at first, but not the second; nor is its odd row among those drawn as a sample.
    monkeypatch.setattr(scan, "SAMPLE_ROWS", 100)
    cells = [before] * 100 + [after] + [str(number % 7) for number in range(1_899)]
    frame = pd.DataFrame({"x": cells, "z": np.arange(2_000) % 13, "y": np.arange(2_000) % 2})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=100)
    data = {"path": str(tmp_path / "rows.parquet"), "target": "y", "stream": True, "features": {"x": "numeric"}}
    wanted = resolving.load_recipe({"task": "binary", "data": data}).spec
    with pytest.raises(UserError, match=r"'x': numbers such as .* are not written by one rule"):
        streaming.open_stream(wanted, "recipe", tmp_path / "scratch")


@pytest.mark.parametrize("line", ['5,0,"oops', '5,0,"oops' + "x" * 200_000])
def test_a_quote_that_is_never_closed_swallows_no_rows(tmp_path, line):
    rows = [f"{number},{number % 2},word" for number in range(300)]
    (tmp_path / "open.csv").write_text("\n".join(["x,y,z", *rows[:100], line, *rows[100:], ""]))
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: open.csv, target: y, stream: true}\n")
    with pytest.raises(UserError, match=r"open\.csv:102: a double quote opens a field here"):
        mt.run(tmp_path / "r.yaml", out=tmp_path / "run", verbose=0)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("streamed", [True, False])
def test_a_test_file_without_the_weights_is_refused(lake, tmp_path, table, streamed):
    table.drop(columns=["weight", "part"]).to_parquet(tmp_path / "test.parquet")
    wanted = spec(lake, **{"data.sample_weight": "weight", "data.test_path": str(tmp_path / "test.parquet")})
    with pytest.raises(UserError, match="lacks columns that the training data has") as told:
        streaming.open_stream(wanted, "recipe", tmp_path / "run") if streamed else dataset.load_dataset(wanted)
    assert "weight" in str(told.value)


def test_size_decides_where_the_recipe_does_not(lake, monkeypatch):
    assert not streaming.is_streamed(spec(lake))
    assert not streaming.is_streamed(spec(lake, "people.csv"))
    monkeypatch.setattr(streaming, "VALUES_THAT_STREAM", 1000)
    monkeypatch.setattr(streaming, "CSV_BYTES_THAT_STREAM", 1000)
    assert streaming.is_streamed(spec(lake))
    assert streaming.is_streamed(spec(lake, "people.csv"))
    assert not streaming.is_streamed(spec(lake, **{"data.stream": False}))
    assert not streaming.is_streamed(spec(lake, "absent.csv"))  # whoever reads it says that it is not there
    with pytest.raises(UserError, match="only Parquet and CSV"):
        streaming.is_streamed(spec(lake, **{"data.path": None, "data.dataset": "iris", "data.stream": True}))


def test_shares_of_the_split_hold_roughly_and_parts_do_not_overlap(tmp_path):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=20_000), "y": random.integers(0, 2, 20_000)})
    frame["x"] += frame["y"]
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=3_000)
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: rows.parquet, target: y, stream: true}\n")
    data = streaming.open_stream(resolving.load_recipe(tmp_path / "r.yaml").spec, "r", tmp_path)
    total = sum(data.counts.values())
    assert total == 20_000
    assert data.counts["test"] / total == pytest.approx(0.2, abs=0.02)
    assert data.counts["validation"] / total == pytest.approx(0.15, abs=0.02)
    rows = {part: np.concatenate([p.row_numbers for p in data.pieces(part)]) for part in ("validation", "test")}
    rows["train"] = np.concatenate([p.row_numbers for number in data.order(0) for p in data.group(number)])
    assert sorted(np.concatenate([*rows.values()]).tolist()) == list(range(20_000))


def test_what_stands_far_down_is_checked_before_training(tmp_path):
    frame = pd.DataFrame({"x": ["1", "2.5"] * 50_000, "y": [0, 1] * 50_000})
    frame.loc[45_000, "x"] = "many"  # not in one of the eight stretches that are looked at beforehand
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=10_000)
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: rows.parquet, target: y, stream: true}\n")
    with pytest.raises(UserError, match="row 45000 holds 'many'") as told:
        mt.run(tmp_path / "r.yaml", out=tmp_path / "run", verbose=0)
    assert "categorical" in str(told.value)
    assert not (tmp_path / "run").exists()


def test_files_of_a_folder_must_have_the_same_columns(tmp_path):
    (tmp_path / "parts").mkdir()
    pd.DataFrame({"x": [1.0, 2], "y": [0, 1]}).to_parquet(tmp_path / "parts" / "a.parquet")
    pd.DataFrame({"z": [1.0, 2], "y": [0, 1]}).to_parquet(tmp_path / "parts" / "b.parquet")
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: parts, target: y, stream: true}\n")
    with pytest.raises(UserError, match=r"other columns than a\.parquet"):
        mt.run(tmp_path / "r.yaml", out=tmp_path / "run", verbose=0)


def test_a_damaged_row_group_is_one_message(tmp_path):
    frame = pd.DataFrame({"x": np.arange(5000.0), "y": [0, 1] * 2500})
    frame.to_parquet(tmp_path / "rows.parquet", row_group_size=1000, compression="gzip")
    raw = bytearray((tmp_path / "rows.parquet").read_bytes())
    raw[len(raw) // 2 : len(raw) // 2 + 200] = bytes(200)
    (tmp_path / "rows.parquet").write_bytes(raw)
    (tmp_path / "r.yaml").write_text("task: binary\ndata: {path: rows.parquet, target: y, stream: true}\n")
    with pytest.raises(UserError, match=r"rows\.parquet: (damaged|cannot be read)"):
        mt.run(tmp_path / "r.yaml", out=tmp_path / "run", verbose=0)


def test_a_killed_streamed_run_resumes_to_the_same_bits(lake, tmp_path):
    spec(lake)
    options = {"data.stream": True, "train.epochs": 40, "model.dropout": 0.2, "train.early_stopping": None}
    whole = mt.run(lake / "recipe.yaml", options, out=tmp_path / "whole", verbose=0)
    out = tmp_path / "killed"
    settings = [
        word for key, value in options.items() for word in ("-o", f"{key}={'null' if value is None else value}")
    ]
    command = [sys.executable, "-m", "mlp_toolkit", "run", str(lake / "recipe.yaml"), "--out", str(out), *settings]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (out / "checkpoint.h5").exists():
        assert process.poll() is None, "the run ended before its first checkpoint"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "model.h5").exists(), "the process was killed too late to test anything"
    resumed = mt.run(lake / "recipe.yaml", options, out=out, resume=True, verbose=0)
    assert resumed.history.equals(whole.history)
    for a, b in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    """2 million rows more are 264 MB of float32; read at once, they took 1,500 MB more."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    import stream

    peaks = []
    for rows in (1_000_000, 3_000_000):
        data = tmp_path / f"{rows}.parquet"
        stream.write(data, rows)
        child = [sys.executable, stream.__file__, str(data), "true", str(tmp_path)]
        done = subprocess.run(child, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        peaks.append(max(json.loads(done.stdout.splitlines()[-1])["megabytes"]))
    assert peaks[1] - peaks[0] < 200
    assert peaks[1] < 2000
