"""Dense layers."""

import math

import flax.linen as nn

from vae_jax.networks.shapes import dense_heads, out_shape, with_given


def mlp(latents, shapes, size, heads, widths: tuple[int, ...] = (500,)):
  """Dense layers of these widths, mirrored in the decoder."""
  outputs = out_shape(shapes, size)
  return (
    DenseEncoder(latents, heads, widths),
    DenseDecoder(outputs, widths[::-1]),
  )


mlp.maskable = True  # z comes last wherever it is concatenated


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
