"""The measures of features against scikit-learn, and the laws they promise."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import threadpoolctl
from scipy.stats import ortho_group
from sklearn import manifold
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from vae_jax.data import spread_rows
from vae_jax.measures.features import (
  few_labels,
  knn_accuracy,
  linear_probe,
  trustworthiness,
  tsne,
)


@pytest.fixture
def clouds():
  """Three overlapping classes in 6 dimensions: train and test pairs."""
  rng = np.random.default_rng(0)
  centres = rng.normal(size=(3, 6))

  def draw(n):
    label = rng.integers(0, 3, n)
    return centres[label] + rng.normal(size=(n, 6)), label

  return draw(80), draw(50)


@pytest.mark.parametrize('k', [1, 2, 3, 5, 8, 20])
def test_neighbours_vote_as_in_scikit_learn(clouds, k):
  train, test = clouds
  wanted = KNeighborsClassifier(k).fit(*train).score(*test)
  assert 0.4 < wanted < 1
  assert knn_accuracy(train, test, k=k) == pytest.approx(wanted)


def test_a_code_among_its_own_class_is_recognised():
  codes = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
  train = codes, np.array([4, 4, 4, 7, 7, 7])
  test = np.array([[0.05], [9.05], [8.0], [1.0]])
  assert knn_accuracy(train, (test, np.array([4, 7, 7, 4])), k=3) == 1
  found = knn_accuracy(train, (test, np.array([7, 7, 7, 4])), k=3)
  assert found == 0.75


def test_the_linear_probe_is_a_logistic_regression_on_one_scale(clouds):
  (x, label), (x_test, test_label) = clouds
  mean, scale = x.mean(0), (x - x.mean(0)).std()
  reference = LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000)
  reference.fit((x - mean) / scale, label)
  wanted = reference.score((x_test - mean) / scale, test_label)
  found = linear_probe(*clouds, penalty=10.0)
  assert found == pytest.approx(wanted)


def test_the_linear_probe_does_not_depend_on_unit_origin_or_basis(clouds):
  (x, label), (x_test, test_label) = clouds
  rotation = ortho_group.rvs(6, random_state=0)
  moved = (
    (7 * x @ rotation + 3, label),
    (7 * x_test @ rotation + 3, test_label),
  )
  wanted = linear_probe(*clouds)
  assert linear_probe(*moved) == pytest.approx(wanted, abs=0.021)


def test_faint_features_stay_faint():
  # The class lies in a strong feature, the faint ones are noise to fit.
  rng = np.random.default_rng(0)
  label = np.arange(400) % 2
  strong = (label - 0.5 + 0.3 * rng.normal(size=400))[:, None]
  both = np.hstack([strong, 1e-3 * rng.normal(size=(400, 200))])
  found, wanted = (
    linear_probe((x[:20], label[:20]), (x[20:], label[20:]))
    for x in (both, strong)
  )
  assert found == pytest.approx(wanted, abs=0.02) and wanted > 0.9


def test_neighbours_and_trustworthiness_do_not_depend_on_the_basis(clouds):
  (x, label), (x_test, test_label) = clouds
  rotation = ortho_group.rvs(6, random_state=0)
  turned = (
    (7 * x @ rotation + 3, label),
    (7 * x_test @ rotation + 3, test_label),
  )
  assert knn_accuracy(*turned) == knn_accuracy(*clouds)
  codes, plane = x[:, :2], ortho_group.rvs(2, random_state=1)
  found = trustworthiness(x, 5 * codes @ plane - 1)
  assert found == pytest.approx(trustworthiness(x, codes))


def test_a_feature_that_never_moves_in_training_says_nothing(clouds):
  (x, label), (x_test, test_label) = clouds
  still, loud = np.ones((len(x), 1)), np.full((len(x_test), 1), 1e6)
  train, test = np.hstack([x, still]), np.hstack([x_test, loud])
  found = linear_probe((train, label), (test, test_label))
  wanted = linear_probe(*clouds)
  assert found == pytest.approx(wanted, abs=0.021)  # another penalty


def test_a_probe_that_saw_one_class_answers_that_class():
  codes = np.arange(8.0)[:, None]
  train, test = (codes, np.full(8, 2)), (codes, np.arange(8) % 4)
  assert linear_probe(train, test) == 0.25


def test_constant_codes_are_worth_no_more_than_the_largest_class():
  pair = np.ones((4, 3)), np.array([0, 1, 1, 1])
  assert linear_probe(pair, pair) == 0.75


def test_trustworthiness_is_scikit_learn_s_and_one_for_the_images_themselves():
  images = np.random.default_rng(0).random((40, 4, 4, 1))
  rows = images.reshape(40, -1)
  wanted = manifold.trustworthiness(rows, rows[:, :2], n_neighbors=7)
  found = trustworthiness(images, rows[:, :2], k=7)
  assert found == pytest.approx(wanted) and found < 1
  assert trustworthiness(images, 3 * images) == 1


@pytest.mark.parametrize('count', [3, 4, 9])
def test_few_examples_are_enough_for_every_measure(count):
  codes = np.random.default_rng(0).random((count, 2))
  pair = codes, np.arange(count) % 2
  for found in (
    knn_accuracy(pair, pair, k=50),
    linear_probe(pair, pair),
    trustworthiness(codes, codes, k=50),
  ):
    assert 0 <= found <= 1


def test_limits_are_those_of_a_subset_from_all_over(clouds):
  train, test = clouds
  fewer = [(x[::2], y[::2]) for x, y in clouds]
  limits = {'train_limit': 40, 'test_limit': 25}
  for probe in (knn_accuracy, linear_probe):
    assert probe(train, test, **limits) == probe(*fewer)
  found = trustworthiness(train[0], train[0][:, :2], limit=40)
  x = fewer[0][0]
  assert found == trustworthiness(x, x[:, :2])


def test_some_rows_come_from_all_over_and_stay_together():
  x, y = spread_rows(3, np.arange(9.0), np.arange(9) + 10)
  np.testing.assert_array_equal(x, [0, 3, 6])
  np.testing.assert_array_equal(y, [10, 13, 16])
  np.testing.assert_array_equal(spread_rows(99, np.arange(4))[0], np.arange(4))


@pytest.mark.parametrize('count', [10, 30, 33])
def test_few_labels_are_as_many_of_each_class(count):
  label = np.repeat(np.arange(10), np.arange(20, 30))
  index = few_labels(label, count, seed=3)
  assert len(set(index)) == len(index) == count
  counts = np.bincount(label[index], minlength=10)
  assert counts.max() - counts.min() <= (count % 10 > 0)


def test_a_class_that_runs_out_is_made_up_for_by_the_others():
  label = np.array([0] * 2 + [1] * 50)
  index = few_labels(label, 20)
  np.testing.assert_array_equal(np.bincount(label[index]), [2, 18])


def test_more_labels_hold_the_fewer_ones_and_all_are_all():
  label = np.random.default_rng(0).integers(0, 10, 300)
  few, more, whole = (few_labels(label, n, 1) for n in (10, 100, 999))
  assert set(few) < set(more)
  np.testing.assert_array_equal(np.sort(whole), np.arange(300))


def test_label_draws_follow_their_seed_alone():
  label = np.arange(300) % 10
  a, again, other = (few_labels(label, 10, seed) for seed in (1, 1, 2))
  np.testing.assert_array_equal(a, again)
  assert (a != other).any()


NO_SYS = """
import joblib.externals.loky.backend.context as context
import numpy as np

