"""The files of a trained network for serving: Keras weights, and an OpenVINO export of them."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from model.card import OPENVINO, WEIGHTS, ModelCard, file_of
from model.networks import NETWORKS
from training.networks.compress_weights import pack
from training.networks.quicker_graph import make_quicker
from training.networks.rounding import round_weights

if TYPE_CHECKING:
    import openvino as ov

# The first convolutions, down to a quarter of the resolution, are always computed in float32, since
# rounding matters most there: without this, 0.2 % of the tumour voxels of one case changed class, with
# it 0.06 %.
FLOAT32_CONVOLUTIONS = 10


def write_network(card: ModelCard, weights: Path, folder: Path, number: int) -> None:
    """Write the Keras weights and OpenVINO export of network `number`, trained to `weights`."""
    import openvino as ov

    network = NETWORKS[card.architecture](card.channels)
    network.load_weights(weights)
    round_weights(network)
    kept, exported = (folder / file_of(name, number) for name in (WEIGHTS, OPENVINO))
    network.save_weights(kept)
    pack(kept)
    converted = as_openvino(network)
    make_quicker(converted)
    ov.save_model(converted, exported, compress_to_fp16=True)
    keep_float32(exported, first_convolutions(converted, FLOAT32_CONVOLUTIONS))


def as_openvino(network: keras.Model) -> "ov.Model":
    """Convert a network as it is, for slices of any size."""
    import openvino as ov
    import tensorflow as tf

    any_size = _with_any_size(network)
    signature = tf.TensorSpec((None, None, None, network.input_shape[-1]), tf.float32)
    function = tf.function(lambda slices: any_size(slices, training=False))
    return ov.convert_model(function.get_concrete_function(signature))


def first_convolutions(model, count: int) -> set[str]:
    """Return the names of the operations up to the `count`-th convolution of an OpenVINO model."""
    names, seen = set(), 0
    for op in model.get_ordered_ops():
        seen += op.get_type_name() in ("Convolution", "GroupConvolution")
        names.add(op.get_friendly_name())
        if seen == count:
            break
    return names


def keep_float32(path: Path, names: set[str]) -> None:
    """Mark operations of an OpenVINO XML that are not to be computed in 16 bits.

    The mark is the one that OpenVINO writes for its "disable float16" attribute.
    """
    tree = ElementTree.parse(path)
    for layer in tree.getroot().find("layers"):
        if layer.get("name") in names:
            info = layer.find("rt_info")
            if info is None:
                info = ElementTree.Element("rt_info")
                layer.insert(0 if layer.find("data") is None else 1, info)
            ElementTree.SubElement(info, "attribute", name="precise", version="0")
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _with_any_size(network: keras.Model) -> keras.Model:
    """Return a copy whose upsampling can be traced for any height and width.

    Keras' own layer compares symbolic sizes in Python, which TensorFlow refuses.
    """
    import tensorflow as tf

    class AnySizeUpSampling2D(keras.layers.UpSampling2D):
        def call(self, inputs):
            size = tf.shape(inputs)[1:3] * self.size[0]
            return tf.image.resize(inputs, size, method=self.interpolation)

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        kind = type(layer)
        kind = AnySizeUpSampling2D if kind is keras.layers.UpSampling2D else kind
        return kind.from_config(layer.get_config())

    copy = keras.models.clone_model(network, clone_function=clone, recursive=True)
    copy.set_weights(network.get_weights())
    return copy
