"""What codes are worth beside principal components, and with few labels."""

import numpy as np

from vae_jax import figures
from vae_jax.console import counted
from vae_jax.measures import codes, features
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import Report, held, studied

MEASURES = {
  'mse': 'squared error per pixel',
  'knn': '5-NN accuracy',
  'linear': 'linear probe accuracy',
  'trust': 'trustworthiness',
}
SMALLER_IS_BETTER = ('mse',)


def against_pca(runs: list[Run]) -> Report:
  """What the codes are worth over their size, ours and PCA's; nothing without
  codes.against_pca, or for a single size."""
  runs = sorted(studied(runs, 'against_pca'), key=lambda run: run.ex.latents)
  if len({run.ex.latents for run in runs}) < 2:
    return Report()
  value = {'AE': {}, 'PCA': {}}  # method -> measure -> d -> one for each seed
  for run in runs:
    for method, numbers in run.studies['against_pca'].items():
      for name, number in numbers.items():
        by_d = value[method].setdefault(name, {})
        by_d.setdefault(run.ex.latents, []).append(number)
  means = {
    method: {name: mean_over(by_d) for name, by_d in measures.items()}
    for method, measures in value.items()
  }
  panels = {
    label: {'autoencoder': value['AE'][name], 'PCA': value['PCA'][name]}
    for name, label in MEASURES.items()
  }
  curves = figures.lines(panels, 'numbers in the code', dashed=('PCA',))
  drawn = {'over_latents': curves} | scatters(runs)
  return Report({'codes': means}, drawn, lines_on(value))


def mean_over(by_x: dict) -> dict:
  """x -> the mean of its values."""
  return {x: float(np.mean(values)) for x, values in by_x.items()}


def gain(value, name: str, d: int):
  """By how much the autoencoder is better, for each seed."""
  better = np.subtract(value['AE'][name][d], value['PCA'][name][d])
  return -better if name in SMALLER_IS_BETTER else better


def lines_on(value) -> list[str]:
  """The lesson's claims, each held or not."""
  sizes = list(value['AE']['mse'])
  lines = []
  if 2 in sizes:
    lines.append(claim(value, 'beats PCA by every measure at d = 2', 2, 1))
  small = [d for d in sizes if d <= 32]
  won = [d for d in small if gain(value, 'mse', d).mean() > 0]
  lines.append(
    f'the autoencoder beats PCA by squared error up to d = 32: '
    f'{held(won == small)}, at {len(won)} of {len(small)} sizes'
  )
  if 32 in sizes:
    text = 'loses to PCA by 5-NN and trustworthiness at d = 32'
    lines.append(claim(value, text, 32, -1, ('knn', 'trust')))
  return lines


def claim(value, text: str, d: int, sign: int, names=tuple(MEASURES)) -> str:
  """'the autoencoder TEXT: held', with by how much for each measure."""
  gains = {name: gain(value, name, d) for name in names}
  true = all(sign * g.mean() > 0 for g in gains.values())
  said = ', '.join(
    f'{MEASURES[name]} {"better" if g.mean() > 0 else "worse"} by '
    f'{abs(g.mean()):.3f}'
    for name, g in gains.items()
  )
  count = len(next(iter(gains.values())))
  return (
    f'the autoencoder {text}: {held(true)}: {said} ({counted(count, "seed")})'
  )


def scatters(runs: list[Run]) -> dict:
  """Codes beside as many principal components: in the plane, or by t-SNE."""
  drawn = {}
  for run in studied(runs, 'beside_pca'):
    found, d = run.studies['beside_pca'], run.ex.latents
    name = 'plane' if d == 2 else 'tsne'
    if name in drawn:
      continue
    points = {k: found[k] for k in ('autoencoder', 'PCA')}
    if d != 2:
      points = {
        f't-SNE of {d} numbers: {k}': features.tsne(z)
        for k, z in points.items()
      }
    title = f'Codes of unseen {run.ex.dataset}'
    classes = found['classes'] or None
    drawn[name] = figures.scatters(points, found['label'], classes, title)
  return drawn


def few_labels(runs: list[Run]) -> Report:
  """Test accuracy of a linear probe over the number of labels, on the codes of
  every arm and on their rivals; nothing without codes.probed."""
  runs = studied(runs, 'probed')
  if not runs:
    return Report()
  accuracy = {}  # features -> count of labels -> one for each draw
  for run in runs:
    found = run.studies['probed']
    own = f'encoder, {run.label}' if run.label else 'encoder'
    for name, values in found['accuracy'].items():
      if name in codes.RIVALS and run.arm != runs[0].arm:
        continue  # the same again
      by_count = accuracy.setdefault(own if name == 'encoder' else name, {})
      for count, scores in zip(found['labels'], values, strict=True):
        by_count.setdefault(count, []).extend(scores)
  means = {name: mean_over(by_count) for name, by_count in accuracy.items()}
  ours = [name for name in accuracy if name not in codes.RIVALS]
  compared = ours if len(ours) < len(accuracy) else []
  lines = [better_probed(name, accuracy) for name in compared]
  return Report({'probe': means}, {'probe': probe_curves(accuracy)}, lines)


def better_probed(name: str, accuracy) -> str:
  """Where these features beat all rivals and where not, in points of %."""
  parts, won = [], 0
  for count, values in accuracy[name].items():
    there = [rival for rival in codes.RIVALS if rival in accuracy]
    rivals = {rival: np.mean(accuracy[rival][count]) for rival in there}
    best = max(rivals, key=rivals.get)
    points = 100 * (np.mean(values) - rivals[best])
    won += points > 0
    parts.append(f'{points:+.1f} with {count} labels (against {best})')
  return (
    f'{name}: a linear probe is better on its codes than on pixels, PCA and a '
    f'random encoder: {held(won == len(parts))}, in {won} of {len(parts)}: '
    f'points of accuracy {", ".join(parts)}'
  )


def probe_curves(accuracy):
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
    dashed=[rival for rival in codes.RIVALS if rival in accuracy],
  )
