import pytest

from vae_jax import data


@pytest.fixture
def refused():
  """A function that asks for a dataset and wants one line with these words."""

  def refused(name, words, data_dir=None):
    with pytest.raises(data.DataError, match=words) as error:
      data.load(name, data_dir)
    assert '\n' not in str(error.value)

  return refused
