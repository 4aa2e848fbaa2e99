"""What the report of transfer says, on numbers that are known."""

import dataclasses
import types

import jax
import numpy as np
import pytest

from experiments import transfer
from vae_jax import training
from vae_jax.factors import views
from vae_jax.measures import baselines
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims

PSNR_AB = np.array([[20.0, 12.0], [9.0, 18.0]])
PCA_AB = np.array([[16.0, 13.0], [15.0, 17.0]])
BOTH = np.array([[PSNR_AB, PCA_AB]])


def test_what_is_lost_is_against_the_model_of_the_tested_set():
  lost = transfer.lost(BOTH)
  np.testing.assert_array_equal(lost[0, 0], [[0, 6], [11, 0]])
  np.testing.assert_array_equal(lost[0, 1], [[0, 4], [1, 0]])
  np.testing.assert_array_equal(transfer.abroad(lost), [[8.5, 2.5]])


def test_the_verdict_says_who_loses_and_by_how_much():
  claim, pca = transfer.verdicts_of(BOTH)
  assert 'data-specific: held, worse out of its domain in 2 of 2' in claim
  assert 'loses 8.50 dB' in claim
  assert 'PCA loses 2.50 dB' in pca and 'PCA is the better one by 3.50' in pca
  assert 'has 19.00 dB, PCA 16.50 dB' in pca
  claim, pca = transfer.verdicts_of(np.array([[PSNR_AB.T * 0 + 5, PCA_AB]]))
  assert 'did NOT hold' in claim and 'loses 0.00 dB' in claim


def test_an_error_is_over_the_seeds():
  claim, _ = transfer.verdicts_of(np.concatenate([BOTH, BOTH]))
  assert '8.50 +- 0.00 (2 runs)' in claim


def test_figures_are_named_trained_on_then_tested_on():
  found = transfer.figures_of(BOTH, ['here', 'there'])
  assert found['psnr_db']['here']['there'] == 12
  assert found['lost_db']['there']['here'] == 11
  assert found['pca_psnr_db']['there']['here'] == 15
  assert found['in_domain_psnr_db'] == 19
  assert found['out_of_domain_psnr_db'] == 10.5
  assert found['pca_out_of_domain_lost_db'] == 2.5


def test_runs_on_images_of_one_shape_are_compared():
  def run(dataset, *shape):
    batch = types.SimpleNamespace(shape=shape)
    ex = types.SimpleNamespace(dataset=dataset)
    return types.SimpleNamespace(ex=ex, data={'test': batch})

  runs = [
    run('mnist', 28, 28, 1),
    run('photos:flower', 32, 32, 3),
    run('fashion_mnist', 28, 28, 1),
    run('photos:portrait', 32, 32, 3),
  ]
  assert transfer.groups(runs) == {
    'mnist_fashion_mnist': [runs[0], runs[2]],
    'photos': [runs[1], runs[3]],
  }
  assert transfer.short('upright, dataset=mnist') == 'upright, mnist'


@pytest.fixture
def pair(tiny, tiny_data):
  """Two untrained models, of images and of inverted images."""
  state = training.init(
    jax.random.key(0), tiny, tiny.hyper(), tiny_data['train']
  )
  plain = Trained(tiny, tiny_data, tiny.hyper(), state, label='plain')

  def inverted(batch):
    return batch.replace(x=255 - batch.x)

  other = {split: inverted(batch) for split, batch in tiny_data.items()}
  return plain, dataclasses.replace(plain, data=other, label='inverted')


def test_every_model_meets_every_test_set(pair):
  psnr_S2AB, examples = transfer.measured(pair, 99, 99)
  assert psnr_S2AB.shape == (1, 2, 2, 2) and len(examples) == 2
  for a, trained in enumerate(pair):
    for b, tested in enumerate(pair):
      seen, wanted, _ = tested.test
      error = (trained.reconstruct(seen) - wanted) ** 2
      expected = -10 * np.log10(error.mean())
      np.testing.assert_allclose(psnr_S2AB[0, 0, a, b], expected, rtol=1e-5)
      fitted = views.Example(*[np.asarray(trained.data['train'].images())] * 2)
      image = np.clip(
        baselines.pca(fitted, tested.test, trained.ex.latents), 0, 1
      )
      expected = -10 * np.log10(((image - wanted) ** 2).mean())
      np.testing.assert_allclose(psnr_S2AB[0, 1, a, b], expected, rtol=1e-5)


def test_one_run_by_itself_says_nothing(pair):
  assert transfer.report(pair[:1]) == claims.Report()
