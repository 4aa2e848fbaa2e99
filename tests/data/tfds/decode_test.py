import pathlib
import sys

import numpy as np
import pytest

from vae_jax import data
from vae_jax.data.tfds import decode


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
  monkeypatch.setattr(decode, 'decoded', None)  # now from the cache alone
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
  refused, build, cache_home, damage, words
):
  where = build(pictures(2000), train=range(1900), test=range(1900, 2000))
  damage(where / 'tiny_set' / '1.2.0')
  refused('tiny_set', words, where)
  assert list(cache_home.rglob('*.npy')) == []


TFDS = pathlib.Path(data.__file__).parents[2].parent / 'shared/data/tfds'


@pytest.mark.slow
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
