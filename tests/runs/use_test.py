import csv
import dataclasses
import functools
import importlib
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import vae_jax
from vae_jax import config, data, networks
from vae_jax.config import grid
from vae_jax.factors import likelihoods, posteriors, views
from vae_jax.runs import command, use
from vae_jax.runs.directory import Refused


@pytest.fixture
def grey(tiny_data, monkeypatch):
  """The tiny data set as grey images of 6x5."""
  splits = {
    split: batch.replace(x=batch.x[:, ::2], shape=(6, 5, 1))
    for split, batch in tiny_data.items()
  }
  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: splits)


@pytest.fixture
def outcome(tiny, grey, tmp_path):
  """A short run and where it lies."""
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4)
  return command.fit('tiny', [grid.alone(ex)], tmp_path / 'run')


def test_images_have_no_temperature_and_nothing_between(outcome, tmp_path):
  args = outcome.run_dir, [], tmp_path / 'out', '2', '0'
  with pytest.raises(Refused, match='has no --temperature'):
    use.use('generate', *args, temperature='2')
  with pytest.raises(Refused, match='no model of music'):
    use.use('interpolate', outcome.run_dir, ['a', 'b'], *args[2:])


def test_a_loaded_model_is_the_trained_one_without_its_data(
  outcome, monkeypatch
):
  seen = outcome.trained[''].test.seen
  codes = outcome.trained[''].encode(seen)
  images = outcome.trained[''].generate(3, seed=5)
  monkeypatch.delitem(data.EMBEDDED, 'tiny')
  loaded = vae_jax.load(outcome.run_dir)
  np.testing.assert_array_equal(loaded.encode(seen), codes)
  np.testing.assert_array_equal(loaded.generate(3, seed=5), images)
  np.testing.assert_array_equal(
    loaded.reconstruct(seen), loaded.decode(loaded.encode(seen))
  )


MINE = """
import optax
from vae_jax.factors import objectives, views
from vae_jax.reports.claims import Report

def report(runs):
  return Report(verdicts=['mine'])

def picture(trained):
  return None

def loss(model, params, example, key_B):
  return objectives.elbo(model, params, example, key_B)

def optimizer():
  return optax.scale_by_rss()

def seen(batch, key_B):
  return views.clean(batch, key_B)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
  """A module of the user's own, for as long as it is there."""
  (tmp_path / 'mine_of_a_test.py').write_text(MINE)
  monkeypatch.syspath_prepend(tmp_path)
  yield importlib.import_module('mine_of_a_test')
  sys.modules.pop('mine_of_a_test', None)


def lose(module):
  """The module is gone, as an experiment file on another machine."""
  pathlib.Path(module.__file__).unlink()
  del sys.modules[module.__name__]
  importlib.invalidate_caches()


@pytest.mark.slow
def test_a_model_needs_no_file_of_what_trained_and_reported_it(
  tiny, grey, mine, tmp_path
):
  ex = dataclasses.replace(
    tiny,
    dataset='tiny',
    steps=4,
    report=mine.report,
    pictures=(mine.picture,),
    objective=mine.loss,
    optimizer=mine.optimizer,
  )
  trained = command.fit('tiny', [grid.alone(ex)], tmp_path / 'run').trained['']
  seen, codes = trained.test.seen, trained.encode(trained.test.seen)
  lose(mine)
  loaded = vae_jax.load(tmp_path / 'run')
  np.testing.assert_array_equal(loaded.encode(seen), codes)
  paths = use.use('generate', tmp_path / 'run', [], tmp_path / 'o', '2', '0')
  assert len(paths) == 3


def test_a_model_that_sees_through_a_lost_file_says_which(
  tiny, grey, mine, tmp_path
):
  ex = dataclasses.replace(tiny, dataset='tiny', steps=2, view=mine.seen)
  command.fit('tiny', [grid.alone(ex)], tmp_path / 'run')
  assert vae_jax.load(tmp_path / 'run').ex.view is mine.seen
  lose(mine)
  with pytest.raises(config.ConfigError, match='view=mine_of_a_test.seen'):
    vae_jax.load(tmp_path / 'run')


QUIET = """
import logging, sys
hook = sys.unraisablehook
import vae_jax
vae_jax.load(sys.argv[1])
assert sys.unraisablehook is hook
assert not logging.getLogger('asyncio').filters
assert not logging.getLogger('absl').filters
"""


