"""Sequences: LSTMs over steps, and a conductor over bars (Roberts et al. 2018).

A sequence is [B, L, T, V]: at each step of each of T tracks one of V classes,
one-hot. Tracks of drums have all V, those of pitches the first PITCHED; what
the network hears of a class of drums is its bits.
"""

from functools import partial
from typing import Annotated

import flax.linen as nn
import jax
import jax.numpy as jnp

from vae_jax.music.classes import PITCHED
from vae_jax.networks.layers import Dense
from vae_jax.networks.layers.lstm import Lstm, zero_state
from vae_jax.networks.layers.score import (
  Part,
  Score,
  chosen,
  taught,
  unheard,
)
from vae_jax.networks.shapes import Network, dense_heads


def recurrent(
  latents,
  shapes,
  size,
  heads,
  encoder: int = 256,
  widths: tuple[int, ...] = (256, 256),
  drums: Annotated[tuple[int, ...], 0, 2**20] = (),
  conductor: int | None = None,
  bar: int = 16,
  by_bar: bool = False,
  deaf: bool = False,
  temperature: float = 1.0,
):
  """A bidirectional LSTM, and a decoder of LSTMs of these widths, whose first
  states are tanh of a dense layer of the code, which is beside every input.

  With a `conductor` of so many units, an LSTM makes of the code an embedding
  for each `bar` of so many steps, which is for that bar what the code is
  without one; each track then has LSTMs of its own. With `by_bar` the encoder
  hears each bar and then the bars. `drums` are the tracks that are drums. A
  `deaf` decoder hears its code alone, not what it has said. New sequences are
  drawn at the temperature.
  """
  del size, latents
  steps, tracks, classes = shapes.wanted
  check_drums(drums, tracks, classes)
  if (conductor or by_bar) and steps % bar:
    raise ValueError(f'{steps} steps are no bars of {bar}')
  score = Score(steps, tracks, classes, tuple(drums), bar)
  return Network(
    Encoder(tuple(heads.items()), score, encoder, by_bar),
    Decoder(score._replace(deaf=deaf), tuple(widths), conductor),
    maskable=True,
    decode=decode,
    # One that hears nothing has nothing to draw step after step.
    generate=None if deaf else partial(generate, temperature=temperature),
  )


def check_drums(drums: tuple[int, ...], tracks: int, classes: int):
  """ValueError unless these are tracks, and there are some where a phrase has
  the classes of drums."""
  if not set(drums) <= set(range(tracks)):
    raise ValueError(f'drums={drums}: the tracks are 0 to {tracks - 1}')
  if classes > PITCHED and not drums:
    raise ValueError(
      f'{classes} classes are those of drums: network.drums must name their '
      'tracks'
    )


class Encoder(nn.Module):
  """A bidirectional LSTM and a dense head per posterior statistic."""

  heads: tuple[tuple[str, int], ...]
  score: Score
  units: int
  by_bar: bool = False

  @nn.compact
  def __call__(self, seen, given=None):
    """Posterior statistics: {head: [B, its size]}."""
    x_BLF = jnp.concatenate(self.score.heard(seen), -1)
    if given is not None:
      x_BLF = jnp.concatenate([along(given, x_BLF.shape[1]), x_BLF], -1)
    if self.by_bar:
      b, _, size = x_BLF.shape
      bars = x_BLF.reshape(b * self.score.bars, self.score.bar, size)
      x_BLF = self.last(bars, 'bar').reshape(b, self.score.bars, -1)
    return dense_heads(self.last(x_BLF, 'steps'), self.heads)

  def last(self, x_BLF, name: str):
    """The last states of both directions: [B, 2H]."""
    x_LBF = x_BLF.swapaxes(0, 1)
    _, b, size = x_LBF.shape
    state = zero_state(b, self.units, x_LBF.dtype)
    ahead, back = (
      Lstm(size, self.units, name=f'{name}_{way}')(x_LBF)
      for way in ('ahead', 'back')
    )
    last = ahead.over(x_LBF, state)[-1], back.over(x_LBF, state, back=True)[0]
    return jnp.concatenate(last, -1)


