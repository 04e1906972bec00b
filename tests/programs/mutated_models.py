"""Model files with bytes, attributes and settings changed at random: refused in plain words, or they predict.

`python tests/programs/mutated_models.py 10000` counts the outcomes of so many files; a second number is the first seed.
Every file is opened in a process that may die of it: then the file counts as a failure, by its seed.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import h5py
import numpy as np
import pandas as pd

SECONDS = 10  # for each file, loading and predicting
MEMORY = 2 * 2**20  # KiB of the process, which opens hundreds of them
FILES_A_PROCESS = 400
FRAME = pd.DataFrame({"size": [1.5, 2.0, None], "when": ["2024-01-30", "2024-02-01", None], "blood": ["A", "B", "C"]})
REFUSED, REFUSED_LATER, FINE = "refused", "refused at prediction", "predicts finite numbers"
ODD = [
    None,
    True,
    -1,
    0,
    1,
    3,
    10**6,
    2**40,
    1e308,
    -0.5,
    "",
    "relu",
    "float32",
    "é" * 300,
    [],
    {},
    [None],
    [[]],
    {"a": 1},
]


def originals(folder):
    """A small network with every encoding layer, as .h5 and as .keras."""
    from mlp_toolkit.model.backend import keras
    from mlp_toolkit.model.layers import calibration, categorical, date, numeric, target
    from mlp_toolkit.storage import saving

    keras.utils.set_random_seed(0)
    columns = {
        "size": keras.Input((1,), name="size"),
        "when": keras.Input((1,), name="when", dtype="string"),
        "blood": keras.Input((1,), name="blood", dtype="string"),
    }
    dates = date.DateParts(["when"], ["%Y-%m-%d"], name="date_parts")(columns["when"])
    both = keras.layers.Concatenate(name="all_numbers")([columns["size"], dates])
    names = ["size", *(f"when {part}" for part in "abcdef")]
    numbers = numeric.Numbers(names[:1], [1.0] * 7, [0.5] * 7, [0.01] * 7, [0], name="numbers")(both)
    words = categorical.OneHot(["blood"], [["A", "B", ""]], name="one_hot")(columns["blood"])
    x = keras.layers.Concatenate(name="encoded")([numbers, words])
    x = keras.layers.Dense(5, "relu", name="hidden_1")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.2, seed=1, name="drop")(x)
    x = keras.layers.Dense(3, "softmax", name="output")(x)
    x = calibration.Calibration(1.1, [0.1, 0.0, -0.1], True, name="calibration")(x)
    x = target.Target("multiclass", ["city"], ["Graz", "Linz", "Wien"], name="target")(x)
    model = keras.Model(columns, x, name="model")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    saving.save(model, folder / "model.h5")
    model.save(folder / "model.keras")


# Mutations. Each takes what it changes and a random generator.


def flipped(raw, random):
    raw = bytearray(raw)
    for place in random.integers(0, len(raw), random.integers(1, 9)):
        raw[place] ^= 1 << random.integers(0, 8)
    return bytes(raw)


def overwritten(raw, random):
    begin, length = random.integers(0, len(raw)), random.integers(1, 65)
    run = random.choice([b"\0", b"\xff", b"A"]) * int(length) if random.random() < 0.5 else random.bytes(length)
    return raw[:begin] + run + raw[begin + length :]


def cut(raw, random):
    return raw[: random.integers(0, len(raw))]


def inserted(raw, random):
    place = random.integers(0, len(raw))
    return raw[:place] + random.bytes(random.integers(1, 65)) + raw[place:]


def moved(raw, random):
    begin, other, length = random.integers(0, len(raw), 2).tolist() + [int(random.integers(1, 257))]
    return raw[:begin] + raw[other : other + length] + raw[begin + length :]


BYTES = [flipped, flipped, overwritten, cut, inserted, moved]


def spots(node):
    """Every place in a configuration: a mapping or list, and a key or index."""
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from spots(node[key])


def changed_json(text, random):
    config = json.loads(text)
    for _ in range(random.integers(1, 4)):
        places = list(spots(config))
        if not places:
            break
        node, key = places[random.integers(len(places))]
        other, other_key = places[random.integers(len(places))]
        kind = random.integers(6)
        if kind == 0:
            del node[key]
        elif kind == 1:
            node[key] = ODD[random.integers(len(ODD))]
        elif kind == 2 and isinstance(node, dict):
            node[str(ODD[random.integers(len(ODD))])] = node.pop(key)
        elif kind == 3:
            node[key] = json.loads(json.dumps(other[other_key]))
        elif isinstance(node[key], int | float) and not isinstance(node[key], bool):
            node[key] = node[key] * random.choice([-1, 2, 1000, 1e-3, 10**9])
        elif isinstance(node[key], str):
            node[key] = node[key][: random.integers(0, len(node[key]) + 1)] + str(random.choice(["", "s", ">x", "\0"]))
    return json.dumps(config)


def changed_h5(raw, random):
    """Changes through the HDF5 library: attributes of other types, values of others, datasets swapped."""
    held = io.BytesIO(raw)
    with h5py.File(held, "r+") as file:
        groups, arrays = [file], []
        file.visititems(lambda name, item: (arrays if isinstance(item, h5py.Dataset) else groups).append(item))
        kind = random.integers(6)
        holders = [group for group in groups if len(group.attrs)]
        holder = holders[random.integers(len(holders))]
        name = sorted(holder.attrs)[random.integers(len(holder.attrs))]
        first, second = (arrays[place].name for place in random.choice(len(arrays), 2, replace=False))
        if kind == 0:
            texts = [(file, key) for key in ("model_config", "training_config") if key in file.attrs]
            texts += [(file["mlp_toolkit"], "compile_config")] if "mlp_toolkit" in file else []
            if texts:
                holder, name = texts[random.integers(len(texts))]
                holder.attrs[name] = changed_json(holder.attrs[name], random)
        elif kind == 1:
            value = holder.attrs[name]
            options = [3, np.zeros((2, 2)), "text", [b"a", b"b"], np.zeros(0), h5py.Empty("f"), True]
            if isinstance(value, np.ndarray) and len(value):
                options += [value[::-1], value[:-1], np.concatenate([value, value])]
            holder.attrs[name] = options[random.integers(len(options))]
        elif kind == 2:
            del holder.attrs[name]
        elif kind == 3:
            file.move(first, "/aside")
            file.move(second, first)
            file.move("/aside", second)
        elif kind == 4:
            value = file[first][()]
            options = [
                value.astype("float64"),
                value.astype("int8"),
                np.zeros(7, "float32"),
                np.float32(1),
                value * 1e30,
            ]
            options += [np.full_like(value, -3), np.zeros((0, *value.shape), "float32"), value.T]
            del file[first]
            file[first] = options[random.integers(len(options))]
        else:
            del file[groups[random.integers(1, len(groups))].name if random.random() < 0.5 else first]
    return held.getvalue()


def changed_zip(raw, random):
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = sorted(parts)[random.integers(len(parts))] if random.random() < 0.2 else "config.json"
    if random.random() < 0.3:
        parts["model.weights.h5"] = changed_h5(parts["model.weights.h5"], random)
    elif random.random() < 0.4:
        parts[name] = BYTES[random.integers(len(BYTES))](parts[name], random)
    else:
        parts["config.json"] = changed_json(parts["config.json"], random).encode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", random.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    return held.getvalue()


def mutated(seed, h5, keras_archive):
    """The file of a seed: its ending and its bytes."""
    random = np.random.default_rng(seed)
    suffix = ".h5" if seed % 3 else ".keras"
    raw = h5 if suffix == ".h5" else keras_archive
    if random.random() < 0.5:
        return suffix, BYTES[random.integers(len(BYTES))](raw, random)
    return suffix, (changed_h5 if suffix == ".h5" else changed_zip)(raw, random)


# The process that opens them.


def work(folder, seeds):
    """Opens the files of some seeds; says before each which it is, and after it what came of it."""
    import warnings

    import mlp_toolkit as mt
    from mlp_toolkit.model.backend import keras

    warnings.simplefilter("ignore")
    h5, archive = (folder / "model.h5").read_bytes(), (folder / "model.keras").read_bytes()
    for seed in seeds:
        suffix, raw = mutated(seed, h5, archive)
        path = folder / f"mutated-{os.getpid()}{suffix}"
        path.write_bytes(raw)
        print(f"begin {seed}", flush=True)
        begun = time.monotonic()
        outcome = judged(mt, path)
        seconds = time.monotonic() - begun
        if most_memory() > MEMORY:
            outcome = "FAILURE too much memory"
        keras.backend.clear_session()
        print(json.dumps([seed, outcome, round(seconds, 3)]), flush=True)
        path.unlink()


def most_memory():
    """KiB this process ever had; `ru_maxrss` would count those of the process that started it, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def judged(mt, path):
    from mlp_toolkit.errors import UserError

    try:
        mt.inspect(path)
    except UserError as error:
        if str(path) not in str(error):
            return f"FAILURE without the file's name: {error}"
    except Exception as error:
        return f"FAILURE inspect: {error!r}"
    try:
        model = mt.load(path)
    except UserError as error:
        return REFUSED if str(path) in str(error) else f"FAILURE without the file's name: {error}"
    except Exception as error:
        return f"FAILURE load: {error!r}"
    try:
        table = mt.predict(model, FRAME)
    except UserError:
        return REFUSED_LATER
    except Exception as error:
        return f"FAILURE predict: {error!r}"
    numbers = table.select_dtypes("number") if isinstance(table, pd.DataFrame) else pd.DataFrame(table)
    return FINE if np.isfinite(numbers.to_numpy(float)).all() else "FAILURE predicts NaN or infinity"


