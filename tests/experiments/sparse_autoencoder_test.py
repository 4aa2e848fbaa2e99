import types

import numpy as np

from experiments import sparse_autoencoder as sparse


def run(*values):
  results = dict(zip(sparse.MEASURES, values, strict=True))
  return types.SimpleNamespace(results=results)


def test_the_verdicts_say_by_how_much_and_at_what_price():
  arms = {
    'plain': [run(6.0, 0.6, 0.3, 21.0), run(8.0, 0.6, 0.3, 21.0)],
    'sparse': [run(2.0, 0.2, 0.5, 20.5), run(2.0, 0.2, 0.5, 20.5)],
  }
  lower, sparser, price = sparse.penalty(arms)
  assert 'held, 7.00 +- 1.00 (2 runs) to 2.00' in lower
  assert lower.endswith('by a factor of 3.5')
  assert 'held, Hoyer sparseness 0.30' in sparser
  assert '60 to 20 % of the values active' in sparser
  assert price.startswith('its price: 0.50 dB PSNR')


def test_a_code_that_only_shrinks_is_not_called_sparser():
  arms = {
    'plain': [run(6.0, 0.6, 0.3, 21.0)],
    'sparse': [run(0.6, 0.6, 0.3, 21.0)],
  }
  lower, sparser, _ = sparse.penalty(arms)
  assert ': held, ' in lower and ': did NOT hold, ' in sparser


def test_one_arm_alone_has_no_verdict_on_the_penalty():
  assert sparse.penalty({'plain': [run(6.0, 0.6, 0.3, 21.0)]}) == []


def test_the_curves_are_means_by_rank():
  found = sparse.by_rank(np.array([[4.0, 1.0], [2.0, 0.0]]))
  assert found == {1: [3.0], 2: [0.5]}
