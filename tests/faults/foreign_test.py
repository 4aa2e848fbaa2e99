"""Runs that somebody else made, or edited by hand: a model or one line."""

import functools
import json
import os
import shutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vae_jax
from vae_jax import networks
from vae_jax.config import ConfigError, Experiment, grid
from vae_jax.runs import command
from vae_jax.runs.directory import RunError
from vae_jax.training.checkpoint import CheckpointError

LINES = ConfigError, RunError, CheckpointError
GONE = object()


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  """A short run's directory, and its config."""
  run_dir = tmp_path_factory.mktemp('foreign') / 'run'
  network = functools.partial(networks.mlp, widths=(4,))
  ex = Experiment(network=network, steps=2, nll_samples=0)
  command.fit('tiny', [grid.alone(ex)], run_dir)
  return run_dir, json.loads((run_dir / 'config.json').read_text())


def edited(config, path, value):
  config = json.loads(json.dumps(config))
  *names, last = path.split('/')
  part = config
  for name in names:
    part = part[name]
  if value is GONE:
    del part[last]
  else:
    part[last] = value
  return config


def load(run, text):
  """None if a model is loaded, else the line that refuses it."""
  run_dir, _ = run
  whole = (run_dir / 'config.json').read_bytes()
  try:
    (run_dir / 'config.json').write_bytes(text)
    vae_jax.load(run_dir)
  except LINES as error:
    line = str(error)
    assert '\n' not in line and len(line) < 1000
    return line
  finally:
    (run_dir / 'config.json').write_bytes(whole)


ODD = [None, 0, -1, 1.5, 10**18, True, '', 'x', [], ['x'], {}, [[]], GONE]
EVERYWHERE = (
  *('experiment', 'overrides', 'fields', 'example', 'fields/latents'),
  *('fields/network', 'fields/view', 'fields/phrase', 'example/shape'),
  *('example/scale', 'example/classes', 'example/labelled'),
)
SPECIAL = [
  ('fields/optimizer', 'log.open(run_dir="/tmp/x", resume_step=0)'),
  ('fields/network', 'log.open(run_dir="OTHER", resume_step=0)'),
  ('fields/network', 'files.replaced(path="OTHER")'),
  ('fields/likelihood', 'log.open(run_dir="OTHER", resume_step=0)'),
  ('fields/prior', 'signals.catch()'),
  ('fields/view', 'checkpoint.lock(directory="OTHER")'),
  ('fields/posterior', 'directory.write_json(path="OTHER", value=1)'),
  ('fields/likelihood', 'console.leave(code=0)'),
  ('fields/network', 'networks.mlp(widths=(0,))'),
  ('fields/network', 'networks.mlp(widths=(1000000000,))'),
  ('fields/network', 'networks.mlp(widths="a")'),
  ('fields/network', 'networks.mlp(width=(3,))'),
  ('fields/network', 'networks.mlp(networks.mlp)'),
  ('fields/network', 'networks.mlp()()'),
  ('fields/network', 'os.system'),
  ('fields/network', '__import__("os")'),
  ('fields/network', '(' * 10_000),
  ('fields/network', '(' * 100_000 + ')' * 100_000),
  ('fields/view', 'views.noisy(noise=nan)'),
  ('fields/view', 'views.noisy(noise=1e999)'),
  ('fields/latents', '1000000'),
  ('fields/latents', '1e3'),
  ('fields/precision', "'float1'"),
  ('fields/dataset', '5'),
  ('fields/brand_new', '5'),
  ('example/shape', [0, 5, 1]),
  ('example/shape', [10**9, 10**9, 1]),
  ('example/shape', [6, 5]),
  ('example/shape', [6.0, 5, 1]),
  ('example/shape', [12, 5, 1]),
  ('example/scale', float('nan')),
  ('example/scale', float('inf')),
  ('example/classes', [['0']]),
  ('example/numbers', 'no'),
]


@pytest.mark.parametrize('path', EVERYWHERE)
def test_a_value_of_another_kind_is_one_line(run, path):
  for value in ODD:
    text = json.dumps(edited(run[1], path, value)).encode()
    line = load(run, text)
    good = path in ('overrides', 'example/classes') and value in ([], ['x'])
    good |= path == 'experiment' and isinstance(value, str)
    good |= path == 'fields/phrase' and value == 'x'
    # A field that is younger than a run has its default.
    good |= path.startswith('fields/') and value is GONE
    good |= path == 'example/scale' and value == 1.5
    good |= path == 'example/labelled' and value is True
    assert good or line, (path, value)


@pytest.mark.parametrize(('path', 'value'), SPECIAL)
def test_what_a_command_line_could_not_say_is_one_line(
  run, path, value, tmp_path, monkeypatch
):
  monkeypatch.chdir(tmp_path)
  line = load(run, json.dumps(edited(run[1], path, value)).encode())
  # What a trained model has no use for is not looked at.
  assert line or path in ('fields/optimizer', 'fields/brand_new')
  assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
  'text',
  [
    b'', b'{', b'null', b'[]', b'5', b'"a"', b'\xff', b'[' * 100_000,
    b'{"a":' * 100_000, b'1' * 10_000, b'{"runs": []}', b'{"runs": 5}',
  ],
)  # fmt: skip
def test_a_text_that_is_no_config_is_one_line(run, text):
  assert load(run, text)


@settings(
  max_examples=60,
  deadline=None,
  suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damage_of_any_kind_is_a_model_or_one_line(run, data):
  text = json.dumps(run[1]).encode()
  at = data.draw(st.integers(0, len(text) - 1))
  kind = data.draw(st.sampled_from(['flip', 'cut', 'twice', 'insert']))
  if kind == 'flip':
    flipped = text[at] ^ (1 << data.draw(st.integers(0, 7)))
    text = text[:at] + bytes([flipped]) + text[at + 1 :]
  elif kind == 'cut':
    text = text[:at]
  elif kind == 'twice':
    text = text[:at] + text[at // 2 :]
  else:
    text = text[:at] + data.draw(st.binary(max_size=8)) + text[at:]
  load(run, text)


def test_a_config_that_is_a_pipe_is_not_waited_for(run, tmp_path):
  copy = tmp_path / 'run'
  shutil.copytree(run[0], copy)
  (copy / 'config.json').unlink()
  os.mkfifo(copy / 'config.json')
  with pytest.raises(RunError, match='is no file'):
    vae_jax.load(copy)
