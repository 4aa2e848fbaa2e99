"""Noise on the codes of unseen digits: when does a digit become another one.

  python launch.py --experiment=latent_noise

On `digits`, 8 latents, 3 seeds (--seed=0,1,2): half of the decoded images
change their class at noise of 1.19 +- .03 standard deviations of the codes for
the VAE, 1.16 +- .02 for the plain autoencoder. That is no clear difference: in
units of their own spread both bear the same noise. 33 s for one seed on two
CPU cores with a warm compilation cache.
"""

import dataclasses

import numpy as np

from experiments import generate
from vae_jax import figures
from vae_jax.measures.samples import class_features, judge_of
from vae_jax.reports import claims

LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)
UNIT = 'noise (standard deviations of the codes)'
FLIPPED = 'decoded images whose class has changed (%)'


def report(runs, count: int = 1000) -> claims.Report:
  """The share of decoded images whose predicted class is no more that of the
  clean decoding, for each level of noise, of each model."""
  models = [run for run in runs if run.arm != 'classifier']
  pictures = {
    f'noisy_codes_{run.arm}': noisy_rows(run)
    for run in {run.label: run for run in reversed(models)}.values()
  }
  if not models or judge_of(models[0], runs) is None:
    return claims.Report(pictures=pictures)
  curves_RL = {
    label: [flips(run, judge_of(run, runs), count) for run in members]
    for label, members in claims.by_label(models).items()
  }
  return claims.Report(
    results={
      'noise_levels_sd': list(LEVELS),
      'flipped_share': {
        label: np.mean(curve_RL, 0).tolist()
        for label, curve_RL in curves_RL.items()
      },
    },
    pictures=pictures | {'flips': flip_curves(curves_RL)},
    verdicts=verdicts(models, curves_RL),
  )


def noisy(run, seen, seed: int):
  """Decoded images of the codes of `seen` with noise: [levels, N, H, W, C].

  The same noise at every level, in units of each latent's standard deviation
  over the test split.
  """
  sigma_Z = run.encode(run.test.seen).std(0)
  z_NZ = run.encode(seen)
  noise_NZ = np.random.default_rng(seed).normal(size=z_NZ.shape) * sigma_Z
  codes = [z_NZ + level * noise_NZ for level in LEVELS]
  return np.stack([run.decode(z.astype(np.float32)) for z in codes])


def flips(run, judge, count: int) -> list[float]:
  """The share of changed classes at each level, of at most `count` images."""
  images = noisy(run, run.examples('test', count).seen, run.ex.seed)
  chosen = [class_features(judge, x)[1].argmax(-1) for x in images]
  return [float((y != chosen[0]).mean()) for y in chosen]


def half_flipped(curve_L) -> float:
  """The level at which half have changed, between those measured; infinite if
  fewer have at the last."""
  # What has flipped may flip back: the first crossing counts.
  for i in range(1, len(curve_L)):
    low, high = curve_L[i - 1 : i + 1]
    if high >= 0.5:
      part = (0.5 - low) / (high - low)
      return LEVELS[i - 1] + part * (LEVELS[i] - LEVELS[i - 1])
  return float('inf')


def verdicts(models, curves_RL) -> list[str]:
  """Where half have flipped, and whether a VAE's codes bear more noise."""
  half = {
    label: [half_flipped(curve_L) for curve_L in curve_RL]
    for label, curve_RL in curves_RL.items()
  }
  lines = []
  for label in dict.fromkeys(run.label for run in models if run.arm == 'vae'):
    other = label.replace('vae', 'autoencoder', 1)
    if other in half:
      held = clearly_more(half[label], half[other])
      lines.append(
        f'codes of a VAE bear more noise than those of a plain autoencoder: '
        f'{claims.held(held)}; {told(half)}'
      )
  return lines or [told(half)]


def clearly_more(a_R, b_R) -> bool:
  """Whether the mean of a is above that of b, of several runs by more than two
  standard errors of the difference."""
  if not (np.isfinite(a_R).all() and np.isfinite(b_R).all()):
    return bool(np.mean(a_R) > np.mean(b_R))
  error = sum(np.var(x, ddof=1) / len(x) for x in (a_R, b_R) if len(x) > 1)
  return bool(np.mean(a_R) - np.mean(b_R) > 2 * np.sqrt(error))


def told(half: dict) -> str:
  """'half of the classes change at 1.20 sd (vae), 0.90 sd (autoencoder)'."""
  parts = [
    f'{claims.mean_and_error(levels, " sd")} ({label})'
    if np.isfinite(levels).all()
    else f'above {LEVELS[-1]:g} sd ({label})'
    for label, levels in half.items()
  ]
  return f'half of the classes change at {", ".join(parts)}'


def noisy_rows(run):
  """Rows: levels of noise on the code of one unseen image of each class."""
  label = np.asarray(run.data['test'].label)
  _, first = np.unique(label, return_index=True)
  images = noisy(run, run.test.seen[first[:10]], run.ex.seed)
  rows = {f'{level:g} sd': x for level, x in zip(LEVELS, images, strict=True)}
  title = f'Unseen digits, noise on their codes: {run.label or run.ex.dataset}'
  return figures.rows(
    {'input': run.test.wanted[first[:10]], **rows}, title=title
  )


def flip_curves(curves_RL):
  """Share of changed classes over the level of noise, a line a model."""
  history = [
    {UNIT: level}
    | {
      f'{label}/flipped': 100 * np.mean(curve_RL, 0)[i]
      for label, curve_RL in curves_RL.items()
    }
    for i, level in enumerate(LEVELS)
  ]
  keys = tuple(f'{label}/flipped' for label in curves_RL)
  return figures.curves(history, {FLIPPED: keys}, x=UNIT)


experiment = dataclasses.replace(generate.experiment, report=report)
