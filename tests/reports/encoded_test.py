"""What is said of codes beside principal components, on numbers made up."""

import numpy as np
import pytest

from vae_jax.measures import codes, features
from vae_jax.reports import claims, encoded

GOOD = {'mse': 0.1, 'knn': 0.9, 'linear': 0.9, 'trust': 0.9}
BAD = {'mse': 0.2, 'knn': 0.8, 'linear': 0.8, 'trust': 0.8}


def made_up(ae, pca):
  """Values of every measure, the same at d = 2 and 32."""
  return {
    method: {
      name: {2: [number], 32: [number]} for name, number in numbers.items()
    }
    for method, numbers in (('AE', ae), ('PCA', pca))
  }


def test_claims_are_held_or_not_by_the_numbers():
  won = encoded.lines_on(made_up(GOOD, BAD))
  lost = encoded.lines_on(made_up(BAD, GOOD))
  held = [[' held' in line for line in lines] for lines in (won, lost)]
  # The last claim is that it loses.
  assert held == [[True, True, False], [False, False, True]]
  assert 'squared error per pixel better by 0.100' in won[0]


def test_a_gain_is_better_whichever_way_a_measure_goes():
  value = made_up(GOOD, BAD)
  assert encoded.gain(value, 'mse', 2) == pytest.approx([0.1])
  assert encoded.gain(value, 'knn', 32) == pytest.approx([0.1])


def test_a_claim_is_on_means_over_seeds_and_says_how_many():
  value = made_up(GOOD, BAD)
  value['AE']['knn'][2], value['PCA']['knn'][2] = [0.9, 0.4], [0.5, 0.5]
  line = encoded.claim(value, 'wins', 2, 1, ('knn',))
  assert line == (
    'the autoencoder wins: held: 5-NN accuracy better by 0.150 (2 seeds)'
  )
  assert 'did NOT hold' in encoded.claim(value, 'loses', 2, -1, ('knn',))


def test_a_claim_on_all_measures_is_on_each_of_them():
  value = made_up(GOOD, BAD)
  value['AE']['trust'][2] = [0.7]
  line = encoded.claim(value, 'wins', 2, 1)
  assert 'did NOT hold' in line and 'trustworthiness worse by 0.100' in line


def test_larger_codes_than_32_are_not_claimed_to_beat_pca():
  value = made_up(GOOD, BAD)
  value['AE']['mse'] |= {33: [0.9]}
  value['PCA']['mse'] |= {33: [0.1]}
  assert ' held, at 2 of 2 sizes' in encoded.lines_on(value)[1]
  value['AE']['mse'][2] = [0.3]
  assert 'did NOT hold, at 1 of 2 sizes' in encoded.lines_on(value)[1]


def test_means_are_over_the_values_at_each_x():
  assert encoded.mean_over({2: [1.0, 3.0], 4: [5.0]}) == {2: 2.0, 4: 5.0}


@pytest.fixture
def sized(run):
  """A function (latents, AE, PCA, seed) -> a run with these measures."""

  def sized(latents, ae=GOOD, pca=BAD, seed=0, **studies):
    studies |= {'against_pca': {'AE': ae, 'PCA': pca}}
    label = f'd={latents}'
    return run(label, studies=studies, latents=latents, seed=seed)

  return sized


def test_the_figures_are_means_over_seeds_with_the_sizes_in_order(sized):
  half = {'mse': 0.3, 'knn': 0.5, 'linear': 0.5, 'trust': 0.5}
  runs = [sized(32), sized(2), sized(2, half, seed=1)]
  found = encoded.against_pca(runs)
  mean = found.results['codes']
  assert mean['AE']['mse'] == {2: pytest.approx(0.2), 32: 0.1}
  assert list(mean['PCA']['knn'].items()) == [(2, 0.8), (32, 0.8)]
  assert found.verdicts == encoded.lines_on(
    {
      'AE': {k: {2: [GOOD[k], half[k]], 32: [GOOD[k]]} for k in GOOD},
      'PCA': {k: {2: [BAD[k]] * 2, 32: [BAD[k]]} for k in BAD},
    }
  )


def test_the_curves_hold_both_for_every_measure(sized, drawn, texts):
  found = encoded.against_pca([sized(2), sized(32, BAD, GOOD)])
  figure = found.pictures['over_latents']
  for panel, name in enumerate(encoded.MEASURES):
    lines = drawn(figure, panel)
    assert lines['autoencoder'] == {2: GOOD[name], 32: BAD[name]}
    assert lines['PCA'] == {2: BAD[name], 32: GOOD[name]}
  assert all(label in texts(figure) for label in encoded.MEASURES.values())


def test_a_single_size_and_runs_without_the_study_have_no_report(sized, run):
  assert encoded.against_pca([sized(2), sized(2, seed=1)]) == claims.Report()
  blind = [run(latents=2), run(latents=4)]
  assert encoded.against_pca(blind) == claims.Report()
  # One of two is enough of neither.
  assert encoded.against_pca([sized(2), blind[1]]) == claims.Report()


