#!/usr/bin/env python3
"""Splits the Wisconsin diagnostic data between two hospitals and trains the same model in floating point.

Usage: make-breast-cancer.py PATH/breast_cancer.csv   (the file that scikit-learn ships; public domain)

Writes programs/breast-cancer/inputs (the real data) and inputs-small (for the slowest protocols).
North has the first 15 columns, south the other 15 and the diagnosis. Every third patient is held out.
Each hospital scales its own columns, on its own: mean 0 and variance 1 over the patients trained on.
Needs numpy.
"""

import pathlib
import sys

import numpy as np

EPOCHS, RATE = 40, 1.0
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "programs" / "breast-cancer"


def auc(scores, labels):
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    greater = (positive[:, None] > negative[None, :]).sum()
    ties = (positive[:, None] == negative[None, :]).sum()
    return (greater + 0.5 * ties) / (len(positive) * len(negative))


def split(rows, columns):
    """Training and held-out parts, scaled over the former: each hospital can do this by itself."""
    held = np.arange(len(rows)) % 3 == 2
    data = rows[:, columns]
    mean, deviation = data[~held].mean(axis=0), data[~held].std(axis=0)
    scaled = np.round((data - mean) / deviation, 5)
    return scaled[~held], scaled[held]


def train(x, y, epochs, rate):
    x = np.hstack([x, np.ones((len(x), 1))])
    w = np.zeros(x.shape[1])
    for _ in range(epochs):
        w -= rate / len(x) * x.T @ (1 / (1 + np.exp(-x @ w)) - y)
    return w


def write(folder, arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        whole = array.ndim == 1
        np.savetxt(folder / f"{name}.csv", array, fmt="%d" if whole else "%.5f", delimiter=",")


def main(path):
    table = np.loadtxt(path, delimiter=",", skiprows=1)
    rows, label = table[:, :30], 1 - table[:, 30]  # 1 is malignant
    for name, take, p in [("inputs", slice(None), 15), ("inputs-small", slice(30, 54), 2)]:
        (a, a_held), (b, b_held) = (split(rows[take], range(s, s + p)) for s in (0, 15))
        held = np.arange(len(a) + len(a_held)) % 3 == 2
        y, y_held = label[take][~held], label[take][held]
        write(FOLDER / name, {"a": a, "b": b, "y": y, "a_held": a_held, "b_held": b_held, "y_held": y_held})
        w = train(np.hstack([a, b]), y, EPOCHS, RATE)
        scores = np.hstack([a_held, b_held, np.ones((len(a_held), 1))]) @ w
        print(f"{name}: {len(a)} patients trained on, {len(a_held)} held out, AUC {auc(scores, y_held):.5f}")


main(sys.argv[1])
