import pathlib
import struct
import sys
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from sklearn import datasets

from vae_jax import config, data, override
from vae_jax.data import embedded, prepared, preparing, splitting


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


def test_an_unknown_dataset_names_those_there_are(tmp_path):
  with pytest.raises(data.DataError) as error:
    data.load('digit', tmp_path)
  line = str(error.value)
  assert "did you mean 'digits'?" in line and '\n' not in line
  assert 'there are digits, photos, folder:PATH, npz:PATH' in line


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


@pytest.fixture
def cache_home(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
  return tmp_path / 'cache'


@pytest.fixture
def build(tmp_path, cache_home):
  """A function (x, **splits) that prepares the TFDS dataset `tiny_set` from
  x [N, H, W, C], without tensorflow, and returns the data_dir."""
  tfds = pytest.importorskip('tensorflow_datasets')

  def build(x, **splits):
    class TinySet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
      """Images and labels as plain tensors: prepared without tensorflow."""

      VERSION = tfds.core.Version('1.2.0')
      name = 'tiny_set'

      def _info(self):
        features = {
          'image': tfds.features.Tensor(shape=x.shape[1:], dtype=x.dtype),
          'label': tfds.features.Tensor(shape=(), dtype=np.int64),
        }
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features)

      def _split_generators(self, dl_manager):
        del dl_manager
        return {k: self._generate_examples(v) for k, v in splits.items()}

      def _generate_examples(self, index):
        for i in index:
          yield int(i), {'image': x[i], 'label': int(i)}

    builder = TinySet(data_dir=tmp_path / 'tfds', file_format='array_record')
    builder.download_and_prepare(file_format='array_record')
    return tmp_path / 'tfds'

  return build


def pictures(n, shape=(4, 6, 3), seed=0):
  return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def test_a_prepared_dataset_is_what_was_prepared(build, monkeypatch):
  x = pictures(30)
  where = build(x, train=range(20), test=range(20, 30))
  first = data.load('tiny_set', where)
  monkeypatch.setattr(prepared, 'decoded', None)  # now from the cache alone
  for splits in (first, data.load('tiny_set:1.2.0', where)):
    for split, size in (('train', 20), ('test', 10)):
      batch = splits[split]
      assert (batch.size, batch.shape, batch.scale) == (size, (4, 6, 3), 255)
      assert batch.x.dtype == np.uint8 and batch.label.dtype == np.int32
      np.testing.assert_array_equal(batch.x, x[batch.label].reshape(size, -1))


