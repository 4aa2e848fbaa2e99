"""Layers with one set of parameters and a form for each platform.

dense             dense layers, and the bias of any
lstm              long short-term memory over time
score             sequences of classes, decoded step after step
convolutions_cpu  convolutions as matrix products: XLA:CPU's own are slow
convolutions      flax modules that choose between those and lax.conv
"""

from vae_jax.networks.layers.convolutions import Conv, ConvTranspose
from vae_jax.networks.layers.dense import Dense

__all__ = ['Conv', 'ConvTranspose', 'Dense']
