"""An adversarial autoencoder: a critic shapes the codes, no KL does.

  python launch.py --experiment=adversarial_autoencoder

2,000 steps on `digits`, three seeds: a squared MMD of -0.001 between the codes
of the test split and draws of the prior, within the noise of two sets of draws
(95 % below 0.003); before training it is 0.17, and 0.47 for the same net whose
encoder does not answer the critic. That critic ends right in 96 % of cases;
where the encoder answers, it rises to 64 % and ends at 55 %. PSNR 13.8 dB with
and 13.9 dB without the game, where a PCA with two components has 12.2 dB. 27 s
for one seed on two CPU cores with a warm compilation cache.
"""

import dataclasses
import math
from functools import partial

import jax
import numpy as np
import optax

from vae_jax import figures, networks, training
from vae_jax.config import Experiment
from vae_jax.factors import objectives, posteriors
from vae_jax.measures import baselines, per_example
from vae_jax.measures.codes import fit_to_normal
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims, pictures

ACCURACY = 'train/critic_accuracy'


def report(runs, limit: int = 500) -> claims.Report:
  """How well the codes of the test split fit the prior, before and after, with
  and without the critic; what the critic learned; the baselines."""
  arms = claims.by_arm(runs)
  fits = {
    arm: means([fit(run, limit) for run in members])
    for arm, members in arms.items()
  }
  fits['untrained'] = fit(untrained(runs[0]), limit)
  drawn = {f'codes_{arm}'.strip('_'): codes(arms[arm][0]) for arm in arms}
  drawn |= {'critic': critic(arms)}
  verdicts = critic_verdicts(arms) + fit_verdicts(fits)
  verdicts += claims.beats_baselines(runs).verdicts
  return claims.Report({'codes_to_prior': fits}, drawn, verdicts)


def means(dicts) -> dict:
  """The mean of each figure."""
  return {k: float(np.mean([d[k] for d in dicts])) for k in dicts[0]}


def fit(trained: Trained, limit: int) -> dict:
  """matching.fit of the codes of the test split."""
  seen = pictures.test_examples(trained, limit)
  return fit_to_normal(trained.encode(seen.seen, seen.given))


def untrained(trained: Trained):
  """The same run before its first step."""
  init = jax.jit(partial(training.init, ex=trained.ex))
  one = jax.tree.map(lambda x: x[:1], trained.data['train'])
  key = jax.random.key(trained.ex.seed)
  state = init(key, hyper=trained.ex.hyper(), data=one)
  return dataclasses.replace(trained, state=state)


def accuracies(runs):
  """Accuracy of the critic between reports: [R, L]."""
  return np.array(
    [[r[ACCURACY] for r in run.history if ACCURACY in r] for run in runs]
  )


def critic_verdicts(arms) -> list[str]:
  """Whether the critic learns where no code answers it, and whether its
  accuracy comes back to 0.5 where they do."""
  say = claims.mean_and_error
  found = {arm: accuracies(runs) for arm, runs in arms.items()}
  verdicts = []
  if 'plain' in found:
    best, last = found['plain'].max(1), found['plain'][:, -1]
    verdicts.append(
      f'the critic learns: {claims.held(last.mean() > 0.7)}, where codes do '
      f'not answer its accuracy ends at {say(last)} (0.5: it cannot tell)'
    )
  for arm in found.keys() - {'plain'}:
    best, last = found[arm].max(1), found[arm][:, -1]
    back = abs(last.mean() - 0.5) < abs(best.mean() - 0.5)
    verdicts.append(
      f'the encoder answers: {claims.held(back)}, the accuracy of its critic '
      f'rises to {say(best)} and ends at {say(last)}'
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
    f'codes approach the prior: {claims.held(nearer)}, squared MMD '
    f'{ours["mmd2"]:.4f} with the critic, {text}; {alike} the level of no '
    f'difference ({ours["mmd2_null"]:.4f})'
  ]


def codes(trained: Trained):
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


def critic(arms):
  """What the critic tells apart in each arm over the run, and the losses where
  the encoder answers; dotted is where neither can gain."""
  *_, (answered, [run, *_]) = arms.items()
  history = [{'step': row['step']} for row in run.history]
  for arm, [first, *_] in arms.items():
    for row, of_arm in zip(history, first.history, strict=False):
      row[f'{arm or answered}/accuracy'] = of_arm.get(ACCURACY)
  for row, source in zip(history, run.history, strict=True):
    row['critic loss'] = source.get('train/critic_nats')
    row['encoder loss'] = source.get('train/generator_nats')
  told = tuple(f'{arm}/accuracy' for arm in arms)
  losses = f'losses, {answered}' if answered else 'losses'
  panels = {
    'codes and draws told apart': told,
    losses: ('critic loss', 'encoder loss'),
  }
  units = {'codes and draws told apart': 'accuracy', losses: 'nats per example'}
  figure = figures.curves(history, panels, units=units)
  levels = (0.5,), (2 * math.log(2), math.log(2))
  for axes, heights in zip(figure.axes, levels, strict=True):
    for height in heights:
      axes.axhline(height, color='black', linewidth=0.8, linestyle=':')
  return figure


experiment = Experiment(
  network=partial(networks.mlp, widths=(256, 256)),
  latents=2,
  posterior=posteriors.point,
  objective=objectives.adversarial,
  critic=partial(networks.critic, widths=(128, 128)),
  # Adam's own memory of 0.9 is longer than a turn of the game.
  optimizer=partial(optax.scale_by_adam, b1=0.5),
  steps=2000,
  report_every=50,
  monitor='nll_nats',
  measures=(per_example.quality,),
  baselines=(baselines.mean_image, baselines.pca),
  pictures=(
    pictures.reconstructions,
    pictures.prior_samples,
    pictures.manifold,
    pictures.curves,
  ),
  arms=(
    # Nothing of the critic reaches the model: a plain autoencoder.
    ('plain', 'beta=0.0'),
    ('adversarial', 'beta=30.0'),
  ),
  report=report,
)
