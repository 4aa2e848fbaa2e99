import wave

import numpy as np
import pytest

from vae_jax.music import Note, Song, Track, synth


def one(pitch=69, velocity=100, end=16, drums=False, program=0, **song):
  note = Note(0, end, pitch, velocity)
  return Song((Track((note,), program, drums),), bars=1, **song)


def rms(sound_L):
  return float(np.sqrt(np.mean(np.square(sound_L))))


@pytest.mark.parametrize('pitch, hertz', [(69, 440), (57, 220), (81, 880)])
@pytest.mark.parametrize('program', [0, 40])
def test_the_spectrum_of_a_note_peaks_at_its_pitch(pitch, hertz, program):
  sound_L = synth.sound(one(pitch, program=program))
  size = np.abs(np.fft.rfft(sound_L * np.hanning(len(sound_L))))
  assert np.argmax(size) * synth.RATE / len(sound_L) == pytest.approx(
    hertz, abs=1
  )


def test_no_harmonic_is_above_half_the_rate():
  sound_L = synth.sound(one(119))  # 7902 Hz: the second would alias to 6245
  size = np.abs(np.fft.rfft(sound_L * np.hanning(len(sound_L))))
  hertz = np.arange(len(size)) * synth.RATE / len(sound_L)
  assert size[np.abs(hertz - 7902) > 200].max() < size.max() / 100


@pytest.mark.parametrize('tempo', [60.0, 97.3, 180.0])
@pytest.mark.parametrize('rate', [8000, 22050])
def test_the_length_is_that_of_the_song_at_its_tempo(tempo, rate):
  sound_L = synth.sound(one(tempo=tempo), rate)
  assert sound_L.dtype == np.float32
  assert len(sound_L) == round(4 * 60 / tempo * rate)


def test_a_note_sounds_from_its_beginning_to_its_end():
  note = Note(4, 8, 60, offset=0.25)
  sound_L = synth.sound(Song((Track((note,)),), 1, tempo=60.0))
  begin, end = round(4.25 / 4 * synth.RATE), 2 * synth.RATE
  assert not sound_L[:begin].any() and sound_L[begin : begin + 50].any()
  release = round(synth.RELEASE_S * synth.RATE)
  assert sound_L[end - 50 : end].any() and not sound_L[end + release :].any()


def test_however_many_notes_do_not_clip():
  tracks = tuple(
    Track(tuple(Note(0, 16, pitch, 127) for pitch in range(128)), drums=drums)
    for drums in (False, True)
  )
  assert 0.9 < np.abs(synth.sound(Song(tracks, 1))).max() <= 1


@pytest.mark.parametrize('song', [Song((), 2), Song((Track(()),), 2)])
def test_silence_is_silent(song):
  sound_L = synth.sound(song)
  assert len(sound_L) == 4 * synth.RATE and not sound_L.any()


def test_no_bars_are_no_samples():
  assert synth.sound(Song((), 0)).shape == (0,)


def test_the_same_song_sounds_the_same_twice():
  song = Song(one(36, drums=True).tracks + one().tracks, 1)
  assert np.array_equal(synth.sound(song), synth.sound(song))


@pytest.mark.parametrize('drums', [False, True])
def test_velocity_is_loudness(drums):
  loudness = [
    rms(synth.sound(one(38, velocity, drums=drums)))
    for velocity in (20, 60, 100, 127)
  ]
  assert loudness[0] > 0 and loudness == sorted(set(loudness))


def test_struck_notes_fade_and_bowed_ones_last():
  def kept(program):
    sound_L = synth.sound(one(program=program))
    return rms(sound_L[-8000:]) / rms(sound_L[1000:9000])

  assert kept(0) < 0.2 < 0.5 < kept(40)


def test_every_drum_is_heard_and_a_kick_is_lower_than_a_hat():
  def centre(pitch):
    sound_L = synth.sound(one(pitch, drums=True))
    assert 0.02 < np.abs(sound_L).max() < 1
    power = np.square(np.abs(np.fft.rfft(sound_L)))
    return (power * np.arange(len(power))).sum() / power.sum() / 2  # Hz

  hertz = {pitch: centre(pitch) for pitch in range(27, 88)}
  assert hertz[36] < 200 < hertz[38] < hertz[42]
  assert hertz[41] < hertz[50] < hertz[38]


def test_the_end_of_a_note_says_nothing_about_a_drum():
  short, long = (synth.sound(one(49, end=n, drums=True)) for n in (1, 16))
  assert np.array_equal(short, long)


def test_notes_beyond_the_bars_are_left_out():
  late = Track((Note(100, 104, 60), Note(15, 300, 64)))
  assert len(synth.sound(Song((late,), 1))) == 2 * synth.RATE


def test_a_wav_holds_the_sound(tmp_path):
  path = synth.write(one(), tmp_path / 'new' / 'a.wav', rate=8000)
  with wave.open(str(path)) as wav:
    assert wav.getparams()[:4] == (1, 2, 8000, 16000)
    samples = np.frombuffer(wav.readframes(16000), '<i2')
  sound_L = synth.sound(one(), 8000)
  assert np.abs(samples / 32767 - sound_L).max() <= 0.5 / 32767 + 1e-6
  assert [file.name for file in path.parent.iterdir()] == ['a.wav']
