"""Self-supervised features: a frozen encoder under a linear classifier.

  python launch.py --experiment=probe

Two dense encoders 784-512-64 on `digits`, 1,500 steps each, one seed; 297 test
images, a tenth of a point is nothing. With 10 / 100 / 1000 / all 1500 labels a
linear probe is right on 67 / 90 / 97.3 / 97.6 % with the denoising encoder's
codes, on 63 / 91 / 96.0 / 96.6 % with the plain one's, on 64 / 90 / 95.3 /
96.6 % with pixels, 65 / 90 / 95.6 / 96.6 % with PCA and 58 / 86 / 92.6 / 94.9 %
with a random encoder: self-supervision helps, by one or two points, where noise
made the task hard, and hardly where it did not. 47 s on two CPU cores with a
warm compilation cache.
"""

import dataclasses
from functools import partial

import jax
import numpy as np

from experiments import dense_autoencoder
from vae_jax import figures, networks, training
from vae_jax.data import spread_rows
from vae_jax.measures import baselines
from vae_jax.measures.codes import few_labels, flat, linear_probe
from vae_jax.reports import claims, pictures

COUNTS = (10, 100, 1000)  # and all
RIVALS = ('pixels', 'PCA', 'random encoder')


def report(runs, draws: int = 5, limit: int = 10_000) -> claims.Report:
  """Test accuracy of a linear probe over the number of labels, on the codes of
  every arm and on its rivals; nothing for images without labels.

  Few labels are drawn `draws` times; the runs' seeds are further draws.
  """
  if runs[0].data['test'].label is None:
    return claims.Report()
  accuracy = {}  # features -> count of labels -> one for each draw
  for run in runs:
    rivals = rival_features(run, limit) if run.arm == runs[0].arm else {}
    name = f'encoder, {run.label}' if run.label else 'encoder'
    for features, pair in {name: encoded(run, limit), **rivals}.items():
      by_count = accuracy.setdefault(features, {})
      for count, values in probed(run, pair, draws, limit).items():
        by_count.setdefault(count, []).extend(values)
  means = {
    name: {count: float(np.mean(v)) for count, v in by_count.items()}
    for name, by_count in accuracy.items()
  }
  ours = [name for name in accuracy if name not in RIVALS]
  lines = [verdict(name, accuracy) for name in ours]
  return claims.Report({'probe': means}, {'probe': curves(accuracy)}, lines)


def clean(run, split: str, limit: int):
  """At most `limit` clean images of a split: [N, H, W, C]."""
  [index] = spread_rows(limit, np.arange(run.data[split].size))
  return np.asarray(run.data[split].take(index).images())


def encoded(run, limit: int):
  """Codes of the clean training and test images."""
  return [run.encode(clean(run, split, limit)) for split in ('train', 'test')]


def rival_features(run, limit: int) -> dict:
  """Features of the same images that were not learned by this model."""
  x, y = (flat(clean(run, split, limit)) for split in ('train', 'test'))
  count = min(run.ex.latents, *x.shape)
  basis = baselines.principal_components(x, count)
  pca = [(a - x.mean(0)) @ basis for a in (x, y)]
  pairs = ([x, y], pca, encoded(untrained(run), limit))
  return dict(zip(RIVALS, pairs, strict=True))


def untrained(run):
  """The run with parameters as they were before any step, of another seed."""
  key = jax.random.key(run.ex.seed + 1)
  one = run.data['train'].take(np.arange(1))
  state = jax.jit(partial(training.init, ex=run.ex))(
    key, hyper=run.hyper, data=one
  )
  return dataclasses.replace(run, state=state)


def probed(run, pair, draws: int, limit: int) -> dict[int, list[float]]:
  """Number of labels -> accuracies, of several draws where labels are few."""
  labels = [
    spread_rows(limit, run.data[split].label)[0] for split in ('train', 'test')
  ]
  found, n = {}, len(labels[0])
  for count in [c for c in COUNTS if c < n] + [n]:
    found[count] = []
    for draw in range(draws if count <= 100 else 1):
      few = few_labels(labels[0], count, 1000 * run.ex.seed + draw)
      fit = pair[0][few], labels[0][few]
      score = linear_probe(fit, (pair[1], labels[1]))
      found[count].append(score)
  return found


def verdict(name: str, accuracy) -> str:
  """Where these features beat all rivals and where not, in points of %."""
  parts, won = [], 0
  for count, values in accuracy[name].items():
    rivals = {r: np.mean(accuracy[r][count]) for r in RIVALS if r in accuracy}
    best = max(rivals, key=rivals.get)
    points = 100 * (np.mean(values) - rivals[best])
    won += points > 0
    parts.append(f'{points:+.1f} with {count} labels (against {best})')
  claim = claims.held(won == len(parts))
  return (
    f'{name}: a linear probe is better on its codes than on pixels, PCA and a '
    f'random encoder: {claim}, in {won} of {len(parts)}: points of accuracy '
    f'{", ".join(parts)}'
  )


def curves(accuracy):
  """Accuracy over the number of labels."""
  panel = {
    name: {count: 100 * np.array(values) for count, values in by_count.items()}
    for name, by_count in accuracy.items()
  }
  return figures.lines(
    {'test accuracy (%)': panel},
    'labels',
    'A linear probe on frozen features',
    log=10,
    dashed=[name for name in RIVALS if name in accuracy],
  )


experiment = dataclasses.replace(
  dense_autoencoder.experiment,
  network=partial(networks.mlp, widths=(512,)),
  latents=64,
  steps=1500,
  learning_rate=1e-3,
  report=report,
  pictures=(pictures.reconstructions, pictures.curves),
  arms=(
    ('plain', 'baselines=baselines.mean_image, baselines.pca'),
    (
      'denoising',
      'view=views.noisy',
      'baselines=baselines.noisy_input, baselines.ridge',
      'pictures=pictures.denoised, pictures.curves',
    ),
  ),
)
