"""q(z given x): what the encoder's heads say about the latents."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vae_jax.factors.priors import masked, noise


class Point(NamedTuple):
  """All mass at z_mean: the posterior of a plain autoencoder."""

  heads = 1
  z_mean: jax.Array
  z_log_sigma: jax.Array | None = None
  z_mask: jax.Array | None = None

  @property
  def mean(self):
    """The code itself: [B, Z]."""
    return self.z_mean

  def sample(self, key_B):
    """The code itself; the keys are not used: [B, Z]."""
    del key_B
    return self.z_mean

  def log_prob(self, z_BZ):
    """0 at the point: [B]. Not a density; kl knows."""
    return jnp.zeros(z_BZ.shape[0])


class Normal(NamedTuple):
  """Independent normals; z_log_sigma is the log of the STANDARD DEVIATION."""

  heads = 2
  z_mean: jax.Array
  z_log_sigma: jax.Array
  z_mask: jax.Array | None = None

  @property
  def mean(self):
    """The posterior mean: [B, Z]."""
    return self.z_mean

  def sample(self, key_B):
    """z_mean + exp(z_log_sigma) * noise, the reparameterisation: [B, Z]."""
    noise_BZ = noise(key_B, self.z_mean.shape[-1])
    z_BZ = self.z_mean + jnp.exp(self.z_log_sigma) * noise_BZ
    return masked(z_BZ, self.z_mask)

  def log_prob(self, z_BZ):
    """log q(z given x) in nats: [B]; a masked latent counts nothing."""
    scaled_BZ = (z_BZ - self.z_mean) * jnp.exp(-self.z_log_sigma)
    log_q_BZ = (
      -0.5 * scaled_BZ**2 - self.z_log_sigma - 0.5 * math.log(2 * math.pi)
    )
    return masked(log_q_BZ, self.z_mask).sum(-1)
