"""What the network sees, what it must produce and what it is given.

A view is a pure function (batch, key_B) -> Example.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.factors.hyper import Positive
from vae_jax.images import area_means
from vae_jax.music.classes import OFF, PITCHED


class Example(NamedTuple):
  """seen and wanted [B, H, W, C] in [0, 1]; given [B, ...] or None."""

  seen: jax.Array
  wanted: jax.Array
  given: jax.Array | None = None


def clean(batch, key_B) -> Example:
  """Sees the image and must reproduce it."""
  del key_B
  x_BHWC = batch.images()
  return Example(seen=x_BHWC, wanted=x_BHWC)


def noisy(batch, key_B, noise: Positive = 0.5, shift: float = 0.5) -> Example:
  """Sees the image plus N(shift, noise), clipped to [0, 1]; must produce
  the clean one. Fresh noise for every key, so for every step."""
  x_BHWC = batch.images()
  draw = jax.vmap(lambda key: jax.random.normal(key, x_BHWC.shape[1:]))
  seen_BHWC = x_BHWC + shift + noise * draw(key_B)
  return Example(seen=jnp.clip(seen_BHWC, 0.0, 1.0), wanted=x_BHWC)


def low_resolution(batch, key_B, factor: int = 2) -> Example:
  """Sees the means of blocks of factor x factor pixels and must produce the
  image. ValueError if the blocks do not divide it.

  From these, nearest, bilinear, bicubic and Lanczos up-sampling of MNIST's test
  split have 17.9, 18.3, 19.9 and 20.5 dB at 2x, unclipped; a strided or bicubic
  reduction gives other figures.
  """
  del key_B
  x_BHWC = batch.images()
  return Example(seen=area_means(x_BHWC, factor), wanted=x_BHWC)


def transformed(batch, key_B, change: str = 'rotated') -> Example:
  """Sees the image after a change and must reproduce that: 'rotated' (by 90
  degrees, by 180 if it is not square), 'inverted', 'permuted' (one order of
  the pixels for all images), or 'none'. ValueError for any other."""
  del key_B
  if change not in CHANGES:
    raise ValueError(f'change must be one of {CHANGES}, not {change!r}')
  x_BHWC = changed(batch.images(), change)
  return Example(seen=x_BHWC, wanted=x_BHWC)


CHANGES = ('none', 'rotated', 'inverted', 'permuted')


def changed(x_BHWC, change: str):
  """Images after one of CHANGES, of the same shape."""
  _, height, width, channels = x_BHWC.shape
  if change == 'rotated':
    return jnp.rot90(x_BHWC, 1 if height == width else 2, (1, 2))
  if change == 'inverted':
    return 1.0 - x_BHWC
  if change == 'permuted':
    order = np.random.RandomState(0).permutation(height * width)
    x_BPC = x_BHWC.reshape(-1, height * width, channels)
    return x_BPC[:, order].reshape(x_BHWC.shape)
  return x_BHWC


def transposed(
  batch, key_B, most: int = 5, drums: tuple[int, ...] = ()
) -> Example:
  """Sees a phrase moved by up to `most` semitones up or down, another number
  for every key, and must reproduce that; a phrase stays where a pitch would
  leave the range of a melody, and so do tracks of `drums`. ValueError for
  anything but phrases of class numbers."""
  if not batch.numbers:
    raise ValueError('this view needs phrases: --phrase=melody/2')
  steps, tracks, _ = batch.shape
  x_BLT = batch.x.reshape(-1, steps, tracks).astype(jnp.int32)
  pitched_T = np.isin(np.arange(tracks), drums, invert=True)
  moves = (x_BLT > OFF) & pitched_T[None, None]
  by_B = jax.vmap(lambda key: jax.random.randint(key, (), -most, most + 1))(
    key_B
  )
  moved_BLT = x_BLT + by_B[:, None, None]
  stays = moves & ((moved_BLT <= OFF) | (moved_BLT >= PITCHED))
  fits_B = ~stays.any((1, 2))
  x_BLT = jnp.where(moves & fits_B[:, None, None], moved_BLT, x_BLT)
  x = batch.replace(x=x_BLT).images()
  return Example(seen=x, wanted=x)


def hits(batch, key_B) -> Example:
  """Sees which drums are hit, [B, L, 9, 1], and must produce how, [B, L, 9, 3];
  the hits are given at each step, [B, L, 9]: a drummer's view (Gillick et al.
  2019). ValueError for anything but phrases of groove."""
  del key_B
  if batch.numbers or batch.shape[1:] != (9, 3):
    raise ValueError('this view needs --phrase=groove/BARS')
  x_BL93 = batch.images()
  hit_BL9 = x_BL93[..., 0]
  return Example(hit_BL9[..., None], x_BL93, hit_BL9)


def labels(batch, key_B) -> Example:
  """Sees the image and must produce its label, one-hot as an image of one pixel
  [B, 1, 1, Y]: a classifier's view. ValueError if there are no labels."""
  del key_B
  label_BY = one_hot(batch)
  return Example(seen=batch.images(), wanted=label_BY[:, None, None, :])


def labelled(batch, key_B) -> Example:
  """Sees the image and must reproduce it, given its one-hot label [B, Y].
  ValueError if there are no labels."""
  del key_B
  x_BHWC = batch.images()
  return Example(seen=x_BHWC, wanted=x_BHWC, given=one_hot(batch))


def one_hot(batch):
  """The labels of a batch as 0 and 1: [B, Y]; ValueError without any."""
  if batch.label is None or not batch.classes:
    raise ValueError('this view needs labels, and the dataset has none')
  return jax.nn.one_hot(batch.label, len(batch.classes))
