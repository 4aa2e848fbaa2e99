import dataclasses
import math
import types

import numpy as np
import pytest
import scipy.linalg
from sklearn.neighbors import NearestNeighbors

from vae_jax.measures import samples


def normal(seed, count, size=3, scale=1.0, shift=0.0):
  return shift + scale * np.random.default_rng(seed).normal(size=(count, size))


def exact(x_NF, mean_F, cov_FF):
  """x_NF moved to have exactly this mean and covariance."""
  centred = x_NF - x_NF.mean(0)
  white = np.linalg.cholesky(np.cov(centred.T, ddof=0))
  whitened = np.linalg.solve(white, centred.T)
  return (np.linalg.cholesky(cov_FF) @ whitened).T + mean_F


def test_the_frechet_distance_of_normals_is_the_closed_form():
  mean_a, mean_b = np.array([0.0, 1.0]), np.array([2.0, -1.0])
  cov_a = np.array([[2.0, 0.5], [0.5, 1.0]])
  cov_b = np.array([[1.0, -0.3], [-0.3, 3.0]])
  found = samples.frechet_distance(
    exact(normal(0, 50, 2), mean_a, cov_a),
    exact(normal(1, 70, 2), mean_b, cov_b),
  )
  root = scipy.linalg.sqrtm(cov_a @ cov_b).real
  wanted = 8.0 + np.trace(cov_a + cov_b - 2 * root)
  assert found == pytest.approx(wanted, rel=1e-10)


def test_in_one_dimension_it_is_the_difference_of_means_and_deviations():
  a, b = np.array([[-1.0], [1.0]]), np.array([[2.0], [8.0]])
  found = samples.frechet_distance(a, b)  # N(0, 1) and N(5, 3)
  assert found == pytest.approx(25 + (3 - 1) ** 2)


def test_the_frechet_distance_of_a_set_to_itself_is_zero():
  few = normal(0, 4, 10)  # fewer than features: singular
  assert samples.frechet_distance(few, few) == pytest.approx(0, abs=1e-6)


def test_the_class_entropy_is_that_of_the_chosen_classes():
  even, one = np.eye(4)[[0, 1, 2, 3]], np.eye(4)[[2, 2, 2]]
  assert samples.class_entropy(even) == pytest.approx(math.log(4))
  assert samples.class_entropy(one) == 0.0
  # Unsure, but of different classes: not the mean probabilities' entropy.
  unsure = np.array([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.4, 0.6]])
  wanted = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
  assert samples.class_entropy(unsure) == pytest.approx(wanted)


def test_a_set_has_all_of_itself():
  x = normal(0, 30)
  assert samples.precision_recall(x, x) == (1.0, 1.0)
  assert samples.density_coverage(x, x)[1] == 1.0


def test_a_set_far_away_has_nothing_of_another():
  x, far = normal(0, 30), normal(1, 20, shift=100)
  assert samples.precision_recall(x, far) == (0.0, 0.0)
  assert samples.density_coverage(x, far) == (0.0, 0.0)


def test_one_mode_of_two_is_precise_and_recalls_half():
  one, other = normal(0, 40), normal(1, 40, shift=100)
  precision, recall = samples.precision_recall(
    np.concatenate([one, other]), one
  )
  assert precision == 1.0 and recall == 0.5
  coverage = samples.density_coverage(np.concatenate([one, other]), one)[1]
  assert coverage == 0.5


def test_a_spread_between_two_modes_is_imprecise():
  real = np.concatenate([normal(0, 40, 1), normal(1, 40, 1, shift=100)])
  fake = np.linspace(10, 90, 50)[:, None]
  assert samples.precision_recall(real, fake)[0] == 0.0


def test_precision_and_recall_by_hand():
  real = np.array([[0.0], [1.0], [2.0], [4.0]])
  fake = np.array([[3.0], [5.0], [6.5]])
  # Radii, k = 1: 1, 1, 1, 2 and 2, 1.5, 1.5.
  assert samples.precision_recall(real, fake, k=1) == (2 / 3, 3 / 4)
  # 3 lies in two balls, 5 in one; only those of 2 and 4 hold any.
  assert samples.density_coverage(real, fake, k=1) == (1.0, 0.5)


@pytest.mark.parametrize('k', [1, 3, 5])
def test_radii_agree_with_scikit_learn(k):
  x = normal(0, 25)
  near = NearestNeighbors(n_neighbors=k + 1).fit(x)
  wanted = near.kneighbors(x)[0][:, -1]
  np.testing.assert_allclose(samples.radii(x, k), wanted, rtol=1e-9)


def test_radii_of_too_few_reach_the_farthest():
  x = np.array([[0.0], [1.0], [3.0]])
  np.testing.assert_array_equal(samples.radii(x, 5), [3.0, 2.0, 3.0])


def test_the_nearest_distance_rewards_blur():
  rng = np.random.default_rng(0)
  real, fresh = rng.uniform(size=(2, 40, 6, 6, 1))
  grey = np.full((40, 6, 6, 1), 0.5)
  found = [samples.nearest_distance(real, x) for x in (fresh, grey)]
  assert found[1] < found[0]
  assert samples.nearest_distance(real, real[:5]) == 0.0