def outcomes(first, count):
    """What comes of the files of so many seeds."""
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals(folder)
        waiting = list(range(first, first + count))
        while waiting:
            part = waiting[:FILES_A_PROCESS]
            found |= watched(folder, part)
            waiting = [seed for seed in waiting if seed not in found]
    return found


def watched(folder, seeds):
    """The results of one process; of the file that ended it, that it did.

    Raises:
        RuntimeError: The process ended before its first file; with what it said.
    """
    import select

    command = [sys.executable, __file__, "work", str(folder), json.dumps(seeds)]
    found, current = {}, None
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        while True:
            # Keras itself takes seconds to be imported.
            ready, _, _ = select.select([process.stdout], [], [], 120 if current is None else 6 * SECONDS)
            line = process.stdout.readline() if ready else ""
            if not line:
                process.kill()
                if current is None:
                    said.seek(0)
                    raise RuntimeError(f"the process that reads the files did not start:\n{said.read()}")
                break
            if line.startswith("begin "):
                current = int(line.split()[1])
            else:
                seed, outcome, seconds = json.loads(line)
                found[seed] = [outcome, seconds]
    if len(found) < len(seeds) and current not in found:
        found[current] = [f"FAILURE the process ended: {process.returncode}" if ready else "FAILURE no end", 0.0]
    return found


def failures(found):
    return {seed: outcome for seed, (outcome, _) in found.items() if outcome.startswith("FAILURE")}


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(Path(sys.argv[2]), json.loads(sys.argv[3]))
    else:
        begun = time.monotonic()
        results = outcomes(int(sys.argv[2]) if len(sys.argv) > 2 else 0, int(sys.argv[1]))
        for seed, outcome in failures(results).items():
            print(seed, outcome)
        print(dict(Counter(outcome.split(":")[0] for outcome, _ in results.values())))
        print(f"slowest {max(seconds for _, seconds in results.values())} s, {time.monotonic() - begun:.0f} s in all")
