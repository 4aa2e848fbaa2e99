import io
import json
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.training import log


def refuse(constant):
  raise AssertionError(f'{constant} is not JSON')


def strict_lines(run_dir):
  lines = (run_dir / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line, parse_constant=refuse) for line in lines]


def events(run_dir):
  """Every event of every file, read with tensorboardX's own proto."""
  from tensorboardX.proto.event_pb2 import Event

  found = []
  for path in sorted((run_dir / 'tensorboard').iterdir()):
    data = path.read_bytes()
    while data:  # length 8, its crc 4, the event, its crc 4
      size = int.from_bytes(data[:8], 'little')
      found.append(Event.FromString(data[12 : 12 + size]))
      data = data[12 + size + 4 :]
  return found


def test_each_call_is_one_line_that_is_on_disk_at_once(tmp_path):
  writer = log.open(tmp_path / 'run', tensorboard=False)
  writer.scalars(10, {'train/loss': 1.5, 'steps_per_s': np.float32(3)})
  assert strict_lines(tmp_path / 'run') == [
    {'step': 10, 'train/loss': 1.5, 'steps_per_s': 3.0}
  ]
  writer.scalars(jnp.int32(20), {'test/psnr_db': jnp.float32(20.5), 'n': 4})
  writer.close()
  assert log.rows(tmp_path / 'run')[1] == {
    'step': 20,
    'test/psnr_db': 20.5,
    'n': 4,
  }


@pytest.mark.parametrize(
  'value', [float('nan'), np.float32('inf'), -jnp.float32(jnp.inf)]
)
def test_a_value_that_is_not_finite_leaves_the_file_strict_json(
  tmp_path, value
):
  writer = log.open(tmp_path)
  writer.scalars(1, {'train/loss': value})
  writer.close()
  assert strict_lines(tmp_path) == [{'step': 1, 'train/loss': None}]


def test_a_resumed_run_has_every_step_once(tmp_path):
  writer = log.open(tmp_path, tensorboard=False)
  for step in [10, 20, 30, 40]:
    writer.scalars(step, {'loss': float(step)})
  writer.close()
  writer = log.open(tmp_path, tensorboard=False, resume_step=20)
  for step in [30, 40, 50]:
    writer.scalars(step, {'loss': -float(step)})
  writer.close()
  rows = log.rows(tmp_path)
  assert [row['step'] for row in rows] == [10, 20, 30, 40, 50]
  assert [row['loss'] for row in rows] == [10, 20, -30, -40, -50]


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path):
  (tmp_path / 'metrics.jsonl').write_text('{"step": 1}\n{"step": 2, "lo')
  assert log.rows(tmp_path) == [{'step': 1}]
  writer = log.open(tmp_path, tensorboard=False)
  writer.scalars(2, {})
  writer.close()
  assert strict_lines(tmp_path) == [{'step': 1}, {'step': 2}]


def test_a_directory_without_metrics_reads_as_no_rows(tmp_path):
  assert log.rows(tmp_path) == []


def test_tensorboard_holds_the_scalars_and_the_images(tmp_path):
  from PIL import Image

  picture = np.zeros((4, 6, 3), np.uint8)
  picture[1, 2] = (255, 128, 0)
  Image.fromarray(picture).save(tmp_path / 'a.png')
  writer = log.open(tmp_path)
  writer.scalars(7, {'train/loss': 1.5, 'note': 'words', 'nan': np.nan})
  log.pictures(tmp_path, 7, [tmp_path / 'a.png'])  # the writer may be open
  writer.close()
  found = {
    value.tag: (event.step, value)
    for event in events(tmp_path)
    for value in event.summary.value
  }
  assert set(found) == {'train/loss', 'a'}
  assert found['train/loss'][0] == 7
  assert found['train/loss'][1].simple_value == 1.5
  assert found['a'][0] == 7
  png = io.BytesIO(found['a'][1].image.encoded_image_string)
  np.testing.assert_array_equal(np.asarray(Image.open(png)), picture)


def test_tensorboard_is_told_to_forget_what_a_resumed_run_repeats(tmp_path):
  from tensorboardX.proto.event_pb2 import SessionLog

  log.open(tmp_path, resume_step=20).close()
  starts = [
    event.step
    for event in events(tmp_path)
    if event.session_log.status == SessionLog.START
  ]
  assert starts == [21]


def test_the_module_imports_neither_tensorboard_nor_pictures():
  code = """
import sys
from vae_jax.training import log
assert not {'tensorboardX', 'PIL', 'tensorflow'} & set(sys.modules)
"""
  root = Path(__file__).parents[2]
  subprocess.run([sys.executable, '-c', code], cwd=root, check=True)


def test_without_tensorboardx_a_run_is_told_so_once_and_logged(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setitem(sys.modules, 'tensorboardX', None)
  log._without_board.cache_clear()
  for name in ('a', 'b'):
    writer = log.open(tmp_path / name)
    writer.scalars(1, {'loss': 2.0})
    writer.close()
    log.pictures(tmp_path / name, 1, [])
    assert log.rows(tmp_path / name) == [{'step': 1, 'loss': 2.0}]
  assert capsys.readouterr().err.count('tensorboardX is not installed') == 1
  log._without_board.cache_clear()


def test_what_is_damaged_is_left_out_and_told(tmp_path, capsys):
  writer = log.open(tmp_path, tensorboard=False)
  for step in (0, 4, 8):
    writer.scalars(step, {'test/psnr_db': 12.5, 'kl': [0.5, 1.5], 'none': None})
  writer.close()
  path = tmp_path / 'metrics.jsonl'
  whole = path.read_bytes()
  good = log.rows(tmp_path)
  assert capsys.readouterr().err == ''
  for i in range(len(whole)):
    for bit in (1, 32, 128):
      flipped = bytearray(whole)
      flipped[i] ^= bit
      path.write_bytes(flipped)
      rows = log.rows(tmp_path)
      # The lines that were not touched are there, whatever became of the other.
      line = whole[:i].count(b'\n')
      untouched = good[: max(line - 1, 0)] + good[line + 2 :]
      assert [row for row in untouched if row not in rows] == []
      assert all(isinstance(row['step'], int) for row in rows)
  path.write_bytes(b'\xff\xfe' + whole[:60] + b'\n[1, 2]\n{"step": "x"}\n')
  capsys.readouterr()
  assert log.rows(tmp_path) == []
  assert '3 lines of 3 damaged and left out' in capsys.readouterr().err


def test_going_on_rewrites_the_log_without_what_was_damaged(tmp_path):
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 0}\n{"st\n{"step": 4}\n{"step": 8}\n')
  log.open(tmp_path, tensorboard=False, resume_step=4).close()
  assert strict_lines(tmp_path) == [{'step': 0}, {'step': 4}]
