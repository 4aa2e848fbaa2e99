"""Codes that a critic shapes: how well they fit the prior, and its accuracy."""

import math

import numpy as np

from vae_jax import figures
from vae_jax.measures.trained import Run
from vae_jax.reports.claims import (
  Report,
  by_arm,
  held,
  mean_and_error,
  mean_of,
  studied,
)
from vae_jax.reports.pictures import scatter_of

ACCURACY = 'train/critic_accuracy'


def to_prior(runs: list[Run]) -> Report:
  """How well the codes of the test split fit the prior, before and after, with
  and without the critic, by codes.fit_to_prior; what the critic learned."""
  arms, fitted = by_arm(runs), studied(runs, 'fit_to_prior')
  fits = {
    arm: mean_of([run.studies['fit_to_prior']['trained'] for run in members])
    for arm, members in by_arm(fitted).items()
  }
  if fitted:
    fits['untrained'] = fitted[0].studies['fit_to_prior']['untrained']
  drawn = {f'codes_{arm}'.strip('_'): codes(of[0]) for arm, of in arms.items()}
  drawn |= {'critic': critic(arms)}
  verdicts = critic_verdicts(arms) + fit_verdicts(fits)
  return Report({'codes_to_prior': fits}, drawn, verdicts)


def accuracies(runs: list[Run]):
  """Accuracy of the critic between reports: [R, L]."""
  return np.array(
    [[r[ACCURACY] for r in run.history if ACCURACY in r] for run in runs]
  )


def critic_verdicts(arms) -> list[str]:
  """Whether the critic learns where no code answers it, and whether its
  accuracy comes back to 0.5 where they do."""
  found = {arm: accuracies(runs) for arm, runs in arms.items()}
  verdicts = []
  if 'plain' in found:
    last = found['plain'][:, -1]
    verdicts.append(
      f'the critic learns: {held(last.mean() > 0.7)}, where codes do '
      f'not answer its accuracy ends at {mean_and_error(last)} (0.5: it cannot '
      'tell)'
    )
  answered = [accuracy for arm, accuracy in found.items() if arm != 'plain']
  for accuracy in answered:
    best, last = accuracy.max(1), accuracy[:, -1]
    back = abs(last.mean() - 0.5) < abs(best.mean() - 0.5)
    verdicts.append(
      f'the encoder answers: {held(back)}, the accuracy of its critic '
      f'rises to {mean_and_error(best)} and ends at {mean_and_error(last)}'
    )
  return verdicts


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
    f'codes approach the prior: {held(nearer)}, squared MMD '
    f'{ours["mmd2"]:.4f} with the critic, {text}; {alike} the level of no '
    f'difference ({ours["mmd2_null"]:.4f})'
  ]


def codes(run: Run):
  """The codes of the test split among the prior's circles of 1, 2, 3 sigma."""
  from matplotlib.patches import Circle

  if 'plane' not in run.studies:
    return None
  figure = scatter_of(run.studies['plane'], run.ex.dataset)
  axes = figure.axes[0]
  for radius in (1, 2, 3):
    axes.add_patch(Circle((0, 0), radius, fill=False, linewidth=0.8))
  axes.autoscale_view()
  axes.set_title('circles: the prior at 1, 2, 3 sigma', fontsize=8, loc='left')
  return figure


def critic(arms):
  """What the critic tells apart in each arm over the run, and the losses where
  the encoder answers; dotted is where neither can gain."""
  *_, (answered, [run, *_]) = arms.items()
  history = [{'step': row['step']} for row in run.history]
  told = {arm: f'{arm or "critic"}/accuracy' for arm in arms}
  for arm, [first, *_] in arms.items():
    for row, of_arm in zip(history, first.history, strict=False):
      row[told[arm]] = of_arm.get(ACCURACY)
  for row, source in zip(history, run.history, strict=True):
    row['critic loss'] = source.get('train/critic_nats')
    row['encoder loss'] = source.get('train/generator_nats')
  losses = f'losses, {answered}' if answered else 'losses'
  panels = {
    'codes and draws told apart': tuple(told.values()),
    losses: ('critic loss', 'encoder loss'),
  }
  units = {'codes and draws told apart': 'accuracy', losses: 'nats per example'}
  figure = figures.curves(history, panels, units=units)
  levels = (0.5,), (2 * math.log(2), math.log(2))
  for axes, heights in zip(figure.axes, levels, strict=True):
    for height in heights:
      axes.axhline(height, color='black', linewidth=0.8, linestyle=':')
  return figure
