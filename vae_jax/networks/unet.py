"""A U-Net as an autoencoder: its code holds what the skips carry."""

import itertools
import math

import flax.linen as nn
import jax.numpy as jnp

from vae_jax.networks.layers import Conv, ConvTranspose, Dense
from vae_jax.networks.shapes import (
  Network,
  cropped,
  depth_to_space,
  flat,
  only_head,
  out_shape,
  shrunk,
  strides_to,
  with_given,
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

  The first scale is half of what is wanted: an image of that size is not made
  smaller before it. ValueError if latents is not the size of the code, the
  posterior is no point, or what is seen is smaller than the first scale.
  """
  head = only_head(heads, 'unet')
  grids = unet_grids(shapes.wanted[:2], widths)
  strides = strides_to(shapes.seen, grids, 'unet')
  sizes = unet_sizes(shapes.wanted[:2], widths, dense)
  if latents not in (None, sum(sizes)):
    raise ValueError(
      f'network unet with widths {widths} and dense {dense} has a code of '
      f'{sum(sizes)} values here: latents must be that or None, not '
      f'{latents}'
    )
  return Network(
    UNetEncoder(widths, dense, strides, head),
    UNetDecoder(out_shape(shapes, size), sizes, widths, dense),
    cpu_pixels=2**16,  # a step of 128 28x28 images: 1.06x
  )


def unet_sizes(image, widths, dense: int) -> tuple[int, ...]:
  """Values in the code of a U-Net: a map for each width, then the summary."""
  grids = unet_grids(image, widths)
  maps = [math.prod(g) * w for g, w in zip(grids, widths, strict=True)]
  return (*maps, dense)


def unet_grids(image, widths) -> list[tuple[int, int]]:
  """(height, width) of the map of each width: halved at each."""
  count = len(widths)
  return [tuple(shrunk(n, i + 1) for n in image) for i in range(count)]


class UNetEncoder(nn.Module):
  """Stride-2 convolutions and a dense layer; all of their outputs."""

  widths: tuple[int, ...]
  dense: int
  strides: tuple[int, ...]
  head: str

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """The code, under the name of the one head: {name: [B, Z]}."""
    x_BHWC, maps = seen_BHWC, []
    for width, stride in zip(self.widths, self.strides, strict=True):
      x_BHWC = nn.relu(Conv(width, 4, stride=stride)(x_BHWC))
      maps.append(flat(x_BHWC))
    summary_BF = Dense(self.dense)(with_given(maps[-1], given))
    return {self.head: jnp.concatenate([*maps, nn.relu(summary_BF)], -1)}


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
    x_BF = nn.relu(Dense(self.dense)(with_given(summary_BF, given)))
    x = Dense(self.sizes[-2])(x_BF)
    for i in reversed(range(len(self.widths))):
      grid = [shrunk(n, i + 1) for n in self.outputs[:2]]
      shape = (-1, *grid, self.widths[i])
      x_BHWC = nn.relu(x.reshape(shape) + maps[i].reshape(shape))
      if i:
        x_BHWC = ConvTranspose(self.widths[i - 1], 4)(x_BHWC)
        x = cropped(x_BHWC, [shrunk(n, i) for n in self.outputs[:2]])
    x_BHWC = depth_to_space(Conv(4 * self.outputs[2], 3)(x_BHWC))
    return cropped(x_BHWC, self.outputs)
