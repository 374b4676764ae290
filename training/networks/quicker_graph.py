"""Rewrites of an exported network that leave what it computes as it is, and make it quicker on a CPU.

Both are identities of linear layers, so the result differs by rounding alone. OpenVINO's kernels for what they
replace are slow: a copy of two arrays into one, and a softmax of four numbers that lie side by side.
"""

from collections.abc import Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as ops


def make_quicker(model: ov.Model) -> None:
    """Apply all rewrites to a model that was converted from Keras."""
    split_concatenations(model)
    softmax_by_class(model)
    model.validate_nodes_and_infer_types()


def split_concatenations(model: ov.Model) -> int:
    """Replace separable convolutions of concatenated channels by the sum of one for each part; return how many.

    A depthwise convolution keeps channels apart and a pointwise one sums them up, so the parts need not lie in one
    array: copying them into it costs more than the sum, which is computed within the convolution.
    """
    found = 0
    for concatenated in model.get_ordered_ops():
        if concatenated.get_type_name() != "Concat":
            continue
        depthwise = _only_user(concatenated, "GroupConvolution")
        pointwise = depthwise and _only_user(depthwise, "Convolution")
        if pointwise is None:
            continue
        filters, weights = (_constant(node, 1) for node in (depthwise, pointwise))
        start, parts = 0, []
        for place in concatenated.inputs():
            part = place.get_source_output()
            cut = slice(start, start + part.get_partial_shape()[1].get_length())
            alone = _like(depthwise, ops.group_convolution, part, filters[cut])
            parts.append(_like(pointwise, ops.convolution, alone, weights[:, cut]))
            start = cut.stop
        total = parts[0]
        for other in parts[1:]:
            total = ops.add(total, other)
        _replace(pointwise, total)
        found += 1
    return found


def softmax_by_class(model: ov.Model) -> bool:
    """Compute probabilities while each class lies in one piece; say whether the model ends in 2x2 blocks of classes.

    Its last layers are a transposed convolution of stride 2, a bias, and the softmax of channels that lie side by
    side. A 1x1 convolution and a rearrangement into blocks give the same, and a softmax over whole planes is
    vectorised.
    """
    softmax = _source(model.get_results()[0])
    transposed = _source(softmax)
    biased = _source(transposed)
    blocks = _source(biased)
    if blocks.get_type_name() != "ConvolutionBackpropData":
        return False
    weights, bias = _constant(blocks, 1), _constant(biased, 1)
    channels, classes, *stride = weights.shape
    # Channels of the 1x1 convolution: for each class its 2x2 places.
    pointwise = weights.transpose(1, 2, 3, 0).reshape(-1, channels, 1, 1)
    places = np.repeat(bias.reshape(1, classes, 1, 1), np.prod(stride), axis=1)
    still, none = [1, 1], [0, 0]
    logits = ops.add(
        ops.convolution(blocks.input_value(0), _given(pointwise), still, none, none, still),
        _given(places),
    )
    probabilities = ops.softmax(ops.depth_to_space(logits, "depth_first", stride[0]), 1)
    _replace(softmax, ops.transpose(probabilities, transposed.input_value(1)))
    return True


def _like(layer: ov.Node, kind, given: ov.Output | ov.Node, weights: np.ndarray) -> ov.Node:
    """Return a convolution of a `kind` with the strides and padding of another layer."""
    names: Sequence[str] = ("strides", "pads_begin", "pads_end", "dilations", "auto_pad")
    attributes = layer.get_attributes()
    return kind(given, _given(weights), *(attributes[name] for name in names))


def _only_user(node: ov.Node, kind: str) -> ov.Node | None:
    """Return the one node that takes what this one gives, if it is of a kind."""
    users = [place.get_node() for place in node.output(0).get_target_inputs()]
    return users[0] if len(users) == 1 and users[0].get_type_name() == kind else None


def _source(node: ov.Node) -> ov.Node:
    return node.input_value(0).get_node()


def _constant(node: ov.Node, place: int) -> np.ndarray:
    """Return a constant that a node is given, as float32."""
    given = node.input_value(place).get_node()
    if given.get_type_name() == "Convert":
        given = _source(given)
    return given.get_data().astype(np.float32)


def _given(values: np.ndarray) -> ov.Node:
    return ops.constant(np.ascontiguousarray(values, np.float32))


def _replace(node: ov.Node, other: ov.Node) -> None:
    """Let all that take what a node gives take it from another."""
    for place in node.output(0).get_target_inputs():
        place.replace_source_output(other.output(0))
