import numpy as np
import pytest

from vae_jax.reports import claims


@pytest.fixture
def rated(run):
  """A function (psnr, ridge, blur, label) -> a run with these figures."""

  def rated(psnr, ridge, blur, label=''):
    rivals = {'ridge': {'psnr_db': ridge}, 'noisy_input': {'psnr_db': blur}}
    figures = {'psnr_db': psnr, 'baselines': rivals}
    return run(results=figures, label=label, report=claims.beats_baselines)

  return rated


def verdicts(*runs):
  return claims.report_of(list(runs)).verdicts


def test_a_verdict_says_who_won_and_by_how_much(rated):
  assert verdicts(rated(12.0, 10.5, 12.25)) == [
    'LOSES to noisy input by 0.25 dB'
  ]
  assert verdicts(rated(12.75, 10.5, 12.25)) == [
    'beats every baseline; the nearest, noisy input, by 0.50 dB'
  ]


def test_a_verdict_over_seeds_has_a_standard_error(rated):
  gaps = np.array([1.0, 1.5, 2.3])
  error = gaps.std(ddof=1) / np.sqrt(3)
  [line] = verdicts(*(rated(10 + gap, 10.0, 5.0) for gap in gaps))
  assert line == (
    'beats every baseline; the nearest, ridge, by '
    f'1.60 +- {error:.2f} dB (3 runs)'
  )


def test_every_label_has_a_verdict_of_its_own(rated):
  found = verdicts(
    rated(9.0, 10.0, 5.0, 'narrow'), rated(12.0, 10.0, 5.0, 'wide')
  )
  assert found == [
    'narrow: LOSES to ridge by 1.00 dB',
    'wide: beats every baseline; the nearest, ridge, by 2.00 dB',
  ]


def test_no_verdict_where_the_measure_or_a_rival_is_missing(rated):
  alone, blind = rated(9.0, 1.0, 1.0), rated(9.0, 1.0, 1.0)
  alone.results['baselines'] = {}
  del blind.results['psnr_db']
  assert verdicts(alone) == []
  assert verdicts(blind) == ['none: psnr_db is not measured']
  assert verdicts(rated(9.0, 1.0, 1.0), blind) == verdicts(blind)


def test_an_experiment_without_a_report_has_an_empty_one(run):
  assert claims.report_of([run()]) == claims.Report()


def test_two_reports_are_one_that_says_both():
  a = claims.Report({'a': 1}, {'x': 'figure'}, ['first'])
  b = claims.Report({'b': 2}, {}, ['second'])
  assert claims.joined(a, b) == claims.Report(
    {'a': 1, 'b': 2}, {'x': 'figure'}, ['first', 'second']
  )


def test_reports_share_no_default_and_none_is_written_into():
  one, other = claims.Report(), claims.Report()
  one.verdicts.append('mine')
  assert other.verdicts == [] and claims.Report().verdicts == []
  joined = claims.joined(one, claims.Report({'a': 1}, {}, ['more']))
  assert joined.verdicts == ['mine', 'more'] and joined.results == {'a': 1}
  assert one.verdicts == ['mine']


def test_all_reports_see_all_runs_and_say_it_in_their_order(run):
  def first(runs):
    return claims.Report({'a': len(runs)}, {'x': 'figure'}, ['first'])

  def second(runs):
    return claims.Report({'b': runs[-1].arm}, verdicts=['second'])

  runs = [run('one'), run('two')]
  found = claims.all_of(runs, (first, second))
  assert found == claims.Report(
    {'a': 2, 'b': 'two'}, {'x': 'figure'}, ['first', 'second']
  )
  assert claims.all_of(runs) == claims.Report()


def test_a_verdict_is_by_the_measure_that_is_asked_for(run):
  results = {'ssim': 0.5, 'baselines': {'pca': {'ssim': 0.25}}}
  [line] = claims.beats_baselines([run(results=results)], 'ssim').verdicts
  assert line == 'beats every baseline; the nearest, PCA, by 0.25 dB'
  assert claims.against_rivals([run(results=results)], 'psnr_db') == (
    'none: psnr_db is not measured'
  )


def test_a_classifier_is_beside_naming_the_most_frequent_class(run):
  studies = {'majority': {'accuracy': 0.125}}
  runs = [run(results={'accuracy': a}, studies=studies) for a in (0.5, 0.75)]
  found = claims.rightly_classified(runs)
  assert found.results == {'majority_accuracy': 0.125}
  assert found.verdicts == [
    '62.50 +- 12.50 % (2 runs) of the test images are classified rightly, '
    '12.5 % by the most frequent class'
  ]


def test_a_classifier_without_that_study_says_how_often_it_is_right(run):
  found = claims.rightly_classified([run(results={'accuracy': 0.5})])
  line = '50.00 % of the test images are classified rightly'
  assert found == claims.Report(verdicts=[line])


