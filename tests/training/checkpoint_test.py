import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from vae_jax.training import checkpoint
from vae_jax.training.checkpoint import CheckpointError

ROOT = Path(__file__).parents[2]


def replicated():
  mesh = Mesh(np.array(jax.local_devices()), ('devices',))
  return NamedSharding(mesh, PartitionSpec())


def state_of(step, width=300):
  """Random enough that no compression makes it small."""
  noise = np.random.default_rng(step).normal(size=(width, 100))
  state = {
    'params': {'encoder': {'kernel': noise.astype(np.float32)}},
    'half': jnp.asarray(noise[:3, 0], jnp.bfloat16),
    'none_of_it': np.zeros((0, 3), np.float32),
    'opt_state': (np.float32(step), [np.arange(5)]),
    'step': np.int32(step),
    'key': jax.random.key_data(jax.random.key(step)),
  }
  state = jax.device_put(jax.tree.map(np.asarray, state), replicated())
  return state | {'key': jax.random.wrap_key_data(state['key'])}


def bits_of(leaf):
  is_key = jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)
  raw = np.asarray(jax.random.key_data(leaf) if is_key else leaf)
  return str(leaf.dtype), leaf.shape, raw.tobytes()


def bits(tree):
  return jax.tree.map(bits_of, tree)


@pytest.fixture
def folder(tmp_path):
  """Checkpoints of the steps 1, 2 and 3; 1 is the best."""
  directory = tmp_path / 'checkpoints'
  manager = checkpoint.open(directory, 'loss')
  for step, loss in [(1, 0.1), (2, 0.5), (3, 0.4)]:
    assert checkpoint.save(manager, step, state_of(step), {'loss': loss})
  checkpoint.close(manager)
  return directory


def restored(directory, target=None, **options):
  manager = checkpoint.open(directory, 'loss')
  try:
    return checkpoint.restore(manager, target or state_of(0), **options)
  finally:
    checkpoint.close(manager)


def files(directory):
  return {
    str(path.relative_to(directory)): path.stat().st_mtime_ns
    for path in directory.rglob('*')
  }


def largest_file(directory):
  return max(directory.rglob('*'), key=lambda path: path.stat().st_size)


def flip(path, at):
  data = bytearray(path.read_bytes())
  data[at % len(data)] ^= 1
  path.write_bytes(data)


def test_a_restored_state_equals_the_saved_one_bit_for_bit(folder):
  state, step, notes = restored(folder)
  assert (step, notes) == (3, [])
  assert bits(state) == bits(state_of(3))


def test_a_restored_state_lies_where_the_target_lies(folder):
  target = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding),
    state_of(0),
  )
  state, _, _ = restored(folder, target)
  assert bits(state) == bits(state_of(3))
  for leaf, there in zip(
    jax.tree.leaves(state), jax.tree.leaves(target), strict=True
  ):
    assert leaf.sharding.is_equivalent_to(there.sharding, leaf.ndim)


def test_a_restored_key_continues_the_same_stream(folder):
  state, _, _ = restored(folder)
  expected = jax.random.normal(jax.random.key(3), (5,))
  np.testing.assert_array_equal(jax.random.normal(state['key'], (5,)), expected)


def test_a_state_spread_over_the_devices_comes_back_whole(tmp_path):
  mesh = Mesh(np.array(jax.local_devices()), ('devices',))
  spread = NamedSharding(mesh, PartitionSpec('devices'))
  state = {'runs': jax.device_put(np.arange(8.0).reshape(4, 2), spread)}
  manager = checkpoint.open(tmp_path)
  checkpoint.save(manager, 1, state, {})
  again, _, _ = checkpoint.restore(manager, state)
  checkpoint.close(manager)
  assert bits(again) == bits(state)
  assert again['runs'].sharding == spread


