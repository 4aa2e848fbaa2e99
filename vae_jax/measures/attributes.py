"""What can be counted in a phrase, and steering by it: attribute vectors
(Roberts et al. 2018)."""

import numpy as np

from vae_jax.data import spread
from vae_jax.measures.sequences import numbers, score_of
from vae_jax.measures.trained import Trained
from vae_jax.music import BAR, BEAT
from vae_jax.music.classes import OFF

NAMES = 'note density', 'pitch range', 'syncopation'
UNITS = 'onsets a bar', 'semitones', 'share of onsets off a quarter note'
STEPS = -1.0, -0.5, 0.0, 0.5, 1.0  # times a vector


def counted(x_NLT, drums: tuple[int, ...] = ()) -> dict[str, np.ndarray]:
  """Name -> what is counted in each of the phrases of class numbers: [N]."""
  pitched_T = ~np.isin(np.arange(x_NLT.shape[2]), drums)
  onset_NLT = x_NLT > np.where(pitched_T, OFF, 0)
  count_N = onset_NLT.sum((1, 2))
  off_L = np.arange(x_NLT.shape[1]) % BEAT > 0
  between_N = onset_NLT[:, off_L].sum((1, 2))
  pitch_NLT = np.where(onset_NLT & pitched_T, x_NLT, -1)
  low_N = np.where(pitch_NLT < 0, 10**6, pitch_NLT).min((1, 2))
  high_N = pitch_NLT.max((1, 2))
  values = (
    count_N / (x_NLT.shape[1] / BAR),
    np.where(high_N < 0, 0, high_N - low_N),
    between_N / np.maximum(count_N, 1),
  )
  return dict(zip(NAMES, values, strict=True))


def steered(trained: Trained, limit: int = 2000, most: int = 200) -> dict:
  """Study: for each attribute the difference between the mean codes of the
  quarter of training phrases that has most of it and of that which has least,
  a vector [Z]; and the mean of the attribute, [S], where STEPS times it are
  added to the codes of unseen phrases. {} where something is given."""
  if trained.test.given is not None:
    return {}
  chosen = spread(len(trained.test.seen), most)
  unseen, found = trained.encode(trained.test.seen[chosen]), {}
  for name, vector_Z in vectors(trained, limit).items():
    found[f'{name} vector'] = vector_Z
    decoded = [said(trained, unseen + s * vector_Z) for s in STEPS]
    found[name] = [
      float(counted(x, drums_of(trained))[name].mean()) for x in decoded
    ]
  return found


def vectors(trained: Trained, limit: int = 2000) -> dict[str, np.ndarray]:
  """The vector of each attribute in which training phrases differ: [Z]."""
  train = trained.data['train']
  few = train.take(spread(train.size, limit))
  codes = trained.encode(np.asarray(few.images()))
  return {
    name: direction(codes, value_N)
    for name, value_N in counted(numbers(few), drums_of(trained)).items()
    if np.ptp(value_N)
  }


def drums_of(trained: Trained) -> tuple[int, ...]:
  """The tracks that are drums."""
  return score_of(trained.model).drums


def direction(codes_NZ, value_N):
  """The mean code of the quarter with the highest values less that of the
  quarter with the lowest: [Z]."""
  order, quarter = np.argsort(value_N, kind='stable'), max(1, len(value_N) // 4)
  return codes_NZ[order[-quarter:]].mean(0) - codes_NZ[order[:quarter]].mean(0)


def said(trained: Trained, z):
  """The classes that are decoded of codes: [N, L, T]."""
  return trained.decode(z.astype(np.float32)).argmax(-1)