def beside(latents, shift=0.0):
  """What codes.beside_pca finds."""
  z = np.random.default_rng(0).normal(size=(2, 12, latents)) + shift
  return {
    'autoencoder': z[0],
    'PCA': z[1],
    'label': np.arange(12) % 3,
    'classes': ['a', 'b', 'c'],
  }


def offsets(axes):
  return np.concatenate([c.get_offsets() for c in axes.collections])


def test_codes_in_the_plane_are_drawn_and_others_by_tsne(
  sized, texts, monkeypatch
):
  monkeypatch.setattr(features, 'tsne', lambda z: z[:, :2] + 100)
  runs = [sized(32, beside_pca=beside(32)), sized(2, beside_pca=beside(2))]
  runs += [sized(2, beside_pca=beside(2, 50), seed=1)]
  found = encoded.scatters(runs)
  assert set(found) == {'plane', 'tsne'}
  plane, tsne = (found[name].axes for name in ('plane', 'tsne'))
  for axes, name in zip(plane, ('autoencoder', 'PCA'), strict=True):
    assert axes.get_title('left') == name
    points = beside(2)[name]  # those of the first seed
    np.testing.assert_allclose(
      sorted(offsets(axes)[:, 0]), sorted(points[:, 0])
    )
  assert offsets(tsne[0]).min() > 90
  assert 't-SNE of 32 numbers: PCA' in texts(found['tsne'])
  assert 'b' in texts(found['plane'])
  assert set(encoded.against_pca(runs).pictures) == {
    'over_latents', 'plane', 'tsne',
  }  # fmt: skip


def test_a_verdict_compares_with_the_best_rival_at_each_count():
  accuracy = {
    'encoder': {10: [0.5, 0.7], 100: [0.8]},
    'pixels': {10: [0.5], 100: [0.85]},
    'PCA': {10: [0.4], 100: [0.7]},
    'random encoder': {10: [0.1], 100: [0.1]},
  }
  line = encoded.better_probed('encoder', accuracy)
  assert 'did NOT hold, in 1 of 2' in line
  assert '+10.0 with 10 labels (against pixels)' in line
  assert '-5.0 with 100 labels (against pixels)' in line
  accuracy['encoder'][100] = [0.855]
  assert ' held, in 2 of 2' in encoded.better_probed('encoder', accuracy)


def probed(ours, rivals):
  """What codes.probed finds for 10 and 16 labels."""
  names = dict.fromkeys(codes.RIVALS, rivals)
  return {'probed': {'labels': [10, 16], 'accuracy': names | {'encoder': ours}}}


@pytest.fixture
def two_arms(run):
  """Two arms and two seeds of the first."""
  return [
    run('plain', studies=probed([[0.5, 0.7], [0.9]], [[0.2, 0.2], [0.4]])),
    run('plain', studies=probed([[0.6, 0.6], [1.0]], [[0.4, 0.4], [0.4]])),
    run('noisy', studies=probed([[0.1, 0.1], [0.1]], [[0.9, 0.9], [0.9]])),
  ]


def test_every_arm_is_probed_beside_the_rivals_of_the_first(two_arms):
  found = encoded.few_labels(two_arms)
  mean = found.results['probe']
  assert set(mean) == {'encoder, plain', 'encoder, noisy', *codes.RIVALS}
  assert mean['encoder, plain'] == pytest.approx({10: 0.6, 16: 0.95})
  # Of another arm they are the same again.
  assert mean['pixels'] == pytest.approx({10: 0.3, 16: 0.4})
  plain, noisy = found.verdicts
  assert plain.startswith('encoder, plain: ') and ' held, in 2 of 2' in plain
  assert '-20.0 with 10 labels' in noisy and 'in 0 of 2' in noisy


def test_a_run_by_itself_is_probed_too_and_one_without_labels_is_not(
  two_arms, run
):
  [line] = encoded.few_labels(two_arms[:1]).verdicts
  assert line.startswith('encoder, plain: ')
  alone = run(studies=two_arms[0].studies)
  assert list(encoded.few_labels([alone]).results['probe'])[-1] == 'encoder'
  assert encoded.few_labels([run('plain')]) == claims.Report()


def test_the_accuracy_is_drawn_over_the_number_of_labels(two_arms, drawn):
  figure = encoded.few_labels(two_arms).pictures['probe']
  lines = drawn(figure)
  assert lines['encoder, plain'] == pytest.approx({10: 60, 16: 95})
  styles = {x.get_label(): x.get_linestyle() for x in figure.axes[0].lines}
  assert {name for name, style in styles.items() if style == '--'} == {
    *codes.RIVALS
  }
  own = encoded.probe_curves(
    {name: {10: [0.5]} for name in ('encoder', *codes.RIVALS)}
  )
  assert drawn(own)['encoder'] == {10: 50}
