"""What is said of models over what they are tested on, on known numbers."""

import numpy as np
import pytest

from vae_jax.reports import claims, cross

PSNR_AB = np.array([[20.0, 12.0], [9.0, 18.0]])
PCA_AB = np.array([[16.0, 13.0], [15.0, 17.0]])
BOTH = np.array([[PSNR_AB, PCA_AB]])


def test_what_is_lost_is_against_the_model_of_the_tested_set():
  lost = cross.lost(BOTH)
  np.testing.assert_array_equal(lost[0, 0], [[0, 6], [11, 0]])
  np.testing.assert_array_equal(lost[0, 1], [[0, 4], [1, 0]])
  np.testing.assert_array_equal(cross.out_of_domain(lost), [[8.5, 2.5]])


def test_the_verdict_says_who_loses_and_by_how_much():
  claim, pca = cross.domain_verdicts(BOTH)
  assert 'data-specific: held, worse out of its domain in 2 of 2' in claim
  assert 'loses 8.50 dB' in claim
  assert 'PCA loses 2.50 dB' in pca and 'PCA is the better one by 3.50' in pca
  assert 'has 19.00 dB, PCA 16.50 dB' in pca
  claim, pca = cross.domain_verdicts(np.array([[PSNR_AB.T * 0 + 5, PCA_AB]]))
  assert 'did NOT hold' in claim and 'loses 0.00 dB' in claim


def test_figures_of_equal_seeds_are_those_of_one():
  twice = cross.domain_figures(np.concatenate([BOTH, BOTH]), 'ab')
  assert twice == cross.domain_figures(BOTH, 'ab')


def test_the_better_one_is_so_by_however_little():
  _, pca = cross.domain_verdicts(np.array([[PCA_AB + 0.25, PCA_AB]]))
  assert 'the autoencoder is the better one by 0.25 dB' in pca


def test_an_error_is_over_the_seeds():
  claim, _ = cross.domain_verdicts(np.concatenate([BOTH, BOTH]))
  assert '8.50 +- 0.00 (2 runs)' in claim


def test_figures_are_named_trained_on_then_tested_on():
  found = cross.domain_figures(BOTH, ['here', 'there'])
  assert found['psnr_db']['here']['there'] == 12
  assert found['lost_db']['there']['here'] == 11
  assert found['pca_psnr_db']['there']['here'] == 15
  assert found['in_domain_psnr_db'] == 19
  assert found['out_of_domain_psnr_db'] == 10.5
  assert found['pca_out_of_domain_lost_db'] == 2.5
  wanted = {'a': {'a': 20.0, 'b': 12.0}, 'b': {'a': 9.0, 'b': 18.0}}
  assert cross.named(PSNR_AB, 'ab') == wanted


def image(shade, *shape):
  return np.full((2, *shape), shade)


@pytest.fixture
def domain(run):
  """A function (label, row of the matrix, seed) -> a run that was abroad."""

  def domain(label, at=0, seed=0, names='ab', shape=(6, 5, 1), **known):
    psnr, pca = BOTH[0] + 100 * seed
    found = {
      'shape': list(shape),
      'psnr_db': dict(zip(names, psnr[at], strict=True)),
      'pca_psnr_db': dict(zip(names, pca[at], strict=True)),
      'test images': image(0.1, *shape),
      'images': image(0.3 + 0.2 * at + 0.4 * seed, *shape),
    }
    known = {'label': label, 'seed': seed} | known
    return run(label, studies={'abroad': found}, **known)

  return domain


def test_runs_on_images_of_one_shape_are_compared(domain):
  colour = {'shape': (32, 32, 3)}
  runs = [
    domain('a', dataset='mnist'),
    domain('b', dataset='photos:flower', **colour),
    domain('c', dataset='fashion_mnist'),
    domain('d', dataset='photos:portrait', **colour),
  ]
  found = cross.groups(runs)
  assert {k: [r.label for r in v] for k, v in found.items()} == {
    'mnist_fashion_mnist': ['a', 'c'],
    'photos': ['b', 'd'],
  }
  assert cross.family(runs[1]) == 'photos'
  assert cross.short('upright, dataset=mnist') == 'upright, mnist'


def test_the_matrices_are_of_each_seed(domain):
  runs = [domain(label, at, s) for at, label in enumerate('ab') for s in (0, 1)]
  seeds = cross.complete(runs)
  assert [[one.label for one in of] for of in seeds] == [['a', 'b']] * 2
  found = cross.matrices(seeds, ['a', 'b'])
  np.testing.assert_array_equal(found, np.concatenate([BOTH, BOTH + 100]))
  turned = cross.matrices([of_seed[::-1] for of_seed in seeds], ['b', 'a'])
  np.testing.assert_array_equal(turned, found[:, :, ::-1, ::-1])


def test_a_seed_of_which_a_model_is_missing_is_left_out(domain):
  both = [domain('a', seed=1), domain('b', 1, seed=1)]
  found = cross.domains([domain('b', 1), *both])
  alone = cross.domains(both)
  assert found.results == alone.results and found.verdicts == alone.verdicts
  assert cross.domains([domain('b', 1), both[0]]) == claims.Report()


def test_what_is_said_of_domains_is_of_each_shape(domain):
  colour = {'shape': (4, 4, 3), 'dataset': 'photos'}
  small = [domain('a'), domain('b', 1)]
  found = cross.domains([*small, *(domain(r.label, **colour) for r in small)])
  assert set(found.results) == {'digits', 'photos'}
  assert found.results['digits'] == cross.domain_figures(BOTH, ['a', 'b'])
  assert len(found.verdicts) == 4
  wanted = [f'digits: {line}' for line in cross.domain_verdicts(BOTH)]
  assert found.verdicts[:2] == wanted
  assert set(found.pictures) == {
    f'{kind}_{name}'
    for kind in ('psnr', 'lost', 'rows')
    for name in found.results
  }