def test_runs_are_grouped_by_label_and_by_arm_in_order(run):
  runs = [
    run('b', label='b, beta=1'),
    run('a'),
    run('b', label='b, beta=2'),
    run('a', seed=1),
  ]
  by_label, by_arm = claims.by_label(runs), claims.by_arm(runs)
  assert list(by_label) == ['b, beta=1', 'a', 'b, beta=2']
  assert [one.ex.seed for one in by_label['a']] == [0, 1]
  assert list(by_arm) == ['b', 'a']
  assert [one.label for one in by_arm['b']] == ['b, beta=1', 'b, beta=2']


def test_a_setting_is_all_that_gives_a_run_but_its_arm_and_its_seed(run):
  changes = 'arms=vae', 'latents=8', 'beta=2', 'seed=1', 'network.widths=(4,)'
  one = run('vae', changes=changes)
  assert claims.setting(one) == ('latents=8', 'beta=2', 'network.widths=(4,)')
  assert claims.setting(one, 'latents', 'beta') == ('network.widths=(4,)',)
  # A field is no other that begins with its name.
  other = run(changes=('seeds=1', 'beta.x=2'))
  assert claims.setting(other, 'beta') == ('seeds=1', 'beta.x=2')


def marks(pairs):
  """The seeds of both runs of each pair, by label."""
  return {
    label: [(a.ex.seed, b.ex.seed) for a, b in of_label]
    for label, of_label in pairs.items()
  }


def test_runs_of_two_arms_are_paired_by_seed(run):
  runs = [run(arm, seed=s) for arm in ('ae', 'vae') for s in (2, 0, 1)]
  found = claims.paired(runs, 'vae', 'ae')
  assert marks(found) == {'vae': [(2, 2), (0, 0), (1, 1)]}
  assert {(a.arm, b.arm) for a, b in found['vae']} == {('vae', 'ae')}
  # A seed that one of them has not is paired with none.
  assert marks(claims.paired(runs[1:], 'vae', 'ae')) == {
    'vae': [(0, 0), (1, 1)]
  }


@pytest.fixture
def grid(run):
  """A function (arm, override, ...) -> its run, as a grid marks it."""

  def grid(arm, *own, seed=0):
    changes = (f'arms={arm}', *own, f'seed={seed}')
    label = ', '.join([arm, *own])
    return run(arm, label=label, changes=changes, seed=seed)

  return grid


def test_runs_of_two_arms_are_paired_by_their_overrides(grid):
  sizes = 'latents=2', 'latents=4'
  runs = [grid(arm, size) for size in sizes for arm in ('vae', 'ae')]
  found = claims.paired(runs, 'vae', 'ae')
  assert {label: [b.label for _, b in p] for label, p in found.items()} == {
    'vae, latents=2': ['ae, latents=2'],
    'vae, latents=4': ['ae, latents=4'],
  }


def test_an_arm_without_an_argument_is_the_pair_of_all_its_values(grid):
  # As an autoencoder, whose objective has no beta.
  runs = [
    grid('vae', 'beta=1', 'latents=2'),
    grid('vae', 'beta=4', 'latents=2'),
    grid('vae', 'beta=4', 'latents=4'),
    grid('ae', 'latents=2'),
  ]
  found = claims.paired(runs, 'vae', 'ae')
  assert {label: [b.label for _, b in p] for label, p in found.items()} == {
    'vae, beta=1, latents=2': ['ae, latents=2'],
    'vae, beta=4, latents=2': ['ae, latents=2'],
  }
  # The other way round there is more than one that it could be.
  assert claims.paired(runs, 'ae', 'vae') == {}


def test_an_arm_that_is_not_there_has_no_pairs(grid):
  assert claims.paired([grid('vae')], 'vae', 'ae') == {}
  assert claims.paired([grid('vae')], 'ae', 'vae') == {}


def test_runs_are_studied_about_which_something_was_found(run):
  runs = [run('a', studies={'plane': {'axes': []}}), run('b')]
  assert claims.studied(runs, 'plane') == runs[:1]
  assert claims.studied(runs, 'rate') == []


def test_means_are_of_each_figure():
  found = claims.mean_of([{'a': 1, 'b': 0.5}, {'b': 1.5, 'a': 2}])
  assert found == {'a': 1.5, 'b': 1.0}
  assert all(type(value) is float for value in found.values())


def test_a_fate_is_said_in_words():
  assert claims.held(np.True_) == 'held'
  assert claims.held(1 < 0) == 'did NOT hold'


def test_a_mean_has_the_standard_error_of_several_runs():
  assert claims.mean_and_error([2.5]) == '2.50'
  error = np.std([1.0, 2.0, 6.0], ddof=1) / np.sqrt(3)
  found = claims.mean_and_error([1.0, 2.0, 6.0], ' dB')
  assert found == f'3.00 +- {error:.2f} dB (3 runs)'
