"""What users may type, set or lay in the way: one line each, and nothing left.

Flags and their values are in launch_test, arrays and images beside their
readers in tests/data/own, config.json in foreign_test.
"""

import functools
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import launch
from vae_jax import networks
from vae_jax.config import Experiment, grid
from vae_jax.runs import command

FITTED = '--experiment=vae', '--steps=1'


@pytest.fixture(scope='module')
def place(tmp_path_factory):
  """A folder with a run of 28x28 images, and what is in the way."""
  place = tmp_path_factory.mktemp('place')
  network = functools.partial(networks.mlp, widths=(4,))
  ex = Experiment(network=network, steps=2, nll_samples=0)
  command.fit('vae', [grid.alone(ex)], place / 'run')
  (place / 'file').write_text('mine')
  (place / 'dangling').symlink_to('nowhere')
  (place / 'loop').symlink_to('loop')
  os.mkfifo(place / 'pipe')
  for name in ('empty', 'pipes', 'zeros', 'lost', 'small'):
    (place / name).mkdir()
  os.mkfifo(place / 'pipes' / 'a.png')
  (place / 'zeros' / 'a.png').symlink_to('/dev/zero')
  (place / 'lost' / 'a.png').symlink_to('nowhere')
  Image.new('L', (9, 9)).save(place / 'small' / 'a.png')
  (place / 'text.npz').write_text('hello')
  np.savez(place / 'small.npz', x=np.zeros((3, 9, 9), np.uint8))
  return place


def tree(place):
  return sorted(str(path) for path in place.rglob('*'))


@pytest.mark.parametrize(
  ('workdir', 'words'),
  [
    ('file', '--workdir=file: file is not a directory'),
    ('file/run', 'file is not a directory'),
    ('pipe', 'pipe is not a directory'),
    ('/dev/null', '/dev/null is not a directory'),
    ('dangling', 'dangling is a link that leads nowhere'),
    ('dangling/run', 'dangling is a link that leads nowhere'),
    ('loop', 'loop is a link that leads nowhere'),
    ('bad\udcff', "--workdir='bad\\udcff' is no UTF-8"),
    ('gx://bucket/run', '--workdir=gx://bucket/run: Protocol not known: gx'),
    (' ', '--workdir= needs a value'),
    ('\t', '--workdir= needs a value'),
    ('run', "holds a run of 'vae', not 'autoencoder'"),
  ],
)
@pytest.mark.parametrize('mode', ['train', 'benchmark'])
def test_a_workdir_that_cannot_be_is_one_line(
  workdir, words, mode, place, launched, monkeypatch
):
  monkeypatch.chdir(place)
  before = tree(place)
  code, out, err = launched(
    '--experiment=autoencoder', f'--workdir={workdir}', f'--mode={mode}'
  )
  assert (code, out) == (2, '') and err.count('\n') == 1
  assert err.startswith('error: ') and words in err
  assert tree(place) == before


