import numpy as np
import pytest

from vae_jax import data


def test_an_unknown_dataset_names_those_there_are(tmp_path):
  with pytest.raises(data.DataError) as error:
    data.load('digit', tmp_path)
  line = str(error.value)
  assert "did you mean 'digits'?" in line and '\n' not in line
  assert 'there are digits, photos, folder:PATH, npz:PATH' in line


def test_load_checks_what_it_loads(monkeypatch, batch):
  divided = batch.replace(x=batch.x / np.float32(255))
  monkeypatch.setitem(data.EMBEDDED, 'bad', lambda: {'train': divided})
  with pytest.raises(data.DataError, match='divided already'):
    data.load('bad')
