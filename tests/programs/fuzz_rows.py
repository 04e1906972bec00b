"""Damaged rows to predict for: columns lost, renamed or exchanged, and values of every type that pandas holds."""

from __future__ import annotations

import datetime
import decimal
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

ODD: list[Any] = [
    *(None, np.nan, pd.NA, pd.NaT, True, 0, -1, 2**63, 10**400, 1e308, -1e308, np.inf, -np.inf, 1e-320, -0.0, 3.5, 1 + 2j),
    *("", " ", "NA", "x", "3", " 3.0 ", "1e999", "nan", "inf", "0x10", "\0", "\N{PILE OF POO}", "a" * 100_000, "\ud800"),
    *(b"x", b"\xff", bytearray(b"a"), decimal.Decimal("1.5"), decimal.Decimal("NaN"), decimal.Decimal("sNaN"), decimal.Decimal("1e999"), 1 / 3),
    *([1], [], {}, {"a": 1}, (1, 2), {1}, object(), int, len, Path("x"), np.array([1.0]), np.array([[1]]), np.zeros((0, 2))),
    *(np.float16(1), np.float32(1), np.int8(1), np.bool_(True), np.str_("x"), np.datetime64("2024-01-01"), np.timedelta64(1)),
    *(datetime.date(2024, 1, 1), datetime.datetime(1, 1, 1), datetime.time(1), datetime.timedelta(1), pd.Timestamp("2024")),
    *(pd.Interval(0, 1), pd.Period("2024"), pd.Timedelta("1D"), pd.Timestamp("2024", tz="Europe/Vienna"), np.void(b"a"), ...),
]  # fmt: skip  # as a table, several to a line
DTYPES = [
    *("float16", "float32", "float64", "longdouble", ">f8", "int8", "uint64", ">i4", "bool", "complex128", "object", "str"),
    *("Int64", "UInt8", "Float32", "boolean", "string", "category", "datetime64[ns]", "datetime64[s]", "timedelta64[ns]"),
    *("datetime64[ns, UTC]", "period[D]", "Sparse[float64]", "interval", "S5", "U3", "M8[D]", "string[pyarrow]"),
    *(pd.ArrowDtype(kind) for kind in (pa.float64(), pa.int32(), pa.string(), pa.bool_(), pa.timestamp("us"), pa.date32())),
    *(pd.ArrowDtype(kind) for kind in (pa.decimal128(9, 2), pa.list_(pa.int64()), pa.null(), pa.binary(), pa.float16())),
    *(pd.ArrowDtype(kind) for kind in (pa.dictionary(pa.int8(), pa.string()), pa.duration("s"), pa.time64("us"))),
]  # fmt: skip  # as a table, several to a line


def damaged(people: pd.DataFrame, random: Random) -> Any:
    """A few rows with one to four things wrong."""
    rows = random.choice([0, 1, 1, 2, 5, 64, 65, 200])
    frame: Any = people.sample(rows, replace=True, random_state=random.randrange(2**32)).reset_index(drop=True)
    for _ in range(min(random.randint(1, 4) for _ in range(2))):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                frame = random.choice(CHANGES)(frame, random)
            except Exception:  # pandas does not know every change of every column: try another
                continue
        if not isinstance(frame, pd.DataFrame):
            break
    return frame


def _odd_values(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    name = random.choice([*frame.columns])
    values = frame[name].astype(object).to_numpy(copy=True)
    for row in range(len(values)) if random.random() < 0.3 else random.sample(range(len(values)), min(len(values), 2)):
        values[row] = random.choice(ODD)
    return frame.assign(**{name: pd.Series(values, index=frame.index, dtype=object)})


def _one_value(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    value, name = random.choice(ODD), random.choice([*frame.columns])
    return frame.assign(**{name: pd.Series([value] * len(frame), index=frame.index)})


def _of_type(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    name, dtype = random.choice([*frame.columns]), random.choice(DTYPES)
    if random.random() < 0.5:
        return frame.assign(**{name: pd.Series([0, 1] * len(frame), dtype=dtype)[: len(frame)]})
    return frame.assign(**{name: frame[name].astype(dtype)})


def _renamed(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    name = random.choice([*frame.columns])
    other = random.choice([str(name).upper(), f" {name}", 5, None, 1.5, ("a", "b"), b"x", "", "\0", *frame.columns])
    return frame.rename(columns={name: other})


def _without(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    return frame.drop(columns=random.sample([*frame.columns], random.randint(0, frame.shape[1])))


def _more(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    extra = {f"extra {number}": [random.choice(ODD)] * len(frame) for number in range(random.choice([1, 5]))}
    return frame.assign(**{name: pd.Series(values, dtype=object) for name, values in extra.items()})


def _relabelled(frame: pd.DataFrame, random: Random) -> Any:
    columns, rows = frame.shape[1], len(frame)
    match random.randrange(9):
        case 0:
            return frame.set_axis(pd.MultiIndex.from_product([["a"], frame.columns]), axis=1)
        case 1:
            return frame.set_axis([f"row {number}" for number in range(rows)], axis=0)
        case 2:
            return frame.set_axis(pd.MultiIndex.from_arrays([range(rows), range(rows)]), axis=0)
        case 3:
            return frame.set_axis([0] * rows, axis=0)
        case 4:
            return frame.set_axis(range(columns), axis=1)
        case 5:
            return frame.set_axis(pd.CategoricalIndex(frame.columns), axis=1)
        case 6:
            return frame[[*frame.columns, random.choice([*frame.columns])]]
        case 7:
            return frame.set_index(random.choice([*frame.columns]))
        case _:
            return frame.iloc[::-1, ::-1]


def _exchanged(frame: pd.DataFrame, random: Random) -> pd.DataFrame:
    a, b = random.choice([*frame.columns]), random.choice([*frame.columns])
    return frame.assign(**{a: frame[b], b: frame[a]})


def _no_table(frame: pd.DataFrame, random: Random) -> Any:
    first = random.choice([*frame.columns])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        makers: list[Callable[[], Any]] = [
            lambda: frame[first],
            lambda: frame.to_numpy(),
            lambda: np.asmatrix(frame.select_dtypes("number").to_numpy()),
            lambda: frame.to_dict("list"),
            lambda: frame.to_dict("records"),
            lambda: pa.Table.from_pandas(frame),
            lambda: pd.DataFrame(),
            lambda: pd.DataFrame(index=frame.index),
            lambda: frame.T,
            lambda: frame.convert_dtypes(dtype_backend="pyarrow"),
            lambda: frame.convert_dtypes(),
            lambda: frame.astype(object),
            lambda: frame.astype(str),
            lambda: frame.to_xarray if random.random() < 0.1 else None,
            lambda: 5,
            lambda: "x.csv",
            lambda: iter(frame),
        ]
        return random.choice(makers)()


CHANGES: list[Callable[[pd.DataFrame, Random], Any]] = [
    *[_odd_values] * 4,
    *[_one_value] * 3,
    *[_of_type] * 4,
    *(_renamed, _without, _more, _more, _relabelled, _relabelled, _exchanged, _no_table),
]


def wide(people: pd.DataFrame) -> pd.DataFrame:
    """A million columns, those of the model among them."""
    noise = pd.DataFrame(np.zeros((2, 1_000_000), np.int8)).rename(columns=str)
    return pd.concat([people.head(2), noise], axis=1)


def long(people: pd.DataFrame) -> pd.DataFrame:
    """A million rows, each with a word of its own where there were four."""
    rows = people.iloc[np.arange(1_000_000) % len(people)].reset_index(drop=True)
    return rows.assign(blood=[f"word {number}" for number in range(len(rows))])