@pytest.mark.parametrize('damage', ['start', 'middle', 'end', 'truncated'])
def test_damaged_arrays_are_noticed_and_the_older_step_is_used(folder, damage):
  path = largest_file(folder / '3')
  size = path.stat().st_size
  assert size > 50_000
  if damage == 'truncated':
    path.write_bytes(path.read_bytes()[: size // 2])
  else:
    tenths = {'start': 1, 'middle': 5, 'end': 9}[damage]
    flip(path, size * tenths // 10)
  before = files(folder)
  state, step, notes = restored(folder)
  assert step == 2
  assert bits(state) == bits(state_of(2))
  assert len(notes) == 1
  assert notes[0].startswith('checkpoint 3 is damaged (')
  assert notes[0].endswith('; used 2')
  assert files(folder) == before


def test_a_note_names_the_damaged_leaf(folder):
  path = largest_file(folder / '3')
  flip(path, path.stat().st_size // 2)
  _, _, notes = restored(folder)
  assert notes == [
    'checkpoint 3 is damaged (params/encoder/kernel: crc32 differs); used 2'
  ]


def test_no_flipped_bit_in_any_file_of_a_step_gives_a_wrong_state(folder):
  rng = np.random.default_rng(0)
  spare = folder.parent / 'spare'
  shutil.copytree(folder, spare)
  for path in sorted(p for p in (folder / '3').rglob('*') if p.is_file()):
    flip(path, int(rng.integers(path.stat().st_size)))
    state, step, _ = restored(folder)
    assert bits(state) == bits(state_of(step)), path
    shutil.copy(spare / path.relative_to(folder), path)


def test_a_damaged_list_of_leaves_is_damage_and_not_a_misfit(folder):
  path = folder / '3/leaves/metadata'
  path.write_text(path.read_text().replace('kernel', 'kernal'))
  _, step, notes = restored(folder)
  assert step == 2
  assert 'the list of leaves: crc32 differs' in notes[0]


def test_repair_deletes_the_damaged_step_so_that_it_can_be_saved_again(folder):
  flip(largest_file(folder / '3'), 1000)
  (folder / '7.orbax-checkpoint-tmp').mkdir()
  manager = checkpoint.open(folder, 'loss')
  _, step, _ = checkpoint.restore(manager, state_of(0), repair=True)
  assert step == 2
  assert checkpoint.steps(manager) == [1, 2]
  assert not (folder / '7.orbax-checkpoint-tmp').exists()
  assert checkpoint.save(manager, 3, state_of(3), {'loss': 0.4})
  checkpoint.close(manager)
  assert bits(restored(folder)[0]) == bits(state_of(3))


def test_without_a_good_step_one_line_says_so_and_nothing_is_deleted(folder):
  for step in '123':
    flip(largest_file(folder / step), 1000)
  with pytest.raises(CheckpointError, match='no good checkpoint') as error:
    restored(folder, repair=True)
  assert str(folder) in str(error.value)
  assert '\n' not in str(error.value)
  assert {'1', '2', '3'} <= {path.name for path in folder.iterdir()}


def test_the_best_and_the_two_latest_steps_are_kept_across_resumes(tmp_path):
  losses = {1: 0.5, 2: 0.1, 3: 0.4, 4: 0.6, 5: 0.3, 6: float('nan')}
  for step, loss in losses.items():
    manager = checkpoint.open(tmp_path, 'loss')
    checkpoint.save(manager, step, {'x': jnp.ones(3)}, {'loss': loss})
    checkpoint.close(manager)
  manager = checkpoint.open(tmp_path, 'loss')
  assert checkpoint.steps(manager) == [2, 5, 6]
  assert checkpoint.best(manager) == 2
  _, step, _ = checkpoint.restore(manager, {'x': jnp.ones(3)}, at=2)
  assert step == 2
  checkpoint.close(manager)


def test_the_best_may_be_the_highest_and_metrics_may_be_missing(tmp_path):
  manager = checkpoint.open(tmp_path, 'psnr', lowest=False)
  for step, psnr in [(1, 9.0), (2, 30.0), (3, 8.0), (4, 7.0)]:
    checkpoint.save(manager, step, {'x': jnp.ones(3)}, {'psnr': psnr})
  checkpoint.save(manager, 5, {'x': jnp.ones(3)}, {})
  checkpoint.close(manager)
  assert checkpoint.steps(manager) == [2, 4, 5]


def test_without_a_monitor_the_two_latest_steps_are_kept(tmp_path):
  manager = checkpoint.open(tmp_path)
  for step in range(4):
    checkpoint.save(manager, step, {'x': jnp.ones(3)}, {'loss': 1.0})
  assert checkpoint.steps(manager) == [2, 3]
  assert checkpoint.best(manager) is None
  checkpoint.close(manager)


def test_a_state_may_be_donated_or_overwritten_right_after_saving(tmp_path):
  manager = checkpoint.open(tmp_path)
  target, expected = state_of(0), bits(state_of(7, 3000))
  state = state_of(7, 3000)
  scrub = jax.jit(
    lambda tree: jax.tree.map(lambda x: x * 0, tree), donate_argnums=0
  )
  checkpoint.save(manager, 7, state, {})
  key = state.pop('key')
  donated = jax.block_until_ready(scrub(state))
  assert state['params']['encoder']['kernel'].is_deleted()
  again, _, _ = checkpoint.restore(manager, donated | {'key': target['key']})
  checkpoint.close(manager)
  assert bits(again) == expected
  jax.random.normal(key)


def test_saving_a_step_again_changes_nothing(folder):
  before = files(folder)
  manager = checkpoint.open(folder, 'loss')
  for step in [2, 3]:
    assert not checkpoint.save(manager, step, state_of(9), {'loss': 0.0})
  checkpoint.close(manager)
  assert files(folder) == before


def test_saving_below_the_latest_step_is_an_error_not_a_silence(folder):
  manager = checkpoint.open(folder, 'loss')
  checkpoint.save(manager, 5, state_of(5), {'loss': 0.3})
  with pytest.raises(CheckpointError, match='step 4 below step 5'):
    checkpoint.save(manager, 4, state_of(4), {'loss': 0.3})
  checkpoint.close(manager)


@pytest.mark.parametrize(
  'change, message',
  [
    (
      lambda s: s | {'params': {'encoder': {'kernel': jnp.ones((4, 100))}}},
      r'params/encoder/kernel as float32\[300, 100\], not float32\[4, 100\]',
    ),
    (lambda s: s | {'step': jnp.float32(0)}, r'step as int32\[\], not float32'),
    (lambda s: s | {'more': jnp.ones(3)}, 'has no leaf more'),
    (
      lambda s: {k: v for k, v in s.items() if k != 'half'},
      'an unexpected leaf half',
    ),
    (
      lambda s: s | {'key': jax.random.key(0, impl='rbg')},
      r'key as key<fry>\[\], not key<rbg>',
    ),
  ],
)
def test_a_state_that_does_not_fit_names_the_leaf(folder, change, message):
  with pytest.raises(CheckpointError, match=message):
    restored(folder, change(state_of(0)), repair=True)
  assert (folder / '3').exists()


def test_no_directory_and_an_empty_one_give_none_and_stay_as_they_were(
  tmp_path,
):
  assert restored(tmp_path / 'nowhere') is None
  assert restored(tmp_path) is None
  assert list(tmp_path.iterdir()) == []


def test_a_failed_save_is_one_line_and_the_older_step_stays(folder):
  manager = checkpoint.open(folder, 'loss')
  old = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, old[1]))
  try:
    checkpoint.save(manager, 4, state_of(4), {'loss': 0.0})
    with pytest.raises(CheckpointError, match='the last save failed') as error:
      checkpoint.close(manager)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
  assert '\n' not in str(error.value)
  assert restored(folder)[1] == 3


def test_a_save_that_was_killed_is_ignored(folder):
  shutil.copytree(folder / '3', folder / '4.orbax-checkpoint-tmp')
  assert restored(folder)[1] == 3


HOLD = """
import sys
from vae_jax.training import checkpoint
with checkpoint.lock(sys.argv[1]):
  print('held', flush=True)
  sys.stdin.read()
"""


def test_a_directory_has_one_holder_and_a_killed_one_frees_it(tmp_path):
  holder = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path / 'run')],
    cwd=ROOT,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  with holder:
    assert holder.stdout.readline() == 'held\n'
    message = f'run is in use by process {holder.pid}$'
    with pytest.raises(checkpoint.BusyError, match=message):
      with checkpoint.lock(tmp_path / 'run'):
        pass
    holder.kill()
  with checkpoint.lock(tmp_path / 'run'):
    assert (tmp_path / 'run/.lock').read_text() == f'{os.getpid()}\n'


