"""Damaged recipes: the shipped ones with characters, lines or values exchanged, and a table of hostile texts."""

from __future__ import annotations

import copy
import datetime
import functools
import io
from pathlib import Path
from random import Random
from typing import Any

from ruamel.yaml import YAML

from mlp_toolkit.recipe import catalog, spec

SIGNS = [*":-?&*!|>'\"%@`{}[],#<~=. \t\n\r\0", "\ufeff", "\x85", "\u2028", "\ud7ff", "\x1b[31m", "\N{PILE OF POO}"]
PIECES = [
    *("---\n", "...\n", "%YAML 1.1\n", "<<: ", "<<: *a", "&a ", "*a", "!!set ", "!!omap ", "!!binary ", "!!float "),
    *("!!python/object/apply:os.system [touch pwned] ", "!!python/name:os.system ", "!mine ", "!<tag:x> ", "!!null "),
    *(
        ".inf",
        "-.inf",
        ".nan",
        "0x" + "f" * 300,
        "1" + "0" * 5000,
        "-1",
        "1e999",
        "1_000",
        "0o17",
        "12:30:45",
        "1e-400",
    ),
    *(
        "2001-01-01",
        "2001-13-45",
        "2001-01-01T00:00:00Z",
        "yes",
        "null",
        "~",
        "true",
        '""',
        "''",
        '"\\ud800"',
        '"\\x00"',
    ),
    *(
        "? [a, b]\n: c\n",
        "{a: {b: {c: }}}",
        "[[[[",
        "]]]]",
        "}}}}",
        "{{",
        "|\n  x\n",
        ">-\n",
        "|9\n",
        "a" * 5000,
        "\n" * 500,
    ),
    *(
        "[" * 200,
        "- " * 200,
        "{a: " * 100,
        "extends: iris.yaml\n",
        "extends: r.yaml\n",
        "preset: r.yaml\n",
        "\n\t",
        "\r",
    ),
]
BYTES = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\0", b"\xef\xbb\xbf", b"\x80", b"\xfe\xff"]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 7, 10**9, 2**31, 2**63 - 1, 2**63, 2**64, -(2**63), 10**400, 0.0, -0.0, 0.5, 1.5),
    *(1e308, -1e308, 5e-324, float("inf"), float("-inf"), float("nan"), ""),
    *(" ", "auto", "all", "x", "null", "0.1", "é"),
    *("\N{PILE OF POO}", "a\nb", "a\tb", "\0", "\x1b[2J", "../../etc/passwd"),
    *("/", "~", ".", "/dev/zero", "a" * 3000, "name"),
    *("bounded(0, 1)", "bounded(1, 0)", "bounded(nan, inf)", "bounded(1e400, 2)", "date(%Y)", "date(%q)", "gpu:99999"),
    *("step", "relu", "softmax", "Adam", "sgd"),
    *("mse", "huber", "categorical_crossentropy", "cosine", "r.yaml", "x.csv"),
    *([], [[]], [None], [1, 2], [-1], [0.1, "a"]),
    *(["a", "a"], [[[[1]]]], list(range(200)), {}, {"": 1}, {"a": {"b": {}}}),
    *({"name": None}, {"name": "adam"}, {"name": []}, {1: 2}, {None: 1}, {True: 0.5}, {0.5: 1}, {"from": "data"}),
    *(datetime.date(2001, 1, 1), datetime.datetime(1, 1, 1, 1)),
    *(b"\xff\0", {"a", "b"}, {"validation": 0.9, "test": 0.9}),
]  # fmt: skip  # as a table, several to a line
HOSTILE: dict[str, str | bytes] = {
    "aliases of aliases": "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60)),
    "merged merges": "a0: &a0 {x: 1}\n"
    + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}\n" for i in range(1, 40)),
    "many merges": "a: &a {b: 1}\nc:\n  <<: [" + "*a," * 120_000 + "]\n",
    "values in brackets": "x: [" + "1," * 240_000 + "]",
    "values in lines": "- 1\n" * 120_000,
    "keys": "".join(f"a{i}: 1\n" for i in range(50_000)),
    "one key": "a: 1\n" * 95_000,
    "anchors": "".join(f"- &a{i} 1\n" for i in range(40_000)),
    "comments": "a: 1\n" + "# c\n" * 120_000,
    "brackets": "[" * 490_000,
    "braces": "{" * 490_000,
    "question marks": "? " * 240_000,
    "indented": "".join(" " * i + "a:\n" for i in range(900)),
    "digits": "seed: " + "9" * 400_000,
    "hexadecimal digits": "seed: 0x" + "f" * 400_000,
    "digits after the point": "seed: 1." + "9" * 400_000,
    "sixties": "seed: 1" + ":59" * 150_000,
    "escapes": 'name: "' + "\\x41" * 120_000 + '"',
    "open quote": 'name: "' + "a\n" * 200_000,
    "blank lines": "a: 1\n" + "\n" * 490_000,
    "one long line": "a: " + "x " * 240_000,
    "documents": "---\n" * 120_000,
    "directives": "%a b\n" * 80_000,
    "ordered map": "x: !!omap\n" + "".join(f"- a{i}: 1\n" for i in range(40_000)),
    "set": "x: !!set\n" + "".join(f"? a{i}\n" for i in range(40_000)),
    "base64": "x: !!binary " + "A" * 400_000,
    "too long": b"#" * 5_000_000,
    "UTF-16": "task: binary\n".encode("utf-16"),
    "UTF-32": "task: binary\n".encode("utf-32"),
    "zeros": b"\0" * 1000,
    "nothing": b"",
    "a mark alone": b"\xef\xbb\xbf",
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbftask: binary\n",
    "loop": "data: &a {b: *a}\n",
    "calls": "task: !!python/object/apply:os.system ['touch pwned']\n",
}


