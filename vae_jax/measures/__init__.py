"""What is known of a trained model: figures of its own and of its rivals.

examples     the examples of a split as measures see them, and their keys
per_example  measures: (model, params, example, key_B, hyper) -> {name: [B]}
pooled       the engine: their means over a whole split, on all devices
importance   log p(x) by importance sampling
baselines    trivial rivals: (ex, train, test) -> predictions
trained      a model with its parameters, for pictures, reports and users
rivals       the baselines beside a trained model
codes        what codes know of labels, neighbours and the prior
samples      how good a set of samples is
"""
