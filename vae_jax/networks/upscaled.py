"""Super-resolution: a bicubic enlargement and a learned residual."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp

from vae_jax.networks.layers import Conv
from vae_jax.networks.shapes import (
  Network,
  depth_to_space,
  flat,
  only_head,
  out_shape,
)


def upscaled(
  latents, shapes, size, heads, widths: tuple[int, ...] = (32, 32, 32, 32)
):
  """What is seen, enlarged by bicubic interpolation, plus a residual made by
  3x3 convolutions before the enlargement (Kim et al. 2016; Shi et al. 2016).

  No bottleneck: the code is what is seen and the last of the feature maps. The
  outputs are pixels, so the likelihood has to be one whose first outputs are
  means, such as likelihoods.normal: bicubic values are no logits, and going
  through logits would leave nothing of a linear interpolation. ValueError if
  latents is not the size of the code, the posterior is no point, or what is
  wanted is not a whole number of times as large as what is seen.
  """
  head = only_head(heads, 'upscaled')
  height, width, channels = shapes.seen
  code = height, width, channels + widths[-1]
  if latents not in (None, math.prod(code)):
    raise ValueError(
      f'network upscaled with widths {widths} has a code of {math.prod(code)} '
      f'values here: latents must be that or None, not {latents}'
    )
  outputs = out_shape(shapes, size)
  factor = outputs[0] // height
  if (factor * height, factor * width, channels) != tuple(shapes.wanted):
    raise ValueError(
      f'network upscaled cannot enlarge {shapes.seen} to {shapes.wanted}: '
      'both sides must grow by one whole factor, and the channels be the same'
    )
  decoder = UpscaledDecoder(outputs, code, channels, factor)
  return Network(
    UpscaledEncoder(widths, head),
    decoder,
    cpu_pixels=2**12,  # a step of 128 14x14 images: 1.5x
  )


class UpscaledEncoder(nn.Module):
  """3x3 convolutions, each but the first beside a skip if it fits."""

  widths: tuple[int, ...]
  head: str

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """The code, under the name of the one head: {name: [B, Z]}; given is not
    used."""
    del given
    x_BHWC = seen_BHWC
    for i, width in enumerate(self.widths):
      layer_BHWC = nn.relu(Conv(width, 3)(x_BHWC))
      fits = i and layer_BHWC.shape == x_BHWC.shape
      x_BHWC = x_BHWC + layer_BHWC if fits else layer_BHWC
    return {self.head: flat(jnp.concatenate([seen_BHWC, x_BHWC], -1))}


class UpscaledDecoder(nn.Module):
  """Bicubic enlargement plus two 3x3 convolutions and depth to space."""

  outputs: tuple[int, int, int]
  code: tuple[int, int, int]
  channels: int  # of what is seen
  factor: int

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]; given is not used."""
    del given
    z_BHWC = z_BZ.reshape(-1, *self.code)
    seen_BHWC, x_BHWC = jnp.split(z_BHWC, [self.channels], -1)
    x_BHWC = nn.relu(Conv(x_BHWC.shape[-1], 3)(x_BHWC))
    # From zero: before the first step the outputs are the bicubic image.
    last = Conv(
      self.factor**2 * self.outputs[2], 3, kernel_init=nn.initializers.zeros
    )
    residual_BHWC = depth_to_space(last(x_BHWC), self.factor)
    return residual_BHWC + bicubic(seen_BHWC, self.outputs)


def bicubic(seen_BHWC, outputs):
  """Bicubic enlargement, with zeros in all channels that seen_BHWC has not."""
  height, width, channels = outputs
  batch, _, _, here = seen_BHWC.shape
  shape = batch, height, width, here
  x_BHWC = jax.image.resize(seen_BHWC, shape, 'cubic')
  return jnp.pad(x_BHWC, [(0, 0)] * 3 + [(0, channels - here)])
