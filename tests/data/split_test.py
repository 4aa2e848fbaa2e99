import numpy as np
import pytest

from vae_jax.data import split


def test_about_a_tenth_is_held_out_and_never_all_or_nothing():
  share = split.held_out(map(str, range(20_000))).mean()
  assert share == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 20_000))
  for n in range(2, 30):
    for prefix in 'abcdef':
      test_N = split.held_out(f'{prefix}{i}' for i in range(n))
      assert test_N.any() and not test_N.all()
