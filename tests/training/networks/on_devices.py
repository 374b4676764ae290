"""`python -m tests.training.networks.on_devices COUNT ...`: training.train with the CPU split into COUNT devices.

A narrow network without dropout, whose masks depend on how a batch is shared.
"""

import functools
import sys

import tensorflow as tf

from model.networks import NETWORKS, simple_unet
from training import train

if __name__ == "__main__":
    (cpu,) = tf.config.list_physical_devices("CPU")
    devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
    tf.config.set_logical_device_configuration(cpu, devices)
    NETWORKS["simple_unet"] = functools.partial(simple_unet, width=8, dropout=0.0)
    sys.exit(train.main(sys.argv[2:]))
