import json
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import launch
from tests.accelerator import (
  __main__,
  batches,
  census,
  goal,
  members,
  page,
  parts,
  runs,
  same,
  small_step,
)
from vae_jax.data import DataError

SMALL = parts.Flags(small=True, data_dir=None, dataset='digits')


def found(part, flags=SMALL):
  """{row: figures} of a part, in this process."""
  return {row: parts.attempted(f) for row, f in part.rows(flags)}


@pytest.mark.slow
def test_steps_are_the_same_on_the_same_device_and_near_it_in_bfloat16():
  rows = found(same)
  assert rows and all(row['ok'] for row in rows.values()), rows
  for row in rows.values():
    assert row['loss float32'] == row['worst parameter'] == 0
    assert row['gradients bfloat16'] > 0


def test_a_gradient_that_is_wrong_in_one_parameter_is_seen():
  right = {'large': np.full(10, 3.0), 'small': np.full(10, 0.01)}
  wrong = right | {'small': np.full(10, 0.02)}
  loss, whole, worst = same.differences((wrong, 2.2), (right, 2.0))
  assert loss == pytest.approx(0.1)
  assert worst == pytest.approx(1.0) and whole < 0.01
  # What is nearly nothing beside the others may be rounding.
  nothing = right | {'small': np.full(10, 1e-9)}
  assert same.differences((right, 2.0), (nothing, 2.0))[2] < 10


@pytest.mark.slow
def test_every_step_waits_for_nothing_where_it_is_compiled_for_a_gpu():
  for name, ex in same.chosen(small=False).items():
    lowered = census.lowered(ex, lowering_platforms=('cuda',))
    assert census.undecided(lowered) == [], name


@pytest.mark.slow
def test_the_census_allows_the_one_conditional_of_a_cpu():
  rows = found(census)
  assert rows and all(row['ok'] for row in rows.values()), rows
  assert all(len(row['conditionals']) == 1 for row in rows.values())


def test_the_census_sees_conditionals_and_loops_of_unknown_length():
  def branch(x):
    return jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x)

  def loop(x):
    return jax.lax.while_loop(lambda x: x.sum() < 9, lambda x: x * 2, x)

  def known(x):
    return jax.lax.scan(lambda x, _: (jnp.sin(x @ x), None), x, length=7)[0]

  x = jnp.ones((9, 9))
  counts = []
  for f in (branch, loop, known):
    lowered = jax.jit(f).lower(x)
    seen = census.census(lowered.compile().as_text())
    counts.append((len(seen['conditionals']), len(seen['loops'])))
    assert bool(census.undecided(lowered)) == (f is branch)
  assert counts == [(1, 0), (0, 1), (0, 0)]


@pytest.mark.slow
@pytest.mark.parametrize('part', [small_step, members, batches])
def test_every_row_that_is_timed_has_its_figures(part, quick):
  rows = found(part)
  assert len(rows) >= 3
  for name, row in rows.items():
    numbers = [v for v in row.values() if isinstance(v, float)]
    assert 'error' not in row and len(numbers) > 1, (name, row)
    assert all(np.isfinite(v) and v > 0 for v in numbers), (name, row)


def test_the_form_of_convolutions_is_as_it_was_after_a_row(monkeypatch):
  def broken(*args):
    held.append(batches.convolutions.PRODUCTS)
    raise RuntimeError('broken')

  held, before = [], batches.convolutions.PRODUCTS
  monkeypatch.setattr(batches, 'row', broken)
  for form in ('lax', 'products'):
    with pytest.raises(RuntimeError):
      batches.formed(form, None, True, 1)
  assert held[0] == () and 'cuda' in held[1]
  assert batches.convolutions.PRODUCTS is before


@pytest.mark.slow
def test_the_goal_is_reached_and_its_time_has_parts(monkeypatch):
  [row] = found(goal).values()
  assert row['nelbo_nats'] <= 400 and row['steps'] % 20 == 0
  assert 0 < row['without_compile_s'] < row['all_s']
  monkeypatch.setattr(goal, 'STEPS', 20)
  monkeypatch.setattr(goal, 'NATS', 1.0)
  [row] = found(goal, SMALL._replace(small=False)).values()
  assert 'after 391 steps' in row['error']


