"""The measures of codes against scikit-learn, and the laws they promise."""

import numpy as np
import pytest
from scipy.stats import ortho_group, special_ortho_group
from sklearn import manifold
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from vae_jax import probes


@pytest.fixture
def clouds():
  """Three overlapping classes in 6 dimensions: train and test."""
  rng = np.random.default_rng(0)
  centres = rng.normal(size=(3, 6))

  def draw(n):
    label = rng.integers(0, 3, n)
    return centres[label] + rng.normal(size=(n, 6)), label

  return *draw(80), *draw(50)


def moved(clouds, factor=7.0, shift=3.0):
  """The same codes rotated, scaled as a whole and shifted."""
  rotation = special_ortho_group.rvs(6, random_state=0)
  train, train_label, test, test_label = clouds
  move = lambda x: factor * x @ rotation + shift  # noqa: E731
  return move(train), train_label, move(test), test_label


def test_neighbours_vote_as_in_scikit_learn(clouds):
  train, label, test, test_label = clouds
  classifier = KNeighborsClassifier(3).fit(train, label)
  wanted = classifier.score(test, test_label)
  assert 0.4 < wanted < 1
  assert probes.knn_accuracy(*clouds, k=3) == pytest.approx(wanted)


def test_a_code_among_its_own_class_is_recognised():
  codes = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
  label = np.array([4, 4, 4, 7, 7, 7])
  test = np.array([[0.05], [9.05], [8.0], [1.0]])
  args = codes, label, test
  assert probes.knn_accuracy(*args, [4, 7, 7, 4], k=3) == 1
  assert probes.knn_accuracy(*args, [7, 7, 7, 4], k=3) == 0.75


def test_the_linear_probe_is_a_logistic_regression(clouds):
  train, label, test, test_label = clouds
  mean, scale = train.mean(0), (train - train.mean(0)).std()
  reference = LogisticRegression(C=0.1, tol=1e-8, max_iter=10_000)
  reference.fit((train - mean) / scale, label)
  wanted = reference.score((test - mean) / scale, test_label)
  found = probes.linear_probe(*clouds, strength=0.1)
  assert found == pytest.approx(wanted)


@pytest.mark.parametrize('probe', [probes.knn_accuracy, probes.linear_probe])
def test_accuracies_do_not_depend_on_the_basis_scale_or_origin(probe, clouds):
  assert probe(*moved(clouds)) == probe(*clouds)


def test_trustworthiness_does_not_depend_on_the_basis_of_the_codes(clouds):
  codes, images = clouds[0][:, :2], clouds[0]
  rotation = ortho_group.rvs(2, random_state=1)
  found = probes.trustworthiness(images, 5 * codes @ rotation - 1)
  assert found == pytest.approx(probes.trustworthiness(images, codes))


def test_one_scale_for_all_features_leaves_faint_ones_faint():
  # The class lies in a strong feature, a faint one is noise that fits train.
  rng = np.random.default_rng(0)
  label = np.arange(400) % 2
  strong = label - 0.5 + 0.3 * rng.normal(size=400)
  faint = 1e-3 * rng.normal(size=(400, 200))
  codes = np.column_stack([strong, faint])
  found = probes.linear_probe(codes[:20], label[:20], codes[20:], label[20:])
  alone = strong[:, None]
  wanted = probes.linear_probe(alone[:20], label[:20], alone[20:], label[20:])
  assert found == wanted > 0.9


def test_the_space_that_training_examples_span_holds_all_that_matters():
  rng = np.random.default_rng(0)
  train, test = rng.normal(size=(8, 30)), rng.normal(size=(5, 30))
  train_NR, test_MR = probes.in_span(train, test)
  assert train_NR.shape == (8, 8) and test_MR.shape == (5, 8)
  # Every score that a probe can give is a combination of these products.
  centred = train - train.mean(0)
  products = (test - train.mean(0)) @ centred.T
  np.testing.assert_allclose(test_MR @ train_NR.T, products, atol=1e-10)
  np.testing.assert_allclose(
    train_NR @ train_NR.T, centred @ centred.T, atol=1e-10
  )


