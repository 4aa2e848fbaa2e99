"""What is said of noise on images, on codes and as an image, by numbers."""

import functools

import numpy as np
import pytest

from vae_jax.factors import views
from vae_jax.reports import claims, noise

NOISY = functools.partial(views.noisy, shift=0.5)


@pytest.fixture
def fed(run):
  """A function (latents, psnr, share, pca's psnr, or a denoiser's baselines)
  -> a run that was fed noise."""

  def fed(latents, psnr, share=0.5, pca=None, seed=0, **baselines):
    found = {'psnr_db': psnr, 'share_passed': share}
    if pca is not None:
      found |= {'pca_psnr_db': pca, 'pca_share_passed': share / 2}
    image = np.full((3, 6, 5, 1), latents / 100)
    found |= {'clean': image, 'noisy': image + 0.1, 'images': image + 0.2}
    rivals = {name: {'psnr_db': value} for name, value in baselines.items()}
    return run(
      'clean' if pca is not None else 'denoising',
      {'baselines': rivals} if rivals else {},
      {'noise_passed': found},
      view=views.clean if pca is not None else NOISY,
      latents=latents,
      seed=seed,
    )

  return fed


@pytest.fixture
def runs(fed):
  """Two sizes of each kind, one of them with two seeds."""
  return [
    fed(8, 8.0, pca=10.0),
    fed(2, 9.0, 0.2, pca=8.5),
    fed(8, 7.0, pca=10.0, seed=1),
    fed(8, 15.0, 0.1),
    fed(2, 12.0, 0.3, noisy_input=5.0, ridge=16.0),
  ]


def test_a_run_is_what_it_was_trained_to_see(run):
  runs = run(), run(view=views.noisy), run(view=NOISY)
  kinds = [noise.kind_of(one) for one in runs]
  assert kinds == ['clean', 'denoising', 'denoising']


def test_one_kind_by_itself_says_nothing(runs, run):
  for kind in (runs[:3], runs[3:], [run()], runs[:3] + [run(view=NOISY)]):
    assert noise.through_bottleneck(kind) == claims.Report()


def test_values_are_pooled_over_seeds_and_ordered_by_latents(runs):
  found = noise.through_bottleneck(runs).results
  assert found.pop('rivals') == {'noisy_input': 5.0, 'ridge': 16.0}
  assert found == {
    'clean_psnr_db': {2: 9.0, 8: 7.5},
    'clean_share_passed': {2: 0.2, 8: 0.5},
    'pca_psnr_db': {2: 8.5, 8: 10.0},
    'pca_share_passed': {2: 0.1, 8: 0.25},
    'denoising_psnr_db': {2: 12.0, 8: 15.0},
    'denoising_share_passed': {2: 0.3, 8: 0.1},
  }
  assert all(list(by_d) == [2, 8] for by_d in found.values())
  sizes = [runs[1], runs[0], runs[2]]
  value = noise.over_latents(sizes, [])
  assert value['clean_psnr_db'] == {2: [9.0], 8: [8.0, 7.0]}
  assert 'denoising_psnr_db' not in value


VALUES = {
  'clean_psnr_db': {2: [9.0], 8: [8.0]},
  'pca_psnr_db': {2: [8.5], 8: [10.0]},
  'denoising_psnr_db': {2: [12.0], 8: [15.0]},
}


def test_the_claim_holds_only_where_the_net_beats_the_projection():
  line = noise.projects(VALUES, {'noisy_input': 5.0})
  assert 'did NOT hold, in 1 of 2; at d = 2, 8 it has 9.0, 8.0 dB' in line
  assert 'projection 8.5, 10.0 dB, its input 5.0; 1 seed' in line
  better = VALUES | {'clean_psnr_db': {2: [9.0], 8: [10.5]}}
  assert ': held, in 2 of 2' in noise.projects(better, {})


def test_sizes_are_compared_by_their_means_over_the_seeds():
  seeds = VALUES | {
    'clean_psnr_db': {2: [8.0, 8.0], 8: [8.0]},
    'denoising_psnr_db': {2: [12.0, 12.0], 8: [15.0]},
  }
  assert 'in 0 of 2' in noise.projects(seeds, {})
  assert 'the best, d = 8, ' in noise.learns(seeds, {'ridge': 16.0})


def test_the_denoiser_is_compared_with_ridge_and_with_the_clean_one():
  line = noise.learns(VALUES, {'ridge': 16.0})
  assert '7.00 dB above the clean-trained one at d = 8' in line
  assert 'd = 8, LOSES to ridge by 1.00 dB' in line
  assert 'beats ridge by 0.50 dB' in noise.learns(VALUES, {'ridge': 14.5})
  assert 'ridge' not in noise.learns(VALUES, {})


def test_the_report_says_what_passes_and_what_learns(runs):
  projects, passes, learns = noise.through_bottleneck(runs).verdicts
  assert 'in 1 of 2' in projects and 'its input 5.0; 1 seed' in projects
  assert passes.endswith(
    'at d = 2, 8: clean-trained 0.20, 0.50, PCA 0.10, 0.25; trained to '
    'denoise, at d = 2, 8, 0.30, 0.10'
  )
  # Of d = 8 there are two seeds of one kind only.
  assert '3.00 dB above the clean-trained one at d = 2' in learns


