#!/usr/bin/env python3
"""Computes the coefficients of stdlib/coefficients.mpc and prints that file.

Usage: fit-coefficients.py > stdlib/coefficients.mpc && mpcc fmt stdlib/coefficients.mpc

Each row of a table is a polynomial on one piece of an interval: a truncated Chebyshev series, which is within a few percent
of the least possible error for the degrees here. Coefficients are rounded from the highest down, the lower ones being fitted
again to what is left. Errors are measured on a fine grid and printed above each table. Needs numpy.
"""

import math

import numpy as np
from numpy.polynomial import chebyshev, polynomial

erfc = np.vectorize(math.erfc)
sigmoid = lambda x: 1 / (1 + np.exp(-x))


def acos_beside(x):
    """acos(1 - x); a tangent from 1 on, where only x = 1 counts."""
    return np.where(x < 1, np.arccos(np.maximum(1 - x, 0)), np.pi / 2 - 1 + x)


def fit(f, degree, units):
    """Integers c with f(t) near sum of c[j] units[j] t^j for 0 <= t <= 1."""
    c = np.zeros(degree + 1, dtype=object)
    for j in range(degree, -1, -1):
        rest = lambda t: f(t) - sum(float(c[i]) * units[i] * t**i for i in range(j + 1, degree + 1))
        series = chebyshev.Chebyshev.interpolate(rest, 12, domain=[0, 1]).truncate(j + 1)
        coefficients = np.append(series.convert(kind=polynomial.Polynomial).coef, [0.0] * j)
        c[j] = int(round(coefficients[j] / units[j]))
    return [int(x) for x in c]


def error(f, c, units):
    t = np.linspace(0, 1, 999)
    return np.max(np.abs(sum(float(c[j]) * units[j] * t**j for j in range(len(c))) - f(t)))


def table(name, what, pieces, units, half=0.0, per_line=1):
    """pieces: functions of t, 0 <= t < 1; half: what is added to t, since bits below are cut off."""
    rows, worst = [], 0.0
    for piece in pieces:
        f = lambda t: piece(t + half)
        rows.append(fit(f, len(units) - 1, units))
        worst = max(worst, error(f, rows[-1], units))
    bits = max(abs(x) for row in rows for x in row).bit_length() + 1
    shape = [len(rows), len(units)] if per_line == 1 else [len(rows) // per_line, per_line * len(units)]
    print(f"\n// {what}; off by at most {worst:.1e}.")
    print(f"const {name}: int<{bits}>[{shape[0]}, {shape[1]}] = [")
    for i in range(0, len(rows), per_line):
        line = ", ".join(str(x) for row in rows[i : i + per_line] for x in row)
        if 4 + len(line) + 3 <= 140:
            print(f"    [{line}],")
        else:
            print("    [")
            for row in rows[i : i + per_line]:
                print("        " + ", ".join(str(x) for x in row) + ",")
            print("    ],")
    print("];")


def fine(name, what, f, index, scale, octaves=1):
    """Quadratic on 2^index pieces of [1, 2) (twice: of [1, 4)); 24 bits of the argument, the value in units of 2^-scale."""
    left, n = 24 - index, 1 << index
    piece = lambda o, i: lambda t: f((1 + (i + t) / n) * 2.0**o)
    pieces = [piece(o, i) for o in range(octaves) for i in range(n)]
    table(name, what, pieces, [2.0 ** (left * j - scale) for j in range(3)], 2.0 ** (-left - 1))


def smooth(name, what, f, width, half=0.0):
    """Cubic on 64 intervals of one width from 0 on, in units of 2^-22."""
    piece = lambda i: lambda t: f((i + t) * width)
    table(name, what, [piece(i) for i in range(64)], [2.0**-22] * 4, half)


def octaves(name, what, f, lowest, highest, below):
    """Cubic on four intervals of each octave, in units of 2^-22; in a row all four. `below`: what holds below the lowest."""
    piece = lambda e, i: lambda t: f((1 + (i + t) / 4) * 2.0**e)
    under = lambda i: lambda t: below((i + t) / 4 * 2.0**lowest)
    pieces = [under(i) for i in range(4)] + [piece(e, i) for e in range(lowest, highest) for i in range(4)]
    table(name, what, pieces, [2.0**-22] * 4, 2.0**-15, per_line=4)


print("// Coefficients of piecewise polynomials, computed by scripts/fit-coefficients.py; `pieces` says how they are read.")
fine("EXP2", "2^(m - 1) for m from 1 to 2, in units of 2^-59", lambda m: 2 ** (m - 1), 6, 59)
fine("LN", "ln m, in units of 2^-55", np.log, 6, 55)
fine("LOG2", "log2 m, in units of 2^-55", np.log2, 6, 55)
fine("INVERSE", "2 / m, in units of 2^-58", lambda m: 2 / m, 6, 58)
fine("ROOT", "sqrt(m) / 2 for m from 1 to 2 and from 2 to 4, in units of 2^-59", lambda m: np.sqrt(m) / 2, 6, 59, 2)
fine("INVERSE_ROOT", "1 / sqrt(m) likewise", lambda m: 1 / np.sqrt(m), 6, 59, 2)
smooth("SIGMOID", "1 / (1 + e^-x) - 1 for intervals of 1/4", lambda x: sigmoid(x) - 1, 1 / 4)
smooth("TANH", "tanh x - 1 for intervals of 1/8", lambda x: np.tanh(x) - 1, 1 / 8)
smooth("ERF", "erf x - 1 for intervals of 1/16", lambda x: -erfc(x), 1 / 16)
smooth("GELU", "-x (1 - Phi(x)) for intervals of 1/8", lambda x: -x * erfc(x / math.sqrt(2)) / 2, 1 / 8)
smooth("SOFTPLUS", "ln(1 + e^-x) for intervals of 1/4", lambda x: np.log1p(np.exp(-x)), 1 / 4)
smooth("SILU", "-x / (1 + e^x) for intervals of 1/4", lambda x: -x * sigmoid(-x), 1 / 4)
smooth("SINE", "sin(2 pi x) for intervals of 1/64", lambda x: np.sin(2 * np.pi * x), 1 / 64, 2.0**-19)
octaves("ATAN", "atan x below 1/8 and for the octaves from there to 2^32", np.arctan, -3, 32, np.arctan)
octaves("ACOS", "acos(1 - x) for x = 0 and the octaves from 2^-23 to 2", acos_beside, -23, 1, lambda x: 0 * x)
