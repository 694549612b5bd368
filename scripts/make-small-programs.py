#!/usr/bin/env python3
"""Makes the inputs of the smaller programs from a fixed seed, and says what their outputs must be.

Usage: make-small-programs.py

Salaries and incomes are drawn from log-normal distributions with the medians and spreads that such tables have;
real payrolls are not public. Needs numpy.
"""

import pathlib

import numpy as np

PROGRAMS = pathlib.Path(__file__).resolve().parent.parent / "programs"


def case(name, inputs, small, expected, define=None):
    """Writes inputs/, inputs-small/ and case.toml of a program."""
    lines = ["[input]"]
    for folder, arrays in [("inputs", inputs), ("inputs-small", small)]:
        (PROGRAMS / name / folder).mkdir(parents=True, exist_ok=True)
        for key, (array, form) in arrays.items():
            np.savetxt(PROGRAMS / name / folder / f"{key}.csv", np.atleast_2d(array), fmt=form, delimiter=",")
    lines += [f'{key} = "inputs/{key}.csv"' for key in inputs]
    lines += ["", "[expected]"] + [f'{key} = "{value}"' for key, value in expected.items()]
    if define:
        lines += ["", "[small.define]"] + [f'{key} = "{value}"' for key, value in define.items()]
    lines += ["", "[small.input]"] + [f'{key} = "inputs-small/{key}.csv"' for key in small]
    (PROGRAMS / name / "case.toml").write_text("\n".join(lines) + "\n")
    print(name, expected)


def salaries(rng):
    pay = np.round(rng.lognormal(np.log([[41000], [46500], [52000], [38500]]), 0.35, (4, 25))).astype(int)
    flat = np.sort(pay.ravel())
    expected = {
        "mean": round(flat.mean() / 1000, 3), "deviation": round(flat.std() / 1000, 3), "maximum": flat[99],
        "lower_decile": flat[10], "upper_median": flat[50], "upper_decile": flat[89],
    }
    case("salaries", {"salary": (pay, "%d")}, {"salary": (pay[:, :2], "%d")}, expected, {"EMPLOYEES": 2})


def median(rng):
    rows = np.round(rng.lognormal(np.log([[2310], [2650], [1980]]), 0.5, (3, 301))).astype(int)
    expected = {"median": int(np.median(rows))}
    case("median", {"part": (rows, "%d")}, {"part": (rows[:, :3], "%d")}, expected, {"ROWS": 3})


def merge(rng):
    x = rng.integers(-(2**29), 2**29, 8)
    a = rng.integers(-(2**62), 2**62, 8) * 2
    a[:2] = [-(2**63), 2**63 - 1]
    z = np.round(rng.lognormal(0, 4, 8) * 2**16).clip(1, 2**38) / 2**16
    inputs = {"x": (x, "%d"), "a": (a, "%d"), "z": (z, "%.16f")}
    case("merge", inputs, inputs, {"less": [bool(p < q) for p, q in zip(a, a[::-1])], "product": (x**2).tolist(), "log": np.round(np.log(z), 4).tolist()})


for make in (salaries, median, merge):
    make(np.random.default_rng(7))
