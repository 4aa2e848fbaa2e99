"""Dense layers."""

import math

import flax.linen as nn

from vae_jax.networks.shapes import dense_heads, out_shape, with_given


def mlp(
  latents,
  shapes,
  size,
  heads,
  widths: tuple[int, ...] = (500,),
  rectified: bool = False,
):
  """Dense layers of these widths, mirrored in the decoder.

  A rectified code passes a relu; ValueError if the posterior is no Point.
  """
  if rectified and heads != 1:
    raise ValueError('a rectified code has no z_log_sigma: posteriors.Point')
  outputs = out_shape(shapes, size)
  return (
    DenseEncoder(latents, heads, widths, rectified),
    DenseDecoder(outputs, widths[::-1]),
  )


mlp.maskable = True  # z comes last wherever it is concatenated


class DenseEncoder(nn.Module):
  """Dense layers and a dense head per posterior statistic."""

  latents: int
  heads: int
  widths: tuple[int, ...]
  rectified: bool = False

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """Posterior statistics: a tuple of [B, Z]."""
    x_BF = with_given(seen_BHWC.reshape(seen_BHWC.shape[0], -1), given)
    stats = dense_heads(
      relu_layers(x_BF, self.widths), self.latents, self.heads
    )
    return tuple(map(nn.relu, stats)) if self.rectified else stats


class DenseDecoder(nn.Module):
  """Dense layers back to the outputs."""

  outputs: tuple[int, int, int]
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Outputs: [B, H, W, C * size]."""
    x_BF = relu_layers(with_given(z_BZ, given), self.widths)
    x_BF = nn.Dense(math.prod(self.outputs))(x_BF)
    return x_BF.reshape(-1, *self.outputs)


def relu_layers(x_BF, widths):
  """Dense layers of these widths, each with a relu: inside a module."""
  for width in widths:
    x_BF = nn.relu(nn.Dense(width)(x_BF))
  return x_BF
