#!/usr/bin/env python3
"""Makes the small networks in compiler/tests/onnx: model.onnx, inputs and the outputs of onnx's reference evaluator.

Usage: make-onnx-models.py

Weights are drawn from a fixed seed. Needs onnx and numpy.
"""

import pathlib
import shutil

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "compiler" / "tests" / "onnx"


class Net:
    """A graph under construction."""

    def __init__(self, name, seed, opset=17):
        self.name, self.opset, self.rng = name, opset, np.random.default_rng(seed)
        self.nodes, self.initialisers, self.count = [], [], 0

    def weight(self, *shape, scale=None, low=None):
        scale = scale or 1 / np.sqrt(max(np.prod(shape[1:]), 1))
        data = self.rng.normal(0, scale, shape) if low is None else self.rng.uniform(low, low + 1, shape)
        return self.known(data.astype(np.float32))

    def known(self, array):
        self.count += 1
        self.initialisers.append(numpy_helper.from_array(np.asarray(array), f"w{self.count}"))
        return f"w{self.count}"

    def __call__(self, op, *inputs, outputs=1, **attributes):
        self.count += 1
        names = [f"t{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op.lower()}_{self.count}", **attributes))
        return names[0] if outputs == 1 else names

    def save(self, inputs, outputs, types=None, external=False):
        """Inputs by name, with arrays; outputs by the name they get."""
        for name, value in outputs.items():
            self.nodes.append(helper.make_node("Identity", [value], [name]))
        types = types or {}
        infos = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), types.get(n, a.shape))
            for n, a in inputs.items()
        ]
        made = [helper.make_tensor_value_info(n, types.get(n, TensorProto.FLOAT), None) for n in outputs]
        graph = helper.make_graph(self.nodes, self.name, infos, made, self.initialisers)
        sets = [helper.make_opsetid("", self.opset)]
        if any(node.domain for node in self.nodes):
            sets.append(helper.make_opsetid("ai.onnx.ml", 3))
        model = helper.make_model(graph, opset_imports=sets, ir_version=8)
        results = ReferenceEvaluator(model).run(None, inputs)
        folder = FOLDER / self.name
        shutil.rmtree(folder, ignore_errors=True)
        data = folder / "test_data_set_0"
        data.mkdir(parents=True)
        if external:
            onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=64)
        else:
            onnx.save(model, folder / "model.onnx")
        for i, (name, array) in enumerate(inputs.items()):
            (data / f"input_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
        for i, (name, array) in enumerate(zip(outputs, results)):
            (data / f"output_{i}.pb").write_bytes(numpy_helper.from_array(array, name).SerializeToString())
        print(self.name, sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()))

    def picture(self, *shape):
        return self.rng.uniform(0, 1, shape).astype(np.float32)


def lenet():
    """Convolutions with batch normalisation, pools, and a reshape whose shape is computed: as exported with a free batch.

    The evaluator takes batch normalisation before operator set 14 for training.
    """
    n = Net("lenet", 1, opset=15)
    x = n("Conv", "image", n.weight(4, 1, 5, 5), n.weight(4), pads=[2, 2, 2, 2])
    statistics = [n.weight(4, low=0.5), n.weight(4), n.weight(4, scale=0.1), n.weight(4, low=0.5)]
    x = n("BatchNormalization", x, *statistics)
    x = n("MaxPool", n("Relu", x), kernel_shape=[2, 2], strides=[2, 2])
    x = n("AveragePool", n("Relu", n("Conv", x, n.weight(6, 4, 3, 3), n.weight(6))), kernel_shape=[2, 2], strides=[2, 2])
    batch = n("Gather", n("Shape", x), n.known(np.int64(0)), axis=0)
    shape = n("Concat", n("Unsqueeze", batch, n.known(np.array([0]))), n.known(np.array([-1])), axis=0)
    x = n("Relu", n("Gemm", n("Reshape", x, shape), n.weight(10, 24), n.weight(10), transB=1))
    n.save({"image": n.picture(2, 1, 12, 12)}, {"log_probabilities": n("LogSoftmax", x, axis=1)}, {"image": ["batch", 1, 12, 12]})


