import json
import pathlib
import shutil
import threading

import pytest

from vae_jax import console
from vae_jax.runs import bucket
from vae_jax.runs.directory import Refused, RunError

fsspec = pytest.importorskip('fsspec')


@pytest.fixture
def files(monkeypatch):
  """fsspec's file system in memory, empty."""
  files = fsspec.filesystem('memory')
  files.store.clear()
  monkeypatch.setattr(console, '_called', {})
  yield files
  files.store.clear()


def names(files):
  return sorted(files.find('/bucket'))


@pytest.mark.parametrize(
  ('path', 'wanted'),
  [
    ('gs://bucket/run', True),
    ('s3://bucket', True),
    ('/tmp/run', False),
    ('runs/vae', False),
    ('C://x', False),
    ('gs://', False),
    (None, False),
    ('', False),
  ],
)
def test_a_place_in_a_bucket_is_known_by_its_name(path, wanted):
  assert bucket.is_one(path) == wanted


def test_what_is_of_this_machine_is_left_alone(tmp_path):
  for workdir in (str(tmp_path), None):
    with bucket.copied(workdir) as here:
      assert here is workdir


def test_a_copy_has_all_that_is_there_and_brings_what_changes(files):
  files.pipe_file('/bucket/run/config.json', b'{}')
  files.pipe_file('/bucket/run/checkpoints/5/state', b'five')
  files.pipe_file(f'/bucket/run/checkpoints/5/{bucket.SEAL}', b'')
  files.pipe_file('/bucket/run/checkpoints/7/state', b'half of it')
  with bucket.copied('memory://bucket/run') as here:
    here = pathlib.Path(here)
    assert (here / 'checkpoints' / '5' / 'state').read_bytes() == b'five'
    assert console.named(f'in {here}/a') == 'in memory://bucket/run/a'
    (here / 'checkpoints' / '9').mkdir()
    (here / 'checkpoints' / '9' / 'state').write_bytes(b'nine')
    assert not (here / 'checkpoints' / '7').exists()
    shutil.rmtree(here / 'checkpoints' / '5')
    (here / 'config.json').write_bytes(b'{"a": 1}')
    (here / '.lock').touch()
    (here / 'checkpoints' / '9.orbax-checkpoint-tmp').mkdir()
    (here / 'checkpoints' / '9.orbax-checkpoint-tmp' / 'state').touch()
  assert names(files) == [
    '/bucket/run/checkpoints/7/state', '/bucket/run/checkpoints/9/state',
    '/bucket/run/config.json',
  ]  # fmt: skip
  assert files.cat('/bucket/run/config.json') == b'{"a": 1}'
  assert not here.exists()


def test_it_is_kept_up_while_it_is_worked_in(files, monkeypatch):
  monkeypatch.setattr(bucket, 'EVERY_S', 0.01)
  brought = threading.Event()
  bring = bucket.Copy.bring

  def told(copy):
    bring(copy)
    if copy.there:
      brought.set()

  monkeypatch.setattr(bucket.Copy, 'bring', told)
  with bucket.copied('memory://bucket/run') as here:
    (pathlib.Path(here) / 'a').write_text('1')
    assert brought.wait(10)
    assert names(files) == ['/bucket/run/a']


def test_nothing_is_lost_where_the_bucket_does_not_take_it(files, monkeypatch):
  def full(*_):
    raise OSError('quota exceeded')

  with pytest.raises(RunError, match=r'quota exceeded\): it is in /') as error:
    with bucket.copied('memory://bucket/run') as here:
      (pathlib.Path(here) / 'a').write_text('mine')
      monkeypatch.setattr(type(files), 'put_file', full)
  assert (pathlib.Path(here) / 'a').read_text() == 'mine'
  assert str(here) in console.named(str(error.value))


@pytest.mark.parametrize(
  ('url', 'words'),
  [
    ('nope://bucket/run', 'Protocol not known: nope'),
    ('memory://bucket/run', 'not yours'),
  ],
)
def test_a_bucket_that_cannot_be_had_is_one_line(
  url, words, files, monkeypatch
):
  def denied(*_, **__):
    raise PermissionError('memory: not yours')

  monkeypatch.setattr(type(files), 'pipe_file', denied)
  with pytest.raises(Refused, match=words):
    with bucket.copied(url):
      pass


@pytest.mark.slow
def test_a_run_in_a_bucket_goes_on_and_is_measured(files, tiny_data, launched):
  tiny = (
    '--workdir=memory://bucket/run', '--set=network.widths=(4,)',
    '--nll_samples=0', '--set=pictures=()', '--set=baselines=()',
  )  # fmt: skip
  first = '--experiment=vae', '--dataset=tiny', '--batch_size=8'
  code, out, err = launched(*tiny, *first, '--steps=4')
  assert code == 0, err
  assert 'run: memory://bucket/run' in out
  code, _, err = launched(*tiny, '--steps=8')
  assert code == 0 and 'resuming at step 4 of 8' in err
  assert json.loads(files.cat('/bucket/run/results.json'))['step'] == 8
  code, out, _ = launched('--workdir=memory://bucket/run', '--mode=report')
  assert code == 0 and 'memory://bucket/run' in out


def test_what_a_run_is_comes_first_and_the_seals_last():
  names = [
    'checkpoints/9/state/d', f'checkpoints/9/{bucket.SEAL}', 'metrics.jsonl',
    f'seed=0/checkpoints/9/{bucket.SEAL}', 'seed=0/checkpoints/9/leaves',
    'config.json',
  ]  # fmt: skip
  assert sorted(names, key=bucket.turn) == [
    'config.json', 'metrics.jsonl', 'checkpoints/9/state/d',
    'seed=0/checkpoints/9/leaves', f'checkpoints/9/{bucket.SEAL}',
    f'seed=0/checkpoints/9/{bucket.SEAL}',
  ]  # fmt: skip
