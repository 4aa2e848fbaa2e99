"""The lesson's convolutional net: pooling down, up-sampling back."""

import flax.linen as nn

from vae_jax.convolutions import Conv
from vae_jax.networks.shapes import (
  HEADS,
  code_channels,
  cropped,
  flat,
  out_shape,
  shrunk,
)


def pooled(latents, shapes, size, heads, widths: tuple[int, ...] = (16, 8)):
  """The lesson's net: 3x3 convolutions, 2x2 max pools down, up-sampling back.

  The code is the last feature map, one 3x3 convolution more than `widths`:
  [h, w, latents / (h w)], with the lesson's 8 channels if latents is None.
  ValueError if latents is not a multiple of h w.
  """
  height, width, _ = shapes.seen
  grid = tuple(shrunk(n, len(widths) + 1) for n in (height, width))
  channels = 8 if latents is None else code_channels(latents, grid, 'pooled')
  return (
    PooledEncoder((*widths, channels), heads),
    PooledDecoder(out_shape(shapes, size), (*grid, channels), widths),
  )


class PooledEncoder(nn.Module):
  """Three times or so: 3x3 convolution, relu, 2x2 max pool."""

  widths: tuple[int, ...]
  heads: int

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: a tuple of [B, Z]; given is not used."""
    del given
    x_BHWC = seen_BHWC
    for width in self.widths[:-1]:
      x_BHWC = pooled_layer(x_BHWC, width)
    channels = self.widths[-1]
    if self.heads == 1:
      # The lesson's code is its last layer, relu and pool included.
      return (flat(pooled_layer(x_BHWC, channels)),)
    return tuple(
      flat(Conv(channels, 3, pool=True, name=name)(x_BHWC))
      for name in HEADS[: self.heads]
    )


def pooled_layer(x_BHWC, width: int):
  """3x3 convolution, relu, 2x2 max pool: half the height and width."""
  # The relu keeps the order of values, so pooling may come first.
  return nn.relu(Conv(width, 3, pool=True)(x_BHWC))


class PooledDecoder(nn.Module):
  """3x3 convolution, relu, up-sampling; the mirror of PooledEncoder."""

  outputs: tuple[int, int, int]
  code: tuple[int, int, int]
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]; given is not used."""
    del given
    x_BHWC = z_BZ.reshape(-1, *self.code)
    *widths, last = self.code[2], *self.widths[::-1]
    x_BHWC = nn.relu(Conv(widths[0], 3)(x_BHWC))
    for width in widths[1:]:
      x_BHWC = nn.relu(Conv(width, 3, upsample=True)(x_BHWC))
    x_BHWC = self.last(last, x_BHWC)
    return cropped(
      Conv(self.outputs[2], 3, upsample=True)(x_BHWC), self.outputs
    )

  def last(self, width, x_BHWC):
    """The layer before the outputs, half their height and width or more."""
    sides = zip(x_BHWC.shape[1:3], self.outputs[:2], strict=True)
    # Rounded-up halvings left too many rows: VALID takes two of them back, as
    # the lesson's 16 -> 14 does.
    fits = all(2 * (2 * n - 2) >= want for n, want in sides)
    padding = 'VALID' if fits else 'SAME'
    layer = Conv(width, 3, padding=padding, upsample=True)
    return nn.relu(layer(x_BHWC))
