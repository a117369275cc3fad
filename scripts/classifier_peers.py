"""The peers of docs/classifiers.md: scikit-learn on the features of `bertram features`, transformers' fine-tuning.

    python scripts/classifier_peers.py features DIRECTORY C
    python scripts/classifier_peers.py finetune DIRECTORY MODEL SEED

DIRECTORY holds train.tsv and test.tsv of scripts/movie_reviews.py, and for the first form train.safetensors and
test.safetensors, the features of their texts in the same order. Prints one JSON document.

The second form does what `bertram classify train --mode finetune` does by the options that are written down here, with
batches of sentences of like length: AdamW with bias correction, no weight decay, gradients clipped to a norm of 1, a
learning rate that rises over a tenth of the updates and falls linearly to zero.
"""

import json
import pathlib
import random
import sys
import time

EPOCHS, BATCH, LEARNING_RATE, WARMUP_RATIO, LENGTH = 1, 32, 5e-5, 0.1, 128
LABELS = ["negative", "positive"]


def read(directory, name):
    """Texts and their labels' numbers."""
    rows = (directory / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]
    texts, labels = zip(*(row.split("\t") for row in rows))
    return list(texts), [LABELS.index(label) for label in labels]


def scores(labels, predictions):
    from sklearn.metrics import confusion_matrix, f1_score

    return {
        "accuracy": sum(a == b for a, b in zip(labels, predictions)) / len(labels),
        "macro_f1": f1_score(labels, predictions, average="macro"),
        "confusion_matrix": confusion_matrix(labels, predictions).tolist(),
    }


def features(directory, c):
    from safetensors.numpy import load_file
    from sklearn.linear_model import LogisticRegression

    part = lambda name: load_file(directory / f"{name}.safetensors")["features"].reshape(-1, 384)
    model = LogisticRegression(C=c, tol=1e-4, max_iter=1000).fit(part("train"), read(directory, "train")[1])
    predictions = model.predict(part("test")).tolist()
    return {"iterations": int(model.n_iter_[0]), **scores(read(directory, "test")[1], predictions)}


def finetune(directory, start, seed):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

    torch.manual_seed(seed)
    draws = random.Random(seed)
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = AutoModelForSequenceClassification.from_pretrained(start, num_labels=len(LABELS)).train()
    encode = lambda texts: tokenizer(texts, truncation=True, max_length=LENGTH)["input_ids"]
    texts, labels = read(directory, "train")
    pieces = encode(texts)

    def batch(indices, pieces):
        longest = max(len(pieces[i]) for i in indices)
        ids = torch.tensor([pieces[i] + [0] * (longest - len(pieces[i])) for i in indices])
        return {"input_ids": ids, "attention_mask": (ids != 0).long(), "token_type_ids": torch.zeros_like(ids)}

    def batches():
        order = draws.sample(range(len(pieces)), len(pieces))
        groups = []
        for begin in range(0, len(order), 50 * BATCH):
            stretch = sorted(order[begin : begin + 50 * BATCH], key=lambda i: len(pieces[i]))
            groups += [stretch[i : i + BATCH] for i in range(0, len(stretch), BATCH)]
        draws.shuffle(groups)
        return groups

    steps = EPOCHS * -(-len(pieces) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, eps=1e-8, weight_decay=0)
    schedule = get_linear_schedule_with_warmup(optimizer, -(-steps // round(1 / WARMUP_RATIO)), steps)
    began = time.perf_counter()
    for _ in range(EPOCHS):
        for indices in batches():
            loss = model(**batch(indices, pieces), labels=torch.tensor([labels[i] for i in indices])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    seconds = time.perf_counter() - began
    model.eval()
    texts, labels = read(directory, "test")
    pieces = encode(texts)
    with torch.no_grad():
        groups = [range(i, min(i + BATCH, len(pieces))) for i in range(0, len(pieces), BATCH)]
        predictions = [k for group in groups for k in model(**batch(group, pieces)).logits.argmax(-1).tolist()]
    return {"steps": steps, "seconds": round(seconds, 1), **scores(labels, predictions)}


def main():
    mode, directory, *rest = sys.argv[1:]
    directory = pathlib.Path(directory)
    result = features(directory, float(rest[0])) if mode == "features" else finetune(directory, rest[0], int(rest[1]))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
