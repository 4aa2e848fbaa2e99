"""Stride-2 convolutions around a dense layer."""

import functools
import math

import flax.linen as nn

from vae_jax.networks.layers import Conv, ConvTranspose, Dense
from vae_jax.networks.shapes import (
  Network,
  cropped,
  dense_heads,
  out_shape,
  shrunk,
  with_given,
)


def conv(
  latents,
  shapes,
  size,
  heads,
  widths: tuple[int, ...] = (32, 64),
  kernel: int = 3,
  dense: int = 256,
  smooth: bool = True,
):
  """A stride-2 convolution per width, a dense layer, and the mirror of it.

  With `smooth` a convolution at full size comes last, else the last transposed
  one makes the image. disentanglement_lib's network for 64x64 (Locatello et al.
  2019) is widths=(32, 32, 64, 64), kernel=4, smooth=False.
  """
  outputs = out_shape(shapes, size)
  del latents
  return Network(
    ConvEncoder(tuple(heads.items()), widths, kernel, dense),
    ConvDecoder(outputs, widths, kernel, dense, smooth),
    maskable=True,
    cpu_pixels=2**15,  # a step of 128 28x28 images: 1.2x, of 512: 1.3x
  )


class ConvEncoder(nn.Module):
  """Stride-2 convolutions, a dense layer, dense heads."""

  heads: tuple[tuple[str, int], ...]
  widths: tuple[int, ...]
  kernel: int
  dense: int

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: {head: [B, its size]}."""
    x_BHWC = seen_BHWC
    for width in self.widths:
      x_BHWC = nn.relu(Conv(width, self.kernel, stride=2)(x_BHWC))
    x_BF = with_given(x_BHWC.reshape(x_BHWC.shape[0], -1), given)
    x_BF = nn.relu(Dense(self.dense)(x_BF))
    return dense_heads(x_BF, self.heads)


class ConvDecoder(nn.Module):
  """A dense layer and stride-2 transposed convolutions up to the image."""

  outputs: tuple[int, int, int]
  widths: tuple[int, ...]
  kernel: int
  dense: int
  smooth: bool = True

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]."""
    grid = [shrunk(n, len(self.widths)) for n in self.outputs[:2]]
    x_BF = nn.relu(Dense(self.dense)(with_given(z_BZ, given)))
    x_BF = nn.relu(Dense(math.prod(grid) * self.widths[-1])(x_BF))
    x_BHWC = x_BF.reshape(-1, *grid, self.widths[-1])
    up = functools.partial(ConvTranspose, kernel_size=self.kernel, stride=2)
    hidden = self.widths if self.smooth else self.widths[:-1]
    for width in hidden[::-1]:
      x_BHWC = nn.relu(up(width)(x_BHWC))
    if not self.smooth:
      return cropped(up(self.outputs[2])(x_BHWC), self.outputs)
    x_BHWC = cropped(x_BHWC, self.outputs)
    return Conv(self.outputs[2], self.kernel)(x_BHWC)
