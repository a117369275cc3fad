"""scikit-learn's LogisticRegression on features that Bertram extracted. A line `fit C` is answered with a line of JSON."""

import json
import sys
import time

import numpy as np
import sklearn
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

data = load_file(sys.argv[1])
train, test = data["train_features"], data["test_features"]
train_labels, test_labels = data["train_labels"], data["test_labels"]


def objective(model, c):
    """Mean cross entropy plus the penalty, in double precision."""
    logits = train.astype(np.float64) @ model.coef_.T.astype(np.float64) + model.intercept_
    logits -= logits.max(axis=1, keepdims=True)
    chosen = logits[np.arange(len(train_labels)), train_labels] - np.log(np.exp(logits).sum(axis=1))
    return float(-chosen.mean() + (model.coef_.astype(np.float64) ** 2).sum() / (2 * c * len(train_labels)))


for line in sys.stdin:
    c = float(line.split()[1])
    model = LogisticRegression(C=c, tol=1e-4, max_iter=1000)
    began = time.perf_counter()
    model.fit(train, train_labels)
    seconds = time.perf_counter() - began
    predictions = model.predict(test)
    answer = {
        "accuracy": float((predictions == test_labels).mean()),
        "macro_f1": float(f1_score(test_labels, predictions, average="macro")),
        "loss": objective(model, c),
        "iterations": int(model.n_iter_[0]),
        "seconds": seconds,
        "predictions": predictions.tolist(),
        "version": sklearn.__version__,
    }
    print(json.dumps(answer), flush=True)