def face():
    """Depthwise convolutions, PRelu, ReLU6, a residual, and a normalised embedding written out: as MobileFaceNet has them."""
    n = Net("face", 2, opset=13)
    x = n("PRelu", n("Conv", "x", n.weight(6, 3, 3, 3), n.weight(6), pads=[1] * 4, strides=[2, 2]), n.weight(6, 1, 1, scale=0.3))
    y = n("Conv", x, n.weight(6, 1, 3, 3), n.weight(6), group=6, pads=[1] * 4)
    y = n("Clip", y, n.known(np.float32(0)), n.known(np.float32(6)))
    y = n("Conv", y, n.weight(6, 3, 1, 1), group=2)
    y = n("Conv", n("Add", x, y), n.weight(6, 1, 4, 4), n.weight(6), group=6)
    y = n("Reshape", y, n.known(np.array([1, 6])))
    squares = n("ReduceSum", n("Pow", n("Abs", y), n.known(np.float32(2))), n.known(np.array([1])))
    norm = n("Clip", n("Pow", squares, n.known(np.float32(0.5))), n.known(np.float32(1e-6)))
    n.save({"x": n.picture(1, 3, 8, 8)}, {"embedding": n("Div", y, n("Expand", norm, n("Shape", y)))})


def layer_norm(n, x, width):
    centred = n("Sub", x, n("ReduceMean", x, axes=[-1]))
    variance = n("ReduceMean", n("Pow", centred, n.known(np.float32(2))), axes=[-1])
    deviation = n("Sqrt", n("Add", variance, n.known(np.float32(1e-3))))
    return n("Add", n("Mul", n("Div", centred, deviation), n.weight(width, low=0.5)), n.weight(width))


