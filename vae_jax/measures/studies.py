"""Studies of what a trained model does: with noise, labels, other data."""

import dataclasses

import jax
import numpy as np

from vae_jax import config, data
from vae_jax.factors import views
from vae_jax.images import inconsistency, psnr, psnr_of, whole_factor
from vae_jax.measures import baselines
from vae_jax.measures.samples import class_features, judge_of
from vae_jax.measures.trained import Trained

# Of noise on codes, in standard deviations of each latent.
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0)


def majority(trained: Trained) -> dict:
  """The share of the test images that the most frequent class classifies
  rightly, `accuracy`."""
  train, test = (
    np.asarray(trained.data[split].label) for split in ('train', 'test')
  )
  return {'accuracy': float((test == np.bincount(train).argmax()).mean())}


def reconstructed(trained: Trained, count: int = 10) -> dict:
  """Arrays: some test images, and the mean images for their mean codes."""
  test = trained.examples('test', trained.data['test'].size)
  at = data.spread(len(test.seen), count)
  seen, wanted, given = (x if x is None else x[at] for x in test)
  return {'wanted': wanted, 'images': trained.reconstruct(seen, given)}


def noise_passed(
  trained: Trained,
  train_limit: int = 10_000,
  test_limit: int = 1000,
  shown: int = 8,
) -> dict:
  """PSNR in dB on images through views.noisy, whatever the model was trained
  to see, and the share of the noise's energy that is passed; those of a PCA of
  clean images if it saw none but such. Arrays of some images."""
  noisy = dataclasses.replace(trained.ex, view=views.noisy)
  test = dataclasses.replace(trained, ex=noisy).examples('test', test_limit)
  found = passed(*map(trained.reconstruct, (test.seen, test.wanted)), test)
  if config.parts(trained.ex.view)[0] is not views.noisy:
    both = np.concatenate([test.seen, test.wanted])
    train = trained.examples('train', train_limit)
    size = trained.ex.latents
    images = baselines.pca(train, views.Example(both, both), size)
    pca = passed(*np.split(images, 2), test)
    found |= {f'pca_{name}': value for name, value in pca.items()}
  at = data.spread(len(test.seen), shown)
  return found | {
    'clean': test.wanted[at],
    'noisy': test.seen[at],
    'images': trained.reconstruct(test.seen[at]),
  }


def passed(noisy_NHWC, clean_NHWC, test) -> dict[str, float]:
  """psnr_db of f(x + n), and ||f(x + n) - f(x)||^2 / ||n||^2 pooled, 0 where
  there is no noise, of f(x + n) and f(x)."""
  noise = ((test.seen - test.wanted) ** 2).sum()
  through = ((noisy_NHWC - clean_NHWC) ** 2).sum()
  return {
    'psnr_db': psnr_of(noisy_NHWC, test.wanted),
    'share_passed': float(through / max(noise, 1e-12)),
  }


def fed_noise(
  trained: Trained, factor: int = 4, count: int = 100, shown: int = 10
) -> dict:
  """What a model that enlarges `factor` times makes of small images of uniform
  noise: how well it agrees with the noise, in dB, and with its bicubic
  enlargement; the share of pixels that are nearly 0 or 1. Arrays of some."""
  test = trained.test
  if whole_factor(test.seen.shape, test.wanted.shape) != factor:
    return {}
  shape = count, *test.seen.shape[1:]
  seen = np.random.default_rng(0).random(shape, np.float32)
  raw = trained.reconstruct(seen)
  blank = np.zeros((count, *test.wanted.shape[1:]), np.float32)
  smooth = baselines.bicubic(None, views.Example(seen, blank))
  images, bicubic = np.clip(raw, 0, 1), np.clip(smooth, 0, 1)
  return {
    'consistency_db': psnr(float(inconsistency(images, seen).mean())),
    'against_bicubic_db': psnr(float(((images - bicubic) ** 2).mean())),
    'extreme_share': extreme(images),
    'extreme_share_bicubic': extreme(bicubic),
    'extreme_share_test': extreme(test.wanted),
    'noise': seen[:shown],
    'bicubic': smooth[:shown],
    'images': raw[:shown],
  }


def extreme(images, margin: float = 0.1) -> float:
  """The share of pixels that are this near to 0 or 1."""
  return float((np.abs(images - 0.5) >= 0.5 - margin).mean())


def noisy_codes(trained: Trained, levels=LEVELS) -> dict:
  """Arrays: an unseen image of each class, at most ten, and what is decoded of
  its code with noise of each level."""
  first = np.unique(trained.test_label, return_index=True)[1][:10]
  seen = trained.test.seen[first]
  return {
    'levels': list(levels),
    'wanted': trained.test.wanted[first],
    'images': with_noise(trained, seen, levels),
  }


