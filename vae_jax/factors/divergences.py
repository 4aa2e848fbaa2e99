"""KL(q || p) between a posterior and a prior, in nats."""

import jax.numpy as jnp

from vae_jax.factors.posteriors import Normal, Point
from vae_jax.factors.priors import StandardNormal, masked


def kl(q, p, z_BZ):
  """KL(q || p) in nats: [B, Z] where both factorise, else [B, 1].

  Closed where CLOSED knows the pair, else its one-sample estimate at z_BZ, a
  draw of q.
  """
  closed = CLOSED.get((type(q), type(p))) or CLOSED.get((type(q), None))
  if closed is None:
    return (q.log_prob(z_BZ) - p.log_prob(z_BZ))[:, None]
  return closed(q, p)


def normal_to_standard(q, p):
  """KL of independent normals to N(0, I): [B, Z] (Kingma & Welling 2014, app.
  B); 0 for a masked latent."""
  del p
  s_BZ = q.z_log_sigma
  kl_BZ = 0.5 * (q.z_mean**2 + jnp.exp(2 * s_BZ) - 1 - 2 * s_BZ)
  return masked(kl_BZ, q.z_mask)


def point_to_any(q, p):
  """0 for a posterior that is no density and so has no KL: [B, 1]."""
  del p
  return jnp.zeros((q.z_mean.shape[0], 1))


# (posterior, prior) -> KL; None stands for any prior.
CLOSED = {
  (Normal, StandardNormal): normal_to_standard,
  (Point, None): point_to_any,
}
