import jax
import numpy as np
import pytest

from vae_jax.measures import baselines, examples, rivals


@pytest.mark.parametrize('count', [16, 7])
def test_a_view_is_the_same_in_pieces_on_the_host(denoiser, count, monkeypatch):
  args = denoiser.ex, denoiser.data['train'], denoiser.hyper
  at = np.random.default_rng(0).permutation(16)[:count]
  wanted = examples.on_host(*args, jax.random.key(3), at)
  assert wanted.seen.shape == (count, 6, 5, 2)
  alone = examples.on_host(*args, jax.random.key(3), at[2:3])
  np.testing.assert_array_equal(alone.seen, wanted.seen[2:3])
  monkeypatch.setattr(examples, 'PIECE', 5)
  found = examples.on_host(*args, jax.random.key(3), at)
  for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
    np.testing.assert_array_equal(a, b)
    assert a.dtype == b.dtype


def test_of_a_large_split_as_many_are_seen_as_fit(denoiser, monkeypatch):
  whole = denoiser.test
  assert len(whole.seen) == denoiser.data['test'].size
  monkeypatch.setattr(examples, 'MOST_BYTES', 4 * (6 * 5 * 2 * 3 + 1))
  assert examples.fitting(denoiser.ex, denoiser.data['test']) == 3
  few = denoiser.told()
  del vars(few)['test'], vars(few)['_tested']
  n = denoiser.data['test'].size
  np.testing.assert_array_equal(
    few.test.seen, whole.seen[[0, n // 3, 2 * n // 3]]
  )
  done = rivals.with_baselines(few)
  assert len(done.rivals['noisy_input']) == 3


@pytest.mark.parametrize('wide', [59, 60])
def test_baselines_say_of_how_many_images_they_know(
  denoiser, wide, monkeypatch, capsys
):
  monkeypatch.setattr(baselines, 'WIDE', wide)
  monkeypatch.setattr(baselines, 'FEW', 6)
  monkeypatch.setattr(rivals, 'BASELINE_EXAMPLES', 4)
  example = rivals.training_examples(denoiser)
  said = capsys.readouterr().err
  if wide < 60:
    assert len(example.seen) == 6
    assert said == 'note: baselines are fitted to 6 of 16 training images\n'
  else:
    assert len(example.seen) == 16 and said == ''
