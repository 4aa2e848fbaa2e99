"""How near a model comes to a drummer: velocities and delays of hits."""

import jax.numpy as jnp
import numpy as np

from vae_jax.measures.trained import Trained
from vae_jax.music import BAR

VELOCITIES = 127  # of MIDI, in the place of 1


def errors(model, params, example, key_B):
  """Mean absolute errors over the hits of each phrase, of the velocity as MIDI
  has it and of the delay in sixteenths: [B]."""
  del key_B
  said = model.reconstruct(params, example.seen, example.given)
  hit = example.wanted[..., 0]
  far = jnp.abs(said - example.wanted) * hit[..., None]
  count = jnp.maximum(hit.sum((1, 2)), 1)
  mean = far.sum((1, 2)) / count[:, None]
  return {
    'velocity_error': VELOCITIES * mean[:, 1],
    'delay_error_steps': mean[:, 2],
  }


def habits(trained: Trained) -> dict:
  """Study: the same errors of rivals that know what each drum mostly does, at
  any step or at each step of a bar: {rival: [velocity, delay]}."""
  train, test = (
    np.asarray(trained.data[split].images()) for split in ('train', 'test')
  )
  bars = train.reshape(-1, BAR, *train.shape[2:])
  rivals = {
    'each drum': habit(bars.reshape(-1, 1, *train.shape[2:])),
    'each drum and step': habit(bars),
  }
  times = test.shape[1] // BAR
  found = {}
  for name, mean in rivals.items():
    said = np.tile(np.broadcast_to(mean, bars.shape[1:]), (times, 1, 1))
    found[name] = error_of(said, test)
  return found


def habit(x_NS93):
  """The mean of how each drum is hit at each of S steps, at any where it never
  was: [S, 9, 3]."""
  hit = x_NS93[..., :1]
  total = (x_NS93 * hit).sum(0), hit.sum(0)
  anyway = total[0].sum(0) / np.maximum(total[1].sum(0), 1)
  return np.where(
    total[1] > 0, total[0] / np.maximum(total[1], 1), anyway[None]
  )


def error_of(said, wanted_NL93) -> list[float]:
  """[velocity, delay]: the mean over phrases of the mean over their hits."""
  hit = wanted_NL93[..., 0]
  far = np.abs(said - wanted_NL93) * hit[..., None]
  mean = far.sum((1, 2)) / np.maximum(hit.sum((1, 2)), 1)[:, None]
  return [float(VELOCITIES * mean[:, 1].mean()), float(mean[:, 2].mean())]