@pytest.mark.slow
def test_a_library_patches_nothing_of_the_process_that_uses_it(outcome):
  done = subprocess.run(
    [sys.executable, '-c', QUIET, str(outcome.run_dir)],
    cwd=pathlib.Path(vae_jax.__file__).parents[1],
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stderr) == (0, '')


def test_a_directory_without_a_run_is_refused(tmp_path):
  with pytest.raises(Refused, match='holds no run'):
    vae_jax.load(tmp_path)


@pytest.mark.slow
def test_images_and_codes_that_do_not_fit_are_one_clear_line(outcome):
  loaded = vae_jax.load(outcome.run_dir)
  with pytest.raises(
    ValueError, match=r'images \[N, 6, 5, 1\], not \[2, 7, 5, 3\]'
  ):
    loaded.encode(np.zeros((2, 7, 5, 3)))
  with pytest.raises(ValueError, match='has 3 latents, not 4'):
    loaded.decode(np.zeros((2, 4)))


def test_codes_are_written_as_npz_and_csv(outcome, tmp_path):
  loaded, seen = vae_jax.load(outcome.run_dir), outcome.trained[''].test.seen
  names = [f'im{i}' for i in range(len(seen))]
  npz, table = use.embed(loaded, seen, names, tmp_path / 'out')
  codes = np.load(npz)
  np.testing.assert_array_equal(codes['codes'], loaded.encode(seen))
  assert list(codes['names']) == names
  with table.open() as file:
    header, *rows = csv.reader(file)
  assert header == ['name', 'z_0', 'z_1', 'z_2']
  assert [row[0] for row in rows] == names
  written = np.array([[float(v) for v in row[1:]] for row in rows], np.float32)
  np.testing.assert_array_equal(written, codes['codes'])


@pytest.mark.slow
def test_reconstructions_are_written_image_by_image(outcome, tmp_path):
  loaded, seen = vae_jax.load(outcome.run_dir), outcome.trained[''].test.seen
  names = [f'a/im{i}' for i in range(len(seen))]
  picture, *paths = use.reconstruct(loaded, seen, names, tmp_path / 'out')
  assert picture.exists() and len(paths) == len(seen)
  found = np.asarray(Image.open(paths[3])) / 255
  wanted = loaded.reconstruct(seen)[3, ..., 0]
  np.testing.assert_allclose(found, wanted, atol=0.5 / 255 + 1e-6)


def test_samples_are_draws_from_the_prior(outcome, tmp_path):
  loaded = vae_jax.load(outcome.run_dir)
  picture, *paths = use.generate(loaded, 5, 7, tmp_path / 'out')
  assert picture.exists() and len(paths) == 5
  found = np.asarray(Image.open(paths[2])) / 255
  wanted = loaded.generate(5, seed=7)[2, ..., 0]
  np.testing.assert_allclose(found, wanted, atol=0.5 / 255 + 1e-6)


@pytest.fixture
def folder(outcome, tmp_path):
  """The test images as PNGs in a folder of the user's."""
  (tmp_path / 'mine').mkdir()
  for i, x in enumerate(outcome.trained[''].data['test'].x):
    Image.fromarray(x.reshape(6, 5)).save(tmp_path / 'mine' / f'im{i}.png')
  return tmp_path / 'mine'


@pytest.mark.slow
def test_a_folder_and_an_npz_of_the_same_images_have_the_same_codes(
  outcome, folder, tmp_path
):
  x = outcome.trained[''].data['test'].x.reshape(-1, 6, 5)
  np.savez(tmp_path / 'mine.npz', x=x)
  codes = []
  for source in (folder, tmp_path / 'mine.npz'):
    out = tmp_path / source.name.replace('.', '_') / 'out'
    paths = use.use('embed', outcome.run_dir, [source], out, '1', '0')
    codes.append(np.load(paths[0])['codes'])
  np.testing.assert_array_equal(codes[0], codes[1])
  wanted = outcome.trained[''].encode(outcome.trained[''].test.seen)
  np.testing.assert_allclose(codes[0], wanted, atol=1e-6)


@pytest.mark.slow
def test_a_reconstruction_keeps_the_name_of_its_image(
  outcome, folder, tmp_path
):
  out = tmp_path / 'out'
  _, *paths = use.use('reconstruct', outcome.run_dir, [folder], out, '1', '0')
  assert [path.name for path in paths] == [f'im{i}.png' for i in range(10)]