def test_the_module_imports_without_orbax_and_saves_without_chatter(tmp_path):
  code = f"""
import sys
from vae_jax.training import checkpoint
assert not any(name.split('.')[0] == 'orbax' for name in sys.modules)
import jax.numpy as jnp
manager = checkpoint.open({str(tmp_path)!r}, 'loss')
state = {{'x': jnp.ones(3)}}
checkpoint.save(manager, 1, state, {{'loss': 1.0}})
checkpoint.restore(manager, state)
checkpoint.close(manager)
"""
  done = subprocess.run(
    [sys.executable, '-W', 'error', '-c', code],
    cwd=ROOT,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
  )
  assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_save_returns_before_the_arrays_are_on_disk(tmp_path):
  manager = checkpoint.open(tmp_path)
  checkpoint.save(manager, 2, state_of(2, 100_000), {})
  assert not (tmp_path / '2').exists()
  checkpoint.wait(manager)
  assert (tmp_path / '2').exists()
  checkpoint.close(manager)


def test_a_lock_that_is_a_link_is_refused_and_its_target_kept(tmp_path):
  (tmp_path / 'other').write_text('kept')
  (tmp_path / '.lock').symlink_to(tmp_path / 'other')
  with pytest.raises(OSError), checkpoint.lock(tmp_path):
    pass
  assert (tmp_path / 'other').read_text() == 'kept'


def test_where_no_checkpoint_can_be_written_is_told_at_the_start(tmp_path):
  checkpoint.check_writable(tmp_path / 'new')
  checkpoint.check_writable(tmp_path)
  (tmp_path / 'file').touch()
  (tmp_path / 'dangling').symlink_to(tmp_path / 'nothing')
  for name in ('file', 'dangling'):
    with pytest.raises(checkpoint.CheckpointError, match='not a directory'):
      checkpoint.check_writable(tmp_path / name)


def test_steps_on_disk_are_those_that_are_whole(tmp_path):
  for name in ('12', '3', '20.orbax-checkpoint-tmp', 'notes'):
    (tmp_path / name).mkdir()
  assert checkpoint.on_disk(tmp_path) == [3, 12]
  assert checkpoint.on_disk(tmp_path / 'none') == []
