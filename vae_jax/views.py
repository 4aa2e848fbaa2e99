"""What the network sees, what it must produce and what it is given.

A view is a pure function (batch, key_B, hyper) -> Example.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Example(NamedTuple):
  """seen and wanted [B, H, W, C] in [0, 1]; given [B, ...] or None."""

  seen: jax.Array
  wanted: jax.Array
  given: jax.Array | None = None


def clean(batch, key_B, hyper) -> Example:
  """Sees the image and must reproduce it."""
  del key_B, hyper
  x_BHWC = batch.images()
  return Example(seen=x_BHWC, wanted=x_BHWC)


def noisy(batch, key_B, hyper, shift: float = 0.5) -> Example:
  """Sees the image plus N(shift, hyper.noise), clipped to [0, 1]; must produce
  the clean one. Fresh noise for every key, so for every step."""
  x_BHWC = batch.images()
  draw = jax.vmap(lambda key: jax.random.normal(key, x_BHWC.shape[1:]))
  seen_BHWC = x_BHWC + shift + hyper.noise * draw(key_B)
  return Example(seen=jnp.clip(seen_BHWC, 0.0, 1.0), wanted=x_BHWC)
