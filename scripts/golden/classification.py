"""Numbers of scikit-learn, scipy and transformers for the classifiers: test/golden/classification/.

- golden.json: logistic regression on random features, for two and three classes and several C, at its optimum;
  scores of random predictions; the minimum of a convex function by scipy.
- model/: a small BertForSequenceClassification as transformers saves it, and its logits in golden.json.

Needs numpy, scipy, scikit-learn, torch and transformers.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "test/golden/classification"
VOCAB = ROOT / "test/golden/bert/vocab.txt"
LABELS = ["neutral", "good", "bad"]
TEXTS = ["Ada came.", ["Who came first?", "Bob was second."], "In 1821 Ada came first, and Bob was second.", "x"]


def logistic_regression():
    random = np.random.default_rng(5)
    cases = []
    for classes, c in [(3, 1.0), (3, 0.05), (2, 1.0), (2, 0.05)]:
        features = random.normal(size=(23, 7)).astype(np.float32)
        features[:, 0] *= 5
        labels = (np.arange(23) * 7 + random.integers(0, 2, 23)) % classes
        model = LogisticRegression(C=c, tol=1e-10, max_iter=10000).fit(features.astype(np.float64), labels)
        probabilities = model.predict_proba(features.astype(np.float64))
        cases.append(
            {
                "classes": classes,
                "C": c,
                "features": features.flatten().tolist(),
                "labels": labels.tolist(),
                "probabilities": probabilities.tolist(),
            }
        )
    return cases


def convex_minimum():
    """f(x) = log sum exp(A x + b) + 0.05 |x|^2, ill-conditioned in its scales."""
    random = np.random.default_rng(7)
    a = random.normal(size=(13, 5)) * np.array([0.1, 1, 3, 10, 30])
    b = random.normal(size=13)

    def function(x):
        z = a @ x + b
        top = z.max()
        return top + np.log(np.exp(z - top).sum()) + 0.05 * x @ x

    best = minimize(function, np.zeros(5), method="BFGS", options={"gtol": 1e-9})
    best = minimize(function, best.x, method="Nelder-Mead", options={"xatol": 1e-12, "fatol": 1e-14, "maxiter": 20000})
    return {"a": a.tolist(), "b": b.tolist(), "point": best.x.tolist(), "value": float(best.fun)}


def scores():
    random = np.random.default_rng(11)
    # No example of class 3, which is predicted; class 2 is never predicted.
    truth = random.choice([0, 1, 2], 41)
    predictions = np.where(random.random(41) < 0.6, np.minimum(truth, 1), random.choice([0, 1, 3], 41))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, predictions, labels=[0, 1, 2, 3], zero_division=0
    )
    return {
        "truth": truth.tolist(),
        "predictions": predictions.tolist(),
        "accuracy": accuracy_score(truth, predictions),
        "macro_f1": f1_score(truth, predictions, labels=[0, 1, 2, 3], average="macro", zero_division=0),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "confusion_matrix": confusion_matrix(truth, predictions, labels=[0, 1, 2, 3]).tolist(),
    }


def sequence_classification():
    torch.manual_seed(13)
    config = BertConfig(
        vocab_size=99,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=37,
        max_position_embeddings=48,
        initializer_range=0.3,
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
    )
    model = BertForSequenceClassification(config).eval()
    model.save_pretrained(OUTPUT / "model")
    (OUTPUT / "model/vocab.txt").write_bytes(VOCAB.read_bytes())
    (OUTPUT / "model/tokenizer_config.json").write_text('{"do_lower_case": false}\n')
    tokenizer = BertTokenizer(vocab=str(VOCAB), do_lower_case=False)
    pairs = [(text, None) if isinstance(text, str) else text for text in TEXTS]
    batch = tokenizer.pad([tokenizer(a, b) for a, b in pairs], return_tensors="pt")
    with torch.no_grad():
        probabilities = model(**batch).logits.softmax(dim=-1)
    return {"labels": LABELS, "texts": TEXTS, "probabilities": probabilities.tolist()}


def main():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    golden = {
        "logistic_regression": logistic_regression(),
        "convex_minimum": convex_minimum(),
        "scores": scores(),
        "sequence_classification": sequence_classification(),
    }
    (OUTPUT / "golden.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
