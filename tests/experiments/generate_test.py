"""What the experiments that a classifier judges say of their runs."""

import types

import numpy as np
import pytest

from experiments import conditional_vae, generate, latent_noise
from vae_jax import data
from vae_jax.measures import samples


def measured(frechet, nearest=1.0):
  return [{'frechet_distance': frechet, 'nearest_distance': nearest}]


def run(arm, **fields):
  ex = types.SimpleNamespace(seed=fields.pop('seed', 0))
  label = fields.pop('label', arm)
  return types.SimpleNamespace(arm=arm, label=label, ex=ex, **fields)


def test_a_run_is_judged_by_the_classifier_of_its_seed():
  first, second = run('classifier', seed=0), run('classifier', seed=1)
  runs = [run('vae', seed=1), first, second]
  assert samples.judge_of(runs[0], runs) is second
  assert samples.judge_of(run('vae', seed=7), runs) is first
  assert samples.judge_of(runs[0], runs[:1]) is None


def test_samples_are_compared_with_each_way_of_drawing_codes():
  table = {
    generate.REAL: measured(1.0),
    f'autoencoder, {generate.NORMAL}': measured(9.0),
    f'autoencoder, {generate.FITTED}': measured(3.0),
    'vae': measured(5.0),
  }
  against_n, against_fitted = generate.against_autoencoder([run('vae')], table)
  assert 'N(0, I): held; Frechet distance 5.00 against 9.00' in against_n
  assert 'did NOT hold; Frechet distance 5.00 against 3.00' in against_fitted


def test_blur_is_rewarded_if_it_is_nearer_than_real_images():
  table = {
    generate.REAL: measured(1.0, 4.0),
    generate.BLURRED: measured(9.0, 3.0),
  }
  assert 'blur: held' in generate.against_blur(table)
  table[generate.BLURRED] = measured(9.0, 5.0)
  assert 'blur: did NOT hold' in generate.against_blur(table)


class Decoder:
  """Codes are images of two pixels and a half more."""

  arm, label, ex = 'autoencoder', 'autoencoder', run('x').ex
  data = {'test': types.SimpleNamespace(size=4000)}

  def examples(self, split, limit):
    pixels = np.random.default_rng(1).normal(size=(500, 1, 2, 1))
    mixed = pixels @ np.ones((1, 1)) * [[[2.0], [0.5]]] + [[[3.0], [-1.0]]]
    mixed[:, 0, 1] += mixed[:, 0, 0]
    return types.SimpleNamespace(seen=mixed)

  def encode(self, seen):
    return seen.reshape(len(seen), 2)

  def decode(self, z):
    return z.reshape(-1, 1, 2, 1)


def test_fitted_codes_have_the_mean_and_covariance_of_the_training_codes():
  found = generate.samples(Decoder(), 4000)
  codes = Decoder().encode(Decoder().examples('train', 0).seen)
  fitted = found[f'autoencoder, {generate.FITTED}'].reshape(-1, 2)
  plain = found[f'autoencoder, {generate.NORMAL}'].reshape(-1, 2)
  np.testing.assert_allclose(fitted.mean(0), codes.mean(0), atol=0.15)
  np.testing.assert_allclose(np.cov(fitted.T), np.cov(codes.T), rtol=0.1)
  np.testing.assert_allclose(np.cov(plain.T), np.eye(2), atol=0.1)


def test_noise_on_codes_is_in_units_of_their_deviation():
  run = Decoder()
  run.test = run.examples('test', 0)
  found = latent_noise.noisy(run, run.test.seen, 0)[..., 0].squeeze()
  moved = found - found[0]
  sigma = run.encode(run.test.seen).std(0)
  for level, by in zip(latent_noise.LEVELS, moved, strict=True):
    np.testing.assert_allclose(by.std(0), level * sigma, rtol=0.1, atol=1e-6)


@pytest.mark.parametrize(
  ('flipped', 'level'),
  [
    ([0, 0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9], 0.5),
    ([0, 0, 0.4, 0.6, 0.3, 0.8, 0.9, 0.9, 0.9], 0.625),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0.4], float('inf')),
  ],
)
def test_half_flip_where_the_curve_first_crosses_a_half(flipped, level):
  assert latent_noise.half_flipped(flipped) == pytest.approx(level)


def test_the_noise_that_codes_bear_is_compared_and_may_have_no_end():
  flat, steep = [0.0] * 9, [0.0, *[1.0] * 8]
  models = [run('vae'), run('autoencoder')]
  (line,) = latent_noise.verdicts(
    models, {'vae': [flat], 'autoencoder': [steep]}
  )
  assert ': held' in line and 'above 3 sd (vae)' in line
  assert '0.12 sd (autoencoder)' in line
  (line,) = latent_noise.verdicts(
    models, {'vae': [flat], 'autoencoder': [flat]}
  )
  assert 'did NOT hold' in line


def labelled(nelbo, arm='vae', **fields):
  batch = data.Batch(np.zeros((1, 1)), None, (1, 1, 1), 1.0, ('a', 'b'))
  results = {'nelbo_nats': nelbo}
  return run(arm, data={'test': batch}, results=results, **fields)


def test_labels_are_asked_for_each_as_often():
  given = conditional_vae.asked(labelled(0.0), 3)
  np.testing.assert_array_equal(given.argmax(-1), [0, 0, 0, 1, 1, 1])
  np.testing.assert_array_equal(given.sum(-1), np.ones(6))


def test_the_gain_of_the_label_is_that_over_the_same_net_without():
  runs = [labelled(90.0), labelled(95.0, 'unconditional')]
  (line,) = conditional_vae.on_elbo(runs)
  assert 'held; by 5.00 nats' in line and '0.69 nats' in line
  assert conditional_vae.on_elbo(runs[:1]) == []


def test_label_accuracy_is_the_share_that_the_judge_gives_the_label(
  monkeypatch,
):
  """A decoder that shows the label, with one class drawn as the other."""
  ours = labelled(0.0)
  ours.decode = lambda z, given: given
  pixels = np.eye(2)[[0, 0, 0, 0]]
  monkeypatch.setattr(conditional_vae, 'codes', lambda run, n: np.zeros((n, 1)))
  monkeypatch.setattr(conditional_vae, 'drawn', lambda *_: pixels)
  monkeypatch.setattr(
    conditional_vae, 'class_features', lambda judge, images: (None, images)
  )
  judge = run('classifier', results={'accuracy': 0.9})
  assert conditional_vae.right(ours, judge, 2) == {
    'label_accuracy': 1.0,
    'label_accuracy_drawn_pixels': 0.5,
    'classifier_accuracy': 0.9,
  }


@pytest.mark.parametrize('module', [generate, latent_noise, conditional_vae])
def test_a_classifier_by_itself_has_nothing_to_report(module):
  found = module.report([run('classifier')])
  assert (found.results, found.pictures, found.verdicts) == ({}, {}, [])


def test_a_difference_within_its_error_is_not_clear():
  assert latent_noise.clearly_more([1.2], [1.1])
  assert not latent_noise.clearly_more([1.1, 1.3], [1.0, 1.3])
  assert latent_noise.clearly_more([2.1, 2.3], [1.0, 1.3])
  assert not latent_noise.clearly_more([9.0], [float('inf')])
