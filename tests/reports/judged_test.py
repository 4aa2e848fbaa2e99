"""What is said of samples that a classifier has seen, on known numbers."""

import numpy as np
import pytest

from vae_jax.measures.samples import (
  BLURRED,
  FITTED,
  MEAN,
  NORMAL,
  REAL,
  SAMPLES,
)
from vae_jax.reports import claims, judged


def measured(frechet, nearest=1.0):
  return {'frechet_distance': frechet, 'nearest_distance': nearest}


def image(shade, count=3):
  return np.full((count, 6, 5, 1), shade)


@pytest.fixture
def sampled(run):
  """A function (arm, Frechet distance of each set) -> a run whose samples were
  judged, beside the same references."""

  def sampled(arm, sets, count=3, **known):
    references = {
      REAL: measured(1.0, 4.0),
      BLURRED: measured(9.0, 3.0),
      MEAN: measured(30.0, 5.0),
    }
    measures = references | {k: measured(v) for k, v in sets.items()}
    shown = {f'{k}, shown': image(0.5, count) for k in measures}
    found = {'judged': {'measures': measures} | shown}
    return run(arm, studies=found, **known)

  return sampled


@pytest.fixture
def models(sampled, run):
  """A VAE, an autoencoder and their judge."""
  return [
    sampled('autoencoder', {NORMAL: 9.0, FITTED: 3.0}),
    sampled('vae', {SAMPLES: 5.0}),
    run('classifier'),
  ]


def test_samples_are_compared_with_each_way_of_drawing_codes(models):
  found = judged.samples(models)
  against_n, against_fitted, blur = found.verdicts
  assert against_n.startswith('samples of vae are better than those of autoenc')
  assert 'N(0, I): held; Frechet distance 5.00 against 9.00' in against_n
  assert 'did NOT hold; Frechet distance 5.00 against 3.00' in against_fitted
  assert against_n.endswith('real images have 1.00')
  assert 'rewards blur: held' in blur
  table = found.results['samples']
  assert {k: v['frechet_distance'] for k, v in table.items()} == {
    REAL: 1.0,
    BLURRED: 9.0,
    MEAN: 30.0,
    f'autoencoder, {NORMAL}': 9.0,
    f'autoencoder, {FITTED}': 3.0,
    'vae': 5.0,
  }


def test_sets_are_named_by_their_model_but_for_the_references(run):
  vae = run('vae', label='vae, beta=2')
  assert judged.named(vae, SAMPLES) == 'vae, beta=2'
  assert judged.named(vae, NORMAL) == f'vae, beta=2, {NORMAL}'
  assert judged.named(vae, REAL) == REAL


def test_blur_is_rewarded_if_it_is_nearer_than_real_images():
  table = {REAL: [measured(1.0, 4.0)], BLURRED: [measured(9.0, 3.0)]}
  assert 'blur: held' in judged.against_blur(table)
  table[BLURRED] = [measured(9.0, 5.0)]
  assert 'blur: did NOT hold' in judged.against_blur(table)


def test_each_vae_is_compared_with_the_autoencoder_of_its_size(sampled):
  def of_size(arm, sets, size):
    changes = (f'arms={arm}', f'latents={size}', 'seed=0')
    label = f'{arm}, latents={size}'
    return sampled(arm, sets, label=label, changes=changes)

  found = judged.samples(
    [
      of_size('autoencoder', {NORMAL: 1.0, FITTED: 1.0}, 2),
      of_size('autoencoder', {NORMAL: 9.0, FITTED: 9.0}, 4),
      of_size('vae', {SAMPLES: 5.0}, 2),
      of_size('vae', {SAMPLES: 5.0}, 4),
    ]
  )
  small, _, large, _, _ = found.verdicts
  assert 'autoencoder, latents=2, codes N(0, I): did NOT hold' in small
  assert 'autoencoder, latents=4, codes N(0, I): held' in large


def test_the_references_of_a_seed_count_once(sampled, models):
  again = [
    sampled('autoencoder', {NORMAL: 7.0, FITTED: 3.0}, seed=1),
    sampled('vae', {SAMPLES: 6.0}, seed=1),
  ]
  found = judged.samples([*models, *again])
  against_n, _, blur = found.verdicts
  assert '5.50 +- 0.50 (2 runs) against 8.00 +- 1.00 (2 runs)' in against_n
  assert 'real images 4.00 +- 0.00 (2 runs)' in blur
  assert judged.said([measured(1.0), measured(3.0)], 'frechet_distance') == (
    '2.00 +- 1.00 (2 runs)'
  )


def test_a_model_by_itself_is_judged_and_one_that_was_not_says_nothing(
  models, run
):
  found = judged.samples(models[1:2])
  assert [line[:18] for line in found.verdicts] == ['nearest-neighbour ']
  assert 'vae' in found.results['samples']
  assert judged.samples([run('classifier')]) == claims.Report()
  assert judged.labels([run('classifier')]) == claims.Report()


def test_a_vae_without_draws_from_its_prior_is_not_compared(sampled):
  runs = [
    sampled('autoencoder', {NORMAL: 9.0, FITTED: 3.0}),
    sampled('vae', {NORMAL: 5.0, FITTED: 5.0}),
  ]
  table = {f'vae, {NORMAL}': [measured(5.0)], REAL: [measured(1.0)]}
  assert judged.against_autoencoder(runs, table) == []
  assert len(judged.samples(runs).verdicts) == 1


