"""States on the devices and back, and that runs trained together are those
alone: trained by the functions that a job trains with."""

import dataclasses
import functools
import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import experiments
from vae_jax import data, networks
from vae_jax.config import grid, render
from vae_jax.config.experiment import RATES
from vae_jax.config.override import override
from vae_jax.console import Bar
from vae_jax.factors import objectives, posteriors, views
from vae_jax.factors.hyper import Hyper
from vae_jax.measures import importance, per_example, pooled
from vae_jax.runs import loop, plan, stacked
from vae_jax.runs.prepare import initial
from vae_jax.training import State

STEPS = 100
OPTIMIZERS = {'sgd': optax.identity, 'adam': optax.scale_by_adam}


def tree(seed, *shapes):
  rng = np.random.default_rng(seed)
  return {str(i): rng.random(shape) for i, shape in enumerate(shapes)}


def test_a_smaller_tree_is_the_start_of_the_wider_one_and_comes_back():
  small, base = tree(0, (2, 3), (3,), ()), tree(1, (2, 5), (4,), ())
  wide = stacked.padded(small, base)
  np.testing.assert_array_equal(wide['0'][:, :3], small['0'])
  np.testing.assert_array_equal(wide['0'][:, 3:], base['0'][:, 3:])
  np.testing.assert_array_equal(wide['1'][3:], base['1'][3:])
  assert wide['2'] == small['2']
  back = stacked.start_of(wide, small)
  jax.tree.map(np.testing.assert_array_equal, back, small)


def test_padding_leaves_its_base_as_it_was():
  base = {'a': np.zeros(3)}
  stacked.padded({'a': np.ones(2)}, base)
  assert not base['a'].any()


def test_a_key_survives_the_host():
  key = jax.random.split(jax.random.key(3), 4)
  state = State(jnp.int32(1), jnp.int32(0), {}, (), key)
  found = stacked.keyed(stacked.on_host(state))
  assert not isinstance(stacked.on_host(state).key, jax.Array)
  np.testing.assert_array_equal(*map(jax.random.key_data, (found.key, key)))
  assert jnp.issubdtype(found.key.dtype, jax.dtypes.prng_key)


def test_the_mask_switches_on_the_first_latents():
  np.testing.assert_array_equal(stacked.mask(2, 4), [1, 1, 0, 0])
  assert stacked.mask(4, 4).all()


def changed(tiny, **fields):
  fields = {'dataset': 'tiny', 'steps': STEPS, 'steps_per_call': STEPS} | fields
  return dataclasses.replace(tiny, **fields)


def models(tiny):
  """The kinds of model of which a sweep must be exact."""
  conv = functools.partial(networks.conv, widths=(3,), dense=6)
  return {
    'vae': tiny,
    'conv_vae': dataclasses.replace(tiny, network=conv),
    'conditional_vae': dataclasses.replace(tiny, view=views.labelled),
    'adversarial': dataclasses.replace(
      tiny,
      posterior=posteriors.point,
      objective=objectives.adversarial,
      critic=networks.critic,
      monitor='nll_nats',
    ),
  }


def begun(experiments, devices=1):
  """A Placed of these runs before their first step, on so many devices."""
  members = [
    grid.alone(dataclasses.replace(ex, devices=devices)) for ex in experiments
  ]
  [job] = plan.jobs(members)
  train = job.splits['train']
  states = [initial(m.ex, train)(m.ex) for m in job.members]
  files = [stacked.Files(member, None, 0) for member in job.members]
  return stacked.placed(job, files, list(map(stacked.on_host, states)))


def trained(experiments, devices=1):
  """(losses of every step, final State alone) of each of these runs."""
  ready = begun(experiments, devices)
  examples = loop.examples_of(ready.job, [0] * len(experiments))
  args = examples, ready.hyper, ready.state
  call = loop.compiled_steps(ready.job.ex, *args)
  state, metrics = loop.train_to(STEPS, 0, call, *args, Bar(STEPS))
  states = stacked.apart(ready.job, state, ready.alone)
  return list(zip(metrics['loss'].T, states, strict=True))


def assert_same(found, wanted, atol=1e-6):
  np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)
  close = functools.partial(np.testing.assert_allclose, atol=atol)
  jax.tree.map(close, found[1].params, wanted[1].params)
  np.testing.assert_array_equal(
    *(jax.random.key_data(state.key) for _, state in (found, wanted))
  )
  assert found[1].step == wanted[1].step


