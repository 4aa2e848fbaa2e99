import dataclasses

import jax
import numpy as np
import pytest

from vae_jax import training
from vae_jax.factors import views
from vae_jax.measures.trained import Trained
from vae_jax.reports import walks


@pytest.fixture
def grey(tiny_data):
  """The tiny data set as grey images."""
  return {
    split: batch.replace(x=batch.x[:, ::2], shape=(6, 5, 1))
    for split, batch in tiny_data.items()
  }


def untrained(ex, splits):
  hyper = ex.hyper()
  state = training.init(jax.random.key(0), ex, hyper, splits['train'])
  return Trained(ex, splits, hyper, state)


@pytest.fixture
def trained(tiny, grey):
  return untrained(tiny, grey)


def images(figure):
  return [np.asarray(im.get_array()) for ax in figure.axes for im in ax.images]


def tiles(figure, rows, columns):
  """The mosaic of a grid of 6x5 images: [rows, columns, 6, 5]."""
  mosaic = images(figure)[0].reshape(rows, 6, columns, 5)
  return mosaic.swapaxes(1, 2)


@pytest.mark.parametrize('slerp', [False, True])
def test_the_way_leads_from_one_reconstruction_to_the_other(trained, slerp):
  figure = walks.interpolation(trained, 2, 3, slerp)
  found = tiles(figure, 2, 5)
  chosen = [0, 2, 5, 7]  # two firsts, two seconds
  wanted = trained.test.wanted[chosen, ..., 0]
  np.testing.assert_allclose(found[:, 0], wanted[:2], atol=1e-6)
  np.testing.assert_allclose(found[:, 4], wanted[2:], atol=1e-6)
  ends = trained.reconstruct(trained.test.seen[chosen])[..., 0]
  np.testing.assert_allclose(found[:, 1], ends[:2], atol=1e-5)
  np.testing.assert_allclose(found[:, 3], ends[2:], atol=1e-5)


def test_half_way_is_the_mean_of_the_codes(trained):
  found = tiles(walks.interpolation(trained, 1, 3), 1, 5)
  z = trained.encode(trained.test.seen[[0, 5]])
  middle = trained.decode(z.mean(0, keepdims=True))[0, ..., 0]
  np.testing.assert_allclose(found[0, 2], middle, atol=1e-6)


def test_a_labelled_model_is_given_labels_on_the_way(tiny, grey):
  ex = dataclasses.replace(tiny, view=views.labelled)
  trained = untrained(ex, grey)
  found = tiles(walks.interpolation(trained, 1, 3), 1, 5)
  z = trained.encode(trained.test.seen[[0, 5]], trained.test.given[[0, 5]])
  given = trained.test.given[[0, 5]].mean(0, keepdims=True)
  middle = trained.decode(z.mean(0, keepdims=True), given)[0, ..., 0]
  np.testing.assert_allclose(found[0, 2], middle, atol=1e-6)
  assert walks.attribute_vectors(trained) is None


def test_an_attribute_is_the_difference_of_mean_codes(trained):
  label = np.asarray(trained.data['train'].label)
  codes = trained.encode(trained.examples('train', 100).seen)
  means = [codes[label == y].mean(0) for y in range(3)]
  test = np.asarray(trained.data['test'].label)
  one = np.flatnonzero(test == 1)[0]
  code = trained.encode(trained.test.seen[one : one + 1])[0]
  wanted = trained.decode((code + means[2] - means[1])[None])[0, ..., 0]
  shown = images(walks.attribute_vectors(trained))
  # Rows of eight: the input, then 0, 1/4 .. 3/2 times the difference.
  np.testing.assert_allclose(shown[8 + 5], wanted, atol=1e-5)
  np.testing.assert_allclose(shown[8], trained.test.wanted[one, ..., 0])


def test_without_labels_there_are_no_attributes(tiny, grey):
  bare = {k: batch.replace(label=None) for k, batch in grey.items()}
  assert walks.attribute_vectors(untrained(tiny, bare)) is None


def test_a_class_that_is_missing_has_no_row(tiny, grey):
  for batch in grey.values():
    batch.label[:] = np.minimum(batch.label, 1)
  figure = walks.attribute_vectors(untrained(tiny, grey))
  assert len(images(figure)) == 8  # a to b alone


def test_two_channels_have_no_picture(tiny, tiny_data):
  trained = untrained(tiny, tiny_data)
  assert walks.interpolation(trained) is None
  assert walks.attribute_vectors(trained) is None
