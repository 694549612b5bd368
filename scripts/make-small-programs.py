#!/usr/bin/env python3
"""Makes the inputs of the smaller programs from a fixed seed, and says what their outputs must be.

Usage: make-small-programs.py

Salaries and incomes are drawn from log-normal distributions with the medians and spreads that such tables have;
real payrolls are not public. Needs numpy and cryptography.
"""

import pathlib

import numpy as np

PROGRAMS = pathlib.Path(__file__).resolve().parent.parent / "programs"


def case(name, inputs, small, expected, define=None, always=None):
    """Writes inputs/, inputs-small/ and case.toml of a program."""
    lines = ["[input]"]
    for folder, arrays in [("inputs", inputs), ("inputs-small", small)]:
        (PROGRAMS / name / folder).mkdir(parents=True, exist_ok=True)
        for key, (array, form) in arrays.items():
            np.savetxt(PROGRAMS / name / folder / f"{key}.csv", np.atleast_2d(array), fmt=form, delimiter=",")
    quoted = lambda key: key if key.isidentifier() else f'"{key}"'
    lines += [f'{quoted(key)} = "inputs/{key}.csv"' for key in inputs]
    lines += ["", "[expected]"] + [f'{key} = "{value}"' for key, value in expected.items()]
    if always:
        lines += ["", "[define]"] + [f'{key} = "{value}"' for key, value in always.items()]
    if define:
        lines += ["", "[small.define]"] + [f'{key} = "{value}"' for key, value in define.items()]
    lines += ["", "[small.input]"] + [f'{quoted(key)} = "inputs-small/{key}.csv"' for key in small]
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


def of_each(role, name, array, form):
    """One file for each role of an array: tables have two axes."""
    return {f"{role}[{i}].{name}": (part, form) for i, part in enumerate(array)}


def numbers(array, digits=3):
    return np.round(np.asarray(array, dtype=float).ravel(), digits).tolist()


def aes_counter(rng):
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    left, right, nonce = (rng.integers(0, 256, size) for size in (16, 16, 12))

    def inputs(text):
        message = np.frombuffer(text, dtype=np.uint8).reshape(-1, 16)
        return {"left_half": (left, "%d"), "right_half": (right, "%d"), "nonce": (nonce, "%d"), "message": (message, "%d")}

    text = b"Whoever encrypts for others should not be able to lose their key; here nobody has it, and each half alone is noise. (128 bytes.)"
    counter = bytes(nonce.tolist()) + (1).to_bytes(4, "big")
    encryptor = Cipher(algorithms.AES(bytes((left ^ right).tolist())), modes.CTR(counter)).encryptor()
    expected = {"ciphertext": list(encryptor.update(text))}
    case("aes-counter", inputs(text), inputs(text[:16]), expected, {"BLOCKS": 1})


