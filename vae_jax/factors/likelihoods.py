"""p(x given z): what the decoder's outputs say about the pixels.

A likelihood factory returns a Likelihood; calling that gives log p(x given z)
per example, in nats, summed over all other axes: [B].
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Likelihood(NamedTuple):
  """Pure functions of decoder outputs [B, H, W, C * size]."""

  log_prob: Callable  # (outputs, x) -> log p [B], nats
  mean: Callable  # outputs -> [B, H, W, C]
  sample: Callable  # (outputs, key_B) -> [B, H, W, C]
  size: int = 1  # outputs per element of x
  levels: int | None = None  # values of a pixel that it is a probability of

  def __call__(self, outputs, x):
    """log p(x given outputs) per example, in nats: [B]."""
    return self.log_prob(outputs, x)


def bernoulli() -> Likelihood:
  """Outputs are logits; x in [0, 1], binary or grey (then a cross-entropy)."""
  return Likelihood(
    log_prob=lambda logits, x: -cross_entropy(_flat(logits), _flat(x)).sum(-1),
    mean=jax.nn.sigmoid,
    sample=_bernoulli_sample,
    levels=2,
  )


def normal(sigma: float | None = 1.0, sigmoid: bool = False) -> Likelihood:
  """Outputs are means, or their logits for `sigmoid`, with one fixed sigma or,
  for None, a learned log sigma per element (then twice the outputs)."""
  split = _location_scale('sigma', sigma, sigmoid)

  def log_prob(outputs, x):
    mean, log_sigma = split(outputs)
    if sigma is None:
      log_sigma = _flat(log_sigma)
    scaled = (_flat(x) - _flat(mean)) * jnp.exp(-log_sigma)
    log_p = -0.5 * scaled**2 - log_sigma - 0.5 * math.log(2 * math.pi)
    return log_p.sum(-1)

  def sample(outputs, key_B):
    mean, log_sigma = split(outputs)
    noise = jax.vmap(lambda k: jax.random.normal(k, mean.shape[1:]))(key_B)
    return mean + jnp.exp(log_sigma) * noise

  size = 1 if sigma is not None else 2
  return Likelihood(log_prob, lambda o: split(o)[0], sample, size)


def laplace(scale: float | None = 1.0, sigmoid: bool = False) -> Likelihood:
  """Outputs are medians, or their logits for `sigmoid`, with one fixed scale
  or, for None, a learned log scale per element (then twice the outputs)."""
  split = _location_scale('scale', scale, sigmoid)

  def log_prob(outputs, x):
    median, log_scale = split(outputs)
    if scale is None:
      log_scale = _flat(log_scale)
    error = jnp.abs(_flat(x) - _flat(median))
    log_p = -error * jnp.exp(-log_scale) - log_scale - math.log(2)
    return log_p.sum(-1)

  def sample(outputs, key_B):
    median, log_scale = split(outputs)
    noise = jax.vmap(lambda k: jax.random.laplace(k, median.shape[1:]))(key_B)
    return median + jnp.exp(log_scale) * noise

  size = 1 if scale is not None else 2
  return Likelihood(log_prob, lambda o: split(o)[0], sample, size)


def _location_scale(name: str, scale: float | None, sigmoid: bool):
  """A function from outputs to (locations, log scales)."""
  if scale is not None and scale <= 0:
    raise ValueError(f'{name} must be positive or None, not {scale}')
  squashed = jax.nn.sigmoid if sigmoid else lambda location: location

  def split(outputs):
    if scale is not None:
      return squashed(outputs), jnp.float32(math.log(scale))
    location, log_scale = jnp.split(outputs, 2, -1)
    # Without a floor the density of a constant pixel grows without bound.
    return squashed(location), jnp.clip(log_scale, -6.0, 6.0)

  return split


def categorical() -> Likelihood:
  """Outputs are logits over the last axis, of which x says one (one-hot) or
  gives probabilities (then a cross-entropy)."""

  def log_prob(logits, x):
    log_p = x * jax.nn.log_softmax(logits)
    return _flat(log_p).sum(-1)

  def sample(logits, key_B):
    draw = jax.vmap(lambda key, one: jax.random.categorical(key, one))
    return jax.nn.one_hot(draw(key_B, logits), logits.shape[-1])

  return Likelihood(log_prob, jax.nn.softmax, sample)


def struck(sigma: float = 0.1) -> Likelihood:
  """Outputs [B, L, 9, 3] are logits of how drums are hit: of the velocity and
  of how late, normal with this sigma, where x says that there is a hit."""

  def log_prob(outputs, x):
    scaled = (jax.nn.sigmoid(outputs[..., 1:]) - x[..., 1:]) / sigma
    constant = math.log(sigma) + 0.5 * math.log(2 * math.pi)
    log_p = -0.5 * scaled**2 - constant
    return _flat(x[..., :1] * log_p).sum(-1)

  def sample(outputs, key_B):
    noise = jax.vmap(lambda k: jax.random.normal(k, outputs.shape[1:]))(key_B)
    return jnp.clip(jax.nn.sigmoid(outputs) + sigma * noise, 0.0, 1.0)

  return Likelihood(log_prob, jax.nn.sigmoid, sample)


def cross_entropy(logits, x):
  """-log p(x) of a Bernoulli with these logits, elementwise, in nats."""
  # Exact for logits of any size, where log(sigmoid(logits)) is not.
  return (
    jnp.maximum(logits, 0) - logits * x + jnp.log1p(jnp.exp(-jnp.abs(logits)))
  )


def _flat(x):
  # Before any arithmetic: XLA:CPU is many times slower where it fuses that with
  # a sum over an innermost axis of one channel.
  return x.reshape(x.shape[0], -1)


def _bernoulli_sample(logits, key_B):
  draw = jax.vmap(lambda k, p: jax.random.bernoulli(k, p))
  return draw(key_B, jax.nn.sigmoid(logits)).astype(jnp.float32)