def test_a_set_of_zeros_and_ones_is_not_divided(build):
  where = build(pictures(9) // 128, train=range(6), test=range(6, 9))
  assert {b.scale for b in data.load('tiny_set', where).values()} == {1.0}


def test_a_set_without_a_test_split_gets_one(build):
  where = build(pictures(60), train=range(60))
  splits = data.load('tiny_set', where)
  label = np.concatenate([splits['train'].label, splits['test'].label])
  np.testing.assert_array_equal(np.sort(label), np.arange(60))
  assert 0 < splits['test'].size < 20


def test_validation_is_the_test_split_where_there_is_no_other(build):
  where = build(pictures(9), train=range(6), validation=range(6, 9))
  splits = data.load('tiny_set', where)
  assert {k: b.size for k, b in splits.items()} == {'train': 6, 'test': 3}


def test_a_cache_that_cannot_be_written_is_a_warning(build, cache_home, capsys):
  x = pictures(9)
  where = build(x, train=range(6), test=range(6, 9))
  cache_home.write_text('in the way')
  capsys.readouterr()
  splits = data.load('tiny_set', where)
  label = splits['test'].label
  np.testing.assert_array_equal(splits['test'].x, x[label].reshape(3, -1))
  err = capsys.readouterr().err
  assert err.startswith('warning: the cache') and err.count('\n') == 1
  assert cache_home.read_text() == 'in the way'


def test_a_damaged_cache_is_made_anew(build, cache_home):
  x = pictures(9)
  where = build(x, train=range(6), test=range(6, 9))
  data.load('tiny_set', where)
  (kept,) = cache_home.rglob('train.npy')
  kept.write_bytes(kept.read_bytes()[:150])
  batch = data.load('tiny_set', where)['train']
  np.testing.assert_array_equal(batch.x, x[batch.label].reshape(6, -1))
  assert len(list(kept.parent.parent.iterdir())) == 1  # nothing left behind


def no_facts(path):
  (path / 'dataset_info.json').unlink()


def damaged_facts(path):
  (path / 'dataset_info.json').write_text('{')


def no_shard(path):
  next(path.glob('*train*')).unlink()


def cut_shard(path):
  shard = next(path.glob('*train*'))
  content = shard.read_bytes()
  shard.write_bytes(content[: len(content) // 2])


@pytest.mark.parametrize(
  ('damage', 'words'),
  [
    (no_facts, 'half prepared .dataset_info.json is missing'),
    (damaged_facts, 'half prepared .dataset_info.json is damaged'),
    (no_shard, 'half prepared .*array_record.* is missing or empty'),
    (cut_shard, '1.2.0 cannot be read: '),
  ],
)
def test_a_half_prepared_directory_is_one_line(
  build, cache_home, damage, words
):
  where = build(pictures(2000), train=range(1900), test=range(1900, 2000))
  damage(where / 'tiny_set' / '1.2.0')
  refused('tiny_set', words, where)
  assert list(cache_home.rglob('*.npy')) == []


def test_without_tensorflow_one_line_says_what_there_is(monkeypatch, tmp_path):
  pytest.importorskip('tensorflow_datasets')
  monkeypatch.setattr(preparing.importlib.util, 'find_spec', lambda name: None)
  (tmp_path / 'mnist' / 'incomplete.XYZ_3.0.1').mkdir(parents=True)
  words = 'not prepared in .*pip install tensorflow-cpu.*there are digits, '
  refused('cifar10', words, tmp_path)
  refused('mnist', 'incomplete.XYZ_3.0.1 is half prepared', tmp_path)
  refused('mnist', 'nowhere is not a directory', tmp_path / 'nowhere')


def test_preparing_neither_retries_nor_waits_for_ever(monkeypatch, tmp_path):
  pytest.importorskip('tensorflow_datasets')
  from tensorflow_datasets.core.download import downloader

  def build(root, name):
    with preparing.impatient():
      assert downloader.MAX_RETRIES == 0
      (root / 'downloads' / 'mnist' / 'a.gz.tmp.1f').mkdir(parents=True)
      raise ConnectionError('no route\nto anywhere')

  before = downloader.MAX_RETRIES
  monkeypatch.setattr(preparing.importlib.util, 'find_spec', lambda name: True)
  monkeypatch.setattr(preparing, 'build', build)
  refused('mnist', 'could not be prepared: no route; without', tmp_path)
  assert downloader.MAX_RETRIES == before
  assert not list(tmp_path.rglob('*.tmp.*'))


TFDS = pathlib.Path(data.__file__).parents[2].parent / 'shared/data/tfds'


@pytest.mark.skipif(not TFDS.is_dir(), reason=f'no prepared data in {TFDS}')
def test_binarized_mnist_is_zeros_and_ones_in_three_splits(cache_home):
  splits = data.load('binarized_mnist', TFDS)
  sizes = {split: batch.size for split, batch in splits.items()}
  assert sizes == {'train': 50_000, 'validation': 10_000, 'test': 10_000}
  for batch in splits.values():
    assert (batch.scale, batch.label, batch.shape) == (1.0, None, (28, 28, 1))
    assert set(np.unique(batch.x)) == {0, 1}
  # Larochelle's file: the share of ink in the training images.
  assert splits['train'].x.mean() == pytest.approx(0.1305, abs=0.003)
  assert 'tensorflow' not in sys.modules


def refused(name, words, data_dir=None):
  with pytest.raises(data.DataError, match=words) as error:
    data.load(name, data_dir)
  assert '\n' not in str(error.value)


@pytest.fixture
def album(tmp_path):
  """A function (x, names) that writes images; the folder."""
  folder = tmp_path / 'my, album'

  def album(x, names):
    for pixels, name in zip(x, names, strict=True):
      path = folder / name
      path.parent.mkdir(parents=True, exist_ok=True)
      Image.fromarray(pixels.squeeze()).save(path)
    return folder

  return album


@pytest.mark.parametrize('channels', [1, 3])
def test_a_folder_is_its_images_with_subfolders_as_classes(album, channels):
  x = pictures(40, (5, 7, channels))
  names = [f'{"cat" if i % 2 else "dog"}/{i:02}.png' for i in range(40)]
  folder = album(x, names)
  (folder / 'cat' / 'notes.txt').write_text('no image')
  splits = data.load(f'folder:{folder}')
  both = [splits['train'], splits['test']]
  found = np.concatenate([batch.x for batch in both])
  label = np.concatenate([batch.label for batch in both])
  wanted = {x_HWC.tobytes(): i % 2 for i, x_HWC in enumerate(x)}
  assert {
    x_P.tobytes(): 1 - k for x_P, k in zip(found, label, strict=True)
  } == (wanted)
  assert both[0].classes == ('cat', 'dog')
  assert both[0].shape == (5, 7, channels) and both[0].scale == 255
  batch, names_read = data.read(folder)
  assert batch.size == 40 and set(names_read) == set(names)


def test_the_split_of_an_image_hangs_on_its_name_alone(album):
  x = pictures(60)
  names = [f'{i}.png' for i in range(60)]
  few = data.load(f'folder:{album(x[:40], names[:40])}')
  more = data.load(f'folder:{album(x, names)}')
  for split in ('train', 'test'):
    rows = {x_P.tobytes() for x_P in few[split].x}
    assert rows <= {x_P.tobytes() for x_P in more[split].x}
    assert few[split].label is None


def test_about_a_tenth_is_held_out_and_never_all_or_nothing():
  share = splitting.held_out(map(str, range(20_000))).mean()
  assert share == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 20_000))
  for n in range(2, 30):
    for prefix in 'abcdef':
      test_N = splitting.held_out(f'{prefix}{i}' for i in range(n))
      assert test_N.any() and not test_N.all()


def jpeg_named_png(folder):
  Image.fromarray(pictures(1)[0]).save(folder / '5.png', 'JPEG')


def text(folder):
  (folder / '5.png').write_text('I am a text')


def empty(folder):
  (folder / '5.png').touch()


def cut(folder):
  content = (folder / '1.png').read_bytes()
  (folder / '5.png').write_bytes(content[: len(content) - 30])


def corrupt(folder):
  content = bytearray((folder / '1.png').read_bytes())
  content[60] ^= 255
  (folder / '5.png').write_bytes(content)


def other_size(folder):
  Image.new('RGB', (7, 4)).save(folder / '5.png')


def grey(folder):
  Image.new('L', (6, 4)).save(folder / '5.png')


def transparent(folder):
  Image.new('RGBA', (6, 4)).save(folder / '5.png')


def deep(folder):
  Image.new('I;16', (6, 4)).save(folder / '5.png')


def bomb(folder, side=20_000):
  # 400 million pixels in a header; nothing may be decoded.
  head = struct.pack('>IIBBBBB', side, side, 8, 2, 0, 0, 0)
  content = b'\x89PNG\r\n\x1a\n'
  for kind, body in ((b'IHDR', head), (b'IDAT', b''), (b'IEND', b'')):
    crc = struct.pack('>I', zlib.crc32(kind + body))
    content += struct.pack('>I', len(body)) + kind + body + crc
  (folder / '0.png').write_bytes(content)


def wide(folder):
  Image.new('L', (5000, 4000)).save(folder / '5.png')


def small_bomb(folder):
  bomb(folder, 10_000)


def in_a_class(folder):
  (folder / 'cat').mkdir()
  Image.new('RGB', (6, 4)).save(folder / 'cat' / '5.png')


@pytest.mark.parametrize(
  ('spoil', 'words'),
  [
    (text, '5.png is no PNG or JPEG image$'),
    (empty, '5.png is no PNG or JPEG image .it is empty'),
    (cut, '5.png is corrupt or truncated'),
    (corrupt, '5.png is corrupt or truncated'),
    (other_size, '1.png is 4 x 6 colour and .*5.png is 4 x 7 colour'),
    (grey, '1.png is 4 x 6 colour and .*5.png is 4 x 6 grey'),
    (transparent, '5.png is RGBA, 4 channels: 8-bit grey or RGB'),
    (deep, '5.png is I;16'),
    (bomb, '0.png is too large an image'),
    (small_bomb, '0.png is too large an image'),
    (wide, '5.png is 4000 x 5000, more than 16,777,216 pixels'),
    (in_a_class, 'holds 1.png beside the class folder cat'),
  ],
)
def test_a_bad_image_is_one_line_with_its_name(album, spoil, words):
  folder = album(pictures(4), [f'{i}.png' for i in range(1, 5)])
  spoil(folder)
  refused(f'folder:{folder}', words)


def test_what_a_file_is_counts_and_not_its_name(album):
  folder = album(pictures(4), [f'{i}.png' for i in range(1, 5)])
  jpeg_named_png(folder)
  assert sum(b.size for b in data.load(f'folder:{folder}').values()) == 5


def test_a_folder_that_is_none_or_empty_or_holds_one_image(album, tmp_path):
  refused('folder:', 'needs a path: folder:PATH')
  refused(f'folder:{tmp_path}/no', 'no does not exist')
  refused(f'folder:{tmp_path}', 'holds no .png, .jpg, .jpeg images')
  folder = album(pictures(1), ['a.png'])
  refused(f'folder:{folder}', 'holds 1 image: one to train on and one to test')
  refused(f'folder:{folder}/a.png', 'a.png is not a folder')


def test_one_class_and_fewer_images_than_a_batch_are_fine(album):
  folder = album(pictures(3), [f'only/{i}.png' for i in range(3)])
  splits = data.load(f'folder:{folder}')
  assert splits['train'].classes == ('only',)
  assert (splits['train'].size, splits['test'].size) == (2, 1)
  assert len(data.order(0, splits['train'].size, 0, 128)) == 128


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
  assert data.read(saved(x=x))[0].size == 12


def test_floats_are_rounded_and_zeros_and_ones_kept(saved):
  x = pictures(20, (4, 6))
  for floats in (x / 255, (x / 255).astype(np.float32)):
    batch = data.read(saved(x=floats))[0]
    assert (batch.scale, batch.shape) == (255, (4, 6, 1))
    np.testing.assert_array_equal(batch.x, x.reshape(20, -1))
  ink = x > 127
  for dtype in (bool, np.uint8, np.int64, np.float32):
    batch = data.read(saved(x=ink.astype(dtype)))[0]
    assert (batch.scale, batch.x.dtype) == (1, np.uint8)
    np.testing.assert_array_equal(batch.x, ink.reshape(20, -1))


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
def test_bad_arrays_are_one_line(saved, arrays, words):
  refused(saved(**arrays), words)


def test_a_file_that_is_no_npz_is_one_line(saved, tmp_path):
  name = saved(x=X)
  path = tmp_path / 'a.npz'
  content = path.read_bytes()
  refused(f'npz:{tmp_path}/b.npz', 'b.npz does not exist')
  refused(f'npz:{tmp_path}', 'is not a file')
  path.write_bytes(content[:200])
  refused(name, 'is no npz file: write it with numpy.savez')
  path.write_bytes(content[:200] + bytes(40) + content[240:])
  refused(name, 'a.npz cannot be read: ')


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


def test_a_path_may_hold_commas():
  ex = override.override(config.Experiment(), 'dataset=folder:/a, b/c')
  assert ex.dataset == 'folder:/a, b/c'
