"""Studies of the codes of a trained model: Trained -> {name: figure or array}.

What they know beside principal components, how few labels they need, how well
they fit the prior, how sparse they are.
"""

import dataclasses
import functools

import jax
import numpy as np

from vae_jax import training
from vae_jax.data import spread_rows
from vae_jax.measures import baselines
from vae_jax.measures.discrepancy import fit_to_normal
from vae_jax.measures.features import (
  few_labels,
  flat,
  knn_accuracy,
  linear_probe,
  trustworthiness,
)
from vae_jax.measures.trained import Trained

LABELS = (10, 100, 1000)  # and all
RIVALS = ('pixels', 'PCA', 'random encoder')


def against_pca(trained: Trained, limit: int = 10_000) -> dict:
  """mse, knn, linear and trust of the codes, `AE`, and of as many principal
  components of the training images, `PCA`; {} for images without labels."""
  if trained.data['test'].label is None:
    return {}
  train, test = (trained.examples(split, limit) for split in ('train', 'test'))
  labels = [labels_of(trained, split, limit) for split in ('train', 'test')]
  x, y = flat(train.seen), flat(test.seen)
  mean, basis = components(x, trained.ex.latents)
  projected = [(a - mean) @ basis for a in (x, y)]
  rebuilt = projected[1] @ basis.T + mean
  codes = [trained.encode(train.seen), trained.encode(test.seen)]
  return {
    'AE': judged(codes, labels, y, flat(trained.decode(codes[1]))),
    'PCA': judged(projected, labels, y, rebuilt),
  }


def judged(codes, labels, image_NP, rebuilt_NP) -> dict[str, float]:
  """The measures of codes of the training and the test images."""
  train, test = zip(codes, labels, strict=True)
  error = (np.clip(rebuilt_NP, 0, 1) - image_NP) ** 2
  return {
    'mse': float(error.mean()),
    'knn': knn_accuracy(train, test),
    'linear': linear_probe(train, test),
    'trust': trustworthiness(image_NP, codes[1]),
  }


def beside_pca(
  trained: Trained, sizes=(2, 32), limit: int = 10_000, most: int = 1500
) -> dict:
  """Arrays: codes of at most `most` test images, as many principal components,
  and labels; {} for codes of other sizes or images without labels."""
  batch, latents = trained.data['test'], trained.ex.latents
  if latents not in sizes or batch.label is None:
    return {}
  train, test = (trained.examples(split, limit) for split in ('train', 'test'))
  [seen] = spread_rows(most, test.seen)
  mean, basis = components(flat(train.seen), latents)
  [label_N] = spread_rows(most, labels_of(trained, 'test', limit))
  return {
    'autoencoder': trained.encode(seen),
    'PCA': (flat(seen) - mean) @ basis,
    'label': label_N,
    'classes': list(batch.classes),
  }


def components(x_NP, count: int):
  """(mean, at most `count` principal components [P, count]) of rows."""
  basis = baselines.principal_components(x_NP, min(count, *x_NP.shape))
  return x_NP.mean(0), basis


def labels_of(trained: Trained, split: str, limit: int):
  """The labels of trained.examples(split, limit): [N]."""
  [label_N] = spread_rows(limit, trained.data[split].label)
  return label_N


def plane(trained: Trained) -> dict:
  """Arrays: the codes of the test split in the plane, [N, 2], and labels; of
  more than two latents the first two principal components. {} for one."""
  codes = trained.encode(trained.test.seen, trained.test.given)
  axes = ['$z_1$ (posterior mean)', '$z_2$ (posterior mean)']
  if codes.shape[1] < 2:
    return {}
  if codes.shape[1] > 2:
    basis = baselines.principal_components(codes, 2)
    codes = (codes - codes.mean(0)) @ basis
    axes = ['1st principal component of $z$', '2nd principal component']
  batch = trained.data['test']
  found = {'points': codes, 'axes': axes, 'classes': list(batch.classes)}
  if batch.label is not None:
    found['label'] = trained.test_label
  return found


def probed(trained: Trained, draws: int = 5, limit: int = 10_000) -> dict:
  """Test accuracy of a linear probe over the number of labels, on the codes and
  on rivals, those once for all models of a seed; {} for images without labels.
  Few labels are drawn `draws` times."""
  if trained.data['test'].label is None:
    return {}
  images = [clean(trained, split, limit) for split in ('train', 'test')]
  features = {'encoder': [trained.encode(image) for image in images]}
  if trained.first_of_seed():
    features |= rivals(trained, images)
  scores = {
    name: accuracies(trained, pair, draws, limit)
    for name, pair in features.items()
  }
  return {
    'labels': list(scores['encoder']),
    'accuracy': {name: list(by.values()) for name, by in scores.items()},
  }


def rivals(trained: Trained, images) -> dict:
  """Features of the same images that this model has not learned."""
  x, y = map(flat, images)
  mean, basis = components(x, trained.ex.latents)
  random = untrained(trained, trained.ex.seed + 1)
  pca = [(a - mean) @ basis for a in (x, y)]
  pairs = [x, y], pca, [random.encode(image) for image in images]
  return dict(zip(RIVALS, pairs, strict=True))


def clean(trained: Trained, split: str, limit: int):
  """At most `limit` clean images of a split: [N, H, W, C]."""
  [index] = spread_rows(limit, np.arange(trained.data[split].size))
  return np.asarray(trained.data[split].take(index).images())


def accuracies(trained: Trained, pair, draws: int, limit: int) -> dict:
  """Number of labels -> accuracies on features of the training and the test
  images, of several draws where labels are few."""
  labels = [labels_of(trained, split, limit) for split in ('train', 'test')]
  found, n = {}, len(labels[0])
  for count in [c for c in LABELS if c < n] + [n]:
    found[count] = []
    for draw in range(draws if count <= 100 else 1):
      few = few_labels(labels[0], count, 1000 * trained.ex.seed + draw)
      fit = pair[0][few], labels[0][few]
      found[count].append(linear_probe(fit, (pair[1], labels[1])))
  return found


def untrained(trained: Trained, seed: int) -> Trained:
  """The model before its first step, of this seed."""
  init = jax.jit(functools.partial(training.init, ex=trained.ex))
  one = jax.tree.map(lambda x: x[:1], trained.data['train'])
  state = init(jax.random.key(seed), hyper=trained.hyper, data=one)
  return dataclasses.replace(trained, state=state)


def fit_to_prior(trained: Trained, limit: int = 500) -> dict:
  """discrepancy.fit_to_normal of codes of the test split, as `trained` and as
  they were before training, `untrained`."""
  before = untrained(trained, trained.ex.seed)
  test = trained.examples('test', limit)
  return {
    name: fit_to_normal(model.encode(test.seen, test.given))
    for name, model in {'trained': trained, 'untrained': before}.items()
  }


def ranked(trained: Trained, limit: int = 1000) -> dict:
  """|z| of the test split, the largest of each code first, means over at most
  `limit` images: as it is and as a share of the code's L1 norm, [Z] each."""
  test = trained.examples('test', limit)
  z_NZ = -np.sort(-np.abs(trained.encode(test.seen, test.given)), axis=1)
  share_NZ = z_NZ / np.maximum(z_NZ.sum(1, keepdims=True), 1e-9)
  means = {'activation': z_NZ.mean(0), 'share_of_l1': share_NZ.mean(0)}
  return {name: mean_Z.tolist() for name, mean_Z in means.items()}