def encoder():
    """One block of a transformer as exported before LayerNormalization and Gelu were operators, with tokens as input."""
    n, width, heads, length = Net("encoder", 3, opset=13), 8, 2, 5
    x = n("Add", n("Gather", n.weight(20, width, scale=1.0), "tokens"), n.weight(length, width, scale=0.5))
    x = layer_norm(n, x, width)

    def project(order):
        y = n("Add", n("MatMul", x, n.weight(width, width)), n.weight(width))
        split = n("Reshape", y, n.known(np.array([0, 0, heads, width // heads])))
        return n("Transpose", split, perm=order)

    q, k, v = project([0, 2, 1, 3]), project([0, 2, 3, 1]), project([0, 2, 1, 3])
    scores = n("Div", n("MatMul", q, k), n.known(np.float32(2)))
    mask = n.known(np.triu(np.full((length, length), -1e9, np.float32), 1) == 0)
    scores = n("Where", mask, scores, n.known(np.float32(-1e9)))
    y = n("Transpose", n("MatMul", n("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
    y = n("Reshape", y, n.known(np.array([0, 0, width])))
    x = layer_norm(n, n("Add", x, n("MatMul", y, n.weight(width, width))), width)
    h = n("Add", n("MatMul", x, n.weight(width, 16)), n.weight(16))
    erf = n("Add", n("Erf", n("Div", h, n.known(np.float32(np.sqrt(2))))), n.known(np.float32(1)))
    h = n("Mul", n("Mul", h, erf), n.known(np.float32(0.5)))
    x = layer_norm(n, n("Add", x, n("MatMul", h, n.weight(16, width))), width)
    n.save({"tokens": np.array([[3, 7, 0, 19, 4]])}, {"hidden": x, "pooled": n("Tanh", n("ReduceMean", x, axes=[1], keepdims=0))})


def mlp():
    """Dense layers with other activations, weights in a file of their own, and names that are no identifiers."""
    n = Net("mlp", 4, opset=20)
    x = n("Gelu", n("Gemm", "serving/features:0", n.weight(6, 16, scale=0.4), n.weight(16)))
    x = n("HardSwish", n("MatMul", x, n.weight(16, 16)))
    x = n("Softplus", n("LayerNormalization", x, n.weight(16, low=0.5), n.weight(16), axis=-1))
    first, second = n("Split", x, outputs=2, axis=1, num_outputs=2)
    x = n("Concat", n("Elu", first), n("Sigmoid", second), axis=1)
    y = n("Gemm", x, n.weight(16, 3), n.weight(3))
    n.save({"serving/features:0": n.picture(4, 6)}, {"probabilities": n("Softmax", y), "logits": y}, external=True)


def decoder():
    """Sequence of one-dimensional convolutions and what undoes them."""
    n = Net("decoder", 5)
    x = n("LeakyRelu", n("Conv", "signal", n.weight(4, 2, 3), n.weight(4), strides=[2], pads=[1, 1]), alpha=0.1)
    x = n("Conv", x, n.weight(4, 4, 3), dilations=[2], pads=[2, 2])
    x = n("InstanceNormalization", x, n.weight(4, low=0.5), n.weight(4), epsilon=1e-3)
    x = n("ConvTranspose", x, n.weight(4, 2, 4), n.weight(2), strides=[2], pads=[1, 1])
    n.save({"signal": n.picture(1, 2, 16)}, {"restored": x})


def recurrent():
    """An LSTM in both directions, a GRU from the end and a plain RNN with a start, one after the other, as PyTorch exports them."""
    n, length, batch, hidden = Net("recurrent", 6), 4, 2, 3

    def layer(op, x, gates, width, directions=1, start="", **attributes):
        weights = [n.weight(directions, gates * hidden, width), n.weight(directions, gates * hidden, hidden)]
        bias = n.weight(directions, 2 * gates * hidden)
        y, last, *_ = n(op, x, *weights, bias, "", start, outputs=3 if op == "LSTM" else 2, hidden_size=hidden, **attributes)
        merged = n("Reshape", n("Transpose", y, perm=[0, 2, 1, 3]), n.known(np.array([0, 0, -1])))
        return merged, last

    x, _ = layer("LSTM", "sequence", 4, 5, 2, direction="bidirectional")
    x, last = layer("GRU", x, 3, 2 * hidden, direction="reverse", linear_before_reset=1)
    x, _ = layer("RNN", x, 1, hidden, start=n.weight(1, batch, hidden))
    n.save({"sequence": n.picture(length, batch, 5)}, {"hidden": x, "last": last})


def classical():
    """What is learnt without layers, as scikit-learn exports it: scaled features, trees, a linear model, a kernel."""
    n, features, ml = Net("classical", 7), 4, {"domain": "ai.onnx.ml"}
    scaled = n("Scaler", "x", offset=[0.5, 0.4, 0.6, 0.5], scale=[3.0, 2.5, 3.5, 0.003], **ml)
    nodes, leaves = [], []

    def grow(tree, depth):
        """A random tree below the next node; gives the number of that node."""
        node = sum(entry[0] == tree for entry in nodes)
        if depth == 0 or (depth < 3 and n.rng.uniform() < 0.3):
            nodes.append([tree, node, 0, "LEAF", 0.0, 0, 0])
            leaves.extend((tree, node, c, float(n.rng.uniform())) for c in range(3))
            return node
        mode = str(n.rng.choice(["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"]))
        entry = [tree, node, int(n.rng.integers(features)), mode, float(n.rng.normal(0, 0.5)), 0, 0]
        nodes.append(entry)
        entry[5:] = [grow(tree, depth - 1), grow(tree, depth - 1)]
        return node

    for tree in range(4):
        grow(tree, 4)
    parts = ["treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"]
    trees = {f"nodes_{part}": list(column) for part, column in zip(parts, zip(*nodes))}
    parts = ["treeids", "nodeids", "ids", "weights"]
    trees |= {f"class_{part}": list(column) for part, column in zip(parts, zip(*leaves))}
    label, votes = n("TreeEnsembleClassifier", scaled, outputs=2, classlabels_int64s=[4, 7, 5], post_transform="NONE", **trees, **ml)
    draw = lambda count: [float(x) for x in n.rng.normal(0, 0.5, count)]
    _, linear = n("LinearClassifier", scaled, outputs=2, coefficients=draw(3 * features), intercepts=draw(3),
                  classlabels_ints=[0, 1, 2], post_transform="SOFTMAX", **ml)
    kernel = n("SVMRegressor", scaled, coefficients=draw(5), support_vectors=draw(5 * features), rho=[0.1], n_supports=5,
               kernel_type="RBF", kernel_params=[0.3, 0.0, 3.0], post_transform="NONE", **ml)
    scores = n("Normalizer", votes, norm="L1", **ml)
    n.save({"x": n.picture(5, features)}, {"label": label, "votes": scores, "linear": linear, "kernel": kernel}, {"label": TensorProto.INT64})


if __name__ == "__main__":
    for make in [lenet, face, encoder, mlp, decoder, recurrent, classical]:
        make()