def images(figure):
  return [np.asarray(im.get_array()) for ax in figure.axes for im in ax.images]


def test_rows_show_what_was_judged_and_bars_how(models, texts):
  found = judged.samples(models).pictures
  rows, bars = found['samples'], found['frechet_distances']
  shown = texts(rows)
  for words in (REAL, BLURRED, 'vae', 'autoencoder\ncodes', '9.0', '5.0'):
    assert words in shown
  assert MEAN not in shown and MEAN in texts(bars)
  assert len(images(rows)) == 3 * 5
  widths = [patch.get_width() for patch in bars.axes[0].patches]
  assert widths == [1.0, 9.0, 30.0, 9.0, 3.0, 5.0]
  colours = [patch.get_facecolor() for patch in bars.axes[0].patches]
  references, models = set(colours[:3]), set(colours[3:])
  assert len(references) == len(models) == 1 and references != models


def test_as_many_images_are_shown_as_every_set_has():
  shown = {REAL: image(0.1, 4), 'vae': image(0.9, 2)}
  means = {name: measured(2.0) for name in shown}
  figure = judged.sample_pictures(shown, means)['samples']
  assert len(images(figure)) == 4


def agreed(accuracy, pixels=0.8):
  """What studies.label_accuracy finds."""
  return {
    'label_accuracy': accuracy,
    'label_accuracy_drawn_pixels': pixels,
    'classifier_accuracy': 0.9,
  }


@pytest.fixture
def labelled(run):
  """A function (nelbo, arm, agreement) -> a run, a VAE given two labels."""

  def labelled(nelbo, arm='vae', told=None, **known):
    found = {'classes': ['a', 'b'], 'images': np.full((2, 4, 6, 5, 1), 0.5)}
    studies = {'label_accuracy': found | (told or {})}
    studies = studies if arm == 'vae' else {}
    return run(arm, {'nelbo_nats': nelbo}, studies, **known)

  return labelled


def test_the_gain_of_the_label_is_that_over_the_same_net_without(labelled):
  runs = [labelled(90.0), labelled(95.0, 'unconditional')]
  (line,) = judged.on_elbo(runs)
  assert 'held; by 5.00 nats' in line and '0.69 nats' in line
  assert judged.on_elbo(runs[:1]) == []
  little = [labelled(90.0), labelled(90.25, 'unconditional')]
  assert 'held; by 0.25 nats' in judged.on_elbo(little)[0]
  assert (
    'NOT hold; by -5.00'
    in judged.on_elbo([labelled(95.0), labelled(90.0, 'unconditional')])[0]
  )


def test_seeds_and_settings_are_compared_with_their_own(labelled):
  runs = [
    labelled(90.0, label='vae, beta=2', changes=('beta=2',)),
    labelled(80.0, seed=1),
    labelled(91.0, 'unconditional', changes=('beta=2',)),
    labelled(83.0, 'unconditional', seed=1),
  ]
  first, second = judged.on_elbo(runs)
  assert first.startswith('vae, beta=2: ') and 'by 1.00 nats' in first
  assert second.startswith('vae: ') and 'by 3.00 nats' in second


def test_the_line_on_labels_is_a_mean_over_seeds():
  line = judged.on_labels('vae', [agreed(0.9), agreed(1.0, 0.6)])
  assert line.startswith('vae: samples carry the label asked for in at least')
  assert '95 %: held; 95.00 +- 5.00 % (2 runs) of the mean images' in line
  assert '70.00 +- 10.00 % (2 runs) with drawn pixels' in line
  assert 'right on 90.00 +- 0.00 % (2 runs) of unseen' in line
  assert 'did NOT hold' in judged.on_labels('vae', [agreed(0.94)])
  assert 'did NOT hold' in judged.on_labels('vae', [agreed(0.5)] * 2)


def test_labels_are_reported_with_what_they_are_worth(labelled, run, texts):
  runs = [
    labelled(90.0, told=agreed(1.0)),
    labelled(90.0, told=agreed(0.5), seed=1),
    labelled(95.0, 'unconditional'),
    run('classifier'),
  ]
  found = judged.labels(runs)
  assert found.results == {'vae': agreed(0.75)}
  on_labels, on_elbo = found.verdicts
  assert on_labels == judged.on_labels('vae', [agreed(1.0), agreed(0.5)])
  assert 'by 5.00 nats' in on_elbo
  shown = texts(found.pictures['classes'])
  assert 'label that was asked for' in shown and '| b |' in shown


def test_without_a_classifier_the_classes_are_shown_alone(labelled):
  found = judged.labels([labelled(90.0)])
  assert (found.results, found.verdicts) == ({}, [])
  half = judged.labels([labelled(90.0, told=agreed(1.0)), labelled(90.0)])
  assert (half.results, half.verdicts) == ({}, [])
  [mosaic] = images(found.pictures['classes'])
  [again] = images(judged.classes(labelled(90.0)))
  np.testing.assert_array_equal(mosaic, again)
  assert mosaic.shape[0] * 4 * 5 == mosaic.shape[1] * 2 * 6  # 2 by 4 of 6x5
