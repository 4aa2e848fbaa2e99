"""What the composer's songs are, and that what is tested was not trained on."""

import math
from collections import Counter
from functools import cache
from hashlib import sha256

import numpy as np
import pytest

from vae_jax.music import BAR, composer, harmony

MELODY, BASS, DRUMS = 0, 1, 2
HOLD, REST = -1, -2


@cache
def songs(seed=0):
  return composer.songs(seed, train=300, test=300)


def every_song():
  return songs()['train'] + songs()['test']


def bars(song, track, length=1):
  """Start, end and pitch of the notes that begin in each bar, or some bars."""
  size = BAR * length
  each = [[] for _ in range(song.steps // size)]
  for note in song.tracks[track].notes:
    bar, start = divmod(note.start, size)
    each[bar].append((start, start + note.end - note.start, note.pitch))
  return [tuple(bar) for bar in each]


def distinct(split, track, seed=0):
  every = (bar for song in songs(seed)[split] for bar in bars(song, track))
  return {bar for bar in every if bar}


def steps(song):
  """A melody as one class a step: a pitch begins, holds, or rests."""
  classes = np.full(song.steps, REST)
  for note in song.tracks[MELODY].notes:
    classes[note.start + 1 : note.end] = HOLD
    classes[note.start] = note.pitch
  return classes


def test_the_same_songs_come_from_the_same_seed():
  again = composer.songs(0, train=20, test=20)
  assert again['train'] == songs()['train'][:20]
  assert again['test'] == songs()['test'][:20]
  assert composer.songs(1, train=20, test=0)['train'] != again['train']


def test_the_songs_are_those_of_yesterday():
  # Update where the rules are meant to change: runs of before and after are
  # then on other data. It must not depend on the platform or on NumPy.
  text = repr(composer.songs(0, train=5, test=5)).encode()
  assert sha256(text).hexdigest()[:16] == 'd9862926f5bf1d80'


@pytest.mark.parametrize('track', [MELODY, DRUMS])
@pytest.mark.parametrize('seed', [0, 1])
def test_no_bar_of_a_test_song_is_in_a_training_song_of_any_seed(track, seed):
  test, train = distinct('test', track), distinct('train', track, seed)
  assert len(test) > 500 and len(train) > 500
  assert not test & train


def test_both_splits_follow_the_same_rules():
  def share(split, has):
    every = [bar for song in songs()[split] for bar in bars(song, MELODY)]
    return np.mean([has(bar) for bar in every])

  for has in (len, lambda bar: bar[0][0] == 0, lambda bar: bar[-1][2] > 70):
    assert share('train', has) == pytest.approx(share('test', has), rel=0.15)


def test_notes_are_sorted_and_within_the_song():
  for song in every_song():
    assert song.bars == len(song.chords) == 16 and 60 <= song.tempo <= 200
    for track in song.tracks:
      assert list(track.notes) == sorted(
        track.notes, key=lambda n: (n[0], n[2])
      )
      assert len({note[:1] + note[2:3] for note in track.notes}) == len(
        track.notes
      )
      for note in track.notes:
        assert 0 <= note.start < note.end <= song.steps
        assert 1 <= note.velocity <= 127 and -0.5 <= note.offset < 0.5


def test_the_band_is_melody_bass_drums_chords_and_more():
  for song in every_song():
    melody, bass, drums, pad, *more = song.tracks
    assert 1 <= len(more) <= 3 and drums.drums
    assert not any(track.drums for track in (melody, bass, pad, *more))
    assert melody.program < 16 and 32 <= bass.program < 40
    assert pad.program == 48
    assert {note.pitch for note in drums.notes} <= set(composer.PITCHES)


@pytest.mark.parametrize(
  ('track', 'lowest', 'highest'), [(MELODY, 55, 84), (BASS, 28, 55)]
)
def test_melody_and_bass_are_one_voice_within_their_range(
  track, lowest, highest
):
  for song in every_song():
    notes = song.tracks[track].notes
    for note, after in zip(notes, notes[1:], strict=False):
      assert note.end <= after.start
    assert lowest <= min(note.pitch for note in notes)
    assert max(note.pitch for note in notes) <= highest


def tones(name):
  root = name.rstrip('m7')
  above = harmony.INTERVALS[name[len(root) :]]
  return {(harmony.ROOTS.index(root) + i) % 12 for i in above}


def test_melodies_are_sung_mostly_by_step_and_of_the_chord_where_it_counts():
  leaps, inside = [], []
  for song in every_song():
    notes = song.tracks[MELODY].notes
    leaps += list(np.abs(np.diff([note.pitch for note in notes])))
    inside += [
      note.pitch % 12 in tones(song.chords[note.start // BAR])
      for note in notes
      if note.start % 8 == 0
    ]
  assert np.mean(np.array(leaps) <= 2) > 0.6
  assert np.mean(np.array(leaps) <= 5) > 0.95
  assert np.mean(inside) > 0.95


def test_songs_end_on_the_tonic():
  for song in every_song():
    key, mode = song.name.split(' in ')[1].split()
    assert song.chords[-1] == key + 'm' * (mode == 'minor')
    last = song.tracks[MELODY].notes[-1]
    assert harmony.ROOTS[last.pitch % 12] == key and last.end > 15 * BAR + 4
    assert set(song.chords) <= set(harmony.CHORDS)


def test_chords_bend_the_scale_to_their_tones():
  dominant = harmony.chord(9, 'minor', 'V7')
  assert dominant.name == 'E7' and dominant.pitch(6) % 12 == 8
  assert harmony.chord(0, 'major', 'bVII').name == 'Bb'
  assert harmony.chord(0, 'major', 'II7').pitch(3) % 12 == 6


def test_hardly_a_melody_is_sung_twice_and_few_bars_are():
  melodies = {tuple(bars(song, MELODY)) for song in every_song()}
  assert len(melodies) == len(every_song())
  counts = Counter(
    bar for song in songs()['train'] for bar in set(bars(song, MELODY))
  )
  alone = sum(count == 1 for count in counts.values())
  assert alone / counts.total() > 0.7


def bits_of_two_bars(classes):
  """Bits of 32 steps, each after the one before it and its place in the bar."""
  places = np.arange(BAR)
  pairs, firsts = Counter(), Counter()
  for song in classes:
    for i in range(1, len(song)):
      place = places[i % BAR]
      pairs[place, song[i - 1], song[i]] += 1
      firsts[place, song[i - 1]] += 1
  logs = sum(n * math.log2(n / firsts[k[:2]]) for k, n in pairs.items())
  return -logs / pairs.total() * 2 * BAR


def collision_bits(songs):
  """Bits of the chance that two songs have two bars the same, or less."""
  each = [bar for song in songs for bar in set(bars(song, MELODY, length=2))]
  same = sum(n * (n - 1) for n in Counter(each).values())
  return math.log2(len(each) * (len(each) - 1) / max(same, 1))


def test_two_bars_of_melody_carry_what_can_be_learned():
  # The one is a bound from above that knows nothing of motifs and chords, the
  # other from below that is the bits of the commonest bars.
  above = bits_of_two_bars([steps(song) for song in every_song()])
  below = collision_bits(every_song())
  assert 20 < below < 30 < 50 < above < 70


def test_velocities_and_offsets_follow_from_the_hits():
  """The noise is little beside what step, pitch and style say."""
  late, loud = {}, {}
  for song in every_song():
    style = song.name.split(': ')[1].split(' in ')[0]
    for note in song.tracks[DRUMS].notes:
      key = style, note.start % BAR, note.pitch
      late.setdefault(key, []).append(note.offset)
      loud.setdefault(key, []).append(note.velocity)
  for groups, least in ((late, 0.8), (loud, 0.6)):
    everything = np.concatenate(list(groups.values()))
    rest = sum(np.var(group) * len(group) for group in groups.values())
    assert 1 - rest / len(everything) / np.var(everything) > least
