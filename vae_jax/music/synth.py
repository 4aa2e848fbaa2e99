"""Songs as sound, by a small additive synthesiser: to listen, not to admire."""

import functools
import io
import os
import pathlib
import wave
import zlib
from typing import NamedTuple

import numpy as np

from vae_jax.music.midi import saved
from vae_jax.music.songs import BEAT, Note, Song

RATE = 22050  # samples a second
LOUDEST = 0.95
GAIN = 0.3  # of one note of full velocity: a few together still fit
HARMONICS = 6
ATTACK_S, RELEASE_S = 0.005, 0.04
LONGEST_S = 20  # of a note: no more is heard of it
FADING = 3.0  # per second: of what is struck or plucked
HELD = 0.3  # of what is bowed or blown
BOWED_OR_BLOWN = range(16, 24), range(40, 96)  # programs


class Drum(NamedTuple):
  """A sine that falls in pitch and noise, each with a decay per second."""

  hertz: float
  sine: float
  sine_decay: float
  noise: float
  noise_decay: float
  bright: bool = True  # of the noise only what changes fast


KICK = Drum(52, 1.0, 14, 0.1, 90)
SNARE = Drum(185, 0.5, 25, 0.6, 18, bright=False)
CLOSED = Drum(0, 0, 1, 0.4, 45)
OPEN = Drum(0, 0, 1, 0.4, 9)
CYMBAL = Drum(0, 0, 1, 0.5, 3.5)
CLICK = Drum(900, 0.3, 60, 0.3, 60)
TOMS = {41: 80, 43: 95, 45: 110, 47: 130, 48: 150, 50: 175}  # Hz
DRUMS = (
  dict.fromkeys((35, 36), KICK)
  | dict.fromkeys((38, 39, 40), SNARE)
  | dict.fromkeys((42, 44), CLOSED)
  | {46: OPEN}
  | dict.fromkeys((49, 51, 52, 53, 55, 57, 59), CYMBAL)
  | {pitch: Drum(hertz, 0.9, 9, 0.1, 40) for pitch, hertz in TOMS.items()}
)


def sound(song: Song, rate: int = RATE) -> np.ndarray:
  """Samples in [-1, 1], float32, for as long as the song is at its tempo; the
  same every time. All of it is made softer where it would clip."""
  step_s = 60 / song.tempo / BEAT
  sound_L = np.zeros(round(song.steps * step_s * rate), np.float32)
  # Songs repeat themselves: most notes have been made before.
  made = functools.lru_cache(512)(_wave)
  for track in song.tracks:
    held = any(track.program in some for some in BOWED_OR_BLOWN)
    for note in track.notes:
      first, last = (round(at * step_s * rate) for at in _times(note))
      length = 0 if track.drums else min(last - first, LONGEST_S * rate)
      wave_L = made(track.drums, note.pitch, length, held, rate)
      room = sound_L[first : first + len(wave_L)]
      room += GAIN * (note.velocity / 127) ** 1.5 * wave_L[: len(room)]
  peak = np.abs(sound_L).max(initial=0.0)
  return sound_L * np.float32(LOUDEST / max(peak, LOUDEST))


def _times(note: Note) -> tuple[float, float]:
  begin = max(note.start + note.offset, 0.0)
  return begin, max(note.end, begin)


def _wave(drums: bool, pitch: int, length: int, held: bool, rate: int):
  """One note of full velocity, [samples], float32; a drum rings as it will."""
  wave_L = _drum(pitch, rate) if drums else _tone(pitch, length, held, rate)
  return wave_L.astype(np.float32)


def _tone(pitch: int, length: int, held: bool, rate: int) -> np.ndarray:
  hertz = 440 * 2 ** ((pitch - 69) / 12)
  release = round(RELEASE_S * rate)
  time_L = np.arange(length + release) / rate
  number_H1 = np.arange(1, HARMONICS + 1)[:, None]
  # Those above half the rate would be heard as others.
  number_H1 = number_H1[number_H1[:, 0] * hertz < rate / 2]
  decay = HELD if held else FADING
  # Higher ones are softer and fade sooner.
  size_HL = np.exp(-decay * np.sqrt(number_H1) * time_L) / number_H1**1.5
  tone_L = (size_HL * np.sin(2 * np.pi * hertz * number_H1 * time_L)).sum(0)
  tone_L *= np.minimum(time_L / ATTACK_S, 1)
  tone_L[length:] *= np.linspace(1, 0, release)
  return tone_L


def _drum(pitch: int, rate: int) -> np.ndarray:
  drum = DRUMS.get(pitch, CLICK)
  slowest = min(drum.sine_decay if drum.sine else 1e9, drum.noise_decay)
  time_L = np.arange(round(5 / slowest * rate)) / rate  # down to e^-5
  key = zlib.crc32(b'drum %d' % pitch)
  noise_L = np.random.default_rng(key).standard_normal(len(time_L)) / 2
  if drum.bright:
    noise_L = np.diff(noise_L, prepend=0.0)
  # An octave higher where it is struck, down within some hundredths.
  turns_L = drum.hertz * (time_L - np.expm1(-40 * time_L) / 40)
  sine_L = np.sin(2 * np.pi * turns_L) * np.exp(-drum.sine_decay * time_L)
  noise_L *= np.exp(-drum.noise_decay * time_L)
  drum_L = drum.sine * sine_L + drum.noise * noise_L
  return drum_L * np.linspace(1, 0, len(time_L))


def write(
  song: Song, path: str | os.PathLike, rate: int = RATE
) -> pathlib.Path:
  """The path, now a mono .wav of 16 bits; makes its folder."""
  samples = np.rint(sound(song, rate) * 32767).astype(np.int16)
  file = io.BytesIO()
  with wave.open(file, 'wb') as wav:
    wav.setnchannels(1)
    wav.setsampwidth(2)
    wav.setframerate(rate)
    wav.writeframes(samples.tobytes())
  return saved(file.getvalue(), path)
