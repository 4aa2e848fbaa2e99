"""A small convolutional classifier, as an encoder/decoder pair."""

import math

import flax.linen as nn

from vae_jax.networks.layers import Conv, Dense
from vae_jax.networks.shapes import Network, flat, only_head, out_shape


def classifier(
  latents, shapes, size, heads, widths: tuple[int, ...] = (16, 32)
):
  """3x3 convolutions with 2x2 max pools, then a dense layer of `latents`
  features, which are the code; the decoder is linear, from them to logits.

  ValueError if latents is None, or the posterior is no Point.
  """
  head = only_head(heads, 'classifier')
  if latents is None:
    raise ValueError('network classifier needs latents: its features')
  return Network(
    FeatureEncoder(latents, head, widths),
    Logits(out_shape(shapes, size)),
    cpu_pixels=2**15,  # a step of 128 28x28 images: 1.18x
  )


class FeatureEncoder(nn.Module):
  """Convolution, max pool, relu for each width; a dense layer, relu."""

  features: int
  head: str
  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, seen_BHWC, given=None):
    """The features, under the name of the one head: {name: [B, Z]}."""
    del given
    x_BHWC = seen_BHWC
    for width in self.widths:
      x_BHWC = nn.relu(Conv(width, 3, pool=True)(x_BHWC))
    return {self.head: nn.relu(Dense(self.features)(flat(x_BHWC)))}


class Logits(nn.Module):
  """One linear layer."""

  outputs: tuple[int, int, int]

  @nn.compact
  def __call__(self, z_BZ, given=None):
    """Logits: [B, 1, 1, Y]."""
    del given
    x_BF = Dense(math.prod(self.outputs))(z_BZ)
    return x_BF.reshape(-1, *self.outputs)