def test_a_dataset_that_is_not_there_is_missing_and_no_failure(tmp_path):
  flags = parts.Flags(False, None, f'npz:{tmp_path}/no.npz')
  [row] = found(goal, flags).values()
  assert 'no.npz' in row['missing'] and 'error' not in row
  everything = {'parts': {'goal': {'': {'binarised MNIST': row}}}}
  assert page.failures(everything) == []
  assert 'no.npz' in page.section('goal', everything)


def test_the_set_is_written_as_one_file(tmp_path, monkeypatch):
  argv = ['goal', '--data_dir=D', '--dataset=digits', f'--to={tmp_path}/a.npz']
  monkeypatch.setattr('sys.argv', argv)
  goal.main()
  splits = goal.data.load(f'npz:{tmp_path}/a.npz')
  for split, batch in goal.data.load('digits').items():
    np.testing.assert_array_equal(splits[split].x, batch.x)
  with pytest.raises(DataError):
    goal.data.load(f'npz:{tmp_path}/b.npz')


@pytest.mark.slow
def test_whole_runs_are_compared_as_a_user_makes_them(monkeypatch, capsys):
  def here(flags, workdir, **env):
    assert launch.main(['launch.py', *flags, f'--workdir={workdir}']) == 0

  monkeypatch.setattr(runs, 'launched', here)
  monkeypatch.setattr(runs, 'ThreadPoolExecutor', At_once)
  monkeypatch.setattr(runs, 'STEPS', 40)
  # Its nine pictures a run are looked at elsewhere.
  quick = [*runs.FLAGS, '--devices=1', '--set=pictures=()']
  monkeypatch.setattr(runs, 'FLAGS', quick)
  rows = found(runs)
  assert len(rows) == 4 and all(row['ok'] for row in rows.values()), rows
  assert rows['sweep by vmap']['figures'] > 3


class At_once:
  """A pool of one thread, this one: signals need the main thread."""

  def __init__(self, count):
    del count

  def submit(self, f, *args):
    result = f(*args)
    return type('Done', (), {'result': lambda self: result})()


def test_what_was_measured_of_two_runs_must_be_near():
  one = {'nelbo_nats': 100.0, 'kl_nats': 10.0, 'wall_s': 3.0}
  other = {'nelbo_nats': 100.001, 'kl_nats': 10.1}
  row = runs.apart(one, other, 1e-4)
  assert not row['ok'] and row['of'] == 'kl_nats' and row['figures'] == 2
  assert runs.apart(one, one, 1e-4)['ok']
  assert not runs.apart(one, {}, 1e-4)['ok']


@pytest.mark.slow
def test_a_process_that_crashes_or_is_late_leaves_a_line(tmp_path, monkeypatch):
  until = time.monotonic() + 100
  device = parts.Process('device', '', SMALL, tmp_path, until)
  broken = parts.Process('nets', '', SMALL, tmp_path, until)  # has no rows
  fatal = parts.Process('device', '--xla_no_such_flag', SMALL, tmp_path, until)
  assert device.rows()['machine']['platform'] == 'cpu'
  assert 'rows' in broken.rows()['process']['error']
  assert 'xla_no_such_flag' in fatal.rows()['process']['error']
  monkeypatch.setitem(parts.PARTS, 'device', 0.01)
  late = parts.Process('device', '', SMALL, tmp_path, until)
  assert 'stopped after' in late.rows()['time']['error']
  assert late.process.poll() is not None


def test_rows_for_which_no_time_is_left_are_left_out(monkeypatch):
  monkeypatch.setenv(parts.UNTIL, str(time.time() - 1))
  row = parts.attempted(lambda: {'us': 1.0})
  assert 'time is up' in row['missing'] and 'us' not in row
  monkeypatch.setenv(parts.UNTIL, str(time.time() + 60))
  assert parts.attempted(lambda: {'us': 1.0})['us'] == 1.0


