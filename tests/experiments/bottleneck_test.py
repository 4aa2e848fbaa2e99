"""What the report of bottleneck says, on numbers that are known."""

import dataclasses
import functools
import types

import jax
import numpy as np
import pytest

from experiments import bottleneck
from vae_jax import training
from vae_jax.factors import views
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims


def test_the_identity_passes_all_noise_and_a_constant_none():
  clean, noise = np.random.default_rng(0).random((2, 5, 4, 4, 1))
  test = views.Example(clean + noise, clean)
  share = bottleneck.share
  np.testing.assert_allclose(share(test.seen, test.wanted, test), 1)
  assert share(clean, clean, test) == 0
  assert share(clean, clean, views.Example(clean, clean)) == 0


def test_a_projection_passes_the_share_of_dimensions_of_white_noise():
  rng = np.random.default_rng(0)
  basis, _ = np.linalg.qr(rng.normal(size=(64, 16)))
  clean, noise = rng.normal(size=(2, 500, 64))
  test = views.Example(clean + noise, clean)
  projected = [x @ basis @ basis.T for x in test[:2]]
  np.testing.assert_allclose(
    bottleneck.share(*projected, test), 0.25, rtol=0.03
  )


@pytest.fixture
def pair(tiny, tiny_data):
  """An untrained model that sees clean images, and one that sees noise."""
  state = training.init(
    jax.random.key(0), tiny, tiny.hyper(), tiny_data['train']
  )
  clean = Trained(tiny, tiny_data, tiny.hyper(), state)
  noisy = functools.partial(views.noisy, shift=0.5)
  ex = dataclasses.replace(tiny, view=noisy)
  return clean, dataclasses.replace(clean, ex=ex)


def test_a_run_is_what_it_was_trained_to_see(pair):
  assert [bottleneck.kind_of(run) for run in pair] == ['clean', 'denoising']


def test_both_kinds_are_fed_the_same_noise(pair):
  first, second = (bottleneck.fed_noise(run, 99) for run in pair)
  jax.tree.map(np.testing.assert_array_equal, first, second)
  np.testing.assert_array_equal(first.wanted, pair[0].test.wanted)
  assert (first.seen != first.wanted).any((1, 2, 3)).all()


def test_one_kind_by_itself_says_nothing(pair):
  for run in pair:
    assert bottleneck.report([run]) == claims.Report()


def test_values_are_pooled_over_seeds_and_ordered_by_latents():
  def run(latents):
    return types.SimpleNamespace(ex=types.SimpleNamespace(latents=latents))

  found = bottleneck.pooled(
    [(run(8), {'a': 1.0}), (run(2), {'a': 2.0}), (run(8), {'a': 3.0})]
  )
  assert found == {'a': {2: [2.0], 8: [1.0, 3.0]}}
  assert list(found['a']) == [2, 8]


VALUES = {
  'clean_psnr_db': {2: [9.0], 8: [8.0]},
  'pca_psnr_db': {2: [8.5], 8: [10.0]},
  'denoising_psnr_db': {2: [12.0], 8: [15.0]},
}


def test_the_claim_holds_only_where_the_net_beats_the_projection():
  line = bottleneck.projects(VALUES, {'noisy_input': 5.0})
  assert 'did NOT hold, in 1 of 2; at d = 2, 8 it has 9.0, 8.0 dB' in line
  assert 'projection 8.5, 10.0 dB, its input 5.0; 1 seed' in line
  better = VALUES | {'clean_psnr_db': {2: [9.0], 8: [10.5]}}
  assert ': held, in 2 of 2' in bottleneck.projects(better, {})


def test_the_denoiser_is_compared_with_ridge_and_with_the_clean_one():
  line = bottleneck.learns(VALUES, {'ridge': 16.0})
  assert '7.00 dB above the clean-trained one at d = 8' in line
  assert 'd = 8, LOSES to ridge by 1.00 dB' in line
  assert 'beats ridge by 0.50 dB' in bottleneck.learns(VALUES, {'ridge': 14.5})
