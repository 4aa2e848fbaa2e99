import math

import numpy as np
import pytest

from vae_jax.reports import claims, matched


@pytest.fixture
def played(run):
  """A function (arm, accuracies) -> a run whose critic had these accuracies
  from report to report."""

  def played(arm, path, **known):
    history = [{'step': 0, 'test/nll_nats': 1.0}] + [
      {
        'step': i + 1,
        matched.ACCURACY: a,
        'train/critic_nats': 1.0 + a,
        'train/generator_nats': a,
      }
      for i, a in enumerate(path)
    ]
    return run(arm, history=history, **known)

  return played


@pytest.mark.parametrize(
  ('plain', 'answered', 'words'),
  [
    ((0.5, 0.6, 0.9), (0.5, 0.7, 0.55), ('held', 'held')),
    # The lesson's second mistake: a critic that is never updated.
    ((0.5, 0.5), (0.5, 0.5, 0.5), ('did NOT hold', 'did NOT hold')),
    ((0.5, 0.9), (0.5, 0.6, 0.9), ('held', 'did NOT hold')),
  ],
)
def test_the_verdicts_say_whether_the_critic_learned_and_was_answered(
  played, plain, answered, words
):
  paths = {'plain': plain, 'adversarial': answered}
  arms = {arm: [played(arm, path)] * 2 for arm, path in paths.items()}
  lines = matched.critic_verdicts(arms)
  for line, claim in zip(lines, words, strict=True):
    assert f': {claim}, ' in line
  assert f'ends at {answered[-1]:.2f} +- 0.00 (2 runs)' in lines[1]


def test_one_arm_alone_says_what_it_can(played):
  arms = {'': [played('', (0.6, 0.5))]}
  assert len(matched.critic_verdicts(arms)) == 1
  assert matched.fit_verdicts({'plain': {}, 'untrained': {}}) == []


def test_accuracies_are_those_of_the_reports_that_have_one(played):
  found = matched.accuracies([played('', (0.5, 0.7)), played('', (0.6, 0.9))])
  np.testing.assert_array_equal(found, [[0.5, 0.7], [0.6, 0.9]])


def test_arms_are_spoken_of_in_their_order(played):
  names = [f'adversarial{i}' for i in range(8)]
  ends = [0.51 + i / 100 for i in range(8)]
  arms = {
    name: [played(name, (0.9, end))]
    for name, end in zip(names, ends, strict=True)
  }
  lines = matched.critic_verdicts(arms)
  found = [float(line.rpartition(' ')[2]) for line in lines]
  assert found == pytest.approx(ends)


@pytest.mark.parametrize(
  ('ours', 'claim', 'level'),
  [
    (0.001, 'held', 'at the'),
    (0.1, 'held', 'above the'),
    (0.7, 'did NOT', 'above the'),
  ],
)
def test_the_codes_are_compared_with_every_rival_and_with_chance(
  ours, claim, level
):
  fits = {
    name: {'mmd2': value, 'mmd2_null': 0.003}
    for name, value in [('plain', 0.5), ('adversarial', ours), ('untrained', 1)]
  }
  [line] = matched.fit_verdicts(fits)
  assert claim in line and f'; {level} level' in line


def fit(mmd2, before=0.2):
  """What codes.fit_to_prior finds, and codes.plane."""
  found = {'trained': {'mmd2': mmd2, 'mmd2_null': 0.003}}
  found['untrained'] = {'mmd2': before, 'mmd2_null': 0.003}
  plane = {
    'points': np.random.default_rng(0).normal(size=(9, 2)) / 10,
    'label': np.arange(9) % 2,
    'axes': ['one', 'other'],
    'classes': ['x', 'y'],
  }
  return {'fit_to_prior': found, 'plane': plane}


@pytest.fixture
def runs(played):
  """Both arms, two seeds of the second."""
  return [
    played('plain', (0.5, 0.9), studies=fit(0.5, 0.25)),
    played('adversarial', (0.7, 0.5), studies=fit(0.1)),
    played('adversarial', (0.7, 0.6), studies=fit(0.3), seed=1),
  ]


def test_the_fits_are_means_over_the_seeds_beside_the_untrained(runs):
  found = matched.to_prior(runs)
  assert {k: v['mmd2'] for k, v in found.results['codes_to_prior'].items()} == {
    'plain': 0.5,
    'adversarial': pytest.approx(0.2),
    'untrained': 0.25,  # of the first run
  }
  assert len(found.verdicts) == 3
  assert 'approach the prior: held, squared MMD 0.2000' in found.verdicts[2]
  assert set(found.pictures) == {'codes_plain', 'codes_adversarial', 'critic'}


def test_a_run_by_itself_is_compared_with_what_it_was(runs):
  alone = runs[1]._replace(arm='', label='')
  found = matched.to_prior([alone])
  answers, fits = found.verdicts
  assert answers.startswith('the encoder answers: held')
  assert 'held, squared MMD 0.1000 with the critic, 0.2000 untrained' in fits
  assert set(found.pictures) == {'codes', 'critic'}


def test_without_the_studies_the_critic_is_left_to_speak_of(runs):
  bare = [one._replace(studies={}) for one in runs]
  found = matched.to_prior(bare)
  assert found.verdicts == matched.critic_verdicts(claims.by_arm(bare))
  assert found.results == {'codes_to_prior': {}}
  assert found.pictures['codes_plain'] is None


def test_the_codes_lie_among_the_circles_of_the_prior(runs, run, texts):
  figure = matched.codes(runs[0])
  [axes] = figure.axes
  radii = sorted(patch.radius for patch in axes.patches)
  assert radii == [1, 2, 3]
  points = np.concatenate([c.get_offsets() for c in axes.collections])
  wanted = runs[0].studies['plane']['points']
  np.testing.assert_allclose(sorted(points[:, 0]), sorted(wanted[:, 0]))
  # All of the circles are in sight of codes that are all near the middle.
  low, high = axes.get_xlim()
  assert low <= -3 and high >= 3
  assert 'circles' in texts(figure) and 'unseen digits' in texts(figure)
  assert matched.codes(run()) is None


def test_the_critic_is_drawn_for_every_arm_and_the_losses_for_the_last(
  runs, drawn, texts
):
  figure = matched.critic(claims.by_arm(runs))
  told, losses = drawn(figure, 0), drawn(figure, 1)
  assert told['plain'] == {1: 0.5, 2: 0.9}
  assert told['adversarial'] == {1: 0.7, 2: 0.5}
  assert losses['critic loss'] == {1: 1.7, 2: 1.5}
  assert losses['encoder loss'] == {1: 0.7, 2: 0.5}
  levels = [
    [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == ':']
    for axes in figure.axes
  ]
  assert levels == [[0.5], [2 * math.log(2), math.log(2)]]
  assert 'losses, adversarial' in texts(figure)
