"""Decoding step after step: what sequences of classes are like, and LSTMs that
say them, after a teacher's classes or their own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from vae_jax.music.classes import BITS, PITCHED
from vae_jax.networks.layers.dense import plus
from vae_jax.networks.layers.lstm import Weights, cell

NEVER = -1e9  # the logit of a class that a track does not have


class Score(NamedTuple):
  """What sequences are like: [B, steps, tracks, classes]."""

  steps: int
  tracks: int
  classes: int
  drums: tuple[int, ...]
  bar: int
  deaf: bool = False  # hears nothing of what was said before

  @property
  def bars(self) -> int:
    """Bars of a sequence."""
    return self.steps // self.bar

  def sizes(self) -> list[int]:
    """Classes of each track."""
    return [
      self.classes if t in self.drums else min(PITCHED, self.classes)
      for t in range(self.tracks)
    ]

  def heard(self, x):
    """What is heard of each track [..., T, V]: [..., F] each."""
    if self.deaf:
      return [x[..., t, :0] for t in range(self.tracks)]
    bits = jnp.asarray(BITS, x.dtype)
    return [
      x[..., t, :size] @ bits if t in self.drums else x[..., t, :size]
      for t, size in enumerate(self.sizes())
    ]

  def heard_sizes(self) -> list[int]:
    """Features that are heard of each track."""
    return [
      0 if self.deaf else BITS.shape[1] if t in self.drums else size
      for t, size in enumerate(self.sizes())
    ]


class Part(NamedTuple):
  """LSTMs that say some tracks: for each of U bars from a seed of its own."""

  tracks: tuple[int, ...]
  layers: list[Weights]
  states: list  # (h, c) of each layer before the first step: [U, B, H]
  kernel: jax.Array  # [H, O]
  bias: jax.Array  # [O]
  seeds: jax.Array  # [U, B, C]
  given: jax.Array | None  # [B, G], or [B, L, G]

  def fixed(self):
    """What is beside every input of a bar; what is given first, since z comes
    last: [U, B, G + C]."""
    if self.given is None or self.given.ndim == 3:
      return self.seeds
    shape = len(self.seeds), *self.given.shape
    once = jnp.broadcast_to(self.given, shape)
    return jnp.concatenate([once, self.seeds], -1)

  def inputs(self, heard, given):
    """What changes from step to step: [..., F]."""
    own = [heard[t] for t in self.tracks]
    if self.given is not None and self.given.ndim == 3:
      own.append(given)
    return jnp.concatenate(own, -1)

  def logits(self, h):
    """Logits of the classes of its tracks: [..., O]."""
    return plus(h @ self.kernel, self.bias)


def taught(score: Score, parts: list[Part], teacher):
  """Logits of every step after the teacher's classes: [B, L, T, V]."""
  before = jnp.concatenate([jnp.zeros_like(teacher[:, :1]), teacher[:, :-1]], 1)
  heard, logits = score.heard(before), [None] * score.tracks
  for part in parts:
    put(score, logits, part, said_by(part, part.inputs(heard, part.given)))
  return jnp.stack(logits, 2)


def unheard(score: Score, parts: list[Part], b: int, noise):
  """(logits, choices) of a deaf decoder, which needs no step before another:
  [B, L, T, V] each."""
  shape = b, score.steps, score.tracks, score.classes
  logits = taught(score, parts, jnp.zeros(shape, parts[0].kernel.dtype))
  scores = logits if noise is None else logits + noise
  choice = jax.nn.one_hot(scores.argmax(-1), score.classes, dtype=logits.dtype)
  return logits, choice


