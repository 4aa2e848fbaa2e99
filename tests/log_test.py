import io
import json
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import log


class Terminal(io.StringIO):
  def isatty(self):
    return True


class Clock:
  """A clock that the test moves."""

  def __init__(self):
    self.now = 100.0

  def __call__(self):
    return self.now


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
  assert log.read(tmp_path / 'run')[1] == {
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
  rows = log.read(tmp_path)
  assert [row['step'] for row in rows] == [10, 20, 30, 40, 50]
  assert [row['loss'] for row in rows] == [10, 20, -30, -40, -50]


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path):
  (tmp_path / 'metrics.jsonl').write_text('{"step": 1}\n{"step": 2, "lo')
  assert log.read(tmp_path) == [{'step': 1}]
  writer = log.open(tmp_path, tensorboard=False)
  writer.scalars(2, {})
  writer.close()
  assert strict_lines(tmp_path) == [{'step': 1}, {'step': 2}]


def test_a_directory_without_metrics_reads_as_no_rows(tmp_path):
  assert log.read(tmp_path) == []


def test_tensorboard_holds_the_scalars_and_the_images(tmp_path):
  from PIL import Image

  picture = np.zeros((4, 6, 3), np.uint8)
  picture[1, 2] = (255, 128, 0)
  Image.fromarray(picture).save(tmp_path / 'a.png')
  writer = log.open(tmp_path)
  writer.scalars(7, {'train/loss': 1.5, 'note': 'words', 'nan': np.nan})
  writer.figure(7, 'from_path', tmp_path / 'a.png')
  writer.figure(7, 'from_array', picture)
  writer.close()
  found = {
    value.tag: (event.step, value)
    for event in events(tmp_path)
    for value in event.summary.value
  }
  assert set(found) == {'train/loss', 'from_path', 'from_array'}
  assert found['train/loss'][0] == 7
  assert found['train/loss'][1].simple_value == 1.5
  for tag in ['from_path', 'from_array']:
    png = io.BytesIO(found[tag][1].image.encoded_image_string)
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


def test_a_bar_on_a_terminal_shows_loss_rate_and_eta_on_one_line():
  terminal = Terminal()
  progress = log.Progress(1000, terminal)
  progress.update(250, loss=87.1, steps_per_s=5.0)
  progress.close()
  text = terminal.getvalue()
  assert text.startswith('\r[#')
  assert '250/1000  loss 87.10  5.000 steps/s  ETA 02:30' in text
  assert text.count('\n') == 1 and text.endswith('\n')
  assert len(text.strip('\r\n')) == 79
  bar = text[text.index('[') + 1 : text.index(']')]
  assert bar.count('#') / len(bar) == pytest.approx(0.25, abs=0.02)


def test_a_shorter_line_covers_the_longer_one_before_it():
  terminal, clock = Terminal(), Clock()
  progress = log.Progress(100, terminal, clock=clock)
  for step, loss in [(1, 1.234e-7), (2, 1.0)]:
    clock.now += 1
    progress.update(step, loss=loss, steps_per_s=1.0)
  first, second = terminal.getvalue().split('\r')[1:]
  assert len(first) == len(second) == 79


def test_a_terminal_is_drawn_at_most_ten_times_a_second_and_at_the_end():
  terminal, clock = Terminal(), Clock()
  progress = log.Progress(1000, terminal, clock=clock)
  for step in range(1, 1001):
    clock.now += 0.001
    progress.update(step, loss=1.0)
  assert 9 <= terminal.getvalue().count('\r') <= 12
  assert '1000/1000' in terminal.getvalue()


def test_the_rate_is_measured_from_where_a_resumed_run_began():
  terminal, clock = Terminal(), Clock()
  progress = log.Progress(1000, terminal, start=900, clock=clock)
  clock.now += 10
  progress.update(950)
  assert '5.000 steps/s  ETA 00:10' in terminal.getvalue()


@pytest.mark.parametrize(
  'steps, rate, eta',
  [(0, 3.0, '00:00'), (7322, 1.0, '2:02:02'), (5, 0.0, '--:--')],
)
def test_eta_counts_hours_and_says_when_it_cannot_know(steps, rate, eta):
  terminal = Terminal()
  log.Progress(steps, terminal).update(0, steps_per_s=rate)
  assert f'ETA {eta}' in terminal.getvalue()


def test_elsewhere_than_on_a_terminal_each_tenth_is_a_plain_line():
  stream, clock = io.StringIO(), Clock()
  progress = log.Progress(100, stream, clock=clock)
  for step in range(1, 101):
    progress.update(step, loss=0.5)
  progress.close()
  lines = stream.getvalue().splitlines()
  assert '\r' not in stream.getvalue()
  assert 10 <= len(lines) <= 12
  assert '100/100' in lines[-1] and 'loss 0.5000' in lines[-1]


def test_a_slow_run_still_says_something_every_ten_seconds():
  stream, clock = io.StringIO(), Clock()
  progress = log.Progress(10**6, stream, clock=clock)
  for step in range(1, 61):
    clock.now += 1
    progress.update(step)
  assert len(stream.getvalue().splitlines()) == 6


def test_a_message_stands_above_the_bar():
  terminal = Terminal()
  progress = log.Progress(10, terminal)
  progress.say('resumed')
  progress.update(1, loss=1.0)
  progress.say('saved')
  text = terminal.getvalue()
  assert text.startswith('resumed\n\r[')
  assert '\rsaved\n\r[' in text


def test_a_table_aligns_numbers_right_and_words_left():
  rows = [('denoise', 20.5, 7), ('vae', None, 12345), ('ae', 100.25, 1)]
  assert log.table(rows, ('run', 'psnr_db', 'steps')).split('\n') == [
    'run      psnr_db  steps',
    '-------  -------  -----',
    'denoise    20.50      7',
    'vae            -  12345',
    'ae         100.2      1',
  ]


def test_a_table_without_rows_is_its_header():
  assert log.table([], ('a', 'b')) == 'a  b\n-  -'


@pytest.mark.parametrize(
  'value, text',
  [
    (87.1, '87.10'),
    (0.00321449, '0.003214'),
    (999.96, '1000'),
    (12345.6, '12346'),
    (1.5e9, '1.5e+09'),
    (1e-7, '1e-07'),
    (0.0, '0'),
    (-0.25, '-0.2500'),
    (float('nan'), 'nan'),
    (np.float32('nan'), 'nan'),
    (np.float32(2.5), '2.500'),
    (jnp.int32(3), '3'),
  ],
)
def test_a_number_has_four_significant_digits(value, text):
  assert log.number(value) == text


def test_the_module_imports_neither_tensorboard_nor_pictures():
  code = """
import sys
from vae_jax import log
assert not {'tensorboardX', 'PIL', 'tensorflow'} & set(sys.modules)
"""
  root = Path(__file__).parent.parent
  subprocess.run([sys.executable, '-c', code], cwd=root, check=True)
