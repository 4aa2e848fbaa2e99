import jax
import numpy as np
import pytest

from vae_jax import data


def test_images_are_divided_by_the_scale_exactly_once(batch):
  images = np.asarray(batch.images())
  assert images.dtype == np.float32
  wanted = batch.x.reshape(26, 6, 5, 2) / np.float32(255)
  np.testing.assert_array_equal(images, wanted)
  white = batch.replace(x=np.full_like(batch.x, 255))
  assert (np.asarray(white.images()) == 1).all()
  assert (np.asarray(jax.jit(data.Batch.images)(white)) == 1).all()


def test_binarised_images_are_not_divided(batch):
  binary = batch.replace(x=batch.x // 128, scale=1.0)
  images = np.asarray(data.checked(binary).images())
  np.testing.assert_array_equal(images.reshape(26, -1), binary.x)


def test_take_gathers_images_with_their_labels(batch):
  index = np.array([5, 2, 2])
  taken = jax.jit(data.Batch.take)(batch, index)
  np.testing.assert_array_equal(taken.x, batch.x[index])
  np.testing.assert_array_equal(taken.label, batch.label[index])
  assert taken.size == 3 and taken.shape == batch.shape
  assert batch.replace(label=None).take(index).label is None


def test_host_arrays_can_be_taken_from_inside_a_program(batch):
  index = np.array([3, 0, 3])
  for one in (batch, batch.replace(label=None)):
    assert isinstance(one.x, np.ndarray)
    traced = jax.jit(lambda i, one=one: one.take(i))(index)
    wanted = one.take(index)
    jax.tree.map(np.testing.assert_array_equal, traced, wanted)


def test_data_that_are_divided_already_are_refused(batch):
  divided = batch.replace(x=batch.x / np.float32(255))
  with pytest.raises(data.DataError, match='divided already'):
    data.checked(divided)
  assert data.checked(batch) is batch


@pytest.mark.parametrize('value', [-1, 256])
def test_values_outside_the_scale_are_refused(batch, value):
  x = batch.x.astype(np.int32)
  x[3, 4] = value
  with pytest.raises(data.DataError, match=f'{value}.*outside.*255'):
    data.checked(batch.replace(x=x))
