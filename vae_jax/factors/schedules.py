"""Numbers that change over a run: factors of a leaf, from 0 or 1 steps made.

A schedule is (step) -> what the leaf's own value is multiplied with, so that a
sweep over the value is one over the schedule as well.
"""

import math
from typing import Annotated

import jax
import jax.numpy as jnp

# Of each step a number keeps so much.
Kept = Annotated[float, 1e-12, 1.0]


def linear(step, steps: int = 1000, first: float = 0.0, last: float = 1.0):
  """From `first` to `last` in a straight line over so many steps."""
  return first + (last - first) * _share(step, steps)


def cosine(step, steps: int = 1000, first: float = 1.0, last: float = 0.0):
  """From `first` to `last` along half a cosine (Loshchilov & Hutter 2017)."""
  part = 0.5 * (1 - jnp.cos(math.pi * _share(step, steps)))
  return first + (last - first) * part


def cyclic(step, period: int = 1000, warm: Kept = 0.5):
  """From 0 to 1 over the `warm` share of each period, then 1 until the next
  begins (Fu et al. 2019)."""
  return jnp.minimum((step % period) / (warm * period), 1.0)


def exponential(step, rate: Kept = 0.9999, last: float = 0.0):
  """rate^step, but not less than `last`."""
  return jnp.maximum(jnp.exp(step * _log(rate)), last)


def saturating(step, rate: Kept = 0.99999):
  """1 - rate^step, as MusicVAE warms up beta (Roberts et al. 2018)."""
  return -jnp.expm1(step * _log(rate))  # in float32 rate^step is nearly 1


def inverse_sigmoid(step, steps: float = 1000.0):
  """1 - k / (k + exp(step / k)), k `steps`: slowly from nearly 0 to 1 around
  k log k steps (Bengio et al. 2015), for any number of steps."""
  return jax.nn.sigmoid(step / steps - math.log(steps))


def warm_cosine(step, warm: int = 500, steps: int = 10_000, last: float = 0.0):
  """From 0 to 1 in a straight line over `warm` steps, then down to `last` along
  half a cosine, until `steps`: what a learning rate often follows."""
  down = cosine(jnp.maximum(step - warm, 0), max(steps - warm, 1), 1.0, last)
  return jnp.where(step < warm, linear(step, warm), down)


def _share(step, steps: int):
  return jnp.clip(step / max(steps, 1), 0.0, 1.0)


def _log(rate: float):
  return jnp.float32(math.log(rate))