def missing():
  raise FileNotFoundError('/sys/devices/system/cpu')

context._count_physical_cores_linux = missing
from vae_jax.measures import features
x, y = np.eye(6), np.arange(6) % 2
print(features.knn_accuracy((x, y), (x, y)))
print(features.linear_probe((x, y), (x, y)))
print(features.trustworthiness(x, x) is not None, context.physical_cores_cache)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != 'linux', reason='joblib looks in /sys')
def test_a_machine_whose_cores_cannot_be_counted_is_no_reason_to_warn():
  done = subprocess.run(
    [sys.executable, '-W', 'error', '-c', NO_SYS],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )
  assert done.stderr == ''
  assert done.stdout.endswith('True not found\n')


@pytest.fixture
def one_thread():
  """Threads wait for each other in every one of its thousand small steps: with
  less than a core for each that takes a minute."""
  with threadpoolctl.threadpool_limits(1, 'openmp'):
    yield


def test_tsne_keeps_groups_together_and_is_the_same_every_time(one_thread):
  rng = np.random.default_rng(0)
  z = np.repeat([[0.0] * 8, [50.0] * 8], 20, 0) + rng.normal(size=(40, 8))
  found = tsne(z)
  assert found.shape == (40, 2)
  centre = found.reshape(2, 20, 2).mean(1, keepdims=True)
  spread = np.abs(found.reshape(2, 20, 2) - centre).max()
  assert np.abs(centre[0] - centre[1]).max() > spread
  np.testing.assert_array_equal(found, tsne(z))


def test_tsne_takes_a_few_codes_too(one_thread):
  z = np.random.default_rng(0).normal(size=(3, 4))
  assert np.isfinite(tsne(z)).all()
