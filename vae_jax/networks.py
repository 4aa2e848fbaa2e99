"""flax.linen encoder/decoder pairs.

A network is a function (latents, shapes, size, heads) -> (encoder, decoder):
`shapes` is an Example of shapes without the batch axis, `size` the likelihood's
outputs per element, `heads` the posterior's arrays (z_mean, z_log_sigma).

  encoder(seen_BHWC, given) -> a tuple of `heads` arrays [B, Z]
  decoder(z_BZ, given)      -> outputs [B, H, W, C * size]

Where z is concatenated with anything, z comes last: a masked sweep pads there.
"""

import itertools
import math
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vae_jax.convolutions import Conv, ConvTranspose

HEADS = ('z_mean', 'z_log_sigma')


def mlp(latents, shapes, size, heads, widths: tuple[int, ...] = (500,)):
  """Dense layers of these widths, mirrored in the decoder."""
  outputs = out_shape(shapes, size)
  return (
    DenseEncoder(latents, heads, widths),
    DenseDecoder(outputs, widths[::-1]),
  )


def conv(
  latents,
  shapes,
  size,
  heads,
  widths: tuple[int, ...] = (32, 64),
  kernel: int = 3,
  dense: int = 256,
):
  """A stride-2 convolution per width, a dense layer, and the mirror of it."""
  outputs = out_shape(shapes, size)
  return (
    ConvEncoder(latents, heads, widths, kernel, dense),
    ConvDecoder(outputs, widths, kernel, dense),
  )


def pooled(latents, shapes, size, heads, widths: tuple[int, ...] = (16, 8)):
  """The lesson's net: 3x3 convolutions, 2x2 max pools down, up-sampling back.

  The code is the last feature map, one 3x3 convolution more than `widths`:
  [h, w, latents / (h w)]. ValueError if latents is not a multiple of h w.
  """
  height, width, _ = shapes.seen
  grid = tuple(shrunk(n, len(widths) + 1) for n in (height, width))
  channels = code_channels(latents, grid, 'pooled')
  return (
    PooledEncoder((*widths, channels), heads),
    PooledDecoder(out_shape(shapes, size), (*grid, channels), widths),
  )


def unet(
  latents,
  shapes,
  size,
  heads,
  widths: tuple[int, ...] = (32, 64),
  dense: int = 256,
):
  """A U-Net whose code is all that its decoder gets: the feature map of every
  scale and a dense summary of the coarsest, more values than pixels.

  ValueError if latents is not that number.
  """
  sizes = unet_sizes(shapes.seen[:2], widths, dense)
  if latents != sum(sizes):
    raise ValueError(
      f'network unet with widths {widths} and dense {dense} has a code of '
      f'{sum(sizes)} values here: latents must be that, not {latents}'
    )
  return (
    UNetEncoder(heads, widths, dense),
    UNetDecoder(out_shape(shapes, size), sizes, widths, dense),
  )


def unet_sizes(image, widths, dense: int) -> tuple[int, ...]:
  """Values in the code of a U-Net: a map for each width, then the summary."""
  maps = [
    math.prod(shrunk(n, i + 1) for n in image) * width
    for i, width in enumerate(widths)
  ]
  return (*maps, dense)


def out_shape(shapes, size: int) -> tuple[int, int, int]:
  """(H, W, C * size): the shape of the outputs for one example."""
  height, width, channels = shapes.wanted
  return height, width, channels * size


