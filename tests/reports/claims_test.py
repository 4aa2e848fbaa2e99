import dataclasses

import numpy as np
import pytest

from vae_jax.measures.trained import Trained
from vae_jax.reports import claims


@pytest.fixture
def run(tiny):
  """A function (psnr, ridge, blur, label) -> a run with these figures."""

  def run(psnr, ridge, blur, label=''):
    ex = dataclasses.replace(tiny, report=claims.beats_baselines)
    rivals = {'ridge': {'psnr_db': ridge}, 'noisy_input': {'psnr_db': blur}}
    figures = {'psnr_db': psnr, 'baselines': rivals}
    return Trained(ex, {}, None, None, [], figures, label=label)

  return run


def verdicts(*runs):
  return claims.report_of(list(runs)).verdicts


def test_a_verdict_says_who_won_and_by_how_much(run):
  assert verdicts(run(12.0, 10.5, 12.25)) == ['LOSES to noisy input by 0.25 dB']
  assert verdicts(run(12.75, 10.5, 12.25)) == [
    'beats every baseline; the nearest, noisy input, by 0.50 dB'
  ]


def test_a_verdict_over_seeds_has_a_standard_error(run):
  gaps = np.array([1.0, 1.5, 2.3])
  error = gaps.std(ddof=1) / np.sqrt(3)
  [line] = verdicts(*(run(10 + gap, 10.0, 5.0) for gap in gaps))
  assert line == (
    'beats every baseline; the nearest, ridge, by '
    f'1.60 +- {error:.2f} dB (3 runs)'
  )


def test_every_label_has_a_verdict_of_its_own(run):
  found = verdicts(run(9.0, 10.0, 5.0, 'narrow'), run(12.0, 10.0, 5.0, 'wide'))
  assert found == [
    'narrow: LOSES to ridge by 1.00 dB',
    'wide: beats every baseline; the nearest, ridge, by 2.00 dB',
  ]


def test_no_verdict_where_the_measure_or_a_rival_is_missing(run):
  alone, blind = run(9.0, 1.0, 1.0), run(9.0, 1.0, 1.0)
  alone.results['baselines'] = {}
  del blind.results['psnr_db']
  assert verdicts(alone) == []
  assert verdicts(blind) == ['none: psnr_db is not measured']


def test_an_experiment_without_a_report_has_an_empty_one(tiny):
  assert claims.report_of([Trained(tiny, {}, None, None)]) == claims.Report()


def test_two_reports_are_one_that_says_both():
  a = claims.Report({'a': 1}, {'x': 'figure'}, ['first'])
  b = claims.Report({'b': 2}, {}, ['second'])
  assert claims.joined(a, b) == claims.Report(
    {'a': 1, 'b': 2}, {'x': 'figure'}, ['first', 'second']
  )


def test_reports_share_no_default_and_none_is_written_into(run):
  one, other = claims.Report(), claims.Report()
  one.verdicts.append('mine')
  assert other.verdicts == [] and claims.Report().verdicts == []
  joined = claims.joined(one, claims.Report({'a': 1}, {}, ['more']))
  assert joined.verdicts == ['mine', 'more'] and joined.results == {'a': 1}
  assert one.verdicts == ['mine']
