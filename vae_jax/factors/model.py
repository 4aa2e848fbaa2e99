"""Binds the factors into one value; everything is pure in the parameters.

params = {'encoder': ..., 'decoder': ...}, and 'posterior', 'prior' and 'critic'
where those have parameters of their own.
"""

import dataclasses

import jax
import jax.numpy as jnp

from vae_jax.factors.divergences import kl
from vae_jax.factors.likelihoods import Likelihood
from vae_jax.factors.posteriors import Posterior
from vae_jax.factors.priors import Prior, masked
from vae_jax.networks import Critic, Network

# Name -> (how products are computed, dtype of what goes into them if not
# float32). Float32 means float32: JAX's default is less on GPUs and TPUs.
PRECISIONS = {
  'float32': ('highest', None),
  'tf32': ('tensorfloat32', None),
  'bfloat16': ('default', jnp.bfloat16),
}


class WholeBatch(ValueError):
  """An objective that compares examples was given a piece of a batch."""


@dataclasses.dataclass(frozen=True)
class Model:
  """q(z given x), p(z) and p(x given z) with shapes; owns the latent mask.

  infer, decode, generate and log_weight are those of flat latents, unless the
  network brings its own.
  """

  latents: int
  network: Network
  q_factor: Posterior
  p_factor: Prior
  likelihood: Likelihood
  c_factor: Critic | None = None
  axis: str | None = None
  z_mask: jax.Array | None = None  # [Z] of 0 and 1
  precision: str = 'float32'
  in_pieces: bool = False  # only a part of a device's batch is there at once

  def bind(self, z_mask) -> 'Model':
    """The same model, with the latents where z_mask [Z] is 0 switched off."""
    return dataclasses.replace(self, z_mask=z_mask)

  @property
  def active(self):
    """How many latents are switched on."""
    return self.latents if self.z_mask is None else self.z_mask.sum()

  @property
  def maskable(self) -> bool:
    """Whether a model with fewer latents is this one with some switched off."""
    factors = self.network, self.q_factor, self.p_factor, self.c_factor
    return all(factor.maskable for factor in factors if factor is not None)

  def init(self, key, example) -> dict:
    """Fresh parameters for examples like this one."""
    key_encoder, key_decoder, key_prior, key_critic, key_posterior = (
      jax.random.split(key, 5)
    )
    # Only shapes, or XLA would compile and fold a whole forward pass.
    seen, given = shaped((example.seen, example.given))
    z_BZ = jax.ShapeDtypeStruct((seen.shape[0], self.latents), seen.dtype)
    encoder = self.network.encoder.lazy_init(key_encoder, seen, given)
    decoder = self.network.decoder.lazy_init(key_decoder, z_BZ, given)
    params = {'encoder': encoder['params'], 'decoder': decoder['params']}
    own = {
      'posterior': self.q_factor.init(key_posterior, self, example),
      'prior': self.p_factor.init(key_prior, self, example),
    }
    params |= {name: values for name, values in own.items() if values}
    if self.c_factor is not None:
      critic = self.c_factor.net.lazy_init(key_critic, z_BZ)
      params['critic'] = critic['params']
    return params

  def encode(self, params, seen, given=None):
    """q(z given seen)."""
    stats = self.apply(self.network.encoder, params['encoder'], seen, given)
    # Before anything is exponentiated, or a masked latent overflows.
    stats = {
      name: masked(head, self.z_mask) if head.shape[1] == self.latents else head
      for name, head in stats.items()
    }
    return self.q_factor.bind(self, params, stats, given)

  def prior(self, params, given=None):
    """p(z), or p(z given `given`)."""
    return self.p_factor.bind(self, params, given)

  def infer(self, params, example, key_B):
    """A draw from the posterior and its KL: z [B, Z], kl_BG in nats."""
    return (self.network.infer or infer)(self, params, example, key_B)

  def decode(self, params, z, given=None, teacher=None, **own):
    """Outputs of the decoder: [B, H, W, C * size]. Image decoders have no use
    for a teacher; `own` is what a network's own function takes beside it."""
    f = self.network.decode or decode
    return f(self, params, masked(z, self.z_mask), given, teacher, **own)

  def generate(self, params, key_B, given=None):
    """The mean image for a draw from the prior per key: [B, H, W, C]."""
    return (self.network.generate or generate)(self, params, key_B, given)

  def log_weight(self, params, example):
    """A function key_B -> log p(x, z) - log q(z given x) of a draw z of the
    posterior for each key, in nats: [B]."""
    return (self.network.log_weight or log_weight)(self, params, example)

  def log_likelihood(self, outputs, wanted):
    """log p(wanted given outputs) per example, in nats: [B]."""
    return self.likelihood(outputs, wanted)

  def reconstruct(self, params, seen, given=None):
    """The mean image for the mean code: [B, H, W, C]."""
    z_BZ = self.encode(params, seen, given).mean
    return self.likelihood.mean(self.decode(params, z_BZ, given))

  def critic(self, params, z):
    """The critic's logit per code: [B]."""
    z_BZ = masked(z, self.z_mask)
    return self.apply(self.c_factor.net, params['critic'], z_BZ)[:, 0]

  def apply(self, net, params, *inputs):
    """What a network gives, in float32, computed in the model's precision."""
    products, dtype = PRECISIONS[self.precision]
    if dtype is not None:
      params, inputs = jax.tree.map(lambda x: x.astype(dtype), (params, inputs))
    with jax.default_matmul_precision(products):
      outputs = net.apply({'params': params}, *inputs)
    return jax.tree.map(lambda x: x.astype(jnp.float32), outputs)

  def gather(self, x_B):
    """x_B of the whole global batch; itself where there is one device. What an
    objective needs to compare examples; WholeBatch if it is given pieces."""
    if self.in_pieces:
      raise WholeBatch('the objective compares the examples of a batch')
    if self.axis is None:
      return x_B
    return jax.lax.all_gather(x_B, self.axis, tiled=True)


def infer(model: Model, params, example, key_B):
  """Model.infer of flat latents."""
  q = model.encode(params, example.seen, example.given)
  z_BZ = q.sample(key_B)
  return z_BZ, kl(q, model.prior(params, example.given), z_BZ)


def decode(model: Model, params, z, given=None, teacher=None, **own):
  """Model.decode of flat latents; ValueError for what decoders take that go on
  from their own steps."""
  del teacher
  if own:
    raise ValueError(
      'this objective needs a network that decodes step after step, such as '
      'networks.recurrent'
    )
  return model.apply(model.network.decoder, params['decoder'], z, given)


def generate(model: Model, params, key_B, given=None):
  """Model.generate of flat latents."""
  z_BZ = model.prior(params, given).sample(key_B)
  return model.likelihood.mean(model.decode(params, z_BZ, given))


def log_weight(model: Model, params, example):
  """Model.log_weight of flat latents."""
  q = model.encode(params, example.seen, example.given)
  p = model.prior(params, example.given)

  def draw(key_B):
    z_BZ = q.sample(key_B)
    outputs = model.decode(params, z_BZ, example.given, teacher=example.wanted)
    log_p_B = model.log_likelihood(outputs, example.wanted) + p.log_prob(z_BZ)
    return log_p_B - q.log_prob(z_BZ)

  return draw


def shaped(tree):
  """The shapes and dtypes of a tree of arrays."""
  return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), tree)
