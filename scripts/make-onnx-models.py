#!/usr/bin/env python3
"""Makes networks as folders: model.onnx, inputs and the outputs of onnx's reference evaluator.

Usage: make-onnx-models.py           the small ones in compiler/tests/onnx
       make-onnx-models.py FOLDER    those of the literature; ONNX_NETWORKS=FOLDER cargo test -p mpc-compiler --test onnx runs them

Weights are drawn from a fixed seed, or learnt from the data of scikit-learn; `labels.pb` are then the true answers. Needs onnx and numpy,
and scikit-learn for the second.
"""

import pathlib
import shutil
import sys

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

    def save(self, inputs, outputs, types=None, external=False, labels=None):
        """Inputs by name, with arrays; outputs by the name they get; what the first one should be."""
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
        if labels is not None:
            (folder / "labels.pb").write_bytes(numpy_helper.from_array(labels, "labels").SerializeToString())
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


def dense(n, x, sizes, last=None):
    """Layers with ReLU between them."""
    for i, (rows, columns) in enumerate(zip(sizes, sizes[1:])):
        x = n("Gemm", x, n.weight(rows, columns, scale=np.sqrt(2 / rows)), n.weight(columns, scale=0.1))
        if i + 2 < len(sizes):
            x = n("Relu", x)
    return n(last, x) if last else x


def conv(n, x, inside, outside, size, activation="Relu", scale=1.0, **attributes):
    """A convolution with bias; `inside` are channels of a group."""
    weights = n.weight(outside, inside, size, size, scale=scale * np.sqrt(2 / (inside * size * size)))
    x = n("Conv", x, weights, n.weight(outside, scale=0.1), **attributes)
    if activation == "PRelu":
        return n("PRelu", x, n.weight(outside, 1, 1, scale=0.2))
    return n(activation, x) if activation else x


def layers_21():
    n = Net("mlp-21", 11)
    n.save({"x": n.picture(1, 21)}, {"y": dense(n, "x", [21, 32, 32, 32, 1], "Sigmoid")})


def lstm(n, x, width, hidden):
    weights = [n.weight(1, 4 * hidden, width, scale=0.3), n.weight(1, 4 * hidden, hidden, scale=0.3), n.weight(1, 8 * hidden, scale=0.1)]
    return n("Squeeze", n("LSTM", x, *weights, outputs=3, hidden_size=hidden)[1], n.known(np.array([0])))


def lstm_dense():
    """An LSTM of ten units on sequences of 21 features, and four dense layers."""
    n = Net("lstm-dense", 12)
    n.save({"x": n.picture(8, 1, 21)}, {"y": dense(n, lstm(n, "x", 21, 10), [10, 32, 32, 16, 1], "Sigmoid")})


def cnn_lstm():
    n = Net("cnn-lstm", 13)
    x = n("Relu", n("Conv", "x", n.weight(16, 21, 3, scale=0.2), n.weight(16), pads=[1, 1]))
    x = n("MaxPool", x, kernel_shape=[2], strides=[2])
    x = lstm(n, n("Transpose", x, perm=[2, 0, 1]), 16, 10)
    n.save({"x": n.picture(1, 21, 16)}, {"y": dense(n, x, [10, 16, 1], "Sigmoid")})


def secureml():
    n = Net("secureml", 14)
    n.save({"x": n.picture(1, 784)}, {"y": dense(n, "x", [784, 128, 128, 10])})


def minionn():
    """The network for MNIST."""
    n = Net("minionn", 15)
    x = n("MaxPool", conv(n, "x", 1, 16, 5), kernel_shape=[2, 2], strides=[2, 2])
    x = n("MaxPool", conv(n, x, 16, 16, 5), kernel_shape=[2, 2], strides=[2, 2])
    n.save({"x": n.picture(1, 1, 28, 28)}, {"y": dense(n, n("Flatten", x), [256, 100, 10])})


def minionn_cifar():
    n, pool = Net("minionn-cifar", 16), {"kernel_shape": [2, 2], "strides": [2, 2]}
    x = conv(n, conv(n, "x", 3, 64, 3, pads=[1] * 4), 64, 64, 3, pads=[1] * 4)
    x = n("AveragePool", x, **pool)
    x = conv(n, conv(n, x, 64, 64, 3, pads=[1] * 4), 64, 64, 3, pads=[1] * 4)
    x = n("AveragePool", x, **pool)
    x = conv(n, conv(n, conv(n, x, 64, 64, 3, pads=[1] * 4), 64, 64, 1), 64, 16, 1)
    n.save({"x": n.picture(1, 3, 32, 32)}, {"y": dense(n, n("Flatten", x), [1024, 10])})


def chameleon():
    n = Net("chameleon", 17)
    x = conv(n, "x", 1, 5, 5, strides=[2, 2], pads=[2] * 4)
    n.save({"x": n.picture(1, 1, 28, 28)}, {"y": dense(n, n("Flatten", x), [980, 100, 10])})


