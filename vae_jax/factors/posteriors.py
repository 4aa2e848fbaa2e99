"""q(z given x): what the encoder's heads say about the latents.

A posterior factory takes the number of latents and returns a Posterior.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vae_jax.factors.priors import masked, noise


def no_parameters(key, model, example) -> dict:
  """The parameters of a factor that has none."""
  del key, model, example
  return {}


class Posterior(NamedTuple):
  """What a posterior asks of the encoder, and what it makes of the answer."""

  heads: dict[str, int | None]  # name -> size of the encoder's outputs
  bind: Callable  # (model, params, {name: [B, size]}, given) -> q
  init: Callable = no_parameters  # (key, model, example) -> params['posterior']
  maskable: bool = True  # False if it mixes latents: then no masked sweep
  density: bool = True  # False if log_prob is none: then no log p(x)


def point(latents: int | None) -> Posterior:
  """All mass at z_mean: the posterior of a plain autoencoder."""

  def bind(model, params, stats, given):
    del model, params, given
    [z_mean] = stats.values()
    return Point(z_mean)

  return Posterior({'z_mean': latents}, bind, density=False)


def normal(latents: int | None) -> Posterior:
  """Independent normals."""

  def bind(model, params, stats, given):
    del params, given
    z_log_sigma = jnp.clip(stats['z_log_sigma'], -15.0, 15.0)
    return Normal(stats['z_mean'], z_log_sigma, model.z_mask)

  return Posterior({'z_mean': latents, 'z_log_sigma': latents}, bind)


class Point(NamedTuple):
  """A code as the distribution that has all of its mass there."""

  z_mean: jax.Array

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
