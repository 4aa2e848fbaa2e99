import dataclasses
import functools
import pathlib
import shutil

import jax
import numpy as np
import pytest

import vae_jax
from experiments import multitrack, music
from vae_jax import networks
from vae_jax.config import ConfigError, grid
from vae_jax.data import catalogue, phrases
from vae_jax.music import Note, Song, Track, composer, midi
from vae_jax.runs import command, play, use
from vae_jax.runs.directory import Refused


def few(path, data_dir):
  del path, data_dir
  return composer.songs(train=4, test=2)


def small(ex, steps=8):
  """The experiment with a small network, for few steps."""
  kept = {
    k: v for k, v in ex.network.keywords.items() if k in ('drums', 'deaf')
  }
  network = functools.partial(
    networks.recurrent, encoder=6, widths=(8,), conductor=7, bar=4, **kept
  )
  return dataclasses.replace(
    ex,
    network=network,
    latents=4,
    batch_size=8,
    steps=steps,
    steps_per_call=4,
    report_every=steps,
    devices=1,
  )


@pytest.fixture(scope='module')
def trained_in(tmp_path_factory):
  """A function (experiment) -> the outcome of a short run of it."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setitem(catalogue.MUSIC, 'songs', few)
    catalogue.music.cache_clear()

    @functools.cache
    def outcome(ex):
      where = tmp_path_factory.mktemp('run') / 'run'
      return command.fit('music', [grid.alone(ex)], where)

    yield lambda ex: outcome(small(ex))
    catalogue.music.cache_clear()


@pytest.fixture
def run_dir(trained_in):
  """The directory of a short run of music."""
  return trained_in(music.experiment).run_dir


@pytest.mark.slow
def test_a_run_of_music_leaves_pictures_midi_and_sound(trained_in):
  outcome = trained_in(music.experiment)
  folder = outcome.run_dir / 'pictures'
  names = {path.name for path in folder.iterdir()}
  assert {
    'reconstructed.png', 'sampled.wav', 'between', 'drift.png', 'curves.png'
  } <= names  # fmt: skip
  between = sorted(path.stem for path in (folder / 'between').iterdir())
  assert between == [
    '0.0',
    '0.2',
    '0.4',
    '0.6',
    '0.8',
    '1.0',
    'first',
    'second',
  ]
  ends = [
    midi.song((folder / 'between' / f'{name}.mid').read_bytes())
    for name in ('first', 'second')
  ]
  assert all(song.tracks[0].notes for song in ends)
  [verdict] = outcome.report.verdicts
  assert 'right free-running' in verdict and 'bits' in verdict
  assert 'first bar again' in outcome.runs[''].studies['rivals']


@pytest.mark.slow
def test_what_is_loaded_plays_as_what_was_trained(trained_in):
  model = trained_in(music.experiment).trained['']
  loaded = vae_jax.load(trained_in(music.experiment).run_dir)
  seen = model.test.seen[:3]
  np.testing.assert_array_equal(loaded.encode(seen), model.encode(seen))
  drawn = model.generate(3, seed=5)
  np.testing.assert_array_equal(loaded.generate(3, seed=5), drawn)
  assert drawn.shape == (3, 32, 1, 90) and (drawn.sum(-1) == 1).all()
  # However many are drawn at a time.
  parts = model._generated(jax.random.split(jax.random.key(5), 3), None, 2)
  np.testing.assert_array_equal(parts, drawn)


@pytest.fixture
def files(tmp_path):
  """Two MIDI files of four bars, and one that is none, in a folder."""
  folder = tmp_path / 'mine'
  for name, first in (('a', 60), ('b', 70)):
    notes = tuple(Note(4 * k, 4 * k + 4, first + k % 5) for k in range(16))
    midi.write(Song((Track(notes),), 4), folder / f'{name}.mid')
  (folder / 'bad.mid').write_bytes(b'no')
  return folder


def used(mode, run_dir, sources, out, **flags):
  numbers = use.NUMBERS | flags
  return use.use(mode, run_dir, [str(s) for s in sources], out, **numbers)


@pytest.mark.slow
def test_phrases_of_a_folder_are_decoded_and_written(
  run_dir, files, tmp_path, capsys
):
  paths = used('reconstruct', run_dir, [files], tmp_path / 'out')
  names = [path.name for path in paths]
  assert names[:2] == ['songs.png', 'songs.wav']
  assert '1 of 3 MIDI files refused' in capsys.readouterr().err
  assert names[2:] == [
    f'{n}_{i}_{what}.mid' for n in 'ab' for i in (1, 2, 3)
    for what in ('decoded', 'yours')
  ]  # fmt: skip
  yours = midi.song((tmp_path / 'out/songs/b_2_yours.mid').read_bytes())
  assert [n.pitch for n in yours.tracks[0].notes][:2] == [74, 70]


def test_songs_of_one_stem_keep_what_tells_them_apart():
  songs = [Song((), 1, name=name) for name in ('x/a.mid', 'x/a.midi', 'b.mid')]
  assert play.stems(songs) == ['x/a.mid', 'x/a.midi', 'b']


@pytest.mark.slow
def test_codes_of_a_file_are_those_of_its_phrases(run_dir, files, tmp_path):
  used('embed', run_dir, [files / 'a.mid'], tmp_path / 'out')
  found = np.load(tmp_path / 'out/codes.npz')
  song = midi.song((files / 'a.mid').read_bytes())
  what = phrases.Phrase('melody', 2)
  batch = phrases.batch([song], what, 'a')
  model = vae_jax.load(run_dir)
  wanted = model.encode(np.asarray(batch.images()))
  np.testing.assert_allclose(found['codes'][: len(wanted)], wanted, rtol=1e-5)
  assert list(found['names']) == ['a_1', 'a_2', 'a_3']


@pytest.mark.slow
def test_between_two_files_lie_nine_phrases(run_dir, files, tmp_path):
  out = tmp_path / 'out'
  both = [files / 'a.mid', files / 'b.mid']
  paths = used('interpolate', run_dir, both, out)
  assert len(paths) == 2 + 9
  used('reconstruct', run_dir, [files], tmp_path / 'again')
  for name, other in (('0.000', 'a_1'), ('1.000', 'b_1')):
    ends = [
      (out / f'songs/{name}.mid').read_bytes(),
      (tmp_path / f'again/songs/{other}_decoded.mid').read_bytes(),
    ]
    assert midi.song(ends[0]).tracks == midi.song(ends[1]).tracks


@pytest.mark.slow
def test_draws_are_many_and_at_temperature_0_hang_on_the_code_alone(
  run_dir, tmp_path
):
  def drawn(out, **flags):
    paths = used('generate', run_dir, [], tmp_path / out, count='5', **flags)
    assert len(paths) == 2 + 5
    return [path.read_bytes() for path in paths[2:]]

  cold = drawn('a', temperature='0')
  assert cold == drawn('b', temperature='0')
  assert cold != drawn('c', temperature='1.5')
  assert cold != drawn('d', temperature='0', seed='1')


@pytest.mark.slow
@pytest.mark.parametrize(
  'mode, sources, line',
  [
    ('interpolate', ['a.mid'], 'two --input=FILE.mid, not 1'),
    ('reconstruct', ['a.mid', 'b.mid'], 'one --input=PATH, not 2'),
    ('reconstruct', ['none.mid'], 'neither a file nor a folder'),
    ('reconstruct', ['bad.mid'], 'not MIDI'),
    ('embed', ['short.mid'], 'has no phrase melody/2'),
  ],
)
def test_what_cannot_be_played_is_one_line(
  run_dir, files, tmp_path, mode, sources, line
):
  midi.write(Song((Track((Note(0, 1, 60),)),), 1), files / 'short.mid')
  given = [files / source for source in sources]
  with pytest.raises(Refused, match=line) as caught:
    used(mode, run_dir, given, tmp_path / 'out')
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_only_what_is_drawn_has_a_temperature(run_dir, tmp_path):
  with pytest.raises(ConfigError, match='embed draws nothing'):
    used('embed', run_dir, ['x'], tmp_path / 'out', temperature='2')


def test_a_temperature_is_a_number_of_heat(tmp_path):
  for text in ('-1', 'hot', 'nan', '1e9'):
    with pytest.raises(ConfigError, match='temperature must be from 0 to 100'):
      used('generate', tmp_path, [], tmp_path, temperature=text)


@pytest.mark.slow
def test_a_model_that_needs_chords_says_so(trained_in, tmp_path):
  outcome = trained_in(multitrack.experiment)
  drawn = outcome.run_dir / 'pictures' / 'sampled'
  assert len(list(pathlib.Path(drawn).iterdir())) == 8
  with pytest.raises(Refused, match='no chords to give'):
    used('generate', outcome.run_dir, [], tmp_path / 'out')


@pytest.mark.slow
def test_a_folder_without_music_is_one_line(run_dir, tmp_path):
  empty = tmp_path / 'empty'
  empty.mkdir()
  with pytest.raises(Refused, match='empty'):
    used('reconstruct', run_dir, [empty], tmp_path / 'out')
  shutil.rmtree(empty)
