#!/usr/bin/env python3
"""Writes the node tests of the `onnx` package as folders: model.onnx and test_data_set_*/{input,output}_*.pb.

Usage: make-onnx-node-tests.py FOLDER

Needs onnx. The tests are made anew by the package, so the folder follows its version.
"""

import pathlib
import sys
import warnings

import onnx
from onnx.backend.test.case.node import collect_testcases


def main(folder):
    warnings.simplefilter("ignore")
    written = skipped = 0
    for case in collect_testcases(None):
        try:
            write(pathlib.Path(folder) / case.name, case)
            written += 1
        except (TypeError, ValueError, AttributeError):
            # Sequences, maps and optional values are no tensors.
            skipped += 1
    print(f"{written} tests written, {skipped} without tensors left out")


def write(folder, case):
    sets = []
    for inputs, outputs in case.data_sets:
        graph = case.model.graph
        sets.append([("input", named(graph.input, inputs)), ("output", named(graph.output, outputs))])
    folder.mkdir(parents=True, exist_ok=True)
    for number, parts in enumerate(sets):
        data = folder / f"test_data_set_{number}"
        data.mkdir(exist_ok=True)
        for kind, tensors in parts:
            for i, tensor in enumerate(tensors):
                (data / f"{kind}_{i}.pb").write_bytes(tensor.SerializeToString())
    (folder / "model.onnx").write_bytes(case.model.SerializeToString())
    known = with_constants(case.model, sets)
    if known:
        (folder / "known.onnx").write_bytes(known.SerializeToString())


# Inputs that are constant in models, whatever their type.
CONSTANT = {"scales", "roi", "start", "limit", "delta", "condition", "depth", "training_mode"}


def is_constant(info, model):
    """Whether a model has this input as a constant: shapes, axes and the like, scales and zero points, places of a shift."""
    name = info.name
    integer = info.type.tensor_type.elem_type in (onnx.TensorProto.INT32, onnx.TensorProto.INT64)
    shift = name == "y" and any(node.op_type == "BitShift" for node in model.graph.node)
    return integer or shift or name in CONSTANT or name.endswith("scale") or "zero_point" in name


def with_constants(model, sets):
    """The model with such inputs as initialisers, as they are in models; in these tests all are inputs."""
    if len(sets) != 1:
        return None
    known = onnx.ModelProto()
    known.CopyFrom(model)
    inputs = {tensor.name: tensor for kind, tensors in [sets[0][0]] for tensor in tensors}
    constants = [info for info in known.graph.input if is_constant(info, model)]
    for info in constants:
        known.graph.initializer.append(inputs[info.name])
    return known if constants else None


def named(infos, arrays):
    """Arrays as tensors with the names of the graph; a dictionary or list is refused."""
    tensors = []
    for info, array in zip(infos, arrays):
        if isinstance(array, (dict, list)) or array is None:
            raise TypeError("no tensor")
        if not isinstance(array, onnx.TensorProto):
            array = onnx.numpy_helper.from_array(array, info.name)
        array.name = info.name
        tensors.append(array)
    return tensors


if __name__ == "__main__":
    main(*sys.argv[1:])
