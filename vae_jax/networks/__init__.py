"""flax.linen encoder/decoder pairs: a file has the name of its function.

  layers      convolutions for each platform
  shapes      what all networks ask of shapes, and operations on them
  mlp         dense layers
  conv        stride-2 convolutions around a dense layer
  pooled      the Keras blog's net: pooling down, up-sampling back
  unet        a U-Net whose code holds what its skips carry
  upscaled    super-resolution: a bicubic enlargement and a residual
  recurrent   sequences: LSTMs over steps, and a conductor over bars
  classifier  features and a linear layer
  critic      dense layers from a code to a logit

A network is a function (latents, shapes, size, heads) -> Network: `shapes` is
an Example of shapes without the batch axis, `size` the likelihood's outputs per
element, `heads` the posterior's statistics, {name: size}; sizes are None where
latents are, and the network has a size of its own.

  encoder(seen_BHWC, given) -> {name: [B, its size]} of all heads
  decoder(z_BZ, given)      -> outputs [B, H, W, C * size]

A critic is a function (latents) -> Critic: z_BZ -> a logit per code [B, 1].

Where z is concatenated with anything, z comes last: a masked sweep pads there.
"""

from vae_jax.networks.classifier import classifier
from vae_jax.networks.conv import conv
from vae_jax.networks.critic import critic
from vae_jax.networks.mlp import mlp
from vae_jax.networks.pooled import pooled
from vae_jax.networks.recurrent import recurrent
from vae_jax.networks.shapes import Critic, Network, parameter_count
from vae_jax.networks.unet import unet
from vae_jax.networks.upscaled import upscaled

__all__ = [
  'Critic', 'Network', 'classifier', 'conv', 'critic', 'mlp',
  'parameter_count', 'pooled', 'recurrent', 'unet', 'upscaled',
]  # fmt: skip