class Decoder(nn.Module):
  """LSTMs from a code to the logits of every step."""

  score: Score
  widths: tuple[int, ...]
  conductor: int | None = None

  @nn.compact
  def __call__(self, z_BZ, given=None, teacher=None, own=None, noise=None):
    """(logits, what was chosen) of every step, [B, L, T, V] each.

    After the teacher's classes; without one, after its own; with both and
    `own` [B, L], after its own where that is 1. It chooses the likeliest after
    noise [B, L, T, V], if any, is added.
    """
    parts = self.parts(self.seeds(z_BZ), given)
    if self.score.deaf:
      return unheard(self.score, parts, len(z_BZ), noise)
    if teacher is not None and own is None:
      logits = taught(self.score, parts, teacher)
      return logits, teacher
    return chosen(self.score, parts, teacher, own, noise)

  def seeds(self, z_BZ):
    """What each bar is decoded from: [U, B, C]; the code itself for the whole
    sequence without a conductor, [1, B, Z]."""
    if self.conductor is None:
      return z_BZ[None]
    weights = Lstm(z_BZ.shape[-1], self.conductor, name='conductor')(z_BZ)
    start = Dense(2 * self.conductor, name='conductor_start')(z_BZ)
    h_BH, c_BH = jnp.split(jnp.tanh(start), 2, -1)
    state = h_BH, c_BH.astype(jnp.promote_types(c_BH.dtype, jnp.float32))
    nothing = jnp.zeros((self.score.bars, len(z_BZ), 0), z_BZ.dtype)
    return weights.over(nothing, state, weights.gates(z_BZ))

  def parts(self, seeds, given):
    """The decoders, one for all tracks or, under a conductor, one for each."""
    tracks = list(range(self.score.tracks))
    groups = [tracks] if self.conductor is None else [[t] for t in tracks]
    sizes, heard = self.score.sizes(), self.score.heard_sizes()
    made = []
    for i, own in enumerate(groups):
      inputs = sum(heard[t] for t in own)
      make = partial(self.part, f'part_{i}', inputs, sum(sizes[t] for t in own))
      made.append(make(seeds, given)._replace(tracks=tuple(own)))
    return made

  def part(self, name, inputs, outputs, seeds, given):
    """The Part of this name for every bar's seed."""
    fixed = 0 if given is None else given.shape[-1]
    total = inputs + fixed + seeds.shape[-1]
    layers, states = [], []
    for k, width in enumerate(self.widths):
      start = Dense(2 * width, name=f'{name}_start_{k}')(seeds)
      h, c = jnp.split(jnp.tanh(start), 2, -1)
      c = c.astype(jnp.promote_types(c.dtype, jnp.float32))
      states.append((h, c))
      size = self.widths[k - 1] if k else total
      layers.append(Lstm(size, width, name=f'{name}_lstm_{k}')(seeds))
    last = self.widths[-1]
    kernel = self.param(
      f'{name}_logits', nn.initializers.lecun_normal(), (last, outputs)
    )
    bias = self.param(f'{name}_bias', nn.initializers.zeros, (outputs,))
    dtype = seeds.dtype
    return Part(
      (), layers, states, kernel.astype(dtype), bias.astype(dtype), seeds, given
    )


def decode(model, params, z, given=None, teacher=None, key=None, own=None):
  """Model.decode of sequences: the logits of every step, after the teacher's
  classes or, without one, its own.

  With a key per example and `own`, the chance of a step to be decoded after a
  class that the decoder itself has drawn (scheduled sampling, Bengio et al.
  2015).
  """
  noise = mixed = None
  if own is not None:
    key_own, key_noise = jax.vmap(lambda k: tuple(jax.random.split(k)))(key)
    draw = jax.vmap(lambda k, x: jax.random.bernoulli(k, own, x.shape[:1]))
    mixed = draw(key_own, teacher).astype(teacher.dtype)
    noise = gumbel(key_noise, teacher.shape[1:])
  return applied(model, params, z, given, teacher, mixed, noise)[0]


def generate(model, params, key_B, given=None, temperature: float = 1.0):
  """Model.generate of sequences: draws of the prior, decoded step after step,
  each class drawn at this temperature (0: the likeliest): one-hot."""
  key_z, key_noise = jax.vmap(lambda k: tuple(jax.random.split(k)))(key_B)
  z_BZ = model.prior(params, given).sample(key_z)
  return sample(model, params, z_BZ, key_noise, given, temperature)


def sample(model, params, z, key_B, given=None, temperature: float = 1.0):
  """Classes drawn step after step for codes [B, Z], one-hot: [B, L, T, V]."""
  score = model.network.decoder.score
  shape = score.steps, score.tracks, score.classes
  noise = temperature * gumbel(key_B, shape)
  return applied(model, params, z, given, None, None, noise)[1]


def applied(model, params, z, *rest):
  """(logits, choices) of the decoder."""
  return model.apply(model.network.decoder, params['decoder'], z, *rest)


def gumbel(key_B, shape):
  """What added to logits makes their likeliest class a draw: [B, *shape]."""
  return jax.vmap(lambda key: jax.random.gumbel(key, shape))(key_B)


def along(given, steps: int):
  """What is given [B, G] or at each step [B, L, G], at each step."""
  if given.ndim == 3:
    return given
  return jnp.repeat(given[:, None], steps, 1)
