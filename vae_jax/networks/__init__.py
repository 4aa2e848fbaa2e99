"""flax.linen encoder/decoder pairs.

A network is a function (latents, shapes, size, heads) -> (encoder, decoder):
`shapes` is an Example of shapes without the batch axis, `size` the likelihood's
outputs per element, `heads` the posterior's arrays (z_mean, z_log_sigma).

  encoder(seen_BHWC, given) -> a tuple of `heads` arrays [B, Z]
  decoder(z_BZ, given)      -> outputs [B, H, W, C * size]

Where z is concatenated with anything, z comes last: a masked sweep pads there.
"""

from vae_jax.networks.dense import mlp
from vae_jax.networks.lesson import pooled
from vae_jax.networks.shapes import parameter_count
from vae_jax.networks.skips import unet
from vae_jax.networks.strided import conv

__all__ = ['conv', 'mlp', 'parameter_count', 'pooled', 'unet']
