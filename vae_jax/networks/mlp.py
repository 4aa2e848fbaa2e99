"""Dense layers."""

import math

import flax.linen as nn

from vae_jax.networks.layers import Dense
from vae_jax.networks.shapes import (
  Network,
  dense_heads,
  only_head,
  out_shape,
  with_given,
)


def mlp(
  latents,
  shapes,
  size,
  heads,
  widths: tuple[int, ...] = (500,),
  rectified: bool = False,
):
  """Dense layers of these widths, mirrored in the decoder.

  A rectified code passes a relu; ValueError if the posterior is no point.
  """
  del latents
  if rectified:
    only_head(heads, 'mlp with a rectified code')
  return Network(
    DenseEncoder(tuple(heads.items()), widths, rectified),
    DenseDecoder(out_shape(shapes, size), widths[::-1]),
    maskable=True,
  )


class DenseEncoder(nn.Module):
  """Dense layers and a dense head per posterior statistic."""

  heads: tuple[tuple[str, int], ...]
  widths: tuple[int, ...]
  rectified: bool = False

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: {head: [B, its size]}."""
    x_BF = with_given(seen_BHWC.reshape(seen_BHWC.shape[0], -1), given)
    stats = dense_heads(relu_layers(x_BF, self.widths), self.heads)
    if not self.rectified:
      return stats
    return {name: nn.relu(head_BZ) for name, head_BZ in stats.items()}


class DenseDecoder(nn.Module):
  """Dense layers back to the outputs."""

  outputs: tuple[int, int, int]
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]."""
    x_BF = relu_layers(with_given(z_BZ, given), self.widths)
    x_BF = Dense(math.prod(self.outputs))(x_BF)
    return x_BF.reshape(-1, *self.outputs)


def relu_layers(x_BF, widths):
  """Dense layers of these widths, each with a relu: inside a module."""
  for width in widths:
    x_BF = nn.relu(Dense(width)(x_BF))
  return x_BF
