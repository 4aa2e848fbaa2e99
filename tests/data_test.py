import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn import datasets

from vae_jax import data


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
  monkeypatch.setattr(data, '_small_digits', lambda: (x, np.arange(n)))
  monkeypatch.setattr(data, '_redraw', np.ravel)
  splits = data.digits()
  label = np.concatenate([batch.label for batch in splits.values()])
  np.testing.assert_array_equal(np.sort(label), np.arange(n))
  for batch in splits.values():
    np.testing.assert_array_equal(batch.x, x[batch.label])


def test_an_unknown_dataset_names_those_there_are():
  with pytest.raises(data.DataError) as error:
    data.load('digit')
  line = str(error.value)
  assert "did you mean 'digits'?" in line and '\n' not in line
  assert line.endswith('available are ' + ', '.join(data.EMBEDDED))


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


def test_load_checks_what_it_loads(monkeypatch, batch):
  divided = batch.replace(x=batch.x / np.float32(255))
  monkeypatch.setitem(data.EMBEDDED, 'bad', lambda: {'train': divided})
  with pytest.raises(data.DataError, match='divided already'):
    data.load('bad')


def test_an_epoch_visits_every_example_exactly_once():
  stream = data.order(seed=3, n=17, start=0, count=4 * 17).reshape(4, 17)
  assert stream.dtype == np.int32
  for epoch in stream:
    np.testing.assert_array_equal(np.sort(epoch), np.arange(17))
  assert len(np.unique(stream, axis=0)) == 4


def test_any_slices_of_the_order_agree():
  whole = data.order(seed=3, n=7, start=0, count=50)
  for start in range(0, 30, 3):
    for count in (0, 1, 6, 7, 20):
      part = data.order(seed=3, n=7, start=start, count=count)
      np.testing.assert_array_equal(part, whole[start : start + count])


def test_every_seed_has_an_order_of_its_own():
  a, b = (data.order(seed, n=40, start=0, count=40) for seed in (0, 1))
  assert (a != b).any()


def _step(tree):
  key, x = tree['key'], tree['x']
  return {'key': jax.random.fold_in(key, 1), 'x': x + 1}


def test_a_replicated_key_survives_the_donation_of_its_copy():
  tree = {'key': jax.random.key(7), 'x': jnp.arange(3.0)}
  # One device: the case in which device_put makes an alias, not a copy.
  placed = data.replicate(tree, jax.local_devices()[:1])
  jax.block_until_ready(jax.jit(_step, donate_argnums=0)(placed))
  assert placed['x'].is_deleted()
  # Not compared with a view taken before, which would prevent the donation.
  wanted = jax.random.key_data(jax.random.key(7))
  np.testing.assert_array_equal(jax.random.key_data(tree['key']), wanted)
  np.testing.assert_array_equal(tree['x'], np.arange(3.0))


def test_replicate_puts_a_whole_copy_on_every_device(batch):
  placed = data.replicate(batch)
  shards = placed.x.addressable_shards
  assert {shard.device for shard in shards} == set(jax.local_devices())
  for shard in shards:
    np.testing.assert_array_equal(shard.data, batch.x)