def shrunk(n: int, halvings: int) -> int:
  """A length after so many halvings, each rounded up."""
  for _ in range(halvings):
    n = -(-n // 2)
  return n


def code_channels(latents: int, grid, name: str) -> int:
  """Channels of a code map of `latents` values on this grid; or ValueError."""
  cells = math.prod(grid)
  if latents % cells or latents < cells:
    near = max(1, round(latents / cells)) * cells
    raise ValueError(
      f'the code of network {name!r} is a map of {grid[0]}x{grid[1]}: latents '
      f'must be a multiple of {cells}, not {latents}; the nearest is {near}'
    )
  return latents // cells


def with_given(x_BF, given):
  """x_BF after the features it is given, if any."""
  if given is None:
    return x_BF
  return jnp.concatenate([given.reshape(given.shape[0], -1), x_BF], -1)


class DenseEncoder(nn.Module):
  """Dense layers and a dense head per posterior statistic."""

  latents: int
  heads: int
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: a tuple of [B, Z]."""
    x_BF = with_given(seen_BHWC.reshape(seen_BHWC.shape[0], -1), given)
    for width in self.widths:
      x_BF = nn.relu(nn.Dense(width)(x_BF))
    return dense_heads(x_BF, self.latents, self.heads)


def dense_heads(x_BF, latents: int, heads: int):
  """One dense layer per posterior statistic: a tuple of [B, Z]."""
  return tuple(nn.Dense(latents, name=name)(x_BF) for name in HEADS[:heads])


class DenseDecoder(nn.Module):
  """Dense layers back to the outputs."""

  outputs: tuple[int, int, int]
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]."""
    x_BF = with_given(z_BZ, given)
    for width in self.widths:
      x_BF = nn.relu(nn.Dense(width)(x_BF))
    x_BF = nn.Dense(math.prod(self.outputs))(x_BF)
    return x_BF.reshape(-1, *self.outputs)


class ConvEncoder(nn.Module):
  """Stride-2 convolutions, a dense layer, dense heads."""

  latents: int
  heads: int
  widths: tuple[int, ...]
  kernel: int
  dense: int

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: a tuple of [B, Z]."""
    x_BHWC = seen_BHWC
    for width in self.widths:
      x_BHWC = nn.relu(Conv(width, self.kernel, stride=2)(x_BHWC))
    x_BF = with_given(x_BHWC.reshape(x_BHWC.shape[0], -1), given)
    x_BF = nn.relu(nn.Dense(self.dense)(x_BF))
    return dense_heads(x_BF, self.latents, self.heads)


class ConvDecoder(nn.Module):
  """A dense layer and stride-2 transposed convolutions up to the image."""

  outputs: tuple[int, int, int]
  widths: tuple[int, ...]
  kernel: int
  dense: int

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]."""
    grid = [shrunk(n, len(self.widths)) for n in self.outputs[:2]]
    x_BF = nn.relu(nn.Dense(self.dense)(with_given(z_BZ, given)))
    x_BF = nn.relu(nn.Dense(math.prod(grid) * self.widths[-1])(x_BF))
    x_BHWC = x_BF.reshape(-1, *grid, self.widths[-1])
    for width in self.widths[::-1]:
      x_BHWC = nn.relu(ConvTranspose(width, self.kernel, stride=2)(x_BHWC))
    x_BHWC = cropped(x_BHWC, self.outputs)
    return Conv(self.outputs[2], self.kernel)(x_BHWC)


def cropped(x_BHWC, outputs):
  """The top left H x W of x_BHWC: halvings that rounded up overshoot."""
  return x_BHWC[:, : outputs[0], : outputs[1]]


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


def flat(x_BHWC):
  """[B, H, W, C] -> [B, H*W*C]."""
  return x_BHWC.reshape(x_BHWC.shape[0], -1)


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


class UNetEncoder(nn.Module):
  """Stride-2 convolutions and a dense layer; all of their outputs."""

  heads: int
  widths: tuple[int, ...]
  dense: int

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: a tuple of [B, Z]."""
    x_BHWC, maps = seen_BHWC, []
    for width in self.widths:
      x_BHWC = nn.relu(Conv(width, 4, stride=2)(x_BHWC))
      maps.append(flat(x_BHWC))
    summary_BF = nn.Dense(self.dense)(with_given(maps[-1], given))
    code_BZ = jnp.concatenate([*maps, nn.relu(summary_BF)], -1)
    if self.heads == 1:
      return (code_BZ,)
    return code_BZ, jnp.zeros_like(code_BZ)


class UNetDecoder(nn.Module):
  """From the summary up, adding the feature map of each scale."""

  outputs: tuple[int, int, int]
  sizes: tuple[int, ...]
  widths: tuple[int, ...]
  dense: int

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]."""
    cuts = list(itertools.accumulate(self.sizes))[:-1]
    *maps, summary_BF = jnp.split(z_BZ, cuts, -1)
    x_BF = nn.relu(nn.Dense(self.dense)(with_given(summary_BF, given)))
    x = nn.Dense(self.sizes[-2])(x_BF)
    for i in reversed(range(len(self.widths))):
      grid = [shrunk(n, i + 1) for n in self.outputs[:2]]
      shape = (-1, *grid, self.widths[i])
      x_BHWC = nn.relu(x.reshape(shape) + maps[i].reshape(shape))
      if i:
        x_BHWC = ConvTranspose(self.widths[i - 1], 4)(x_BHWC)
        x = cropped(x_BHWC, [shrunk(n, i) for n in self.outputs[:2]])
    x_BHWC = depth_to_space(Conv(4 * self.outputs[2], 3)(x_BHWC))
    return cropped(x_BHWC, self.outputs)


def depth_to_space(x_BHWC):
  """[B, H, W, 4 C] -> [B, 2 H, 2 W, C]: sub-pixel up-sampling."""
  b, h, w, c = x_BHWC.shape
  x = x_BHWC.reshape(b, h, w, 2, 2, c // 4)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, c // 4)


Network = Callable[..., tuple[nn.Module, nn.Module]]


def parameter_count(params) -> int:
  """Number of values in a tree of parameters."""
  return sum(leaf.size for leaf in jax.tree.leaves(params))