def with_noise(trained: Trained, seen, levels):
  """Decoded images of the codes of `seen` with noise: [levels, N, H, W, C].

  The same noise at every level, in units of each latent's standard deviation
  over the test split.
  """
  sigma_Z = trained.encode(trained.test.seen).std(0)
  z_NZ = trained.encode(seen)
  rng = np.random.default_rng(trained.ex.seed)
  noise_NZ = rng.normal(size=z_NZ.shape) * sigma_Z
  codes = [z_NZ + level * noise_NZ for level in levels]
  return np.stack([trained.decode(z.astype(np.float32)) for z in codes])


def label_flips(trained: Trained, count: int = 1000, levels=LEVELS) -> dict:
  """For each level of noise on the codes of at most `count` unseen images the
  share of decoded images that a classifier among the models gives another
  class than to the clean decoding; {} without a classifier."""
  judge = judge_of(trained)
  if judge is None:
    return {}
  images = with_noise(trained, trained.examples('test', count).seen, levels)
  chosen = [class_features(judge, x)[1].argmax(-1) for x in images]
  shares = [float((y != chosen[0]).mean()) for y in chosen]
  return {'levels': list(levels), 'flipped_share': shares}


def label_accuracy(
  trained: Trained, each: int = 100, columns: int = 10
) -> dict:
  """The share of samples, `each` of every class, that a classifier among the
  models gives the label asked for, as mean images and with every pixel drawn,
  and its own on real images. An array of some samples: a row for each class, a
  column for each code. {} for a model that is given no label."""
  classes = trained.data['test'].classes
  if np.shape(trained.test.given)[1:] != (len(classes),):
    return {}
  given = asked(trained, columns)
  z_CZ = draws(trained, columns)
  images = trained.decode(np.tile(z_CZ, (len(classes), 1)), given)
  rows = images.reshape(len(classes), columns, *images.shape[1:])
  found = {'classes': list(classes), 'images': rows}
  judge = judge_of(trained)
  return found if judge is None else found | agreement(trained, judge, each)


def agreement(trained: Trained, judge: Trained, each: int) -> dict[str, float]:
  """How often a classifier sees the label that was asked for."""
  given = asked(trained, each)
  z, wanted = draws(trained, len(given)), given.argmax(-1)

  def share(images):
    return float((class_features(judge, images)[1].argmax(-1) == wanted).mean())

  key_B = jax.random.split(jax.random.key(trained.ex.seed + 1), len(z))
  outputs = trained.model.decode(trained.state.params, z, given)
  pixels = np.asarray(trained.model.likelihood.sample(outputs, key_B))
  return {
    'label_accuracy': share(trained.decode(z, given)),
    'label_accuracy_drawn_pixels': share(pixels),
    'classifier_accuracy': judge.results['accuracy'],
  }


def asked(trained: Trained, each: int):
  """One-hot labels, `each` of every class in order: [Y * each, Y]."""
  classes = len(trained.data['test'].classes)
  return np.repeat(np.eye(classes, dtype=np.float32), each, 0)


def draws(trained: Trained, count: int):
  """Draws from the prior: [count, Z]."""
  key_B = jax.random.split(jax.random.key(trained.ex.seed), count)
  return np.asarray(trained.model.prior(trained.state.params).sample(key_B))


def abroad(
  trained: Trained,
  train_limit: int = 10_000,
  test_limit: int = 1000,
  shown: int = 10,
) -> dict:
  """PSNR in dB of the model, and of a PCA of what it was trained on, on its own
  test images and on those of every other model among them with its seed and
  its size of images, by label; arrays of some. {} without another."""
  batch = trained.data['test']
  there = {
    one.label: one.examples('test', test_limit)
    for one in trained.among
    if one.ex.seed == trained.ex.seed and one.data['test'].shape == batch.shape
  }
  if len(there) < 2:
    return {}
  train = trained.examples('train', train_limit)
  together = views.Example(
    np.concatenate([test.seen for test in there.values()]),
    np.concatenate([test.wanted for test in there.values()]),
  )
  ends = np.cumsum([len(test.seen) for test in there.values()])[:-1]
  pca = baselines.pca(train, together, trained.ex.latents)
  each = max(1, shown // len(there))
  some = [x.seen[data.spread(len(x.seen), each)] for x in there.values()]
  seen = np.concatenate(some)
  return {
    'shape': list(batch.shape),
    'psnr_db': {
      label: psnr_of(trained.reconstruct(test.seen), test.wanted)
      for label, test in there.items()
    },
    'pca_psnr_db': {
      label: psnr_of(image, test.wanted)
      for (label, test), image in zip(
        there.items(), np.split(pca, ends), strict=True
      )
    },
    'test images': seen,
    'images': trained.reconstruct(seen),
  }
