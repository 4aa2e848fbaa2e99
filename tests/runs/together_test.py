import dataclasses
import functools
import os
import signal

import jax
import numpy as np
import pytest

from vae_jax import console, data
from vae_jax.config import grid
from vae_jax.runs import loop, run, runs, together
from vae_jax.training import checkpoint, log

# Also where the persistent cache then spares the compiler.
LOWERED = '/jax/core/compile/jaxpr_to_mlir_module_duration'


@pytest.fixture
def members(tiny, tiny_data):
  """Two sizes and two seeds, twelve steps in calls of four."""
  ex = dataclasses.replace(tiny, dataset='tiny', report_every=4)
  return grid.members(ex, ['latents=2,3', 'seed=0,1'])


def params(outcome):
  return [jax.device_get(found.state.params) for found in outcome.runs]


def same(a, b):
  jax.tree.map(np.testing.assert_array_equal, params(a), params(b))


def interrupt_at(step, monkeypatch):
  """SIGTERM once this step is drawn."""
  update = console.Bar.update

  def interrupt(self, at, **values):
    update(self, at, **values)
    if at == step:
      os.kill(os.getpid(), signal.SIGTERM)

  monkeypatch.setattr(console.Bar, 'update', interrupt)


def test_a_signal_saves_every_run_and_the_sweep_goes_on_bit_for_bit(
  members, tmp_path, monkeypatch, capsys
):
  straight = runs.fit('tiny', members, tmp_path / 'straight')
  with monkeypatch.context() as patch:
    interrupt_at(8, patch)
    with pytest.raises(
      loop.Interrupted, match='SIGTERM at step 8 of 12: all runs.*stopped$'
    ) as error:
      runs.fit('tiny', members, tmp_path / 'stopped')
  assert error.value.signal == signal.SIGTERM
  again = runs.fit('tiny', members, tmp_path / 'stopped')
  assert 'resuming at steps 8 to 8 of 12' in capsys.readouterr().err
  same(again, straight)
  for name in again.names:
    rows = [
      log.read(tmp_path / where / name) for where in ('straight', 'stopped')
    ]
    assert [row['step'] for row in rows[1]] == [0, 4, 8, 12]
    losses = [[row.get('train/loss') for row in part] for part in rows]
    assert losses[0] == losses[1]


def test_a_sweep_goes_on_with_runs_that_stopped_at_different_steps(
  members, tmp_path
):
  straight = runs.fit('tiny', members, tmp_path / 'straight')
  ahead = members[1]
  short = dataclasses.replace(ahead.ex, steps=8)
  run.fit('tiny', short, tmp_path / 'mixed' / ahead.name)
  mixed = runs.fit('tiny', members, tmp_path / 'mixed')
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(close, params(mixed), params(straight))
  rows = log.read(tmp_path / 'mixed' / ahead.name)
  assert [row['step'] for row in rows] == [0, 4, 8, 12]


def test_a_run_of_a_sweep_goes_on_alone(members, tmp_path):
  runs.fit('tiny', members, tmp_path / 'grid')
  member = members[2]
  longer = dataclasses.replace(member.ex, steps=20)
  found = run.fit('tiny', longer, tmp_path / 'grid' / member.name)
  straight = run.fit('tiny', longer, tmp_path / 'alone')
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(close, found.trained.state.params, straight.trained.state.params)


def test_every_run_is_saved_at_its_own_size(members, tmp_path):
  runs.fit('tiny', members, tmp_path)
  for member in members:
    like = run.prepare(member.ex, None, run.Clock()).state
    manager = checkpoint.open(tmp_path / member.name / 'checkpoints')
    state, step, _ = checkpoint.restore(manager, like)
    checkpoint.close(manager)
    assert step == 12
    bias = state.params['encoder']['z_mean']['bias']
    assert bias.shape == (member.ex.latents,)


def test_a_sweep_compiles_its_train_steps_once(members, tmp_path):
  seen = []

  def listen(event, seconds, **kwargs):
    if event == LOWERED:
      seen.append(kwargs['fun_name'])

  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    runs.fit('tiny', members, tmp_path)
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)
  # What is pmapped has this name: the train steps and the measures.
  assert seen.count('jit(_fun)') == 2
  assert seen.count('jit(init)') == 2  # one for each size


def test_a_streamed_grid_trains_one_run_after_another(
  members, tmp_path, capsys
):
  streamed = [
    m._replace(ex=dataclasses.replace(m.ex, resident='never')) for m in members
  ]
  found = runs.fit('tiny', streamed, tmp_path / 'streamed')
  assert 'plan: 4 runs in 4 programs' in capsys.readouterr().err
  resident = runs.fit('tiny', members, tmp_path / 'resident')
  close = functools.partial(np.testing.assert_allclose, atol=1e-6)
  jax.tree.map(close, params(found), params(resident))


def test_a_sweep_that_cannot_fit_is_refused_and_one_that_can_is_cut(
  members, tmp_path, monkeypatch, capsys
):
  from vae_jax.runs import padding, plan, sweep

  batch = data.load('tiny')['train']
  program = sweep.programs(members)[0]
  each = sweep.COPIES * plan.run_bytes(program, batch) / plan.SHARE
  assert each > padding.size(batch)  # params and both moments
  monkeypatch.setattr(plan, 'memory', lambda devices: 0.9 * each)
  with pytest.raises(loop.Refused, match='latents=2_seed=0 needs .* has'):
    runs.fit('tiny', members, tmp_path / 'small')
  assert not (tmp_path / 'small').exists()
  devices = jax.local_devices()[:2]
  monkeypatch.setattr(jax, 'local_devices', lambda: devices)
  monkeypatch.setattr(plan, 'memory', lambda devices: 1.1 * each)
  pieces = runs.fit('tiny', members, tmp_path / 'pieces')
  assert 'plan: 4 runs in 2 programs' in capsys.readouterr().err
  whole = runs.fit('tiny', members[:2], tmp_path / 'whole')
  assert pieces.names[:2] == whole.names


@pytest.mark.parametrize(
  'seconds, worth',
  [
    ({'train': 99.0}, False),  # the first is taken to last 3 s
    ({'train': 101.0}, True),
    ({'train': 101.0, 'evaluate': 3.0, 'save': 1.0}, False),
    ({'train': 140.0, 'evaluate': 3.0, 'save': 1.0}, True),
  ],
)
def test_a_sweep_tests_while_that_costs_little(tiny, seconds, worth):
  clock = run.Clock()
  clock.seconds |= seconds
  assert together.worth_testing(tiny, clock) == worth
  asked = dataclasses.replace(tiny, report_every=4)
  assert together.worth_testing(asked, clock)
