"""Whole processes of launch.py that are signalled, killed, and lose their
streams: one case of each kind; the many-trial versions by `-m faults`."""

import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from vae_jax import signals
from vae_jax.training import checkpoint

ROOT = pathlib.Path(__file__).parent.parent.parent
TINY = (
  '--experiment=vae', '--set=network.widths=(8,)', '--steps=40000',
  '--steps_per_call=20', '--report_every=2000', '--nll_samples=0',
  '--set=pictures=()', '--set=baselines=()', '--set=measures=()',
)  # fmt: skip


def launched(run_dir, *flags, **options):
  streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
  return subprocess.Popen(
    [sys.executable, str(ROOT / 'launch.py'), *flags, f'--workdir={run_dir}'],
    **{**streams, 'text': True, 'env': environment(), **options},
  )


def environment():
  """Ours, without what makes pytest's jax another one."""
  return {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}


def rows(run_dir) -> int:
  path = run_dir / 'metrics.jsonl'
  return len(path.read_bytes().splitlines()) if path.exists() else 0


def wait_for(child, what):
  end = time.monotonic() + 60
  while not what() and child.poll() is None and time.monotonic() < end:
    time.sleep(0.005)


def ended(child):
  """(exit code, stdout, stderr); a process that hangs fails the test."""
  out, err = child.communicate(timeout=60)
  assert 'Traceback' not in err
  return child.returncode, out, err


def stopped_at(run_dir, number, times=1, least_rows=2, flags=TINY):
  child = launched(run_dir, *flags)
  first = run_dir if flags is TINY else run_dir / 'seed=0'
  wait_for(child, lambda: rows(first) >= least_rows)
  for _ in range(times):
    child.send_signal(number)
    time.sleep(0.05)
  return ended(child)


@pytest.mark.slow
def test_two_signals_of_a_scheduler_lose_nothing(tmp_path):
  code, _, err = stopped_at(tmp_path / 'run', signal.SIGTERM, times=2)
  [step] = [int(w) for w in err.split('SIGTERM at step ')[1].split()[:1]]
  assert code == 128 + signal.SIGTERM
  assert 'go on with --workdir=' in err
  saved = checkpoint.on_disk(tmp_path / 'run' / 'checkpoints')
  assert saved[-1] == step
  assert not list((tmp_path / 'run' / 'checkpoints').glob('*tmp*'))


@pytest.mark.slow
def test_a_sweep_is_saved_whole_whenever_it_is_stopped(tmp_path):
  flags = *TINY, '--seed=0,1,2'
  code, _, err = stopped_at(tmp_path, signal.SIGHUP, flags=flags)
  assert code == 128 + signal.SIGHUP
  steps = [
    checkpoint.on_disk(tmp_path / f'seed={i}' / 'checkpoints')[-1]
    for i in range(3)
  ]
  assert f'SIGHUP at step {steps[0]} of' in err and len(set(steps)) == 1


@pytest.mark.slow
def test_progress_that_nobody_reads_does_not_stop_a_run(tmp_path):
  flags = [flag.replace('40000', '40') for flag in TINY]
  with open('/dev/full', 'w', encoding='utf-8') as full:
    child = launched(tmp_path / 'a', *flags, stderr=full)
    out, _ = child.communicate(timeout=60)
  assert child.returncode == 0 and 'vae on digits' in out
  with open('/dev/full', 'w', encoding='utf-8') as full:
    child = launched(tmp_path / 'b', *flags, stdout=full)
    _, err = child.communicate(timeout=60)
  assert child.returncode == 1
  assert err.endswith('No space left on device: standard output\n')
  assert json.loads((tmp_path / 'b' / 'results.json').read_text())['step'] == 40


@pytest.mark.faults
def test_a_net_too_big_for_the_memory_is_one_line(tmp_path):
  child = launched(
    tmp_path / 'run',
    *('--experiment=vae', '--set=network.widths=(20000,20000)'),
    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9,) * 2),
  )
  code, _, err = ended(child)
  assert code == 1 and err.startswith('error: not enough memory: ')


def test_nobody_reads_a_list():
  command = f'{sys.executable} {ROOT}/launch.py --list'
  read, write = os.pipe()
  os.close(read)
  found = subprocess.run(
    command.split(), stdout=write, stderr=subprocess.PIPE, text=True
  )
  os.close(write)
  assert (found.returncode, found.stderr) == (128 + signal.SIGPIPE, '')


