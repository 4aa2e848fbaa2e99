import types

import pytest

from experiments import adversarial_autoencoder as aae


def runs(*paths):
  """Runs whose critics had these accuracies from report to report."""
  return [
    types.SimpleNamespace(
      history=[{'step': 0}] + [{'step': 1, aae.ACCURACY: a} for a in path]
    )
    for path in paths
  ]


@pytest.mark.parametrize(
  ('plain', 'answered', 'words'),
  [
    ((0.5, 0.9), (0.5, 0.7, 0.55), ('held', 'held')),
    # The lesson's second mistake: a critic that is never updated.
    ((0.5, 0.5), (0.5, 0.5, 0.5), ('did NOT hold', 'did NOT hold')),
    ((0.5, 0.9), (0.5, 0.6, 0.9), ('held', 'did NOT hold')),
  ],
)
def test_the_verdicts_say_whether_the_critic_learned_and_was_answered(
  plain, answered, words
):
  arms = {'plain': runs(plain, plain), 'adversarial': runs(answered, answered)}
  lines = aae.critic_verdicts(arms)
  for line, claim in zip(lines, words, strict=True):
    assert f': {claim}, ' in line
  assert f'ends at {answered[-1]:.2f} +- 0.00 (2 runs)' in lines[1]


def test_one_arm_alone_says_what_it_can():
  assert len(aae.critic_verdicts({'': runs((0.6, 0.5))})) == 1
  assert aae.fit_verdicts({'plain': {}, 'untrained': {}}) == []


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
  [line] = aae.fit_verdicts(fits)
  assert claim in line and f'; {level} level' in line
