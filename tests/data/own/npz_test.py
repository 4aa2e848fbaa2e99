import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.own import npz


def pictures(n, shape=(4, 6, 3), seed=0):
  return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


@pytest.fixture
def saved(tmp_path):
  """A function (**arrays) -> 'npz:PATH'."""

  def saved(**arrays):
    np.savez(tmp_path / 'a.npz', **arrays)
    return f'npz:{tmp_path}/a.npz'

  return saved


def test_an_npz_is_its_arrays(saved):
  x, y = pictures(12), np.array(list('abcabcabcabc'))
  splits = data.load(saved(x=x[:8], y=y[:8], x_test=x[8:], y_test=y[8:]))
  np.testing.assert_array_equal(splits['train'].x, x[:8].reshape(8, -1))
  np.testing.assert_array_equal(splits['test'].x, x[8:].reshape(4, -1))
  assert splits['train'].classes == ('a', 'b', 'c')
  assert splits['test'].label.tolist() == [2, 0, 1, 2]
  found = data.load(saved(x=x, y=np.arange(12) + 5.0))
  label = np.concatenate([found['train'].label, found['test'].label])
  assert sorted(label) == list(range(12)) and found['test'].size >= 1
  assert data.own_images(saved(x=x))[0].size == 12


def test_floats_are_rounded_and_zeros_and_ones_kept(saved):
  x = pictures(20, (4, 6))
  for floats in (x / 255, (x / 255).astype(np.float32)):
    batch = data.own_images(saved(x=floats))[0]
    assert (batch.scale, batch.shape) == (255, (4, 6, 1))
    np.testing.assert_array_equal(batch.x, x.reshape(20, -1))
  ink = x > 127
  for dtype in (bool, np.uint8, np.int64, np.float32):
    batch = data.own_images(saved(x=ink.astype(dtype)))[0]
    assert (batch.scale, batch.x.dtype) == (1, np.uint8)
    np.testing.assert_array_equal(batch.x, ink.reshape(20, -1))


def test_floats_of_single_precision_may_be_off_by_their_rounding(saved):
  x = pictures(20, (4, 6))
  x[0, 0, 0] = 255
  floats = (x / 255).astype(np.float32) * np.float32(1.0000002)
  assert floats.max() > 1
  batch = data.own_images(saved(x=floats))[0]
  np.testing.assert_array_equal(batch.x, x.reshape(20, -1))


X = pictures(6)


NAN = np.where(X == X[0, 0, 0, 0], np.nan, X / 255)


@pytest.mark.parametrize(
  ('arrays', 'words'),
  [
    ({'images': X}, 'holds no array x: there is nothing'),
    ({'y': X}, 'holds no array x: there is y'),
    ({'x': X.astype(object)}, 'cannot be read: .*allow_pickle=False'),
    ({'x': NAN}, 'x of .*a.npz holds values that are not finite'),
    ({'x': X / 1.0}, r'x of .* lies in \[.*, 25\d\]: uint8 or floats in'),
    ({'x': X.astype(int) - 300}, r'lies in \[-.*\]'),
    ({'x': X / 255 - 0.5}, r'lies in \[-0.5, 0.5\]'),
    ({'x': X.astype(complex)}, 'x of .* is complex128'),
    ({'x': X.astype(str)}, 'x of .* is <U'),
    ({'x': X[..., :2]}, r'shape \(6, 4, 6, 2\): .* 1 or 3 channels'),
    ({'x': X[0, 0]}, r'shape \(6, 3\)'),
    ({'x': X[:0]}, 'x of .* is empty'),
    ({'x': X[:1]}, 'holds 1 image'),
    ({'x': X, 'x_test': X[:0]}, 'x_test of .* is empty'),
    ({'x': X, 'x_test': X[:, 1:]}, r'x \(6, 4, 6, 3\) and x_test \(6, 3, 6'),
    ({'x': X, 'x_test': X // 128}, 'divided already'),
    ({'x': X, 'y': np.arange(5)}, r'y of .* shape \(5,\): \(6,\) is expected'),
    ({'x': X, 'y': np.arange(6) / 4}, 'y of .* not whole numbers'),
    ({'x': X, 'y': np.arange(6), 'x_test': X}, 'holds y but no y_test'),
  ],
)
def test_bad_arrays_are_one_line(refused, saved, arrays, words):
  refused(saved(**arrays), words)


def test_a_file_that_is_no_npz_is_one_line(refused, saved, tmp_path):
  name = saved(x=X)
  path = tmp_path / 'a.npz'
  content = path.read_bytes()
  refused(f'npz:{tmp_path}/b.npz', 'b.npz does not exist')
  refused(f'npz:{tmp_path}', 'is not a file')
  path.write_bytes(content[:200])
  refused(name, 'is no npz file: write it with numpy.savez')
  path.write_bytes(content[:200] + bytes(40) + content[240:])
  refused(name, 'a.npz cannot be read: ')


def test_more_than_the_memory_is_refused_before_it_is_unpacked(
  refused, saved, monkeypatch
):
  name = saved(x=X, y=np.arange(6), notes=np.zeros(10_000))
  size = X.nbytes + 6 * 8 + 2 * 128  # a header is of 128 bytes
  monkeypatch.setattr(npz, 'free_memory', lambda: 2 * size)
  assert data.own_images(name)[0].size == 6
  monkeypatch.setattr(npz, 'free_memory', lambda: 2 * size - 1)
  monkeypatch.setattr(np, 'load', None)
  refused(
    name, r'a.npz unpacks to 0.736 kB, which is needed twice, and 1.47 kB'
  )


@pytest.mark.parametrize('size', [1, 5, 6, 100])
def test_one_image_of_other_values_makes_a_set_of_grey_ones(
  saved, size, monkeypatch
):
  monkeypatch.setattr(npz, 'PIECE', size)
  x = (X > 127).astype(np.uint8)
  assert data.own_images(saved(x=x))[0].scale == 1
  for at in (0, 5):
    grey = x.copy()
    grey[at, 1, 2, 0] = 2
    assert data.own_images(saved(x=grey))[0].scale == 255