@functools.cache
def corpus() -> tuple[str, ...]:
    """The shipped recipes and presets, and one recipe that holds every section."""
    full = (
        "task: binary\nname: full\ndata: {dataset: breast_cancer, target: target, features: {mean radius: numeric}}\n"
    )
    full += "model: {hidden: {layers: 2, neurons: 8}, activation: {name: leaky_relu, slope: 0.1}, output: auto}\n"
    full += (
        "train: {optimizer: {name: adam, clipnorm: 1.0}, schedule: {name: cosine, warmup: 2}, class_weight: {0: 2}}\n"
    )
    child = "extends: iris.yaml\nmodel: {dropout: &d 0.1, l2: *d}\ntrain: {<<: {epochs: 3}, batch_size: 4}\n"
    shipped = [path.read_text("utf-8") for path in catalog.recipes().values()]
    presets = [path.read_text("utf-8") for path in sorted((catalog.root("configs") / "presets").glob("*.yaml"))]
    return (*shipped, *presets, full, child)


def damaged(random: Random) -> bytes:
    """A recipe of the corpus with one to five things wrong, mostly one or two."""
    text = random.choice(corpus())
    times = min(random.randint(1, 5) for _ in range(3))
    if random.random() < 0.5:
        return _of_values(text, random, times)
    raw = text.encode()
    for _ in range(times):
        raw = _one_change(raw, random) if random.random() < 0.4 else _one_edit(raw, random)
    return raw[:1_000_000]


def override(random: Random) -> str:
    """A text for `-o`."""
    sections = {"data": spec.Data, "model": spec.Model, "train": spec.Train}
    section = random.choice([*sections, ""])
    key = random.choice([*(sections[section] if section else spec.Recipe).model_fields])
    dotted = f"{section}.{key}" if section else key
    dotted += random.choice(["", "", "", ".name", ".x", ".", "..a", ".0"])
    return dotted + random.choice(["=", "=", "=", "", "=="]) + random.choice([*PIECES, *map(str, VALUES)])


def _one_change(raw: bytes, random: Random) -> bytes:
    """Bytes flipped, cut out, repeated or put in."""
    begin = random.randint(0, len(raw))
    end = min(len(raw), begin + random.choice([1, 1, 2, 5, 50]))
    match random.randrange(6):
        case 0:
            return raw[:begin] + bytes(byte ^ (1 << random.randrange(8)) for byte in raw[begin:end]) + raw[end:]
        case 1:
            return raw[:begin] + raw[end:]
        case 2:
            return raw[:end] + raw[begin:end] * random.choice([1, 2, 30]) + raw[end:]
        case 3:
            return raw[:begin] + random.choice(BYTES) + raw[begin:]
        case 4:
            return raw[:begin] + random.randbytes(random.randint(1, 4)) + raw[begin:]
        case _:
            return raw[:begin] if random.random() < 0.2 else raw[:begin] + raw[end:]