def test_each_is_written_in_order():
  assert noise.each({2: [1.0, 2.0], 8: [4.0]}) == '2, 8'
  assert noise.each({2: [1.0, 2.0], 8: [4.0]}, '.1f') == '1.5, 4.0'


def test_the_curves_have_a_line_for_each_kind_and_each_rival(runs, drawn):
  figure = noise.through_bottleneck(runs).pictures['noise']
  decibels, shares = drawn(figure, 0), drawn(figure, 1)
  assert decibels[noise.NAMES['clean']] == {2: 9.0, 8: 7.5}
  assert decibels[noise.NAMES['denoising']] == {2: 12.0, 8: 15.0}
  assert decibels['noisy input'] == {2: 5.0, 8: 5.0}
  assert shares[noise.NAMES['pca']] == {2: 0.1, 8: 0.25}
  assert set(shares) == set(noise.NAMES.values())


def images(figure):
  return [np.asarray(im.get_array()) for ax in figure.axes for im in ax.images]


def test_the_rows_are_of_each_size_once(runs, texts):
  found = noise.through_bottleneck(runs).pictures
  assert set(found) == {'noise', 'rows_clean', 'rows_denoising'}
  for kind in ('clean', 'denoising'):
    shown = texts(found[f'rows_{kind}'])
    assert f'{noise.NAMES[kind]}, fed noise' in shown
    assert shown.count('d = 2') == shown.count('d = 8') == 1
  # Three images in rows: clean, noisy, d = 2 and d = 8 of the first seed.
  rows = [x.mean() for x in images(found['rows_clean'])[::3]]
  np.testing.assert_allclose(rows, [0.02, 0.12, 0.22, 0.28], atol=0.01)
  alone = images(noise.noisy_rows(runs[3:4]))
  assert len(alone) == 9


FED = {
  'consistency_db': 20.0,
  'against_bicubic_db': 12.0,
  'extreme_share': 0.25,
  'extreme_share_bicubic': 0.1,
  'extreme_share_test': 0.5,
}


def of_noise(shade=0.5, **changes):
  """What studies.fed_noise finds."""
  large = np.full((2, 24, 20, 1), shade)
  small = large[:, ::4, ::4]
  return {
    'fed_noise': FED
    | changes
    | {'noise': small, 'bicubic': large, 'images': large}
  }


def test_only_figures_are_averaged():
  assert noise.figures_of(of_noise()['fed_noise']) == FED
  assert noise.figures_of({'a': 1, 'b': [2], 'c': np.zeros(1)}) == {'a': 1}


def test_a_line_says_what_came_of_noise():
  line = noise.of_noise([FED, FED | {'consistency_db': 22.0}])
  assert 'agree with it to 21.00 +- 1.00 dB (2 runs) after area' in line
  assert 'enlargement to 12.0 dB; 25% of the pixels' in line
  assert line.endswith('(bicubic 10%, test images 50%)')


def test_every_model_that_was_fed_noise_has_a_line_and_a_row(run, texts):
  runs = [
    run('4x', studies=of_noise()),
    run('4x', studies=of_noise(consistency_db=22.0), seed=1),
    run('2x'),
    run('wide', studies=of_noise(extreme_share=0.75)),
  ]
  found = noise.as_image(runs)
  assert found.results == {
    'fed_noise': {
      '4x': FED | {'consistency_db': 21.0},
      'wide': FED | {'extreme_share': 0.75},
    }
  }
  first, second = found.verdicts
  assert first.startswith('4x: fed noise') and '(2 runs)' in first
  assert second.startswith('wide: fed noise') and '75%' in second
  shown = texts(found.pictures['fed_noise'])
  for words in ('to the 4x models', 'noise 6x5x1', 'bicubic of 6x5x1', 'wide'):
    assert words in shown


def test_a_model_by_itself_has_no_name_and_one_that_was_not_fed_says_nothing(
  run, texts
):
  found = noise.as_image([run(studies=of_noise())])
  assert list(found.results['fed_noise']) == ['model']
  assert found.verdicts[0].startswith('fed noise, ')
  assert 'this model' in texts(found.pictures['fed_noise'])
  assert noise.as_image([run('2x')]) == claims.Report()


LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)


@pytest.mark.parametrize(
  ('flipped', 'level'),
  [
    ([0, 0.1, 0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.9], 0.5),
    ([0, 0, 0.4, 0.6, 0.3, 0.8, 0.9, 0.9, 0.9], 0.625),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0.4], float('inf')),
  ],
)
def test_half_flip_where_the_curve_first_crosses_a_half(flipped, level):
  assert noise.half_flipped(flipped, LEVELS) == pytest.approx(level)


FLAT, STEEP = [0.0] * 9, [0.0, *[1.0] * 8]


@pytest.fixture
def flipping(run):
  """A function (arm, curve) -> a run whose classes flip so."""

  def flipping(arm, curve, **known):
    found = {'levels': list(LEVELS), 'flipped_share': curve}
    return run(arm, studies={'label_flips': found}, **known)

  return flipping