def test_a_module_that_is_missing_is_named(quick, monkeypatch, capsys):
  monkeypatch.setitem(parts.sys.modules, 'torch', None)
  monkeypatch.delitem(
    parts.sys.modules, 'tests.accelerator.against_torch', False
  )
  assert parts.child('against_torch', SMALL) == 0
  name, row = parts.read(capsys.readouterr().out)
  assert name == 'against_torch' and 'torch' in row['missing']


def everything():
  def step(none, other):
    return {
      variant: {
        f'K={k} unroll=1': {'us': us / k, 'share': 0.5} for k in (1, 10)
      }
      | {f'size {n}': {'us': n * us} for n in (1, 2, 3)}
      for variant, us in (('none', none), ('other', other))
    }

  batches = {'batch 8 float32': {'gemm_share': 0.4, 'ms_per_step': 2.0}}
  members = {
    '1 one': {'us': 10.0, 'gemm_share': 0.1},
    '4 vmap': {'us': 20.0, 'gemm_share': 0.2},
    '4 map': {'us': 40.0, 'gemm_share': 0.1},
  }
  bad = {'vae': {'ok': False, 'loss': 1.0}, 'time': {'error': 'stopped'}}
  return {
    'machine': {'kind': 'a card', 'platform': 'gpu', 'versions': {'jax': '1'}},
    'small': False,
    'parts': {
      'same': {'': bad},
      'small_step': step(100.0, 80.0),
      'members': {'': members},
      'batches': {'': batches},
    },
  }


def test_the_page_says_what_was_found_and_what_failed(tmp_path):
  page.write(everything(), tmp_path)
  read = json.loads((tmp_path / 'accelerator.json').read_text())
  assert read == everything()
  text = (tmp_path / 'accelerator.md').read_text()
  assert '# a card (gpu)' in text and 'jax 1' in text
  assert '| K=10 unroll=1 | 10 (50 %) | 8 (50 %) |' in text
  assert '1.1x at every size: other.' in text
  assert '| 4 vmap | 20 | 2 | 0.2 |' in text
  assert '- time: stopped' in text
  assert (tmp_path / 'accelerator.png').stat().st_size > 10_000
  failed = page.failures(everything())
  assert len(failed) == 2 and 'same, vae' in failed[1]


def test_a_flag_must_win_at_every_size_to_be_a_default():
  plain = {'size 1': {'us': 10.0}, 'size 2': {'us': 10.0}}
  half = {'size 1': {'us': 5.0}, 'size 2': {'us': 10.0}}
  fewer = {'size 1': {'us': 5.0}}
  held = {'none': plain, 'half': half, 'fewer': fewer, 'all': fewer | plain}
  held['all'] = {row: {'us': 9.0} for row in plain}
  assert page.worth_a_default(held) == ['all']
  assert page.worth_a_default({'half': half}) == []


def test_the_picture_has_a_line_for_everything_timed():
  figure = page.picture(everything())
  axes = figure.get_axes()
  assert [len(a.lines) for a in axes] == [2, 2, 1]
  assert list(axes[1].lines[1].get_ydata()) == [1.0, 4.0]
  assert page.picture({'machine': {}, 'parts': {}}) is None


def test_the_command_names_its_parts_and_refuses_others(monkeypatch, capsys):
  for flags, wanted in (
    (['--help'], 'against_torch'),
    (['--out=x', '--part=none'], 'no part none: there are same'),
    ([], '--out=DIR'),
  ):
    monkeypatch.setattr('sys.argv', ['accelerator', *flags])
    with pytest.raises(SystemExit):
      __main__.main()
    said = capsys.readouterr()
    assert wanted in said.out + said.err


@pytest.mark.slow
def test_a_cpu_is_no_accelerator_but_may_be_tried(tmp_path, capsys):
  assert __main__.measured(['census'], SMALL._replace(small=False), tmp_path)
  assert '--small' in capsys.readouterr().err
  assert not (tmp_path / 'accelerator.json').exists()
  assert __main__.measured(['census'], SMALL, tmp_path) == 0
  said = capsys.readouterr().out
  assert (
    '| vae |' in said
    and 'Tiny nets' in (tmp_path / 'accelerator.md').read_text()
  )
