"""Layers with one set of parameters and a form for each platform.

convolutions_cpu  convolutions as matrix products: XLA:CPU's own are slow
convolutions      flax modules that choose between those and lax.conv
"""

from vae_jax.networks.layers.convolutions import Conv, ConvTranspose

__all__ = ['Conv', 'ConvTranspose']