def test_the_noise_that_codes_bear_is_compared_and_may_have_no_end(flipping):
  runs = [flipping('vae', FLAT), flipping('autoencoder', STEEP)]
  [line] = noise.on_codes(runs).verdicts
  assert ': held' in line and 'above 3 sd (vae)' in line
  assert '0.12 sd (autoencoder)' in line
  runs = [flipping('vae', FLAT), flipping('autoencoder', FLAT)]
  [line] = noise.on_codes(runs).verdicts
  assert 'did NOT hold' in line


def test_each_size_of_a_vae_is_compared_with_that_of_the_autoencoder(flipping):
  runs = [
    flipping(arm, curve, label=f'{arm}, {size}', changes=(f'arms={arm}', size))
    for arm, curves in (('vae', (FLAT, STEEP)), ('autoencoder', (STEEP, FLAT)))
    for size, curve in zip(('latents=2', 'latents=4'), curves, strict=True)
  ]
  curves = {
    one.label: [one.studies['label_flips']['flipped_share']] for one in runs
  }
  small, large = noise.flip_verdicts(runs, curves, LEVELS)
  assert ': held' in small and 'did NOT hold' in large


def test_the_shares_are_means_over_seeds(flipping, drawn):
  runs = [flipping('vae', FLAT), flipping('vae', STEEP, seed=1)]
  found = noise.on_codes(runs)
  assert found.results == {
    'noise_levels_sd': list(LEVELS),
    'flipped_share': {'vae': [0.0, *[0.5] * 8]},
  }
  lines = drawn(found.pictures['flips'])
  [line] = lines.values()
  assert line == {level: 50.0 * (level > 0) for level in LEVELS}
  assert found.verdicts == ['half of the classes change at above 3 sd (vae)']


def test_a_model_alone_says_where_half_have_flipped(flipping):
  [line] = noise.on_codes([flipping('vae', STEEP)]).verdicts
  assert line == 'half of the classes change at 0.12 sd (vae)'
  half = {'vae': [1.0, 2.0], 'ae': [float('inf')]}
  assert noise.halves(half, LEVELS) == (
    'half of the classes change at 1.50 +- 0.50 sd (2 runs) (vae), '
    'above 3 sd (ae)'
  )


def test_a_classifier_by_itself_has_nothing_to_report(run):
  assert noise.on_codes([run('classifier')]) == claims.Report()


def test_a_difference_within_its_error_is_not_clear():
  assert noise.clearly_more([1.2], [1.1])
  assert not noise.clearly_more([1.1, 1.3], [1.0, 1.3])
  assert noise.clearly_more([2.1, 2.3], [1.0, 1.3])
  assert not noise.clearly_more([9.0], [float('inf')])


def test_clearly_is_more_than_two_standard_errors_of_the_difference():
  few = [3.0, 5.0]  # 4 +- 1
  assert noise.clearly_more(few, [1.9, 1.9])
  assert not noise.clearly_more(few, [2.1, 2.1])
  assert not noise.clearly_more([4.0, 4.0], [1.0, 5.0])  # 3 +- 2


def test_one_seed_that_never_flips_is_enough_for_the_mean():
  assert noise.clearly_more([float('inf'), 1.0], [2.0, 2.0])
  assert not noise.clearly_more([2.0, 2.0], [float('inf'), 1.0])


def codes_of(shade):
  """What studies.noisy_codes finds, of two levels."""
  image = np.full((3, 6, 5, 1), shade)
  images = np.stack([image, image + 0.2])
  return {'levels': [0.0, 1.5], 'wanted': image, 'images': images}


def test_codes_with_noise_are_shown_for_the_first_run_of_each_arm(run, texts):
  runs = [
    run('vae', studies={'noisy_codes': codes_of(0.1)}),
    run('vae', studies={'noisy_codes': codes_of(0.9)}, seed=1),
    run('autoencoder', studies={'noisy_codes': codes_of(0.5)}),
    run('classifier'),
  ]
  found = noise.on_codes(runs)  # nobody judges, all are drawn
  assert (found.results, found.verdicts) == ({}, [])
  assert set(found.pictures) == {'noisy_codes_vae', 'noisy_codes_autoencoder'}
  figure = found.pictures['noisy_codes_vae']
  for words in ('input', '0 sd', '1.5 sd', 'on their codes: vae'):
    assert words in texts(figure)
  rows = [x.mean() for x in images(figure)[::3]]
  np.testing.assert_allclose(rows, [0.1, 0.1, 0.3], atol=0.01)
  alone = noise.code_rows(run(studies=runs[0].studies, dataset='mnist'))
  assert 'on their codes: mnist' in texts(alone)


def test_flip_curves_are_in_per_cent(drawn):
  figure = noise.flip_curves({'a': [0.0, 0.5], 'b': [0.0, 1.0]}, [0.0, 2.0])
  assert list(drawn(figure).values()) == [{0: 0, 2: 50}, {0: 0, 2: 100}]
