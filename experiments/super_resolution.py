"""Enlarges images that were made smaller, 2x and 4x, with two nets.

  python launch.py --experiment=super_resolution

PSNR on the test split, best baseline beside it. `digits`: 2x 33.8 dB (ridge
23.7), 4x 22.9 (18.6); `photos`: 2x 28.0 (lanczos 27.8), 4x 24.6 (24.4). The
lesson's net, through 128 numbers: 2x 20.1, 3.5 dB below ridge and 0.05 below
bicubic, 4x 19.5. Noise fed to it becomes shapes like digits that agree with
the noise to 7.5 dB only; the 4x residual net draws strokes that do to 23.2 dB.
With --dataset=mnist the residual nets reach 28.6 (ridge 22.4) and 19.6 (16.4),
and the lesson's net .0961, .0934, .0949 nats per pixel after its 25 epochs:
--arms=2x_lesson --dataset=mnist --epochs=25 --batch_size=128 --seed=0,1,2.
89 s on two CPU cores with a warm compilation cache.
"""

from functools import partial

import numpy as np

from vae_jax import data, figures, networks
from vae_jax.config import Experiment
from vae_jax.console import words
from vae_jax.factors import likelihoods, objectives, posteriors, views
from vae_jax.images import inconsistency, psnr, whole_factor
from vae_jax.measures import baselines, per_example
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims, pictures

NOISE_FACTOR = 4


def report(runs, count: int = 100, shown: int = 10) -> claims.Report:
  """Whether each run beats every baseline, and what the 4x runs make of
  `count` small images of uniform noise, of which `shown` are drawn."""
  verdicts, measures, rows = claims.beats_baselines(runs).verdicts, {}, {}
  for label, members in claims.by_label(runs).items():
    if factor_of(members[0]) != NOISE_FACTOR:
      continue
    fed = [from_noise(run, count) for run in members]
    measures[label or 'model'] = mean_of(fed)
    verdicts.append(f'{label}: {said(fed)}' if label else said(fed))
    rows |= noise_rows(members[0], label or 'this model', shown)
  if not rows:
    return claims.Report(verdicts=verdicts)
  title = f'Noise fed to the {NOISE_FACTOR}x models'
  return claims.Report(
    {'fed_noise': measures},
    {'fed_noise': figures.rows(rows, title=title)},
    verdicts,
  )


def factor_of(run) -> int:
  """How many times as large its images are as what it sees."""
  return whole_factor(run.test.seen.shape, run.test.wanted.shape)


def noise(run, count: int):
  """Uniform noise of the size of what a run sees: [count, h, w, C]."""
  shape = count, *run.test.seen.shape[1:]
  return np.random.default_rng(0).random(shape, np.float32)


def from_noise(run, count: int) -> dict[str, float]:
  """How well what it makes of noise agrees with that noise, in dB, and with the
  bicubic enlargement of it; the share of pixels that are nearly 0 or 1."""
  seen = noise(run, count)
  images = np.clip(run.reconstruct(seen), 0, 1)
  smooth = np.clip(interpolated(run, seen), 0, 1)
  return {
    'consistency_db': psnr(float(inconsistency(images, seen).mean())),
    'against_bicubic_db': psnr(float(((images - smooth) ** 2).mean())),
    'extreme_share': extreme(images),
    'extreme_share_bicubic': extreme(smooth),
    'extreme_share_test': extreme(run.test.wanted),
  }


def interpolated(run, seen):
  """Bicubic enlargement to the size of the run's images."""
  blank = np.zeros((len(seen), *run.test.wanted.shape[1:]), np.float32)
  return baselines.bicubic(None, views.Example(seen, blank))


def extreme(images, margin: float = 0.1) -> float:
  """The share of pixels that are this near to 0 or 1."""
  return float((np.abs(images - 0.5) >= 0.5 - margin).mean())


def mean_of(dicts) -> dict[str, float]:
  """The mean of each figure."""
  return {k: float(np.mean([d[k] for d in dicts])) for k in dicts[0]}


def said(fed) -> str:
  """One line on what came of noise."""
  mean = mean_of(fed)
  agrees = claims.mean_and_error([f['consistency_db'] for f in fed], ' dB')
  return (
    f'fed noise, its images agree with it to {agrees} after area means, and '
    f'with its bicubic enlargement to {mean["against_bicubic_db"]:.1f} dB; '
    f'{mean["extreme_share"]:.0%} of the pixels are nearly 0 or 1 (bicubic '
    f'{mean["extreme_share_bicubic"]:.0%}, test images '
    f'{mean["extreme_share_test"]:.0%})'
  )


def noise_rows(run, label: str, count: int) -> dict:
  """Rows: noise, its bicubic enlargement, what the run makes of it."""
  seen = noise(run, count)
  size = 'x'.join(map(str, seen.shape[1:]))
  return {
    f'noise {size}': seen,
    f'bicubic of {size}': interpolated(run, seen),
    label: run.reconstruct(seen),
  }


def enlarged(trained: Trained, count: int = 10):
  """Rows: what is seen, bicubic, the best baseline, the model, the target."""
  seen, wanted, given = pictures.test_examples(trained, count)
  rivals = trained.results.get('baselines', {})
  best = sorted(rivals, key=lambda name: -rivals[name]['psnr_db'])[:1]
  rows, notes = {'seen': seen}, {}
  for name in dict.fromkeys(['bicubic', *best]):
    if name in trained.rivals:
      images = trained.rivals[name]
      rows[words(name)] = images[data.spread(len(images), count)]
      notes[words(name)] = f'{rivals[name]["psnr_db"]:.1f} dB'
  rows['this model'] = trained.reconstruct(seen, given)
  if 'psnr_db' in trained.results:
    notes['this model'] = f'{trained.results["psnr_db"]:.1f} dB'
  rows['target'] = wanted
  title = f'Unseen {trained.ex.dataset}, {factor_of(trained)}x as large'
  return figures.rows(rows, title=title, notes=notes)


LESSON = ('network=networks.pooled', 'likelihood=bernoulli', 'steps=4000')

experiment = Experiment(
  view=partial(views.low_resolution, factor=2),
  # No bottleneck: it adds to the bicubic image what interpolation cannot know.
  network=partial(networks.upscaled, widths=(32, 32, 32)),
  latents=None,
  posterior=posteriors.point,
  likelihood=likelihoods.normal,
  objective=objectives.reconstruction,
  batch_size=32,
  learning_rate=2e-3,
  steps=1000,
  monitor='mse',
  nll_samples=0,
  measures=(
    objectives.reconstruction,
    per_example.quality,
    per_example.consistency,
  ),
  baselines=(
    baselines.nearest,
    baselines.bilinear,
    baselines.bicubic,
    baselines.lanczos,
    baselines.ridge,
  ),
  pictures=(enlarged, pictures.against_baselines, pictures.curves),
  report=report,
  arms=(
    ('2x_lesson', *LESSON),
    ('2x_residual',),
    ('4x_lesson', *LESSON, 'view.factor=4'),
    ('4x_residual', 'view.factor=4', 'steps=1500'),
    ('2x_photos', 'dataset=photos'),
    ('4x_photos', 'dataset=photos', 'view.factor=4', 'steps=1500'),
  ),
)
