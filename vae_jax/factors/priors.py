"""p(z): distributions over the latents, possibly with parameters of their own.

A prior factory takes the number of latents and returns a Prior.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Prior(NamedTuple):
  """How a prior is made and bound to the parameters of a model."""

  init: Callable  # (key, model, example) -> params['prior']
  bind: Callable  # (model, params, given) -> p with log_prob and sample
  maskable: bool = True  # False if it mixes latents: then no masked sweep


class StandardNormal(NamedTuple):
  """N(0, 1) in each of `latents` dimensions, less the masked ones."""

  latents: int
  z_mask: jax.Array | None = None

  def log_prob(self, z_BZ):
    """log p(z) in nats: [B]; a masked latent counts nothing."""
    log_p_BZ = -0.5 * z_BZ**2 - 0.5 * math.log(2 * math.pi)
    return masked(log_p_BZ, self.z_mask).sum(-1)

  def sample(self, key_B):
    """One draw per key: [B, Z]; 0 for a masked latent."""
    return masked(noise(key_B, self.latents), self.z_mask)


def standard_normal(latents: int) -> Prior:
  """The standard normal prior; no parameters."""

  def bind(model, params, given):
    del params, given
    return StandardNormal(latents, model.z_mask)

  return Prior(lambda key, model, example: {}, bind)


def noise(key_B, latents: int):
  """Standard normal draws per key: [B, Z].

  The first d columns are the same for every Z >= d, so that a masked latent
  sweep sees the noise of the true small run.
  """
  return jax.vmap(lambda key: jax.random.normal(key, (latents,)))(key_B)


def masked(values_BZ, z_mask):
  """values_BZ with 0 where the mask [Z] is 0; all of them if it is None."""
  if z_mask is None:
    return values_BZ
  return jnp.where(z_mask[None, :] > 0, values_BZ, 0.0)
