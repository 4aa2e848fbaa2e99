"""Measures of sequences: what is right after a teacher's classes and after the
decoder's own, which is another thing.

Where most steps go on as before, a decoder that always goes on is right in most
of them: so onsets are counted for themselves, and what is right with another
sequence's code is what does not hang on the code.
"""

import jax.numpy as jnp
import numpy as np

from vae_jax.measures.trained import Trained
from vae_jax.music import BAR
from vae_jax.music.classes import HOLD, OFF


def accuracies(model, params, example, key_B):
  """Of every sequence, with its mean code: the share of steps that are right
  after the teacher, after its own (free), and so with the code of another one
  (shuffled): [B]; the same of each step [B, L]; and counts of onsets, for
  precision, recall and their mean, onset_f1."""
  del key_B
  z_BZ = model.encode(params, example.seen, example.given).mean
  wanted = example.wanted.argmax(-1)

  def said(z_BZ, teacher=None):
    outputs = model.decode(params, z_BZ, example.given, teacher=teacher)
    return outputs.argmax(-1)

  free = said(z_BZ)
  taught = said(z_BZ, example.wanted)
  other = said(jnp.roll(z_BZ, 1, 0))
  return {
    'accuracy_taught': right(taught, wanted),
    'accuracy_free': right(free, wanted),
    'accuracy_shuffled': right(other, wanted),
    'accuracy_taught_by_step': (taught == wanted).mean(-1),
    'accuracy_free_by_step': (free == wanted).mean(-1),
    **onsets(free, wanted, before_onsets(model)),
    **by_kind(free, wanted, before_onsets(model)),
  }


def before_onsets(model):
  """The last class of each track, [T], that begins nothing."""
  score = score_of(model)
  return jnp.array(
    [HOLD if t in score.drums else OFF for t in range(score.tracks)]
  )


def score_of(model):
  """What the model's sequences are like; ValueError if it has none."""
  score = getattr(model.network.decoder, 'score', None)
  if score is None:
    raise ValueError(
      'measures of sequences need a network of sequences: networks.recurrent'
    )
  return score


def right(said, wanted):
  """The share of steps and tracks that are right: [B]."""
  return (said == wanted).mean((1, 2))


def onsets(said, wanted, last_T):
  """Counts of onsets, which are the classes after the last_T: wanted, said, and
  said rightly: [B] each."""
  is_said, is_wanted = (x > last_T[None, None] for x in (said, wanted))
  hit = is_wanted & (said == wanted)
  counts = {'wanted': is_wanted, 'said': is_said, 'right': hit}
  return {f'onsets_{k}': v.sum((1, 2)) for k, v in counts.items()}


def by_kind(said, wanted, last_T):
  """For steps that go on, end a note, begin one: how many, how many right."""
  begun = wanted > last_T[None, None]
  kinds = wanted == HOLD, (wanted == OFF) & ~begun, begun
  count = [kind.sum((1, 2)) for kind in kinds]
  hit = [(kind & (said == wanted)).sum((1, 2)) for kind in kinds]
  return {'kinds': jnp.stack(count, 1), 'kinds_right': jnp.stack(hit, 1)}


def rivals(trained: Trained) -> dict:
  """Study: the accuracy after the right step before it of a rival that always
  goes on, that says the most frequent class of a track, and that says what most
  often follows the class before; and of the first bar again and again, where
  there are several."""
  train = trained.data['train']
  sides = [numbers(b) for b in (train, trained.data['test'])]
  (train_NLT, test_NLT), classes = sides, train.shape[2]
  found = {'hold': float((test_NLT == HOLD).mean())}
  counts = [
    np.bincount(x.ravel(), minlength=classes) for x in tracks(train_NLT)
  ]
  best = np.array([count.argmax() for count in counts])
  found['majority'] = float((test_NLT == best).mean())
  pairs = zip(tracks(train_NLT), tracks(test_NLT), strict=True)
  found['bigram'] = float(np.mean([bigram(*pair, classes) for pair in pairs]))
  steps = test_NLT.shape[1]
  if steps > BAR:
    again = np.tile(test_NLT[:, :BAR], (1, -(-steps // BAR), 1))[:, :steps]
    found['first bar again'] = float((again == test_NLT).mean())
  return found


def numbers(batch):
  """The classes of a batch: [N, L, T]."""
  return np.asarray(batch.x).reshape(-1, *batch.shape[:2]).astype(int)


def tracks(x_NLT):
  """Each track's classes: [N, L]."""
  return list(np.moveaxis(x_NLT, 2, 0))


def bigram(train_NL, test_NL, classes: int) -> float:
  """The share of steps that are what most often follows the class before, the
  first step being what is most often first."""

  def before(x_NL):
    return np.pad(x_NL[:, :-1], ((0, 0), (1, 0)), constant_values=classes)

  counts = np.zeros((classes + 1, classes), np.int64)
  np.add.at(counts, (before(train_NL), train_NL), 1)
  return float((counts.argmax(1)[before(test_NL)] == test_NL).mean())