@pytest.mark.slow
@pytest.mark.parametrize('optimizer', OPTIMIZERS)
@pytest.mark.parametrize(
  'kind', ['vae', 'conv_vae', 'conditional_vae', 'adversarial']
)
def test_a_run_in_a_padded_sweep_is_the_run_alone(
  kind, optimizer, tiny, tiny_data
):
  ex = changed(models(tiny)[kind], optimizer=OPTIMIZERS[optimizer])
  ex = dataclasses.replace(ex, learning_rate=1e-4, critic_rate=1e-4)
  runs = [dataclasses.replace(ex, latents=n) for n in (2, 5)]
  for one, found in zip(runs, trained(runs), strict=True):
    assert_same(found, *trained([one]))


def in_small(ex, tiny):
  """What an experiment says of its leaves, with a small network."""
  kept = ('view', 'objective', 'posterior', 'prior', 'likelihood', 'critic')
  return dataclasses.replace(
    changed(tiny, learning_rate=1e-4, optimizer=optax.identity, monitor='loss'),
    **{name: getattr(ex, name) for name in kept},
  )


def all_kinds() -> dict:
  """Every combination of functions with leaves that experiments/ has."""
  found = {}
  for module in pkgutil.iter_modules(experiments.__path__):
    file = importlib.import_module(f'experiments.{module.name}')
    for member in grid.members(file.experiment, []):
      leaves = {name: 1.0 for name in member.ex.leaves()}
      ex = member.ex.bound(Hyper(leaves))
      parts = ex.view, ex.objective, ex.posterior, ex.prior, ex.critic
      kind = ' '.join(render(part) for part in parts)
      if member.ex.phrase is None:  # music's have only leaves that images have
        found.setdefault(kind, member.ex)
  return found


KINDS = all_kinds()


@pytest.mark.slow
@pytest.mark.parametrize('kind', KINDS)
def test_sweeping_any_leaf_is_running_each_of_its_values(
  kind, tiny, monkeypatch
):
  """A run for each leaf, in which that one is another, all in one program."""
  rng = np.random.default_rng(0)
  x = rng.integers(0, 256, (26, 12 * 12), dtype=np.uint8)
  label = rng.integers(0, 3, 26).astype(np.int32)
  images = data.Batch(x, label, shape=(12, 12, 1), classes=('a', 'b', 'c'))
  splits = {'train': images, 'test': images}
  monkeypatch.setitem(data.EMBEDDED, 'tiny', lambda: splits)
  base = in_small(KINDS[kind], tiny)
  runs = [base]
  for leaf, value in base.leaves().items():
    new = 3 * value if leaf in RATES else 0.5 * value + 0.3
    runs.append(base.bound(Hyper(base.leaves() | {leaf: new})))
  found = trained(runs)
  first = jax.tree.leaves(found[0][1].params)
  for leaf, one, result in zip(['', *base.leaves()], runs, found, strict=True):
    assert_same(result, *trained([one]))
    if leaf and (leaf != 'critic_rate' or base.critic):
      moved = jax.tree.leaves(result[1].params)
      different = [
        np.abs(a - b).max() for a, b in zip(moved, first, strict=True)
      ]
      assert max(different) > 1e-6, f'{leaf} does nothing'


@pytest.mark.slow
def test_sweeping_the_seed_is_running_each(tiny, tiny_data):
  ex = changed(tiny, optimizer=optax.identity, learning_rate=1e-4)
  runs = [dataclasses.replace(ex, seed=seed) for seed in (0, 7)]
  for one, result in zip(runs, trained(runs), strict=True):
    assert_same(result, *trained([one]))


def weighted(
  model, params, example, key_B, *, f=objectives.elbo, weight: float = 2.0
):
  """An objective of the user's own: another with a weight."""
  values = f(model, params, example, key_B)
  return values | {'loss': weight * values['loss']}


def test_a_leaf_of_the_user_s_own_is_one_program(tiny, tiny_data):
  ex = changed(tiny, objective=weighted)
  members = grid.members(ex, ['objective.weight=1|10', 'objective.f.beta=1|2'])
  [job] = plan.jobs(members)
  assert len(job.members) == 4