def test_all_measures_look_at_no_more_than_the_limit():
  real = (normal(0, 90, 8), normal(1, 90), np.eye(3)[np.arange(90) % 3])
  fake = tuple(x[::-1] for x in real)
  found = samples.all_measures(real, fake, limit=30)
  few = [tuple(x[::3] for x in side) for side in (real, fake)]
  assert found == samples.all_measures(*few)


def test_constant_features_have_finite_measures():
  same = (np.zeros((9, 4, 4, 1)), np.zeros((9, 5)), np.ones((9, 2)))
  found = samples.all_measures(same, same)
  assert all(math.isfinite(value) for value in found.values())


def test_a_model_is_judged_by_the_classifier_of_its_seed(trained, judge):
  first, second = judge, dataclasses.replace(judge, seed=1)
  ex = dataclasses.replace(trained.ex, seed=1)
  one = dataclasses.replace(trained, ex=ex)
  among = (one, first, second)
  assert samples.judge_of(one.told(among=among)) is second
  other = dataclasses.replace(trained, ex=dataclasses.replace(ex, seed=7))
  assert samples.judge_of(other.told(among=among)) is first
  assert samples.judge_of(one.told(among=(one,))) is None
  assert samples.judge_of(one) is None


def test_features_are_codes_and_probabilities_their_decodings(judge):
  image = np.stack([np.full((2, 2, 1), v) for v in (0.1, 0.9, 0.8)])
  features, probability = samples.class_features(judge, image)
  np.testing.assert_array_equal(features, image.reshape(3, 4))
  np.testing.assert_array_equal(probability, [[1, 0], [0, 1], [0, 1]])


def test_references_are_unseen_images_their_blur_and_the_mean(judge):
  found = samples.references(judge, 8)
  real = judge.images['test'][:8]
  np.testing.assert_array_equal(found[samples.REAL], real)
  blurred, mean = found[samples.BLURRED], found[samples.MEAN]
  # Reflected at its edges, a blur adds up to the same.
  np.testing.assert_allclose(blurred.sum((1, 2)), real.sum((1, 2)), rtol=1e-4)
  assert blurred.var((1, 2)).max() < real.var((1, 2)).min()
  wanted = np.broadcast_to(judge.images['train'].mean(0), real.shape)
  np.testing.assert_allclose(mean, wanted, rtol=1e-6)


class Decoder:
  """Codes are images of two pixels and a half more."""

  ex = types.SimpleNamespace(seed=0)
  data = {'test': types.SimpleNamespace(size=4000)}
  model = types.SimpleNamespace(q_factor=types.SimpleNamespace(density=False))

  def examples(self, split, limit):
    pixels = np.random.default_rng(1).normal(size=(500, 1, 2, 1))
    mixed = pixels * [[[2.0], [0.5]]] + [[[3.0], [-1.0]]]
    mixed[:, 0, 1] += mixed[:, 0, 0]
    return types.SimpleNamespace(seen=mixed)

  def encode(self, seen):
    return seen.reshape(len(seen), 2)

  def decode(self, z):
    return z.reshape(-1, 1, 2, 1)


def test_fitted_codes_have_the_mean_and_covariance_of_the_training_codes():
  found = samples.samples(Decoder(), 4000)
  codes = Decoder().encode(Decoder().examples('train', 0).seen)
  fitted = found[samples.FITTED].reshape(-1, 2)
  plain = found[samples.NORMAL].reshape(-1, 2)
  np.testing.assert_allclose(fitted.mean(0), codes.mean(0), atol=0.15)
  np.testing.assert_allclose(np.cov(fitted.T), np.cov(codes.T), rtol=0.1)
  np.testing.assert_allclose(np.cov(plain.T), np.eye(2), atol=0.1)


def test_a_model_with_a_prior_is_sampled_from_it(trained):
  found = samples.samples(trained, 4)
  assert set(found) == {samples.SAMPLES}
  np.testing.assert_array_equal(
    found[samples.SAMPLES], trained.generate(4, trained.ex.seed)
  )
  # No more than there are unseen ones.
  assert len(samples.samples(trained, 99)[samples.SAMPLES]) == 10


def test_samples_are_judged_beside_images_never_generated(
  trained, judge, figures
):
  found = samples.judged(trained.told(among=(trained, judge)), shown=4)
  measures = figures(found)['measures']
  images = samples.references(judge, 1000) | samples.samples(trained, 1000)
  assert set(measures) == set(images)
  real = judge.images['train']
  for name, image in images.items():
    wanted = samples.all_measures(
      (real, *samples.class_features(judge, real)),
      (image, *samples.class_features(judge, image)),
    )
    assert measures[name] == wanted
    np.testing.assert_array_equal(found[f'{name}, shown'], image[[0, 2, 5, 7]])
  # Features without a spread at the mean of the real ones: all of theirs.
  spread = real.reshape(16, -1).var(0).sum()
  mean = measures[samples.MEAN]['frechet_distance']
  assert mean == pytest.approx(spread, rel=1e-4)
  assert samples.judged(trained) == {}


def test_codes_of_a_model_without_a_prior_are_judged_both_ways(plain, judge):
  found = samples.judged(plain.told(among=(judge,)))['measures']
  assert {samples.NORMAL, samples.FITTED} < set(found)
  assert samples.SAMPLES not in found