@pytest.mark.faults
@pytest.mark.parametrize('moment', range(40))
def test_signals_over_a_whole_command(tmp_path, moment):
  """Five kinds and two of one kind, from the import to the last line."""
  number = getattr(signal, signals.NAMES[moment % 5])
  flags = ['--experiment=vae', '--epochs=5']
  if moment % 4 == 3:
    flags = [*flags, '--seed=0,1']
  child = launched(tmp_path / 'run', *flags)
  time.sleep(9 * moment / 40)
  child.send_signal(number)
  if moment % 2 and number != signal.SIGINT:
    time.sleep(0.05)
    child.send_signal(number)
  code, _, err = ended(child)
  python_starts = moment == 0
  assert code in (0, 128 + number) or python_starts and code == -number
  if code > 128:
    assert err.splitlines()[-1].startswith(f'error: {number.name}')
  again = launched(tmp_path / 'run', *flags)
  assert ended(again)[0] == 0


def loss(run_dir) -> float:
  """That of the test split, in results.json."""
  return json.loads((run_dir / 'results.json').read_text())['loss']


@pytest.mark.faults
def test_killed_anywhere_a_run_ends_bit_equal(tmp_path):
  flags = [f.replace('40000', '4000') for f in TINY]
  flags = [f.replace('2000', '200') for f in flags]
  whole = launched(tmp_path / 'whole', *flags)
  assert ended(whole)[0] == 0
  draw = random.Random(0)
  for _ in range(50):
    child = launched(tmp_path / 'run', *flags)
    wait_for(child, lambda: rows(tmp_path / 'run') > 1)
    time.sleep(draw.uniform(0, 0.3))
    child.kill()
    child.communicate()
    if (tmp_path / 'run' / 'results.json').exists():
      assert loss(tmp_path / 'run') == loss(tmp_path / 'whole')
      shutil.rmtree(tmp_path / 'run')
  assert ended(launched(tmp_path / 'run', *flags))[0] == 0
  assert loss(tmp_path / 'run') == loss(tmp_path / 'whole')


@pytest.mark.faults
@pytest.mark.parametrize(
  'size', ['4k', '40k', '100k', '400k', '1m', '2m', '3m', '4m', '5m', '6m',
           '8m', '12m'],
)  # fmt: skip
def test_a_full_disk_is_one_line_and_an_end(tmp_path, size):
  mount = ['mount', '-t', 'tmpfs', '-o', f'size={size}', 'tmpfs', str(tmp_path)]
  if subprocess.run(mount, capture_output=True).returncode:
    pytest.skip('no tmpfs can be mounted here')
  try:
    child = launched(tmp_path / 'run', '--experiment=vae', '--epochs=2')
    code, _, err = ended(child)
    assert code == 0 or 'No space left on device' in err.splitlines()[-1]
    assert str(tmp_path) in err.splitlines()[-1] or code == 0
  finally:
    subprocess.run(['umount', '-l', str(tmp_path)], check=True)


@pytest.mark.faults
def test_every_file_of_a_run_flipped_cut_or_gone(tmp_path):
  """A run that goes on, or one line: never a traceback, never another model."""
  flags = [flag.replace('40000', '40') for flag in TINY]
  assert ended(launched(tmp_path / 'whole', *flags))[0] == 0
  draw = random.Random(0)
  files = [p for p in (tmp_path / 'whole').rglob('*') if p.is_file()]
  for path in files:
    for kind in ('flip', 'cut', 'empty', 'gone'):
      shutil.copytree(tmp_path / 'whole', tmp_path / 'run')
      own = tmp_path / 'run' / path.relative_to(tmp_path / 'whole')
      content = bytearray(own.read_bytes())
      if kind == 'gone':
        own.unlink()
      elif content:
        at = draw.randrange(len(content))
        content[at] ^= 1 << draw.randrange(8)
        content = {'flip': content, 'cut': content[:at], 'empty': b''}[kind]
        own.write_bytes(content)
      child = launched(tmp_path / 'run', '--mode=evaluate')
      code, _, err = ended(child)
      assert code in (0, 1, 2), (own, kind)
      assert code == 0 or err.splitlines()[-1].startswith('error: ')
      assert code or loss(tmp_path / 'run') == loss(tmp_path / 'whole')
      shutil.rmtree(tmp_path / 'run')