def test_one_run_by_itself_says_nothing(domain, run):
  assert cross.domains([domain('a')]) == claims.Report()
  assert cross.domains([run('a'), run('b')]) == claims.Report()


def cells(figure):
  """The texts of a table, row by row."""
  texts = sorted(figure.axes[0].texts, key=lambda t: t.get_position()[::-1])
  return [t.get_text() for t in texts]


def test_the_tables_hold_the_models_above_the_pcas(domain, texts):
  found = cross.domains([domain('a'), domain('b', 1)]).pictures
  figure = found['psnr_digits']
  assert cells(figure) == [
    '20.0', '12.0', '9.0', '18.0', '16.0', '13.0', '15.0', '17.0',
  ]  # fmt: skip
  names = [t.get_text() for t in figure.axes[0].get_yticklabels()]
  assert names == ['AE a', 'AE b', 'PCA a', 'PCA b']
  assert cells(found['lost_digits'])[:4] == ['0.0', '−6.0', '−11.0', '0.0']
  assert 'against the\nmodel of the tested' in texts(found['lost_digits'])
  table = cross.domain_table(BOTH[0], ['x', 'y'], 'set')
  assert 'tested on' in texts(table) and 'set: PSNR' in texts(table)


def images(figure):
  return [np.asarray(im.get_array()) for ax in figure.axes for im in ax.images]


def test_the_rows_are_of_the_models_of_one_seed(domain, texts):
  runs = [domain('a', seed=1), domain('a'), domain('b', 1)]
  figure = cross.domains(runs).pictures['rows_digits']
  assert 'trained on b' in texts(figure) and 'test image' in texts(figure)
  rows = [x.mean() for x in images(figure)[::2]]
  np.testing.assert_allclose(rows, [0.1, 0.3, 0.5], atol=0.01)
  same = images(cross.domain_rows(runs[1:], ['a', 'b']))
  np.testing.assert_array_equal(same, images(figure))


def test_the_verdict_counts_the_losses_that_win_their_own_measure():
  arms = list(cross.LOSSES)
  value_RC = 2.0 - np.eye(5, 4)  # the fifth row is the PCA's
  assert 'held, 4 of 4, 1 seed' in cross.own_column(value_RC, arms, 1)
  value_RC[4] = 0
  value_RC[0, 2] = 0.8
  line = cross.own_column(value_RC, arms, 3)
  assert 'did NOT hold, 3 of 4, 3 seeds (bce is better by l1, by 25.0 %)' in (
    line
  )


@pytest.fixture
def loss(run):
  """A function (arm, its four measures, seed) -> a run measured by all."""

  def loss(arm, values, seed=0):
    found = {
      'model': dict(zip(cross.LOSSES, values, strict=True)),
      'PCA': dict.fromkeys(cross.LOSSES, 9.0 + seed),
      'model images': image(values[0] / 10, 6, 5, 1),
      'PCA images': image(0.9, 6, 5, 1),
      'test images': image(0.0, 6, 5, 1),
    }
    return run(arm, studies={'losses': found}, seed=seed)

  return loss


@pytest.fixture
def losses(loss):
  """Two losses, one of them with two seeds, and what is none of them."""
  return [
    loss('bce', [1.0, 3.0, 3.0, 3.0]),
    loss('mse', [2.0, 1.0, 1.0, 2.0]),
    loss('mse', [2.0, 2.0, 1.0, 2.0], seed=1),
    loss('mse d=8', [0.0] * 4),
  ]


def test_every_loss_is_measured_on_every_model(losses):
  found = cross.losses(losses)
  table = found.results['measured']
  assert list(table) == ['bce', 'mse', 'PCA']
  assert table['mse'] == {'bce': 2.0, 'mse': 1.5, 'l1': 1.0, 'ssim': 2.0}
  assert set(table['PCA'].values()) == {9.0}
  [line] = found.verdicts
  assert line == ('each loss is best by its own measure: held, 2 of 2, 1 seed')


def test_a_single_loss_and_runs_without_the_study_say_nothing(losses, run):
  assert cross.losses(losses[1:3]) == claims.Report()
  assert cross.losses([losses[0], losses[3]]) == claims.Report()
  assert cross.losses([run('bce'), run('mse')]) == claims.Report()


def test_the_table_of_losses_frames_what_was_trained(losses, texts):
  found = cross.losses(losses).pictures
  figure = found['cross']
  assert cells(figure)[:8] == ['1', '3', '3', '3', '2', '1.5', '1', '2']
  framed = {
    tuple(np.round(patch.get_center()).astype(int)[::-1])
    for patch in figure.axes[0].patches
  }
  assert framed == {(0, 0), (1, 1)}
  assert 'lower is better' in texts(figure)
  table = cross.loss_table(np.eye(4), ['w', 'x', 'y', 'z'], ['l1'])
  assert 'BCE (nats)' in texts(table)


def test_the_rows_show_what_each_loss_loses(losses, texts):
  figure = cross.losses(losses).pictures['rows']
  rows = [x.mean() for x in images(figure)[::2]]
  np.testing.assert_allclose(rows, [0.0, 0.1, 0.2, 0.9], atol=0.01)
  for words in ('test image', 'bce', 'mse', 'PCA', 'What each loss loses'):
    assert words in texts(figure)
  alone = cross.loss_rows(claims.by_label(losses[:1]), losses[0])
  assert len(images(alone)) == 6
