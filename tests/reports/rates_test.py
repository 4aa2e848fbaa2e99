"""Bytes and decibels beside JPEG, on known numbers."""

import numpy as np
import pytest

from vae_jax.reports import claims, rates

SCAN = [[10.0, 10.0], [20.0, 20.0]]
WHOLE = [[310.0, 10.0], [320.0, 20.0]]


def test_codes_are_compared_with_jpeg_where_it_has_as_many_bytes():
  jpeg = np.array([[10.0, 12.0], [15.0, 17.0], [20.0, 22.0]])
  curves = {
    'AE d = 8': np.array([[2.0, 30.0], [11.0, 16.0], [14.0, 16.5]]),
    'AE d = 16': np.array([[17.0, 18.0], [99.0, 1.0]]),
    'PCA d = 8': np.array([[2.0, 30.0]]),
    rates.JPEG: jpeg + [300, 0],
    rates.SCAN: jpeg,
  }
  (line,) = rates.verdicts(curves)
  assert 'AE codes' in line and 'did NOT hold in 2 of 3 points' in line
  assert 'from -1.0 dB at 17 bytes to +3.0 dB at 11 bytes' in line
  assert 'none below 10 bytes, 310 with header' in line


@pytest.fixture
def rated(run):
  """A function (arm, latents, PSNR) -> a run whose codes were rated."""

  def rated(arm, latents, psnr, **known):
    found = {
      'AE': [[12.0, psnr], [14.0, psnr + 1]],
      'PCA': [[12.0, psnr - 9], [14.0, psnr - 9]],
      rates.JPEG: WHOLE,
      rates.SCAN: SCAN,
    }
    return run(arm, studies={'rate': found}, latents=latents, **known)

  return rated


@pytest.fixture
def runs(rated, run):
  """Three sizes, one with two seeds, and a run that was not rated."""
  return [
    run('bce'),
    rated('mse', 32, 20.0),
    rated('mse', 32, 22.0, seed=1),
    rated('mse d=8', 8, 10.0),
  ]


def test_curves_are_means_over_seeds_in_order_of_their_size(runs):
  found = rates.curves_of(runs[1:])
  assert list(found) == [
    'AE d = 8', 'PCA d = 8', 'AE d = 32', 'PCA d = 32', rates.JPEG, rates.SCAN,
  ]  # fmt: skip
  np.testing.assert_array_equal(found['AE d = 32'], [[12, 21], [14, 22]])
  np.testing.assert_array_equal(found[rates.SCAN], SCAN)


def test_a_curve_is_named_by_all_but_its_arm(rated):
  runs = [
    rated('mse', 32, 20.0, label='mse, beta=1'),
    rated('mse', 32, 20.0, label='mse, beta=2'),
    rated('', 8, 20.0, label='beta=1'),
    rated('', 8, 20.0, label='beta=2'),
  ]
  names = list(rates.curves_of(runs))
  assert names[:-2:2] == [
    'AE d = 8, beta=1', 'AE d = 8, beta=2',
    'AE d = 32, beta=1', 'AE d = 32, beta=2',
  ]  # fmt: skip


def test_the_report_holds_every_curve_and_a_verdict_on_both_kinds(runs):
  found = rates.against_jpeg(runs)
  curve = found.results['rate']['AE d = 8']
  assert curve == {'bytes': [12.0, 14.0], 'psnr_db': [10.0, 11.0]}
  ours, pca = found.verdicts
  assert ours == rates.verdicts(rates.curves_of(runs[1:]))[0]
  assert ours.startswith('AE codes') and 'in 2 of 4 points' in ours
  assert pca.startswith('PCA codes') and 'in 0 of 4 points' in pca


def test_a_run_by_itself_and_runs_that_were_not_rated_say_nothing(runs, run):
  assert rates.against_jpeg(runs[1:3]) == claims.Report()
  assert rates.against_jpeg(runs[:2]).verdicts  # one of two is rated
  assert rates.against_jpeg([run('bce'), run('l1')]) == claims.Report()


def test_the_picture_has_a_panel_for_each_kind_beside_jpeg(runs, drawn, texts):
  figure = rates.against_jpeg(runs).pictures['rate']
  ours, pca = drawn(figure, 0), drawn(figure, 1)
  assert set(ours) == set(pca) == {'d = 8', 'd = 32', rates.JPEG, rates.SCAN}
  assert ours['d = 32'] == {12: 21, 14: 22}
  assert pca['d = 8'] == {12: 1, 14: 1}
  assert pca[rates.SCAN] == dict(SCAN)
  assert 'PSNR (dB), PCA' in texts(figure) and 'bytes' in texts(figure)
  names = 'AE d = 1', 'PCA d = 1', rates.JPEG, rates.SCAN
  again = rates.picture({name: np.array(SCAN) for name in names})
  assert drawn(again)['d = 1'] == dict(SCAN)
