"""Random codes of a plain autoencoder decoded, beside a VAE's samples.

  python launch.py --experiment=generate

TODO
"""

from functools import partial

import numpy as np

from experiments import classifier
from vae_jax import baselines, evaluate, fidelity, figures, networks, reports
from vae_jax.config import Experiment
from vae_jax.pictures import curves, reconstructions, spread

REAL, BLURRED, MEAN = 'real images', 'blurred real images', 'mean image'
NORMAL, FITTED = 'codes from N(0, I)', 'codes from a fitted normal'


def report(runs, count: int = 1000) -> reports.Report:
  """Samples of every model, at most `count`, judged by the classifier, with
  images that were never generated beside them."""
  models = [run for run in runs if run.arm in ('autoencoder', 'vae')]
  if not models or fidelity.judge_of(models[0], runs) is None:
    return reports.Report()
  shown, found = {}, {}
  for run in models:
    judge = fidelity.judge_of(run, runs)
    sets = references(judge, count) | samples(run, count)
    real = judged(judge, training_images(judge, count))
    for name, images in sets.items():
      measures = fidelity.all_measures(real, judged(judge, images), count)
      shown.setdefault(name, images)
      # A seed's two models share the references: the same figures again.
      found.setdefault(name, {})[run.ex.seed] = measures
  table = {name: list(by_seed.values()) for name, by_seed in found.items()}
  return reports.Report(
    results={'samples': {k: means(v) for k, v in table.items()}},
    pictures=drawn(shown, table),
    verdicts=[*against_autoencoder(models, table), against_blur(table)],
  )


def judged(judge, images):
  """(images, features, probabilities) of images."""
  return (images, *fidelity.judged(judge, images))


def references(judge, count: int) -> dict:
  """Unseen images, the floor; the same blurred, and the mean of all."""
  from scipy.ndimage import gaussian_filter

  real = fidelity.some(judge.test.seen, count)
  mean = training_images(judge, 10 * count).mean(0)
  return {
    REAL: real,
    BLURRED: gaussian_filter(real, (0, 1.0, 1.0, 0)),
    MEAN: np.broadcast_to(mean, real.shape),
  }


def training_images(run, count: int):
  """At most `count` training images, from all over."""
  train = run.data['train']
  return np.asarray(train.take(spread(train.size, count)).images())


def samples(run, count: int) -> dict:
  """Name -> as many images as there are unseen ones, of one model."""
  count, seed = min(count, run.data['test'].size), run.ex.seed
  if run.arm == 'vae':
    return {run.label: run.generate(count, seed)}
  codes = run.encode(training_images(run, 10 * count))
  z = np.random.default_rng(seed).normal(size=(count, codes.shape[1]))
  # The root of a covariance that may be singular.
  values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(codes.T)))
  root = vectors * np.sqrt(np.maximum(values, 0))
  fitted = codes.mean(0) + z @ root.T
  return {
    f'{run.label}, {NORMAL}': run.decode(z.astype(np.float32)),
    f'{run.label}, {FITTED}': run.decode(fitted.astype(np.float32)),
  }


def means(members: list[dict]) -> dict:
  """The mean over seeds of each measure."""
  return {k: float(np.mean([m[k] for m in members])) for k in members[0]}


def said(members: list[dict], name: str) -> str:
  """A measure as a mean over seeds, with its standard error."""
  return reports.mean_and_error([member[name] for member in members])


def against_autoencoder(models, table) -> list[str]:
  """Whether each VAE's samples are better than the same size's of an AE."""
  lines = []
  labels = dict.fromkeys(run.label for run in models if run.arm == 'vae')
  for label in labels:
    other = label.replace('vae', 'autoencoder', 1)
    rivals = [name for name in table if name.startswith(f'{other}, codes')]
    if not rivals:
      continue
    ours = means(table[label])['frechet_distance']
    best = min(means(table[r])['frechet_distance'] for r in rivals)
    parts = [
      f'{name} {said(table[name], "frechet_distance")}' for name in rivals
    ]
    lines.append(
      f'samples of a VAE are better than decoded random codes of a plain '
      f'autoencoder: {"held" if ours < best else "did NOT hold"}; Frechet '
      f'distance {label} {said(table[label], "frechet_distance")}, '
      f'{", ".join(parts)}, {REAL} {said(table[REAL], "frechet_distance")}'
    )
  return lines


def against_blur(table) -> str:
  """Whether nearest-neighbour distance prefers blur to real images."""
  name = 'nearest_distance'
  rewarded = means(table[BLURRED])[name] < means(table[REAL])[name]
  sets = ', '.join(f'{k} {said(v, name)}' for k, v in table.items())
  return (
    f'nearest-neighbour distance alone rewards blur: '
    f'{"held" if rewarded else "did NOT hold"}; {sets}'
  )


def drawn(shown: dict, table: dict, count: int = 10) -> dict:
  """Rows of what was judged, and bars of its Frechet distances."""
  distance = {k: means(v)['frechet_distance'] for k, v in table.items()}
  rows = {k: v[spread(len(v), count)] for k, v in shown.items()}
  least = min(map(len, rows.values()))
  ours = [name for name in table if name not in (REAL, BLURRED, MEAN)]
  return {
    'samples': figures.rows(
      {k: v[:least] for k, v in rows.items() if k != MEAN},
      title='Real images and samples, with Frechet distances of features',
      notes={k: f'{v:.1f}' for k, v in distance.items() if k != MEAN},
    ),
    'frechet_distances': figures.bars(
      distance,
      title='Samples against training images',
      y_label="Frechet distance of a classifier's features",
      highlight=ours,
    ),
  }


experiment = Experiment(
  network=partial(networks.mlp, widths=(500,)),
  latents=8,
  epochs=100.0,
  measures=(evaluate.elbo, evaluate.quality),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(reconstructions, curves),
  report=report,
  arms=(
    (
      'autoencoder',
      'posterior=Point',
      'objective=reconstruction',
      'monitor=nll_nats',
      'measures=evaluate.reconstruction, evaluate.quality',
    ),
    ('vae',),
    classifier.ARM,
  ),
)
