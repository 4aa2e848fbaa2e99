import json

import numpy as np
import pytest

from vae_jax.data.tfds import cache


@pytest.fixture
def kept(tmp_path, monkeypatch):
  """A folder in which two splits are kept."""
  monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
  x_NP = np.arange(40, dtype=np.uint8).reshape(10, 4)
  source = lambda: iter([(x_NP, np.arange(10))])  # noqa: E731
  sources = {'train': source, 'test': source}
  cache.through('set', sources, (2, 2, 1), tuple('abcdefghij'))
  return cache.directory() / 'set'


def test_what_is_kept_is_what_was_given(kept, capsys):
  splits = cache.cached('set')
  np.testing.assert_array_equal(splits['train'].x.ravel(), np.arange(40))
  assert splits['test'].scale == 255.0
  assert cache.cached('another') is None
  assert capsys.readouterr().err == ''


def test_no_flipped_bit_is_trained_on(kept, capsys):
  for path in sorted(kept.iterdir()):
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
      flipped = bytearray(whole)
      flipped[at] ^= 4
      path.write_bytes(flipped)
      assert cache.cached('set') is None, (path.name, at)
      assert 'is damaged' in capsys.readouterr().err
    path.write_bytes(whole[: len(whole) // 2])
    assert cache.cached('set') is None
    path.write_bytes(whole)
  assert cache.cached('set') is not None


def test_no_other_scale_is_believed(kept):
  sealed = json.loads((kept / 'facts.json').read_text())
  sealed['facts']['scale'] = 1.0
  (kept / 'facts.json').write_text(json.dumps(sealed))
  assert cache.cached('set') is None
