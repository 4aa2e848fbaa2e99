"""An adversarial autoencoder: a critic shapes the codes, no KL does.

  python launch.py --experiment=adversarial_autoencoder

TODO
"""

import dataclasses
import math
from functools import partial

import jax
import numpy as np

from vae_jax import (
  baselines,
  evaluate,
  figures,
  matching,
  networks,
  objectives,
  pictures,
  posteriors,
  reports,
  train,
)
from vae_jax.config import Experiment

ACCURACY = 'train/critic_accuracy'


def report(runs, limit: int = 1000) -> reports.Report:
  """How well the codes of the test split fit the prior, before and after, with
  and without the critic; what the critic learned; the baselines."""
  arms = reports.by_arm(runs)
  fits = {
    arm: means([fit(run, limit) for run in members])
    for arm, members in arms.items()
  }
  fits['untrained'] = fit(untrained(runs[0]), limit)
  drawn = {f'codes_{arm}'.strip('_'): codes(arms[arm][0]) for arm in arms}
  judged = [run for run in runs if accuracies(run)]
  if judged:
    drawn['critic'] = critic(judged[0])
  verdicts = critic_verdicts(judged) + fit_verdicts(fits)
  verdicts += reports.beats_baselines(runs).verdicts
  return reports.Report({'codes_to_prior': fits}, drawn, verdicts)


def means(dicts) -> dict:
  """The mean of each figure."""
  return {k: float(np.mean([d[k] for d in dicts])) for k in dicts[0]}


def fit(trained, limit: int) -> dict:
  """matching.fit of the codes of the test split."""
  seen = pictures.few(trained, limit)
  return matching.fit(trained.encode(seen.seen, seen.given))


def untrained(trained):
  """The same run before its first step."""
  init = jax.jit(partial(train.init, ex=trained.ex))
  one = jax.tree.map(lambda x: x[:1], trained.data['train'])
  key = jax.random.key(trained.ex.seed)
  state = init(key, hyper=trained.ex.hyper(), data=one)
  return dataclasses.replace(trained, state=state)


def accuracies(trained) -> list[tuple[int, float]]:
  """(step, accuracy of the critic in the steps before it)."""
  rows = [row for row in trained.history if row.get(ACCURACY) is not None]
  return [(row['step'], row[ACCURACY]) for row in rows]


def critic_verdicts(runs) -> list[str]:
  """Whether the critic's accuracy left 0.5 and came back towards it."""
  if not runs:
    return []
  paths = [np.array([a for _, a in accuracies(run)]) for run in runs]
  best = np.array([path.max() for path in paths])
  last = np.array([path[-1] for path in paths])
  learned = best.mean() > 0.6
  back = learned and abs(last.mean() - 0.5) < 0.5 * (best.mean() - 0.5)
  return [
    f'the critic learns: {reports.held(learned)}, its accuracy rises to '
    f'{reports.mean_and_error(best)} (0.5: cannot tell)',
    f'and the encoder answers: {reports.held(back)}, the accuracy ends at '
    f'{reports.mean_and_error(last)}',
  ]


def fit_verdicts(fits) -> list[str]:
  """Whether the critic brings the codes to the prior."""
  ours = fits.get('adversarial', fits.get(''))
  if ours is None:
    return []
  rivals = [(k, f['mmd2']) for k, f in fits.items() if f is not ours]
  nearer = all(ours['mmd2'] < value for _, value in rivals)
  text = ', '.join(f'{value:.4f} {name}' for name, value in rivals)
  alike = 'at' if ours['mmd2'] <= ours['mmd2_null'] else 'above'
  return [
    f'codes approach the prior: {reports.held(nearer)}, squared MMD '
    f'{ours["mmd2"]:.4f} with the critic, {text}; {alike} the level of no '
    f'difference ({ours["mmd2_null"]:.4f})'
  ]


def codes(trained):
  """The codes of the test split among the prior's circles of 1, 2, 3 sigma."""
  from matplotlib.patches import Circle

  figure = pictures.latent_scatter(trained)
  if figure is None:
    return None
  axes = figure.axes[0]
  for radius in (1, 2, 3):
    axes.add_patch(Circle((0, 0), radius, fill=False, linewidth=0.8))
  axes.autoscale_view()
  axes.set_title('circles: the prior at 1, 2, 3 sigma', fontsize=8, loc='left')
  return figure


def critic(trained):
  """Accuracy and losses of critic and encoder over the run; dotted is where
  neither gains any more."""
  history = [
    {
      'step': row['step'],
      'critic/accuracy': row.get(ACCURACY),
      'critic/loss': row.get('train/critic_nats'),
      'encoder/loss': row.get('train/generator_nats'),
    }
    for row in trained.history
  ]
  panels = {
    'told apart': ('critic/accuracy',),
    'adversarial losses': ('critic/loss', 'encoder/loss'),
  }
  units = {'told apart': 'accuracy', 'adversarial losses': 'nats per example'}
  figure = figures.curves(history, panels, units=units)
  levels = (0.5,), (2 * math.log(2), math.log(2))
  for axes, heights in zip(figure.axes, levels, strict=True):
    for height in heights:
      axes.axhline(height, color='black', linewidth=0.8, linestyle=':')
  return figure


experiment = Experiment(
  network=partial(networks.mlp, widths=(256, 256)),
  latents=2,
  posterior=posteriors.Point,
  objective=objectives.adversarial,
  critic=partial(networks.critic, widths=(128, 128)),
  beta=30.0,  # of the encoder's side of the game
  steps=2000,
  report_every=50,
  monitor='nll_nats',
  measures=(evaluate.reconstruction, evaluate.quality),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(
    pictures.reconstructions,
    pictures.prior_samples,
    pictures.manifold,
    pictures.curves,
  ),
  arms=(
    ('plain', 'objective=objectives.reconstruction', 'critic=None'),
    ('adversarial',),
  ),
  report=report,
)
