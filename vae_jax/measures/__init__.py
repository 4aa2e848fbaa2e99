"""What is known of a trained model: figures of its own and of its rivals.

A measure is (model, params, example, key_B) -> {name: value_B}, whatever the
shape behind [B]: an objective is one. The engine pools it over a split. A
baseline is (train, test) -> predictions [N, H, W, C]. A study is (trained) ->
{name: number, list, dict or array}: it runs once a run, when all runs of a
command are trained, and may ask another model, in `trained.among`; {} is left
out. Its arrays go to studies.npz, the rest to results.json.

examples     the examples of a split as measures see them, and their keys
per_example  measures: (model, params, example, key_B) -> {name: [B]}
pooled       the engine: their means over a whole split, on all devices
importance   log p(x) by importance sampling
features     what features know of labels and neighbours
discrepancy  how far codes are from draws of N(0, I)
baselines    trivial rivals: (train, test) -> predictions
trained      a model with its parameters, and what is known without them
rivals       the baselines beside a trained model
sequences    measures and rivals of sequences
struck       how near a model comes to a drummer
ways         from one code to another, and what is decoded between them
attributes   what can be counted in phrases, and steering by it
codes        studies of codes: beside PCA, with few labels, against the prior
samples      how good a set of samples is
compression  what a code costs and what is lost, beside JPEG
studies      what a model does: with noise, with labels, with other data
"""