@pytest.mark.slow
@pytest.mark.parametrize(
  ('mode', 'source', 'count', 'words'),
  [
    ('embed', None, '1', 'embed needs --input'),
    ('generate', 'x', '1', 'generate takes no --input'),
    ('generate', None, '0', 'count must be a whole number from 1'),
    ('generate', None, 'many', "not 'many'"),
  ],
)
def test_a_wrong_use_is_one_clear_line(
  mode, source, count, words, outcome, tmp_path
):
  with pytest.raises(config.ConfigError, match=words):
    use.use(
      mode,
      outcome.run_dir,
      [source] if source else [],
      tmp_path / 'out',
      count,
      '0',
    )
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_images_of_another_size_are_refused_and_nothing_is_written(
  outcome, tmp_path
):
  np.savez(tmp_path / 'large.npz', x=np.zeros((3, 8, 8), np.uint8))
  with pytest.raises(
    Refused, match=r'large.npz.*6, 5, 1\], not \[3, 8, 8, 1\]'
  ):
    source = tmp_path / 'large.npz'
    use.use('embed', outcome.run_dir, [source], tmp_path / 'out', '1', '0')
  assert not (tmp_path / 'out').exists()


@pytest.fixture
def conditional(tiny, grey, tmp_path):
  """A short run of a model that is given labels, and where it lies."""
  ex = dataclasses.replace(tiny, dataset='tiny', steps=4, view=views.labelled)
  return command.fit('tiny', [grid.alone(ex)], tmp_path / 'conditional')


@pytest.mark.slow
def test_a_labelled_model_generates_the_classes_in_turn(conditional, tmp_path):
  out = tmp_path / 'out'
  paths = use.use('generate', conditional.run_dir, [], out, '7', '3')
  assert len(paths) == 1 + 7
  found = np.asarray(Image.open(paths[1 + 4])) / 255
  given = np.eye(3, dtype=np.float32)[np.arange(7) % 3]
  wanted = conditional.trained[''].generate(7, 3, given)[4, ..., 0]
  np.testing.assert_allclose(found, wanted, atol=0.5 / 255 + 1e-6)
  with Image.open(paths[0]) as picture:
    assert picture.height > picture.width / 2  # two rows of three classes
  names = [path.name for path in paths[1:5]]
  assert names == [
    '00000_a.png', '00001_b.png', '00002_c.png', '00003_a.png',
  ]  # fmt: skip


def test_images_that_differ_in_their_ending_keep_it(tmp_path):
  images = np.zeros((3, 4, 4, 1))
  found = use.write_images(images, ['a/0.png', 'a/0.jpg', 'b.gif'], tmp_path)
  names = ['a/0.png.png', 'a/0.jpg.png', 'b.gif.png']
  assert found == [tmp_path / 'images' / name for name in names]
  assert all(path.exists() for path in found)
  assert use.as_name('T-shirt/top, 2 ü') == 'T-shirt-top-2-ü'


@pytest.mark.slow
@pytest.mark.parametrize('mode', ['embed', 'reconstruct'])
def test_a_labelled_model_needs_labels_that_images_do_not_have(
  mode, conditional, tmp_path
):
  np.savez(tmp_path / 'mine.npz', x=np.zeros((3, 6, 5), np.uint8))
  with pytest.raises(Refused, match=f'label of each image: --mode={mode}'):
    source, out = tmp_path / 'mine.npz', tmp_path / 'out'
    use.use(
      mode, conditional.run_dir, [source] if source else [], out, '1', '0'
    )
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_a_classifier_makes_no_images(tiny, grey, tmp_path):
  ex = dataclasses.replace(
    tiny,
    dataset='tiny',
    steps=4,
    view=views.labels,
    likelihood=likelihoods.categorical,
    network=functools.partial(networks.classifier, widths=(2,)),
    posterior=posteriors.point,
  )
  # Of three classes, which are not the colours of an image.
  run_dir = command.fit(
    'tiny', [grid.alone(ex)], tmp_path / 'classifier'
  ).run_dir
  with pytest.raises(Refused, match='makes no images'):
    use.use('generate', run_dir, [], tmp_path / 'out', '2', '0')
  assert not (tmp_path / 'out').exists()