@pytest.mark.parametrize(
  ('flags', 'words'),
  [
    (['--mode=evaluate', '--workdir=empty'], 'holds no run'),
    (['--mode=report'], 'needs --workdir=RUN'),
    (['--mode=generate', '--workdir=run/checkpoints'], 'holds no run'),
    (['--mode=embed', '--workdir=run'], 'needs --input=PATH'),
    (['--mode=embed', '--workdir=run', '--input= '], '--input= needs a value'),
    (['--mode=embed', '--workdir=run', '--input=no'], 'no does not exist'),
    (['--mode=embed', '--workdir=run', '--input=empty'], 'holds no .png'),
    (['--mode=embed', '--workdir=run', '--input=file'], 'is not a folder'),
    (['--mode=embed', '--workdir=run', '--input=text.npz'], 'is no npz file'),
    (
      ['--mode=embed', '--workdir=run', '--input=small.npz'],
      'not [3, 9, 9, 1]',
    ),
    (
      ['--mode=reconstruct', '--workdir=run', '--input=small'],
      'not [1, 9, 9, 1]',
    ),
    (['--mode=embed', '--workdir=run', '--input=pipes'], 'is not a file'),
    (['--mode=embed', '--workdir=run', '--input=zeros'], 'is not a file'),
    (['--mode=embed', '--workdir=run', '--input=lost'], 'leads nowhere'),
    (['--mode=generate', '--workdir=run', '--output=file'], 'not a directory'),
    (['--mode=generate', '--workdir=run', '--output=loop'], 'leads nowhere'),
    (['--mode=generate', '--workdir=run', '--count=0'], 'from 1 to 100000'),
    (['--mode=generate', '--workdir=run', '--count=1e9'], 'whole number'),
    (['--mode=generate', '--workdir=run', '--temperature=nan'], 'from 0 to'),
    (['--mode=generate', '--workdir=run', '--seed=-1'], 'from 0 to 42949'),
    (['--mode=generate', '--workdir=run', '--input=small'], 'takes no --input'),
    (['--mode=generate', '--workdir=run', '--latents=3'], 'changes no field'),
    (['--mode=interpolate', '--workdir=run', '--input=a'], 'no model of music'),
    ([*FITTED, '--workdir=run'], 'another configuration'),
    (['--workdir=run', '--seed=1'], 'seed was 0, now 1'),
    (['--workdir=run', '--latents=2,3'], 'holds a single run'),
    ([*FITTED, '--dataset=folder:pipes'], 'a.png is not a file'),
    ([*FITTED, '--dataset=folder:lost'], 'is a link that leads nowhere'),
    ([*FITTED, '--dataset=npz:pipe'], 'pipe is not a file'),
    ([*FITTED, '--dataset=npz:dangling'], 'is a link that leads nowhere'),
    ([*FITTED, '--dataset=mnist', '--data_dir=no'], '=no is not a directory'),
    ([*FITTED, '--dataset=midi:pipe'], 'is music: --phrase='),
    (['--experiment=music', '--dataset=midi:pipe'], 'pipe is not a folder'),
    (['--experiment=music', '--dataset=chorales:pipe'], 'pipe is not a file'),
    (['--experiment=music', '--dataset=chorales:file'], 'holds no chorales'),
  ],
  ids=lambda value: ' '.join(value)[-60:] if type(value) is list else '',
)
def test_what_cannot_be_used_is_one_line(
  flags, words, place, launched, monkeypatch
):
  monkeypatch.chdir(place)
  before = tree(place)
  code, out, err = launched(*flags)
  assert (code, out) == (2, '')
  assert err.startswith('error: ') and err.count('\n') == 1
  assert words in err
  assert tree(place) == before


def test_a_home_is_found_behind_an_equals_sign(place, launched, monkeypatch):
  monkeypatch.setenv('HOME', str(place))
  code, _, err = launched('--mode=embed', '--workdir=~/run', '--input=~/small')
  assert code == 2 and f'{place}/small' in err


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'value', 'words'),
  [
    ('JAX_ENABLE_X64', 'perhaps', "'perhaps'"),
    ('JAX_DEFAULT_PRNG_IMPL', 'dice', 'jax_default_prng_impl'),
    ('JAX_PLATFORMS', 'abacus', 'JAX_PLATFORMS=abacus'),
    ('JAX_DISABLE_JIT', '1', 'JAX_DISABLE_JIT is set'),
    ('XLA_FLAGS', '--xla_force_host_platform_device_count=0', 'count=0 is set'),
  ],
)
def test_a_variable_that_jax_cannot_obey_is_one_line(
  name, value, words, tmp_path
):
  variables = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  flags = *FITTED, f'--workdir={tmp_path}/run'
  child = subprocess.run(
    [sys.executable, launch.__file__, *flags],
    env={**variables, name: value},
    capture_output=True,
    text=True,
    check=False,
  )
  assert child.returncode == 2 and words in child.stderr
  assert child.stderr.startswith('error: ') and child.stderr.count('\n') == 1
  assert os.listdir(tmp_path) == []
