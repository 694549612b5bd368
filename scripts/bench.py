#!/usr/bin/env python3
"""Times the programs of scripts/bench among processes on this machine.

    cargo build --release --bin mpcvm
    scripts/bench.py [--runs 7] [--only NAME,…] [--threads T] [--json FILE] [--mp-spdz DIR]

A row is the time of REPEAT operations less that of none, by the slowest party, divided by REPEAT: making the operands,
starting and opening a result are in both and drop out. Rounds and bytes are differences likewise, exact, of the party
that sends most. With --mp-spdz, a folder in which replicated-ring-party.x and the programs b_NAME are built, its timer 1
is read in turn with ours.

Prints a Markdown table: median, and least and greatest in brackets.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MPCVM = ROOT / "target" / "release" / "mpcvm"
M = 1_000_000

# name: program, constants, repeats, truncation, operations of one repeat, program of MP-SPDZ and its repeats
ROWS = {
    "product, 64 bits": ("product", {"N": M}, 20, "exact", M, ("b_mul", 10)),
    "and, packed bits": ("and", {"N": 100 * M}, 10, "exact", 100 * M, None),
    "less, int<63>": ("less", {"N": M}, 5, "exact", M, ("b_lt", 1)),
    "relu, fix<40,16>": ("relu", {"N": M}, 5, "exact", M, ("b_relu", 1)),
    "fixed product, fast": ("fixed", {"N": M}, 5, "fast", M, None),
    "fixed product, probabilistic": ("fixed", {"N": M}, 5, "probabilistic", M, ("b_fix", 1)),
    "fixed product, exact": ("fixed", {"N": M}, 5, "exact", M, ("b_fix-nearest", 1)),
    "fixed matmul 256": ("matmul", {"N": 256}, 10, "exact", 1, ("b_matmul-256", 1)),
    "fixed matmul 1024": ("matmul", {"N": 1024}, 1, "exact", 1, ("b_matmul-1024", 1)),
    "sort, int<64>, a row each": ("sort", {"N": 100_000}, 1, "exact", 100_000, ("b_sort", 1)),
    "left join of 10^4 rows a side, a row each": ("join", {"N": 10_000}, 1, "exact", 10_000, None),
    "group sum, a row each": ("group", {"N": 100_000}, 1, "exact", 100_000, None),
    "dependent product": ("product", {"N": 1}, 10_000, "exact", 1, ("b_chain", 10_000)),
}


def ours(row, repeat, threads):
    """Seconds, rounds and bytes of a run with `repeat` operations."""
    program, constants, _, truncation, _, _ = row
    with tempfile.TemporaryDirectory() as folder:
        stats = pathlib.Path(folder) / "stats.json"
        command = [MPCVM, "local", ROOT / "scripts" / "bench" / f"{program}.mpc", "--quiet", "--stats", stats]
        command += ["--truncation", truncation, "--threads", str(threads), "-D", f"REPEAT={repeat}"]
        for name, value in constants.items():
            command += ["-D", f"{name}={value}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        found = json.loads(stats.read_text())
    parties = found["per_party"]
    seconds = max(p["seconds"]["total"] - p["seconds"]["setup"] for p in parties)
    peak = max(p["peak_rss_bytes"] for p in parties)
    return seconds, found["rounds"], max(p["bytes_sent"] for p in parties), peak


def theirs(folder, name):
    """Seconds of timer 1."""
    command = ["Scripts/ring.sh", name]
    run = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return float(re.search(r"Time1 = ([0-9.e-]+) seconds", run.stdout + run.stderr).group(1))


def spread(values):
    return f"{statistics.median(values):.4g} [{min(values):.4g}–{max(values):.4g}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--only", help="rows whose name contains one of these")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--mp-spdz", type=pathlib.Path)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else [""]

    print("| work | operations/s | ms each time | rounds | bytes each | peak MB | MP-SPDZ, ms | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    results = {}
    for name, row in ROWS.items():
        if not any(part in name for part in wanted):
            continue
        _, _, repeat, _, operations, peer = row
        each, other = [], []
        for _ in range(arguments.runs):
            (base, rounds_0, bytes_0, _), (full, rounds, sent, peak) = (ours(row, r, arguments.threads) for r in (0, repeat))
            each.append((full - base) / repeat)
            if arguments.mp_spdz and peer:
                other.append(theirs(arguments.mp_spdz, peer[0]) / peer[1])
        milliseconds = [1e3 * t for t in each]
        rate = operations / statistics.median(each)
        rounds, sent = (rounds - rounds_0) / repeat, (sent - bytes_0) / repeat / operations
        ratio = f"{statistics.median(other) / statistics.median(each):.1f}" if other else ""
        theirs_text = spread([1e3 * t for t in other]) if other else ""
        print(
            f"| {name} | {rate:.3g} | {spread(milliseconds)} | {rounds:g} | {sent:.4g} | {peak / 1e6:.0f} | {theirs_text} | {ratio} |",
            flush=True,
        )
        results[name] = {"seconds": each, "peer_seconds": other, "operations": operations, "rounds": rounds, "bytes": sent}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