def test_fewer_examples_than_features_give_the_regression_in_all_features():
  rng = np.random.default_rng(1)
  label = np.arange(60) % 3
  codes = rng.normal(size=(60, 40)) + 2 * np.eye(3, 40)[label]
  train, test = codes[:20], codes[20:]
  mean = train.mean(0)
  scale = probes.in_span(train, test)[0].std()
  reference = LogisticRegression(tol=1e-8, max_iter=10_000)
  reference.fit((train - mean) / scale, label[:20])
  wanted = reference.score((test - mean) / scale, label[20:])
  found = probes.linear_probe(train, label[:20], test, label[20:])
  assert 0.34 < wanted < 1 and found == pytest.approx(wanted)


def test_a_probe_that_saw_one_class_answers_that_class():
  codes = np.arange(8.0)[:, None]
  found = probes.linear_probe(codes, np.full(8, 2), codes, np.arange(8) % 4)
  assert found == 0.25


def test_constant_codes_are_worth_no_more_than_the_largest_class():
  label = np.array([0, 1, 1, 1])
  codes = np.ones((4, 3))
  assert probes.linear_probe(codes, label, codes, label) == 0.75


def test_trustworthiness_is_scikit_learn_s_and_one_for_the_images_themselves():
  rng = np.random.default_rng(0)
  images = rng.random((40, 4, 4, 1))
  codes = images.reshape(40, -1)[:, :2]
  wanted = manifold.trustworthiness(
    images.reshape(40, -1), codes, n_neighbors=7
  )
  found = probes.trustworthiness(images, codes, k=7)
  assert found == pytest.approx(wanted) and found < 1
  assert probes.trustworthiness(images, 3 * images) == 1


@pytest.mark.parametrize('count', [3, 4, 9])
def test_few_examples_are_enough_for_every_measure(count):
  rng = np.random.default_rng(0)
  codes, label = rng.random((count, 2)), np.arange(count) % 2
  for found in (
    probes.knn_accuracy(codes, label, codes, label, k=50),
    probes.linear_probe(codes, label, codes, label),
    probes.trustworthiness(codes, codes, k=50),
  ):
    assert 0 <= found <= 1


@pytest.mark.parametrize('count', [10, 30, 33])
def test_few_labels_are_as_many_of_each_class(count):
  label = np.repeat(np.arange(10), np.arange(20, 30))
  index = probes.few_labels(label, count, seed=3)
  assert len(set(index)) == count
  counts = np.bincount(label[index], minlength=10)
  assert counts.max() - counts.min() <= (count % 10 > 0)


def test_a_class_that_runs_out_is_made_up_for_by_the_others():
  label = np.array([0] * 2 + [1] * 50)
  index = probes.few_labels(label, 20)
  np.testing.assert_array_equal(np.bincount(label[index]), [2, 18])


def test_more_labels_hold_the_fewer_ones_and_all_are_all():
  label = np.random.default_rng(0).integers(0, 10, 300)
  few, more, whole = (probes.few_labels(label, n, 1) for n in (10, 100, 999))
  assert set(few) < set(more)
  np.testing.assert_array_equal(whole, np.arange(300))


def test_label_draws_follow_their_seed_alone():
  label = np.arange(300) % 10
  a, again, other = (probes.few_labels(label, 10, seed) for seed in (1, 1, 2))
  np.testing.assert_array_equal(a, again)
  assert (a != other).any()


def test_labelled_examples_come_from_all_over_the_split(batch):
  images, label = probes.labelled(batch, 13)
  np.testing.assert_array_equal(label, batch.label[::2])
  np.testing.assert_array_equal(images, batch.images()[::2])
  assert len(probes.labelled(batch, 999)[0]) == batch.size
