import pytest

from vae_jax.data.tfds import prepare


def test_without_tensorflow_one_line_says_what_there_is(
  refused, monkeypatch, tmp_path
):
  pytest.importorskip('tensorflow_datasets')
  monkeypatch.setattr(prepare.importlib.util, 'find_spec', lambda name: None)
  (tmp_path / 'mnist' / 'incomplete.XYZ_3.0.1').mkdir(parents=True)
  words = 'not prepared in .*pip install tensorflow-cpu.*there are digits, '
  refused('cifar10', words, tmp_path)
  refused('mnist', 'incomplete.XYZ_3.0.1 is half prepared', tmp_path)
  refused('mnist', 'nowhere is not a directory', tmp_path / 'nowhere')


def test_preparing_neither_retries_nor_waits_for_ever(
  refused, monkeypatch, tmp_path
):
  pytest.importorskip('tensorflow_datasets')
  from tensorflow_datasets.core.download import downloader

  def build(root, name):
    with prepare.impatient():
      assert downloader.MAX_RETRIES == 0
      (root / 'downloads' / 'mnist' / 'a.gz.tmp.1f').mkdir(parents=True)
      raise ConnectionError('no route\nto anywhere')

  before = downloader.MAX_RETRIES
  monkeypatch.setattr(prepare.importlib.util, 'find_spec', lambda name: True)
  monkeypatch.setattr(prepare, 'build', build)
  refused('mnist', 'could not be prepared: no route; without', tmp_path)
  assert downloader.MAX_RETRIES == before
  assert not list(tmp_path.rglob('*.tmp.*'))
