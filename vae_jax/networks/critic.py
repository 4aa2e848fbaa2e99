"""Networks that judge codes."""

import flax.linen as nn

from vae_jax.networks.layers import Dense
from vae_jax.networks.mlp import relu_layers
from vae_jax.networks.shapes import Critic


def critic(latents: int, widths: tuple[int, ...] = (256, 256)):
  """Dense layers of these widths from a code to one logit: z_BZ -> [B, 1]."""
  del latents  # flax sees it in z
  return Critic(DenseCritic(widths), maskable=True)  # z is all that it sees


class DenseCritic(nn.Module):
  """Dense layers and one logit, high for what it takes for real."""

  widths: tuple[int, ...]

  @nn.compact
  def __call__(self, z_BZ):
    """The logit of each code: [B, 1]."""
    x_BF = relu_layers(z_BZ, self.widths)
    return Dense(1)(x_BF)
