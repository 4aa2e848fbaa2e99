import numpy as np
import pytest

from vae_jax.reports import sparsity


@pytest.fixture
def coded(run):
  """A function (arm, its four measures) -> a run with these."""

  def coded(arm, *values, **known):
    return run(arm, dict(zip(sparsity.MEASURES, values, strict=True)), **known)

  return coded


def test_the_verdicts_say_by_how_much_and_at_what_price(coded):
  arms = {
    'plain': [
      coded('plain', 6.0, 0.6, 0.3, 21.0),
      coded('plain', 8.0, 0.6, 0.3, 21.0),
    ],
    'sparse': [coded('sparse', 2.0, 0.2, 0.5, 20.5)] * 2,
  }
  lower, sparser, price = sparsity.penalty(arms)
  assert 'held, 7.00 +- 1.00 (2 runs) to 2.00' in lower
  assert lower.endswith('by a factor of 3.5')
  assert 'held, Hoyer sparseness 0.30' in sparser
  assert '60 to 20 % of the values active' in sparser
  assert price.startswith('its price: 0.50 dB PSNR')


def test_a_small_effect_is_one_and_seeds_are_averaged(coded):
  arms = {
    'plain': [coded('plain', 6.0, 0.6, 0.3, 21.0)] * 2,
    'sparse': [coded('sparse', 5.0, 0.5, 0.31, 21.0)],
  }
  lower, sparser, price = sparsity.penalty(arms)
  assert ': held, ' in lower and lower.endswith('by a factor of 1.2')
  assert ': held, ' in sparser and price.startswith('its price: 0.00 dB')


def test_a_code_that_only_shrinks_is_not_called_sparser(coded):
  arms = {
    'plain': [coded('plain', 6.0, 0.6, 0.3, 21.0)],
    'sparse': [coded('sparse', 0.6, 0.6, 0.3, 21.0)],
  }
  lower, sparser, _ = sparsity.penalty(arms)
  assert ': held, ' in lower and ': did NOT hold, ' in sparser


def test_one_arm_alone_has_no_verdict_on_the_penalty(coded):
  alone = coded('plain', 6.0, 0.6, 0.3, 21.0)
  assert sparsity.penalty({'plain': [alone]}) == []


def test_values_are_one_for_each_run(coded):
  runs = [coded('', 1.0, 2.0, 3.0, 4.0), coded('', 5.0, 6.0, 7.0, 8.0)]
  np.testing.assert_array_equal(sparsity.values(runs, 'psnr_db'), [4.0, 8.0])


def test_the_curves_are_by_rank():
  assert sparsity.by_rank([3.0, 0.5]) == {1: [3.0], 2: [0.5]}


def studied(high, shade):
  """What codes.ranked and studies.reconstructed find."""
  image = np.full((2, 6, 5, 1), shade)
  return {
    'ranked': {'activation': [high, 1.0], 'share_of_l1': [0.75, 0.25]},
    'reconstructed': {'wanted': image, 'images': image + 0.1},
  }


@pytest.fixture
def runs(coded):
  """Both arms, two seeds of the first."""
  dense, few = studied(3.0, 0.2), studied(2.0, 0.6)
  return [
    coded('plain', 6.0, 0.6, 0.3, 21.0, studies=dense),
    coded('plain', 8.0, 0.6, 0.3, 23.0, studies=few, seed=1),
    coded('sparse', 2.0, 0.2, 0.5, 20.5, studies=few),
  ]


def test_the_arms_have_means_over_their_seeds(runs):
  found = sparsity.by_penalty(runs)
  assert found.results['arms']['plain'] == {
    'mean_activation': 7.0,
    'active_share': 0.6,
    'hoyer_sparseness': 0.3,
    'psnr_db': 22.0,
  }
  assert len(found.verdicts) == 3 and ': held, 7.00' in found.verdicts[0]


def test_the_activations_are_those_of_the_first_of_each_arm(runs, drawn):
  figure = sparsity.by_penalty(runs).pictures['activations']
  sizes, shares = drawn(figure, 0), drawn(figure, 1)
  assert sizes == {'plain': {1: 3.0, 2: 1.0}, 'sparse': {1: 2.0, 2: 1.0}}
  assert shares['sparse'] == {1: 75.0, 2: 25.0}  # in per cent


def images(figure):
  return [np.asarray(im.get_array()) for ax in figure.axes for im in ax.images]


def test_the_arms_reconstruct_the_same_images(runs, texts):
  figure = sparsity.by_penalty(runs).pictures['side_by_side']
  rows = [x.mean() for x in images(figure)[::2]]
  np.testing.assert_allclose(rows, [0.2, 0.3, 0.7], atol=0.01)
  for words in ('input', 'plain', 'sparse', '21.0 dB', 'through 3 latents'):
    assert words in texts(figure)


def test_a_run_by_itself_is_drawn_without_a_verdict(runs, drawn, texts):
  alone = runs[0]._replace(arm='', label='')
  found = sparsity.by_penalty([alone])
  assert found.verdicts == []
  assert list(drawn(found.pictures['activations'])) == ['this model']
  assert 'reconstruction' in texts(found.pictures['side_by_side'])


def test_runs_without_the_studies_are_not_drawn(runs):
  found = sparsity.by_penalty([one._replace(studies={}) for one in runs])
  assert set(found.pictures.values()) == {None}
  assert len(found.verdicts) == 3
