import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import training
from vae_jax.config import grid
from vae_jax.factors import objectives
from vae_jax.runs import command
from vae_jax.runs.directory import RunError


@pytest.fixture
def state(tiny, batch):
  """That of tiny before its first step."""
  return training.init(jax.random.key(0), tiny, tiny.hyper(), batch)


def divided(model, params, example, key_B, zero: float = 0.0):
  """An objective that divides by nothing."""
  values = objectives.elbo(model, params, example, key_B)
  return values | {'loss': values['loss'] / zero}


def now_and_then(model, params, example, key_B):
  """An objective that is not finite where an image of class 0 comes first."""
  values = objectives.elbo(model, params, example, key_B)
  bad = example.wanted.reshape(len(example.wanted), -1)[0, 0] < 0.5
  return values | {'loss': jnp.where(bad, jnp.nan, values['loss'])}


def test_the_operation_is_named_with_its_line(tiny, batch, state):
  ex = dataclasses.replace(tiny, objective=divided)
  said = training.first_not_finite(ex, batch, state)
  assert 'encountered in div' in said and 'nonfinite_test.py:' in said
  assert "values['loss'] / zero" in said
  finite = training.first_not_finite(tiny, batch, state)
  assert finite.endswith('all of that step is finite')


@pytest.mark.slow
@pytest.mark.parametrize('skip', [False, True])
def test_updates_that_are_not_finite_are_skipped_and_counted(
  tiny, batch, state, skip
):
  ex = dataclasses.replace(tiny, objective=now_and_then, skip_nonfinite=skip)
  make = jax.jit(functools.partial(training.step, ex))
  flags, wanted = [], []
  dark = np.flatnonzero(np.asarray(batch.x)[:, 0] < 128)
  light = np.flatnonzero(np.asarray(batch.x)[:, 0] >= 128)
  for first in (light[0], dark[0], light[1], dark[1], light[2]):
    index = jnp.asarray([first, *range(7)])
    before = jax.tree.leaves(state.params)
    state, metrics = make(batch, ex.hyper(), state, index)
    flags.append(int(metrics['refused']))
    same = [
      np.array_equal(a, b)
      for a, b in zip(before, jax.tree.leaves(state.params), strict=True)
    ]
    assert all(same) == bool(flags[-1])
    wanted.append(first in dark or (not skip and 1 in wanted))
  assert flags == [int(one) for one in wanted]
  assert int(state.refused) == sum(flags)
  assert int(state.step) == (5 if skip else 1)


@pytest.mark.slow
def test_a_run_that_skips_says_how_many_and_one_that_only_skips_fails(
  tiny, tiny_data, monkeypatch, tmp_path
):
  from vae_jax import data

  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: tiny_data)
  ex = dataclasses.replace(
    tiny, dataset='tiny', steps=12, skip_nonfinite=True, objective=divided
  )
  with pytest.raises(RunError, match='4 updates of 4 were not finite'):
    command.fit('tiny', [grid.alone(ex)], tmp_path / 'a')
  ex = dataclasses.replace(ex, objective=objectives.elbo)
  outcome = command.fit('tiny', [grid.alone(ex)], tmp_path / 'b')
  assert outcome.runs[''].results['skipped_updates'] == 0
