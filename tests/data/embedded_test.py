import numpy as np
import pytest
from sklearn import datasets

from vae_jax import data
from vae_jax.data import embedded


@pytest.fixture(scope='module')
def digits():
  return data.load('digits')


def test_digits_have_the_geometry_of_mnist(digits):
  sizes = {split: batch.size for split, batch in digits.items()}
  assert sizes == {'train': 1500, 'test': 297}
  for batch in digits.values():
    assert batch.shape == (28, 28, 1) and batch.x.shape[1:] == (784,)
    assert batch.x.dtype == np.uint8 and batch.scale == 255
    assert batch.x.min() == 0 and batch.x.max() == 255
    border = batch.x.reshape(-1, 28, 28).copy()
    border[:, 2:-2, 2:-2] = 0
    assert not border.any()


def test_digits_look_like_the_originals_of_scikit_learn(digits):
  originals, target = datasets.load_digits(return_X_y=True)
  both = [digits['train'], digits['test']]
  label = np.concatenate([batch.label for batch in both])
  np.testing.assert_array_equal(np.bincount(label), np.bincount(target))
  assert both[0].classes == tuple('0123456789')
  x = np.concatenate([batch.x for batch in both]).reshape(-1, 28, 28)
  small = x[:, 2:-2, 2:-2].reshape(-1, 8, 3, 8, 3).mean((2, 4)).reshape(-1, 64)
  for digit in range(10):
    found = small[label == digit].mean(0)
    wanted = originals[target == digit].mean(0)
    assert np.corrcoef(found, wanted)[0, 1] > 0.98


def test_digits_are_the_same_every_time(digits):
  again = data.load('digits')
  for split, batch in digits.items():
    np.testing.assert_array_equal(again[split].x, batch.x)
    np.testing.assert_array_equal(again[split].label, batch.label)


def test_digits_are_not_what_64_components_can_say(digits):
  x = digits['train'].x[:600] / 255.0
  x -= x.mean(0)
  variances = np.linalg.eigvalsh(x @ x.T)
  # A plain resize of the 8x8 originals gives more than 0.99.
  assert variances[-64:].sum() / variances.sum() < 0.95


def test_train_and_test_share_no_example_and_leave_none_out(monkeypatch):
  n = 1797
  x = np.zeros((n, 64), np.uint8)
  x[:, :2] = np.stack([np.arange(n) // 256, np.arange(n) % 256], 1)
  monkeypatch.setattr(embedded, '_small_digits', lambda: (x, np.arange(n)))
  monkeypatch.setattr(embedded, '_redraw', np.ravel)
  splits = data.digits()
  label = np.concatenate([batch.label for batch in splits.values()])
  np.testing.assert_array_equal(np.sort(label), np.arange(n))
  for batch in splits.values():
    np.testing.assert_array_equal(batch.x, x[batch.label])


def test_no_test_patch_shares_a_pixel_with_a_training_patch(monkeypatch):
  # Each pixel of the three pictures holds a number of its own.
  count = iter(range(3))

  def picture(package, path):
    n = 200 * 300
    ids = np.arange(n).reshape(200, 300) + next(count) * n
    return np.stack([ids // 65536, ids // 256 % 256, ids % 256], -1)

  monkeypatch.setattr(embedded, '_picture', picture)
  ids = {
    split: set(
      (b.x.reshape(-1, 3).astype(int) @ np.array([65536, 256, 1])).tolist()
    )
    for split, b in data.photos().items()
  }
  assert ids['train'] and ids['test']
  assert ids['train'].isdisjoint(ids['test'])


def test_photos_are_colour_patches_of_three_pictures():
  splits = data.load('photos')
  for batch in splits.values():
    assert batch.shape == (32, 32, 3) and batch.x.dtype == np.uint8
    assert set(batch.label) == {0, 1, 2}
  assert (splits['train'].size, splits['test'].size) == (5346, 300)
  flower = datasets.load_sample_image('flower.jpg')
  first = splits['test'].x[0].reshape(32, 32, 3)
  np.testing.assert_array_equal(first, flower[:32, :32])