def cryptonets():
    """With ReLU in place of squares."""
    n = Net("cryptonets", 18)
    x = conv(n, "x", 1, 5, 5, strides=[2, 2], pads=[1, 1, 0, 0])
    x = n("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4)
    x = conv(n, x, 5, 50, 5, strides=[2, 2], activation=None)
    x = n("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4)
    n.save({"x": n.picture(1, 1, 28, 28)}, {"y": dense(n, n("Flatten", x), [1250, 100, 10])})


def mobilefacenet():
    """A million parameters, PRelu, 112 x 112 x 3."""
    n = Net("mobilefacenet", 19, opset=13)

    def depthwise(x, channels, size, activation="PRelu", **attributes):
        return conv(n, x, 1, channels, size, activation, group=channels, **attributes)

    def bottleneck(x, inside, outside, factor, stride):
        wide = conv(n, x, inside, inside * factor, 1, "PRelu")
        wide = depthwise(wide, inside * factor, 3, strides=[stride] * 2, pads=[1] * 4)
        y = conv(n, wide, inside * factor, outside, 1, None, scale=0.4)
        return n("Add", x, y) if stride == 1 and inside == outside else y

    x = depthwise(conv(n, "x", 3, 64, 3, "PRelu", strides=[2, 2], pads=[1] * 4), 64, 3, pads=[1] * 4)
    width = 64
    for factor, channels, count, stride in [(2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1)]:
        for i in range(count):
            x = bottleneck(x, width, channels, factor, stride if i == 0 else 1)
            width = channels
    x = depthwise(conv(n, x, 128, 512, 1, "PRelu"), 512, 7, None)
    n.save({"x": n.picture(1, 3, 112, 112)}, {"embedding": n("Flatten", conv(n, x, 512, 128, 1, None))})


def resnet_50():
    """Bottlenecks of three convolutions, an embedding of 512 numbers, 112 x 112 x 3."""
    n = Net("resnet-50", 20, opset=13)

    def block(x, inside, middle, stride, first):
        y = conv(n, conv(n, x, inside, middle, 1), middle, middle, 3, strides=[stride] * 2, pads=[1] * 4)
        y = conv(n, y, middle, 4 * middle, 1, None, scale=0.3)
        shortcut = conv(n, x, inside, 4 * middle, 1, None, scale=0.7, strides=[stride] * 2) if first else x
        return n("Relu", n("Add", y, shortcut))

    x = conv(n, "x", 3, 64, 7, strides=[2, 2], pads=[3] * 4)
    x = n("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    width = 64
    for middle, count, stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for i in range(count):
            x = block(x, width, middle, stride if i == 0 else 1, i == 0)
            width = 4 * middle
    n.save({"x": n.picture(1, 3, 112, 112)}, {"embedding": dense(n, n("Flatten", n("GlobalAveragePool", x)), [2048, 512])})


def bert():
    """Two layers of an encoder with 128 features, 2 heads and 16 tokens."""
    n, width, heads, length = Net("bert-2", 21), 128, 2, 16
    x = n("Add", n("Gather", n.weight(1000, width, scale=0.5), "tokens"), n.weight(length, width, scale=0.5))

    def linear(x, inside, outside):
        return n("Add", n("MatMul", x, n.weight(inside, outside, scale=1 / np.sqrt(inside))), n.weight(outside, scale=0.1))

    def norm(x):
        return n("LayerNormalization", x, n.weight(width, low=0.5), n.weight(width, scale=0.1), axis=-1, epsilon=1e-5)

    x = norm(x)
    for _ in range(2):
        def project(order):
            split = n("Reshape", linear(x, width, width), n.known(np.array([0, 0, heads, width // heads])))
            return n("Transpose", split, perm=order)

        q, k, v = project([0, 2, 1, 3]), project([0, 2, 3, 1]), project([0, 2, 1, 3])
        scores = n("Div", n("MatMul", q, k), n.known(np.float32(np.sqrt(width // heads))))
        y = n("Transpose", n("MatMul", n("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        x = norm(n("Add", x, linear(n("Reshape", y, n.known(np.array([0, 0, width]))), width, width)))
        h = linear(x, width, 4 * width)
        erf = n("Add", n("Erf", n("Div", h, n.known(np.float32(np.sqrt(2))))), n.known(np.float32(1)))
        x = norm(n("Add", x, linear(n("Mul", n("Mul", h, erf), n.known(np.float32(0.5))), 4 * width, width)))
    n.save({"tokens": n.rng.integers(0, 1000, (1, length))}, {"hidden": x, "pooled": n("Tanh", linear(x, width, width))})


def split(load, scaled=False):
    """Data of scikit-learn: for training, for the test."""
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    x, y = load(return_X_y=True)
    train, test, of_train, of_test = train_test_split(x, y, test_size=0.3, random_state=1)
    if scaled:
        fit = StandardScaler().fit(train)
        train, test = fit.transform(train), fit.transform(test)
    return train.astype(np.float32), test.astype(np.float32), of_train, of_test


def trees(n, x, estimators, classes, weight, **attributes):
    """Trees of scikit-learn: `weight` gives of each leaf class and weight."""
    rows, leaves = [], []
    for number, tree in enumerate(estimators):
        for node in range(tree.node_count):
            leaf = tree.children_left[node] < 0
            # Thresholds are compared with floats of 32 bits, so that they must be rounded down.
            threshold = np.float32(tree.threshold[node])
            threshold = threshold if threshold <= tree.threshold[node] else np.nextafter(threshold, np.float32(-np.inf))
            mode = "LEAF" if leaf else "BRANCH_LEQ"
            children = [0, 0] if leaf else [tree.children_left[node], tree.children_right[node]]
            rows.append([number, node, 0 if leaf else tree.feature[node], mode, 0.0 if leaf else float(threshold), *children])
            if leaf:
                leaves.extend((number, node, c, float(w)) for c, w in weight(number, tree.value[node]))
    names = ["treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids"]
    lists = {f"nodes_{name}": list(column) for name, column in zip(names, zip(*rows))}
    lists |= {f"class_{name}": list(column) for name, column in zip(["treeids", "nodeids", "ids", "weights"], zip(*leaves))}
    labels = [int(c) for c in classes]
    return n("TreeEnsembleClassifier", x, outputs=2, domain="ai.onnx.ml", classlabels_int64s=labels, **lists, **attributes)


def learnt(name, seed, test, labels, build):
    n = Net(name, seed)
    outputs = build(n)
    n.save({"x": test}, outputs, {"label": TensorProto.INT64}, labels=np.asarray(labels))


def linear_models():
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.linear_model import LinearRegression, LogisticRegression

    train, test, of_train, of_test = split(load_breast_cancer, scaled=True)
    fit = LogisticRegression().fit(train, of_train)
    both = np.concatenate([-fit.coef_, fit.coef_]), np.concatenate([-fit.intercept_, fit.intercept_])
    learnt("logistic", 31, test, of_test, lambda n: dict(zip(["label", "scores"], n(
        "LinearClassifier", "x", outputs=2, domain="ai.onnx.ml", coefficients=both[0].ravel().tolist(), intercepts=both[1].tolist(),
        classlabels_ints=[0, 1], post_transform="LOGISTIC"))))
    train, test, of_train, _ = split(load_diabetes)
    fit = LinearRegression().fit(train, of_train)
    n = Net("linear", 32)
    y = n("LinearRegressor", "x", domain="ai.onnx.ml", coefficients=fit.coef_.tolist(), intercepts=[float(fit.intercept_)], post_transform="NONE")
    n.save({"x": test}, {"y": y})


def forests():
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

    for name, load, seed in [("forest-cancer", load_breast_cancer, 33), ("forest-digits", load_digits, 34)]:
        train, test, of_train, of_test = split(load)
        fit = RandomForestClassifier(50, max_depth=8, random_state=0).fit(train, of_train)
        shares = lambda _, value: [(c, w / value[0].sum() / 50) for c, w in enumerate(value[0])]
        learnt(name, seed, test, of_test, lambda n: dict(zip(["label", "scores"], trees(
            n, "x", [t.tree_ for t in fit.estimators_], fit.classes_, shares, post_transform="NONE"))))
    for name, load, seed in [("boosted-cancer", load_breast_cancer, 35), ("boosted-digits", load_digits, 36)]:
        train, test, of_train, of_test = split(load)
        fit = GradientBoostingClassifier(n_estimators=50, random_state=0).fit(train, of_train)
        columns = fit.estimators_.shape[1]
        step = lambda number, value: [(number % columns, fit.learning_rate * value[0][0])]
        # What all start with: the logarithms of how frequent the classes are.
        base = np.ravel(fit._raw_predict_init(train[:1])).tolist()
        after = "LOGISTIC" if columns == 1 else "SOFTMAX"
        learnt(name, seed, test, of_test, lambda n: dict(zip(["label", "scores"], trees(
            n, "x", [t.tree_ for t in fit.estimators_.ravel()], fit.classes_, step, base_values=base, post_transform=after))))


def digits():
    """The layers of SecureML, learnt on pictures of 8 x 8."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    train, test, of_train, of_test = split(load_digits)
    fit = MLPClassifier((128, 128), random_state=0, max_iter=200).fit(train / 16, of_train)

    def build(n):
        x = "x"
        for i, (weights, bias) in enumerate(zip(fit.coefs_, fit.intercepts_)):
            x = n("Gemm", n("Relu", x) if i else x, n.known(weights.astype(np.float32)), n.known(bias.astype(np.float32)))
        return {"scores": x}

    learnt("digits", 37, test / 16, of_test, build)


SMALL = [lenet, face, encoder, mlp, decoder, recurrent, classical]
LITERATURE = [layers_21, lstm_dense, cnn_lstm, secureml, minionn, minionn_cifar, chameleon, cryptonets, mobilefacenet, resnet_50, bert,
              linear_models, forests, digits]

if __name__ == "__main__":
    if len(sys.argv) > 1:
        FOLDER = pathlib.Path(sys.argv[1])
    for make in LITERATURE if len(sys.argv) > 1 else SMALL:
        make()