def _one_edit(raw: bytes, random: Random) -> bytes:
    """Signs and pieces of YAML put in; lines exchanged, repeated, indented or taken from elsewhere."""
    text = raw.decode("utf-8", "replace")
    place = random.randint(0, len(text))
    lines = text.split("\n")
    line = random.randrange(len(lines))
    match random.randrange(9):
        case 0 | 1:
            text = text[:place] + random.choice(SIGNS) + text[place:]
        case 2:
            text = text[:place] + random.choice(PIECES) + text[place:]
        case 3:
            other = random.choice(corpus()).split("\n")
            lines.insert(line, random.choice(other))
            text = "\n".join(lines)
        case 4:
            lines[line] = random.choice(["  ", "\t", " ", ""]) + lines[line].strip()
            text = "\n".join(lines)
        case 5:
            lines.insert(random.randrange(len(lines)), lines[line])
            text = "\n".join(lines)
        case 6:
            head, colon, _ = lines[line].partition(":")
            lines[line] = head + colon + " " + random.choice([*PIECES, *(str(value) for value in VALUES)])
            text = "\n".join(lines)
        case 7:
            text = text.replace("\n", random.choice(["\r\n", "\r", "\x85", "\u2028", " "]), random.choice([1, -1]))
        case _:
            word = random.choice(text.split() or ["x"])
            text = text.replace(word, random.choice([word.upper(), word[::-1], word * 2, word[:-1], ""]))
    return text.encode("utf-8", "surrogatepass")


def _of_values(text: str, random: Random, times: int) -> bytes:
    """Values exchanged, keys renamed, removed or added, before they are written as YAML again."""
    values = YAML(typ="safe", pure=True).load(text)
    for _ in range(times):
        values = _other_value(values, random)
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = random.choice([True, False, None])
    yaml.allow_unicode = random.choice([True, False])
    try:
        yaml.dump(values, stream)
    except Exception:  # what cannot be written is no recipe
        return repr(values).encode("utf-8", "replace")
    return stream.getvalue().encode("utf-8", "surrogatepass")


def _other_value(values: Any, random: Random) -> Any:
    if not isinstance(values, dict) or not values:
        return copy.deepcopy(random.choice(VALUES))
    part = values
    key = random.choice([*part])
    while isinstance(part[key], dict) and part[key] and random.random() < 0.75:
        part = part[key]
        key = random.choice([*part])
    old = part[key]
    match random.randrange(9):
        case 0 | 1 | 2:
            part[key] = copy.deepcopy(random.choice(VALUES))
        case 3:
            del part[key]
        case 4:
            names = [
                *spec.Data.model_fields,
                *spec.Model.model_fields,
                *spec.Train.model_fields,
                *spec.Recipe.model_fields,
            ]
            part[random.choice([*names, str(key)[:-1], str(key).upper(), 0, None, 1.5])] = part.pop(key)
        case 5:
            part[key] = random.choice([[old], {"name": old}, {str(key): old}, [old, old], str(old), f"{old} "])
        case 6:
            numeric = isinstance(old, int | float) and not isinstance(old, bool)
            part[key] = old * random.choice([-1, 0, 1e9, 10**30, 1.0]) if numeric else [str(old)] * 300
        case 7:
            other = random.choice([*values])
            part[key], values[other] = copy.deepcopy(values[other]), old
        case _:
            section = random.choice([spec.Data, spec.Model, spec.Train, spec.Recipe, spec.Optimizer])
            part[random.choice([*section.model_fields])] = copy.deepcopy(random.choice(VALUES))
    return values


def fill(folder: Path) -> Path:
    """A folder as the shipped recipes need it beside them, with a place for a damaged one."""
    root = catalog.root("recipes")
    for file in root.glob("*.yaml"):
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "data").symlink_to(root / "data")
    return folder / "r.yaml"
