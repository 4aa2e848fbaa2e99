"""flax.linen encoder/decoder pairs.

A network is a function (latents, shapes, size, heads) -> (encoder, decoder):
`shapes` is an Example of shapes without the batch axis, `size` the likelihood's
outputs per element, `heads` the posterior's arrays (z_mean, z_log_sigma).

  encoder(seen_BHWC, given) -> a tuple of `heads` arrays [B, Z]
  decoder(z_BZ, given)      -> outputs [B, H, W, C * size]

A critic is a function (latents) -> module: z_BZ -> a logit per code [B, 1].

Where z is concatenated with anything, z comes last: a masked sweep pads there.

A network may say how many seen pixels at once are fastest on CPU, where feature
maps that stay in the cache are read and written faster: cpu_pixels.
"""

from vae_jax.networks.classifying import classifier
from vae_jax.networks.critics import critic
from vae_jax.networks.dense import mlp
from vae_jax.networks.lesson import pooled
from vae_jax.networks.shapes import parameter_count
from vae_jax.networks.skips import unet
from vae_jax.networks.strided import conv
from vae_jax.networks.upscaling import upscaled

__all__ = [
  'classifier', 'conv', 'critic', 'mlp', 'parameter_count', 'pooled', 'unet',
  'upscaled',
]  # fmt: skip
