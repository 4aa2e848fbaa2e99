"""A VAE whose latents may be correlated, trained to use few of them.

What a user writes for an objective and a posterior of their own: this file.
extended_test.py trains, sweeps, measures and loads it.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from vae_jax.config import Experiment
from vae_jax.factors import objectives
from vae_jax.factors.hyper import Positive
from vae_jax.factors.posteriors import Posterior
from vae_jax.measures import per_example


class LowRank(NamedTuple):
  """N(mean, diag(exp(2 s)) + r r^T), with a scale of r of its own."""

  mean: jax.Array  # [B, Z]
  z_log_sigma: jax.Array  # [B, Z]
  direction: jax.Array  # r, [B, Z]

  def sample(self, key_B):
    """One draw per key: [B, Z]."""
    draw = jax.vmap(
      lambda key: jax.random.normal(key, (self.mean.shape[1] + 1,))
    )
    noise_BZ, along_B1 = jnp.split(draw(key_B), [self.mean.shape[1]], 1)
    own_BZ = jnp.exp(self.z_log_sigma) * noise_BZ
    return self.mean + own_BZ + self.direction * along_B1

  def log_prob(self, z_BZ):
    """log q in nats: [B]; the matrix determinant lemma and Sherman-Morrison."""
    inverse_BZ = jnp.exp(-self.z_log_sigma)
    x_BZ, r_BZ = (inverse_BZ * v for v in (z_BZ - self.mean, self.direction))
    grown_B = 1 + (r_BZ**2).sum(-1)
    squares_B = (x_BZ**2).sum(-1) - (x_BZ * r_BZ).sum(-1) ** 2 / grown_B
    log_det_B = 2 * self.z_log_sigma.sum(-1) + jnp.log(grown_B)
    count = self.mean.shape[-1] * math.log(2 * math.pi)
    return -0.5 * (squares_B + log_det_B + count)


def low_rank(latents: int | None, scale: float = 0.5) -> Posterior:
  """Three heads, and one parameter: the size of the common direction."""

  def init(key, model, example):
    del key, model, example
    return {'log_scale': jnp.zeros(())}

  def bind(model, params, stats, given):
    del model, given
    factor = scale * jnp.exp(params['posterior']['log_scale'])
    direction_BZ = factor * stats['direction']
    return LowRank(stats['z_mean'], stats['z_log_sigma'], direction_BZ)

  heads = dict.fromkeys(('z_mean', 'z_log_sigma', 'direction'), latents)
  return Posterior(heads, bind, init, maskable=False)


def frugal(model, params, example, key_B, weight: Positive = 1.0):
  """The ELBO, and `weight` nats for each unit of the means' L1 norm."""
  values = objectives.elbo(model, params, example, key_B)
  mean_BZ = model.encode(params, example.seen, example.given).mean
  l1_B = jnp.abs(mean_BZ).sum(-1)
  return values | {'loss': values['loss'] + weight * l1_B, 'l1': l1_B}


experiment = Experiment(
  latents=4,
  posterior=low_rank,
  objective=frugal,
  steps=400,
  measures=(per_example.quality, per_example.active_latents),
)
