"""Binds the factors into one value; everything is pure in the parameters.

params = {'encoder': ..., 'decoder': ..., 'prior': ...}
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from vae_jax.factors.divergences import kl
from vae_jax.factors.likelihoods import Likelihood
from vae_jax.factors.priors import Prior, masked

# Name -> (how products are computed, dtype of what goes into them if not
# float32). Float32 means float32: JAX's default is less on GPUs and TPUs.
PRECISIONS = {
  'float32': ('highest', None),
  'tf32': ('tensorfloat32', None),
  'bfloat16': ('default', jnp.bfloat16),
}


@dataclasses.dataclass(frozen=True)
class Model:
  """q(z given x), p(z) and p(x given z) with shapes; owns the latent mask."""

  latents: int
  encoder: nn.Module
  decoder: nn.Module
  posterior: Callable  # (z_mean, z_log_sigma, z_mask) -> q
  factor: Prior
  likelihood: Likelihood
  critic_net: nn.Module | None = None  # z_BZ -> [B, 1]
  axis: str | None = None
  z_mask: jax.Array | None = None  # [Z] of 0 and 1
  precision: str = 'float32'

  def bind(self, z_mask) -> 'Model':
    """The same model, with the latents where z_mask [Z] is 0 switched off."""
    return dataclasses.replace(self, z_mask=z_mask)

  @property
  def active(self):
    """How many latents are switched on."""
    return self.latents if self.z_mask is None else self.z_mask.sum()

  def init(self, key, example) -> dict:
    """Fresh parameters for examples like this one."""
    key_encoder, key_decoder, key_prior, key_critic = jax.random.split(key, 4)
    # Only shapes, or XLA would compile and fold a whole forward pass.
    seen, given = shaped((example.seen, example.given))
    z_BZ = jax.ShapeDtypeStruct((seen.shape[0], self.latents), seen.dtype)
    encoder = self.encoder.lazy_init(key_encoder, seen, given)
    decoder = self.decoder.lazy_init(key_decoder, z_BZ, given)
    params = {'encoder': encoder['params'], 'decoder': decoder['params']}
    prior = self.factor.init(key_prior, self, example)
    if prior:
      params['prior'] = prior
    if self.critic_net is not None:
      params['critic'] = self.critic_net.lazy_init(key_critic, z_BZ)['params']
    return params

  def encode(self, params, seen, given=None):
    """q(z given seen)."""
    stats = self._apply(self.encoder, params['encoder'], seen, given)
    # Before anything is exponentiated, or a masked latent overflows.
    stats = [masked(head_BZ, self.z_mask) for head_BZ in stats]
    z_log_sigma = jnp.clip(stats[1], -15.0, 15.0) if len(stats) > 1 else None
    return self.posterior(stats[0], z_log_sigma, self.z_mask)

  def decode(self, params, z, given=None, teacher=None, key=None):
    """Outputs of the decoder: [B, H, W, C * size]. Image decoders have no use
    for a teacher or a key."""
    del teacher, key
    z_BZ = masked(z, self.z_mask)
    return self._apply(self.decoder, params['decoder'], z_BZ, given)

  def prior(self, params, given=None):
    """p(z), or p(z given `given`)."""
    return self.factor.bind(self, params, given)

  def infer(self, params, example, key_B):
    """A draw from the posterior and its KL: z [B, Z], kl_BG in nats."""
    q = self.encode(params, example.seen, example.given)
    z_BZ = q.sample(key_B)
    p = self.prior(params, example.given)
    return z_BZ, kl(q, p, z_BZ)

  def log_likelihood(self, outputs, wanted):
    """log p(wanted given outputs) per example, in nats: [B]."""
    return self.likelihood(outputs, wanted)

  def reconstruct(self, params, seen, given=None):
    """The mean image for the mean code: [B, H, W, C]."""
    z_BZ = self.encode(params, seen, given).mean
    return self.likelihood.mean(self.decode(params, z_BZ, given))

  def generate(self, params, key_B, given=None):
    """The mean image for a draw from the prior per key: [B, H, W, C]."""
    z_BZ = self.prior(params, given).sample(key_B)
    return self.likelihood.mean(self.decode(params, z_BZ, given))

  def critic(self, params, z):
    """The critic's logit per code: [B]."""
    z_BZ = masked(z, self.z_mask)
    return self._apply(self.critic_net, params['critic'], z_BZ)[:, 0]

  def _apply(self, network, params, *inputs):
    """What a network gives, in float32, computed in the model's precision."""
    products, dtype = PRECISIONS[self.precision]
    if dtype is not None:
      params, inputs = jax.tree.map(lambda x: x.astype(dtype), (params, inputs))
    with jax.default_matmul_precision(products):
      outputs = network.apply({'params': params}, *inputs)
    return jax.tree.map(lambda x: x.astype(jnp.float32), outputs)

  def gather(self, x_B):
    """x_B of the whole global batch; itself where there is one device."""
    if self.axis is None:
      return x_B
    return jax.lax.all_gather(x_B, self.axis, tiled=True)


def shaped(tree):
  """The shapes and dtypes of a tree of arrays."""
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
