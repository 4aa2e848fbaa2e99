import collections
import io
import struct
import subprocess
import sys

import hypothesis
import hypothesis.strategies as st
import mido
import pytest

from vae_jax.music import Note, Song, Track, midi

# Few pitches, so that they meet, and the ends of the range.
raw = st.tuples(
  st.integers(0, 40),
  st.integers(1, 20),
  st.sampled_from([0, 59, 60, 61, 127]),
  st.integers(1, 127),
  st.integers(-60, 59),
)
notes = raw.map(
  lambda n: Note(
    n[0], n[0] + n[1], n[2], n[3], (n[4] if n[0] else abs(n[4]) % 60) / 120
  )
)


def in_order(notes):
  key = lambda n: (n.start, n.pitch, n.end, n.velocity, n.offset)  # noqa: E731
  return tuple(sorted(notes, key=key))


def first_to_end_is_first_to_begin(notes):
  """The notes with their ends swapped so that none lies within another."""
  fair = []
  for pitch in {note.pitch for note in notes}:
    some = [note for note in notes if note.pitch == pitch]
    some.sort(key=lambda note: note.start + note.offset)
    ends = sorted(note.end for note in some)
    fair += [n._replace(end=end) for n, end in zip(some, ends, strict=True)]
  return fair


def song(tracks):
  last = max(note.end for track in tracks for note in track.notes)
  return Song(tuple(tracks), bars=-(-last // 16))


def songs(prepared=lambda notes: notes):
  track = st.builds(
    Track,
    st.lists(notes, min_size=1, max_size=40).map(prepared).map(in_order),
    st.integers(0, 127),
    st.booleans(),
  )
  return st.lists(track, min_size=1, max_size=20).map(song)


def number(n):
  """A variable-length quantity."""
  sevens = [n & 127]
  while n := n >> 7:
    sevens.append(128 | n & 127)
  return bytes(reversed(sevens))


def played(pitch, wait, length, channel=0):
  on = bytes([0x90 | channel, pitch, 90])
  off = bytes([0x80 | channel, pitch, 0])
  return number(wait) + on + number(length) + off


def track(*messages):
  body = b''.join(messages) + b'\0\xff\x2f\0'
  return b'MTrk' + struct.pack('>I', len(body)) + body


def file(*tracks, form=1, division=480):
  header = struct.pack('>IHHH', 6, form, len(tracks), division)
  return b'MThd' + header + b''.join(tracks)


def rows(read):
  """(start, end, pitch) of the notes of each track."""
  return [[note[:3] for note in track.notes] for track in read.tracks]


@hypothesis.settings(max_examples=300)
@hypothesis.given(songs(first_to_end_is_first_to_begin))
def test_what_is_written_is_read_again(song):
  assert midi.song(midi.content(song)) == song


@hypothesis.settings(max_examples=100)
@hypothesis.given(songs())
def test_notes_within_others_of_their_pitch_only_swap_ends(song):
  again = midi.song(midi.content(song))
  for one, other in zip(song.tracks, again.tracks, strict=True):
    for columns in ([0, 2, 3, 4], [1, 2]):
      given, back = (
        sorted([note[i] for i in columns] for note in track.notes)
        for track in (one, other)
      )
      assert given == back
  assert midi.song(midi.content(again)) == again


def by_mido(content):
  """Tempo and the tracks of (on tick, off tick, pitch, velocity) of a file."""
  read = mido.MidiFile(file=io.BytesIO(content))
  assert (read.type, read.ticks_per_beat) == (1, 480)
  first, *others = read.tracks
  tempi = [one.tempo for one in first if one.type == 'set_tempo']
  return mido.tempo2bpm(*tempi), [paired(one) for one in others], read


def paired(messages):
  now, open_notes, notes = 0, collections.defaultdict(list), []
  for message in messages:
    now += message.time
    if message.type == 'note_on':
      open_notes[message.note].append((now, message.velocity))
    elif message.type == 'note_off':
      on, velocity = open_notes[message.note].pop(0)
      notes.append((on, now, message.note, velocity))
  assert not any(open_notes.values())
  return sorted(notes)


@hypothesis.settings(max_examples=100)
@hypothesis.given(
  songs(first_to_end_is_first_to_begin), st.floats(midi.TEMPI[0], 1000)
)
def test_mido_reads_the_same_notes_and_tempo(song, tempo):
  read, tracks, _ = by_mido(midi.content(song._replace(tempo=tempo)))
  assert read == pytest.approx(tempo, rel=1e-5)
  for track, raw in zip(song.tracks, tracks, strict=True):
    given = sorted(
      (round((n.start + n.offset) * 120), n.pitch, n.velocity)
      for n in track.notes
    )
    assert given == sorted((on, pitch, loud) for on, _, pitch, loud in raw)
    ends = sorted((n.end, n.pitch) for n in track.notes)
    nearest = [((off + 60) // 120, pitch) for _, off, pitch, _ in raw]
    assert ends == sorted(nearest)


def test_drums_are_on_channel_10_and_fifteen_others_on_one_each():
  note = (Note(0, 4, 60),)
  tracks = [Track(note, program, program in (3, 8)) for program in range(18)]
  _, _, read = by_mido(midi.content(song(tracks)))
  channels = []
  for one in read.tracks[1:]:
    program = next(m for m in one if m.type == 'program_change')
    [on] = (m for m in one if m.type == 'note_on')
    assert (on.channel, program.program) == (program.channel, len(channels))
    channels.append(on.channel)
  assert [channels.pop(8), channels.pop(3)] == [9, 9]
  assert sorted(channels[:15]) == [c for c in range(16) if c != 9]
  assert channels[15] == channels[0]


def test_an_end_does_not_cut_off_an_early_note_of_its_pitch():
  early = Note(4, 8, 60, 90, -0.25), Note(4, 8, 60, 91, -0.1)
  content = midi.content(song([Track((Note(0, 4, 60), *early))]))
  ticks = [row[:2] for row in by_mido(content)[1][0]]
  assert ticks == [(0, 450), (450, 960), (468, 960)]


def test_a_file_is_as_long_as_its_song():
  content = midi.content(Song((Track((Note(0, 4, 60),)),), bars=3))
  read = mido.MidiFile(file=io.BytesIO(content))
  assert [sum(m.time for m in one) for one in read.tracks] == [3 * 1920] * 2


def test_an_offset_never_rounds_to_the_next_step_or_before_the_beginning():
  notes = Note(0, 4, 60, 96, -0.5), Note(8, 9, 60, 96, 0.4999)
  first, second = midi.song(midi.content(song([Track(notes)]))).tracks[0].notes
  assert first == Note(0, 4, 60, 96, 0.0)
  assert second == Note(8, 9, 60, 96, 59 / 120)


@pytest.mark.parametrize('track', [Track((Note(0, 1, 128),)), Track((), 128)])
def test_what_midi_cannot_say_is_an_error(track):
  with pytest.raises(ValueError, match='0 to 127'):
    midi.content(Song((track,), 1))


@pytest.mark.parametrize('ticks', [1, 96, 480, 1000, 32767])
def test_steps_are_sixteenths_and_the_rest_is_the_offset(ticks):
  content = file(track(played(60, 3 * ticks // 8, ticks)), division=ticks)
  [note] = midi.song(content).tracks[0].notes
  exact = 3 * ticks // 8 * 4 / ticks
  assert -0.5 <= note.offset < 0.5
  assert note.start + note.offset == pytest.approx(exact)
  assert abs(note.end - exact - 4) <= 0.5


def test_half_a_step_belongs_to_the_next():
  [read] = midi.song(file(track(played(60, 60, 240)))).tracks
  assert read.notes == (Note(1, 3, 60, 90, -0.5),)


def test_running_status_and_offs_by_velocity_zero():
  content = file(track(b'\0\x90\x3c\x50\x60\x3c\x00\0\x3e\x40\x60\x3e\0'))
  assert rows(midi.song(content)) == [[(0, 1, 60), (1, 2, 62)]]


def test_format_0_is_split_by_channel():
  both = played(60, 0, 240, 0) + b'\0\xc1\x05' + played(60, 0, 240, 1)
  content = file(track(played(36, 0, 120, 9), both), form=0)
  read = midi.song(content).tracks
  assert sorted((t.program, t.drums, t.notes[0][:3]) for t in read) == [
    (0, False, (1, 3, 60)),
    (0, True, (0, 1, 36)),
    (5, False, (3, 5, 60)),
  ]


def test_patterns_of_format_2_sound_together():
  content = file(*[track(played(p, 0, 120)) for p in (60, 62)], form=2)
  assert rows(midi.song(content)) == [[(0, 1, 60)], [(0, 1, 62)]]


def test_the_tempo_is_the_first_or_120():
  def tempo(*mspq):
    metas = [b'\0\xff\x51\x03' + us.to_bytes(3, 'big') for us in mspq]
    return midi.song(file(track(*metas, played(60, 0, 240)))).tempo

  assert tempo() == 120
  assert tempo(600_000) == 100
  # Nobody plays these, and the second is a division by zero.
  assert tempo(1) == tempo(0) == tempo(0xFFFFFF) == 120
  later = played(60, 0, 240) + b'\0\xff\x51\x03' + (10**6).to_bytes(3, 'big')
  assert midi.song(file(track(later))).tempo == 60


def test_bars_are_16_steps_in_any_meter():
  for meter in (b'\3\2', b'\7\3', b'\0\0', b'\xff\xff'):
    meter = b'\0\xff\x58\x04' + meter + b'\x18\x08'
    content = file(track(meter, played(60, 17 * 120, 120)))
    assert midi.song(content).bars == 2
    assert rows(midi.song(content)) == [[(17, 18, 60)]]


def test_bars_hold_all_notes():
  for end, bars in ((1, 1), (16, 1), (17, 2), (32, 2)):
    assert midi.song(file(track(played(60, 0, 120 * end)))).bars == bars


def test_a_note_of_no_length_lasts_one_step():
  assert rows(midi.song(file(track(played(60, 0, 0))))) == [[(0, 1, 60)]]


def test_a_note_that_never_ends_is_left_out():
  content = file(track(b'\0\x90\x3c\x50', played(62, 0, 120)))
  assert rows(midi.song(content)) == [[(0, 1, 62)]]


long = 0xFFFFFFF
silence = 9 * (number(long) + b'\xb0\7\x40')  # beyond 2^31
short = track(played(60, 0, 1))
BAD = {
  'an empty file': (b'', 'not MIDI'),
  'text': (b'no MIDI in here, only text', 'not MIDI'),
  'half a header': (file()[:12], 'not MIDI'),
  'no tracks': (file(), 'no notes'),
  'no events': (file(track()), 'no notes'),
  'only ons': (file(track(b'\0\x90\x3c\x50')), 'no notes'),
  'SMPTE': (file(short, division=0xE728), 'SMPTE time'),
  'no time': (file(short, division=0), 'no ticks a quarter note'),
  'truncated': (file(short)[:-8], 'damaged MIDI'),
  'no pitch': (file(track(b'\0\x90\xbc\x50\0\x80\xbc\0')), 'damaged MIDI'),
  'long': (file(track(played(60, 7201 * 480, 1))), 'longer than an hour'),
  '2^29': (file(track(played(60, long, long))), 'longer than an hour'),
  '2^32': (file(track(*[played(60, long, long)] * 7)), 'longer than an hour'),
  '257 tracks': (file(*[short] * 257), 'too many tracks'),
  '10,000 tracks': (file(*[short] * 10_000), 'too many tracks'),
  'many notes': (file(track(played(60, 0, 1) * 200_001)), 'too many notes'),
  'before 0': (file(track(silence, played(60, 0, 1))), 'longer than an hour'),
  'backwards': (
    file(track(b'\0\x90\x3c\x50', silence, b'\0\x80\x3c\0')),
    'no notes',
  ),
  'large': (file(track(bytes(midi.MOST_BYTES))), 'larger than 16 MB'),
}


@pytest.mark.parametrize('name', BAD)
def test_what_is_no_song_is_refused_for_a_reason(name):
  content, reason = BAD[name]
  with pytest.raises(midi.BadMidi, match=f'^{reason}$'):
    midi.song(content)


def test_songs_as_large_as_allowed_are_read():
  some = [track(played(60, 0, 1) * 700)] * 256
  read = midi.song(file(*some))
  assert len(read.tracks) == 256
  read = midi.song(file(track(played(60, 0, 1) * 200_000)))
  assert len(read.tracks[0].notes) == 200_000
  hour = file(track(played(60, 7200 * 480 - 480, 480)))
  assert midi.song(hour).bars == 1800


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
  path = tmp_path / 'new' / 'a.mid'
  one = song([Track((Note(0, 4, 60),))])
  assert midi.write(one, path) == path
  assert midi.song(path.read_bytes()) == one

  def full(*_):
    raise OSError('no space left')

  monkeypatch.setattr(midi.os, 'replace', full)
  with pytest.raises(OSError, match='no space'):
    midi.write(one._replace(tempo=60.0), path)
  assert [p.name for p in path.parent.iterdir()] == ['a.mid']
  assert midi.song(path.read_bytes()) == one


def test_importing_it_imports_neither_jax_nor_symusic():
  line = (
    'import sys, vae_jax.music.midi, vae_jax.music.reader\n'
    "sys.exit(any(name in sys.modules for name in ('jax', 'flax', 'symusic')))"
  )
  subprocess.run([sys.executable, '-c', line], check=True, timeout=60)