def life(rng):
    board = rng.random((16, 16)) < 0.35
    small = rng.random((4, 4)) < 0.5
    halves = lambda b: {"left": (b[:, : len(b) // 2], "%d"), "right": (b[:, len(b) // 2 :], "%d")}
    after = board.copy()
    for _ in range(6):
        turns = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]
        neighbours = sum(np.roll(after, turn, (0, 1)).astype(int) for turn in turns)
        after = (neighbours == 3) | (after & (neighbours == 2))
    case("life", halves(board), halves(small), {"board": after.ravel().astype(int).tolist()}, {"SIZE": 4, "STEPS": 2})


def dijkstra(rng):
    far = 1000000

    def network(places, edges):
        cost = np.full((places, places), far)
        np.fill_diagonal(cost, 0)
        for _ in range(edges):
            a, b = rng.integers(0, places, 2)
            if a != b:
                cost[a, b] = rng.integers(50, 900)
        return cost

    def inputs(places, edges, start, goal):
        roads, rails = network(places, edges), network(places, edges)
        return {"roads": (roads, "%d"), "rails": (rails, "%d"), "start": (np.array(start), "%d"), "goal": (np.array(goal), "%d")}

    full = inputs(10, 22, 0, 7)
    way = np.minimum(full["roads"][0], full["rails"][0])
    for middle in range(10):  # Floyd and Warshall
        way = np.minimum(way, way[:, middle : middle + 1] + way[middle : middle + 1, :])
    goal = int(np.where(way[0] < far, way[0], 0).argmax())
    full["goal"] = (np.array(goal), "%d")
    case("dijkstra", full, inputs(4, 4, 1, 2), {"cost": way[0, goal]}, {"PLACES": 4})


def association(rng):
    def inputs(people, markers):
        frequency = rng.uniform(0.05, 0.5, markers)
        alleles = rng.binomial(2, frequency, (2, people, markers))
        risk = 0.3 + 0.2 * (alleles[:, :, 0] - alleles[:, :, 0].mean()) + 0.15 * (alleles[:, :, 1] == 2)
        ill = rng.random((2, people)) < risk
        return of_each("biobanks", "alleles", alleles, "%d") | {"ill": (ill, "%d")}

    full = inputs(120, 16)
    alleles = np.vstack([full[f"biobanks[{i}].alleles"][0] for i in range(2)])
    ill = full["ill"][0].ravel()
    statistic = []
    for rare in alleles.T:
        table = np.array([[rare[ill].sum(), 2 * ill.sum() - rare[ill].sum()], [rare[~ill].sum(), 2 * (~ill).sum() - rare[~ill].sum()]])
        due = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
        statistic.append(((table - due) ** 2 / due).sum())
    case("association", full, inputs(6, 3), {"chi_square": numbers(statistic)}, {"PEOPLE": 6, "MARKERS": 3})


def k_means(rng):
    def points(count):
        around = np.array([[2.0, 3.0], [8.0, 2.5], [5.0, 8.0]])
        return np.round(around[rng.integers(0, 3, 2 * count)] + rng.normal(0, 0.8, (2 * count, 2)), 3)

    x, small = points(40), points(3)
    centre = x[:: len(x) // 3][:3].copy()
    for _ in range(8):
        nearest = ((x[:, None, :] - centre) ** 2).sum(2).argmin(1)
        size = np.bincount(nearest, minlength=3)
        centre = np.array([x[nearest == j].mean(0) if size[j] else centre[j] for j in range(3)])
    expected = {"centres": numbers(centre), "sizes": size.tolist()}
    inputs = lambda x: of_each("shops", "customers", x.reshape(2, -1, 2), "%.3f")
    case("k-means", inputs(x), inputs(small), expected, {"POINTS": 3, "STEPS": 1})


def survival(rng):
    def inputs(patients, months):
        month = np.minimum(rng.exponential(months * 0.7, (3, patients)).astype(int), months - 1)
        died = (rng.random((3, patients)) < 0.6) & (month < months - 1)
        return {"month": (month, "%d"), "died": (died, "%d")}

    full = inputs(40, 24)
    month, died = full["month"][0].ravel(), full["died"][0].ravel()
    alive, curve = 1.0, []
    for t in range(24):
        alive *= 1 - ((month == t) & died).sum() / max((month >= t).sum(), 1)
        curve.append(alive)
    case("survival", full, inputs(3, 4), {"curve": numbers(curve, 4)}, {"PATIENTS": 3, "MONTHS": 4})


def double_auction(rng):
    bid, ask = rng.integers(800, 1500, 6), rng.integers(700, 1300, 6)
    pairs = [(b, a) for b, a in zip(sorted(bid, reverse=True), sorted(ask)) if b >= a]
    assert 0 < len(pairs) < 6
    inputs = {"bid": (bid.reshape(6, 1), "%d"), "ask": (ask.reshape(6, 1), "%d")}
    case("double-auction", inputs, inputs, {"volume": len(pairs), "price": (sum(pairs[-1])) // 2})


def pay_by_group(rng):
    def inputs(people):
        group = rng.choice(6, (3, people), p=[0.3, 0.25, 0.2, 0.15, 0.09, 0.01])
        pay = np.round(rng.lognormal(np.log(np.array([31, 36, 42, 55, 70, 90]) * 1000)[group], 0.2)).astype(int)
        return {"pay": (pay, "%d"), "group": (group, "%d")}

    full = inputs(50)
    pay, group = full["pay"][0].ravel() / 1000, full["group"][0].ravel()
    rows = [pay[group == j] for j in range(6)]
    shown = [row if len(row) >= 5 else None for row in rows]
    of = lambda f: [f(row) if row is not None else 0 for row in shown]
    expected = {"people": of(len), "mean": numbers(of(np.mean)), "deviation": numbers(of(np.std))}
    case("pay-by-group", full, inputs(3), expected, {"PEOPLE": 3, "LEAST": 2})


def private_histogram(rng):
    def inputs(patients):
        return {"age": (rng.integers(0, 100, (3, patients)), "%d")}

    # A large budget leaves no noise, so that the outputs are known.
    full = inputs(60)
    count = np.bincount(full["age"][0].ravel() // 10, minlength=10)
    case("private-histogram", full, inputs(4), {"count": count.tolist()}, {"PATIENTS": 4}, {"EPSILON": 64})


def two_hospitals(rng):
    def inputs(patients, bills):
        everyone = rng.permutation(4 * bills)[: 2 * bills] + 100000
        insured = everyone[:bills]
        person = rng.choice(everyone[bills // 2 : bills // 2 + patients + bills // 4], patients, replace=False)
        cost = np.round(rng.lognormal(np.log(3500), 0.8, bills)).astype(int)
        columns = {"person": person, "diagnosis": rng.integers(0, 5, patients), "insured": insured, "cost": cost}
        return {name: (column, "%d") for name, column in columns.items()}

    full = inputs(80, 100)
    person, diagnosis, insured, cost = (column for column, _ in full.values())
    costs = dict(zip(insured.tolist(), cost / 1000))
    groups = [[costs[p] for p, d in zip(person.tolist(), diagnosis) if d == g and p in costs] for g in range(5)]
    expected = {
        "patients": sum(map(len, groups)), "people": [len(g) for g in groups],
        "mean_cost": numbers([np.mean(g) if g else 0 for g in groups]),
    }
    case("two-hospitals", full, inputs(5, 6), expected, {"PATIENTS": 5, "BILLS": 6})


def fraud(rng):
    def inputs(payments, accounts):
        account = rng.choice(10**9, accounts, replace=False)
        target = np.where(rng.random(payments) < 0.8, rng.choice(account, payments), rng.integers(0, 10**9, payments))
        table = lambda rows, columns: np.round(rng.normal(0, 1, (rows, columns)), 3)
        return {
            "target": (target, "%d"), "payment": (table(payments, 3), "%.3f"), "account": (account, "%d"),
            "history": (table(accounts, 2), "%.3f"), "weights": (np.array([0.8, -0.3, 1.1, 0.9, -0.7, 1.5]), "%.2f"),
            "constant": (np.array(-1.2), "%.2f"),
        }

    full = inputs(50, 80)
    target, payment, account, history, weights, constant = (values for values, _ in full.values())
    rows = {a: h for a, h in zip(account.tolist(), history)}
    known = np.array([rows.get(t, np.zeros(2)) for t in target.tolist()])
    unknown = np.array([[t not in rows] for t in target.tolist()], dtype=float)
    score = 1 / (1 + np.exp(-(np.hstack([payment, known, unknown]) @ weights + constant)))
    case("fraud", full, inputs(4, 5), {"score": numbers(score), "unknown": int(unknown.sum())}, {"PAYMENTS": 4, "ACCOUNTS": 5})


PROGRAMS_MADE = (
    salaries, median, merge, aes_counter, life, dijkstra, association, k_means, survival, double_auction, pay_by_group,
    private_histogram, two_hospitals, fraud,
)
for make in PROGRAMS_MADE:
    make(np.random.default_rng(7))