def said_by(part: Part, x_BLF):
  """Logits of a part for its inputs at every step: [B, L, O]. All bars at once,
  where each has a seed of its own."""
  b, steps, size = x_BLF.shape
  bars = len(part.seeds)
  x = x_BLF.reshape(b, bars, steps // bars, size).transpose(2, 1, 0, 3)
  first, *others = part.layers
  fixed = first.fixed_gates(part.fixed(), size).reshape(bars * b, -1)
  states = [
    jax.tree.map(lambda s: s.reshape(bars * b, -1), state)
    for state in part.states
  ]
  # [S, U B, H]
  h = first.over(x.reshape(len(x), bars * b, size), states[0], fixed)
  for weights, state in zip(others, states[1:], strict=True):
    h = weights.over(h, state)
  logits = part.logits(h).reshape(len(x), bars, b, -1)
  return logits.transpose(2, 1, 0, 3).reshape(b, steps, -1)


def put(score: Score, logits: list, part: Part, said):
  """Places what a part says of its tracks, NEVER where a track has no such
  class."""
  sizes, start = score.sizes(), 0
  for t in part.tracks:
    own = said[..., start : start + sizes[t]]
    more = [(0, 0)] * (own.ndim - 1) + [(0, score.classes - sizes[t])]
    logits[t] = jnp.pad(own, more, constant_values=NEVER)
    start += sizes[t]


def chosen(score: Score, parts: list[Part], teacher, own, noise):
  """(logits, choices) of every step, one after another: [B, L, T, V] each."""
  bars, b = parts[0].seeds.shape[:2]

  def by_bar(x):
    """[B, L, ...] -> [U, S, B, ...]."""
    if x is None:
      return None
    x = x.reshape(b, bars, x.shape[1] // bars, *x.shape[2:])
    return jnp.moveaxis(x, 0, 2)

  varying = parts[0].given
  varying = varying if varying is not None and varying.ndim == 3 else None

  def flat(x):
    """[U, S, B, ...] -> [B, L, ...]."""
    return jnp.moveaxis(x, 2, 0).reshape(b, -1, *x.shape[3:])

  given = by_bar(varying)
  steps = by_bar(teacher), by_bar(own), by_bar(noise), given
  shape = b, score.tracks, score.classes
  before = jnp.zeros(shape, parts[0].kernel.dtype)

  def bar(before, of_bar):
    states, fixed, steps = of_bar
    (before, _), said = lax.scan(
      lambda carry, step: one_step(score, parts, fixed, carry, step),
      (before, states),
      steps,
      length=score.steps // bars,
    )
    return before, said

  states = [part.states for part in parts]
  fixed = [
    part.layers[0].fixed_gates(part.fixed(), varying_size(score, part))
    for part in parts
  ]
  _, said = lax.scan(bar, before, (states, fixed, steps), length=bars)
  return jax.tree.map(flat, said)


def varying_size(score: Score, part: Part) -> int:
  """Features of a part's inputs that change from step to step."""
  sizes = score.heard_sizes()
  given = part.given
  more = 0 if given is None or given.ndim == 2 else given.shape[-1]
  return sum(sizes[t] for t in part.tracks) + more


def one_step(score: Score, parts: list[Part], fixed, carry, step):
  """((what was chosen, states), (logits, choices)) after one step."""
  before, all_states = carry
  teacher, own, noise, given = step
  heard, logits, after = score.heard(before), [None] * score.tracks, []
  for part, gates, states in zip(parts, fixed, all_states, strict=True):
    x = part.inputs(heard, given)
    gates = x @ part.layers[0].kernel[: x.shape[-1]] + gates
    new = []
    for weights, state in zip(part.layers, states, strict=True):
      if new:
        gates = weights.gates(new[-1][0])
      new.append(cell(gates, weights.recurrent, state))
    after.append(new)
    put(score, logits, part, part.logits(new[-1][0]))
  logits = jnp.stack(logits, 1)
  scores = logits if noise is None else logits + noise
  choice = jax.nn.one_hot(scores.argmax(-1), score.classes, dtype=before.dtype)
  following = choice
  if teacher is not None:
    mine = own[:, None, None]
    following = mine * choice + (1 - mine) * teacher
  return (following, after), (logits, choice)