@pytest.mark.slow
@pytest.mark.parametrize('stack', ['map', 'vmap'])
def test_runs_lie_on_any_devices_one_by_one_or_side_by_side(
  stack, tiny, tiny_data
):
  ex = changed(tiny, stack=stack, learning_rate=1e-4)
  runs = [dataclasses.replace(ex, latents=n) for n in (2, 3, 5)]
  one_by_one = [dataclasses.replace(run, stack='map') for run in runs]
  wanted = trained(one_by_one)
  for devices in (1, 4):  # of four, one has a run that nobody asked for
    for one, two in zip(trained(runs, devices), wanted, strict=True):
      assert_same(one, two)


def explodes(model, params, example, key_B, beta: float = 1.0):
  """The ELBO, which is not a number where beta is 3."""
  values = objectives.elbo(model, params, example, key_B, beta)
  bad = jax.numpy.where(beta == 3, jax.numpy.nan, 0.0)
  return values | {'loss': values['loss'] + bad}


@pytest.mark.slow
@pytest.mark.parametrize('stack', ['map', 'vmap'])
def test_a_run_that_diverges_stays_where_it_was_and_disturbs_nobody(
  stack, tiny, tiny_data
):
  ex = changed(tiny, objective=explodes, stack=stack)
  good, bad = (override(ex, f'beta={beta}') for beta in (1.0, 3.0))
  found, undisturbed = trained([good, bad]), trained([good, good])
  same = functools.partial(jax.tree.map, np.testing.assert_array_equal)
  same(found[0][1].params, undisturbed[0][1].params)
  assert found[1][1].refused == STEPS and found[1][1].step == 0
  ready = begun([bad])
  [first] = stacked.apart(ready.job, ready.state, ready.alone)
  same(found[1][1].params, first.params)


def accumulates():
  """AdaGrad's direction, whose sums of squares start at .1 and not at 0."""
  return optax.scale_by_rss(initial_accumulator_value=0.1, eps=0.0)


@pytest.mark.slow
def test_padding_has_the_state_that_its_optimizer_starts_with(tiny, tiny_data):
  ex = changed(tiny, optimizer=accumulates, learning_rate=1e-3)
  runs = [dataclasses.replace(ex, latents=n) for n in (2, 5)]
  ready = begun(runs)
  states = stacked.apart(ready.job, ready.state, ready.alone)
  base = stacked.padding(ready.job, states)
  sums = jax.tree.leaves(base.opt_state)
  assert sums and all((leaf == np.float32(0.1)).all() for leaf in sums)
  assert not any(leaf.any() for leaf in jax.tree.leaves(base.params))
  # 0 / sqrt(0) in the padding would be no number, and every step refused.
  for one, found in zip(runs, trained(runs), strict=True):
    assert_same(found, *trained([one]))


@pytest.mark.slow
def test_measures_of_a_sweep_are_those_of_each_run(tiny, tiny_data):
  measures = (
    tiny.objective,
    per_example.active_latents,
    per_example.kl_per_latent,
    per_example.quality,
    codes,
  )
  ex = changed(tiny, measures=measures, nll_samples=6, nll_images=9)
  runs = [dataclasses.replace(ex, latents=n) for n in (2, 5)]

  def figures(experiments, devices):
    ready = begun(experiments, devices)
    job = ready.job
    measure = pooled.means(job.ex, measures, job.layout, 8)
    tests = loop.tested(ready, measure, ready.state)
    estimate = importance.nll(job.ex, job.layout, 4)
    nlls = estimate(job.splits['test'], ready.hyper, ready.state)
    return [test | nll for test, nll in zip(tests, nlls, strict=True)]

  for one, found in zip(runs, figures(runs, 4), strict=True):
    [wanted] = figures([one], 1)
    assert found.keys() == wanted.keys()
    assert len(found['kl_per_latent_nats']) == one.latents
    assert np.shape(found['codes']) == (2, one.latents)
    for name, value in wanted.items():
      close = functools.partial(np.testing.assert_allclose, rtol=1e-5)
      close(found[name], value, atol=1e-6, err_msg=name)


def codes(model, params, example, key_B):
  """Two numbers of each latent under a name that nobody knows: [B, 2, Z]."""
  del key_B
  z_BZ = model.encode(params, example.seen, example.given).mean
  return {'codes': jnp.stack([z_BZ, z_BZ**2], 1)}
