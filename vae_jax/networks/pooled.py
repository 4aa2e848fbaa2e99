"""The Keras blog's convolutional net: pooling down, up-sampling back."""

import flax.linen as nn

from vae_jax.networks.layers import Conv
from vae_jax.networks.shapes import (
  Network,
  code_channels,
  cropped,
  flat,
  halvings,
  out_shape,
  shrunk,
)


def pooled(latents, shapes, size, heads, widths: tuple[int, ...] = (16, 8)):
  """3x3 convolutions, 2x2 max pools down, up-sampling back (Chollet 2016,
  blog.keras.io/building-autoencoders-in-keras.html).

  The code is the last feature map, one 3x3 convolution more than `widths`:
  [h, w, latents / (h w)], with the blog's 8 channels if latents is None.
  Its size is that of what is wanted, halved at each convolution: what is seen
  is pooled only as often as it takes to get there, at the first convolutions.
  ValueError if latents is not a multiple of h w, or no pooling leads there.
  """
  layers = len(widths) + 1
  grid = tuple(shrunk(n, layers) for n in shapes.wanted[:2])
  pools = halvings(shapes.seen, grid, layers, 'pooled')
  channels = 8 if latents is None else code_channels(latents, grid, 'pooled')
  return Network(
    PooledEncoder((*widths, channels), tuple(heads), pools),
    PooledDecoder(out_shape(shapes, size), (*grid, channels), widths),
    cpu_pixels=2**16,  # a step of 128 28x28 images: 1.1x, of 512: 1.8x
  )


class PooledEncoder(nn.Module):
  """Three times or so: 3x3 convolution, relu and, `pools` times, a 2x2 max
  pool."""

  widths: tuple[int, ...]
  heads: tuple[str, ...]
  pools: int

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: {head: [B, Z]}; given is not used."""
    del given
    x_BHWC = seen_BHWC
    for i, width in enumerate(self.widths[:-1]):
      # The relu keeps the order of values, so pooling may come first.
      x_BHWC = nn.relu(self.layer(i, width)(x_BHWC))
    last = len(self.widths) - 1
    if len(self.heads) == 1:
      # The blog's code is its last layer, relu and pool included.
      code_BHWC = nn.relu(self.layer(last, self.widths[last])(x_BHWC))
      return {self.heads[0]: flat(code_BHWC)}
    return {
      name: flat(self.layer(last, self.widths[last], name)(x_BHWC))
      for name in self.heads
    }

  def layer(self, i: int, width: int, name=None):
    """3x3 convolution; the first `pools` halve the height and width."""
    return Conv(width, 3, pool=i < self.pools, name=name)


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
    # the blog's 16 -> 14 does.
    fits = all(2 * (2 * n - 2) >= want for n, want in sides)
    padding = 'VALID' if fits else 'SAME'
    layer = Conv(width, 3, padding=padding, upsample=True)
    return nn.relu(layer(x_BHWC))
