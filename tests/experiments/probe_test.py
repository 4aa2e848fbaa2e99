import dataclasses

import jax
import numpy as np
import pytest

from experiments import probe
from vae_jax import training
from vae_jax.measures.trained import Trained
from vae_jax.reports import claims


@pytest.fixture
def run(tiny, tiny_data):
  """An untrained model."""
  state = training.init(
    jax.random.key(0), tiny, tiny.hyper(), tiny_data['train']
  )
  return Trained(tiny, tiny_data, tiny.hyper(), state)


@pytest.mark.slow
def test_every_kind_of_feature_is_probed_at_every_count(run):
  found = probe.report([run], draws=3).results['probe']
  assert set(found) == {'encoder', *probe.RIVALS}
  for by_count in found.values():
    assert set(by_count) == {10, 16}  # sixteen images in all
    assert all(0 <= value <= 1 for value in by_count.values())


def test_the_random_encoder_is_the_same_net_with_other_parameters(run):
  other = probe.untrained(run)
  mine, its = (jax.tree.map(np.shape, r.state.params) for r in (run, other))
  assert mine == its
  kernels = [
    r.state.params['encoder']['z_mean']['kernel'] for r in (run, other)
  ]
  assert np.abs(kernels[0] - kernels[1]).max() > 0.01


def test_features_are_of_clean_images_whatever_the_model_was_shown(run):
  from vae_jax.factors import views

  noisy = dataclasses.replace(
    run, ex=dataclasses.replace(run.ex, view=views.noisy)
  )
  for a, b in zip(
    probe.encoded(run, 100), probe.encoded(noisy, 100), strict=True
  ):
    np.testing.assert_array_equal(a, b)


def test_a_verdict_compares_with_the_best_rival_at_each_count():
  accuracy = {
    'encoder': {10: [0.5, 0.7], 100: [0.8]},
    'pixels': {10: [0.5], 100: [0.85]},
    'PCA': {10: [0.4], 100: [0.7]},
    'random encoder': {10: [0.1], 100: [0.1]},
  }
  line = probe.verdict('encoder', accuracy)
  assert 'did NOT hold, in 1 of 2' in line
  assert '+10.0 with 10 labels (against pixels)' in line
  assert '-5.0 with 100 labels (against pixels)' in line


def test_images_without_labels_have_no_report(run):
  bare = {s: b.replace(label=None) for s, b in run.data.items()}
  blind = dataclasses.replace(run, data=bare)
  assert probe.report([blind]) == claims.Report()
