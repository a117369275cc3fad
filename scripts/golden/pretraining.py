"""Golden files of test/pretraining: what google-research/bert's create_pretraining_data.py makes of small documents.

    python scripts/golden/pretraining.py CREATE_PRETRAINING_DATA.PY

The script is that of commit 0fce551b55caabcfba52c61e18f34b541aef186a, the one that brought whole-word masking; another
file is refused. Its functions run as they are, for TensorFlow 1, which `tensorflow.compat.v1` of TensorFlow 2 stands in for, with the
published tokenizer (`pip install bert-tensorflow==1.0.4`).

Made with Python 3.11, TensorFlow 2.21. Three files:

- procedure.json: `instances`, on draws that the tests can repeat, example by example; `replacements`, on draws that are
  chosen to lie at both sides of every threshold; `runs`, what whole runs with Python's own random numbers come to.
- examples.tfrecord, as TensorFlow writes it (its order of the fields of a record is not always the same), and
  examples.json, what is in it.
"""

import hashlib
import importlib.util
import json
import math
import pathlib
import random
import statistics
import sys
import tempfile
import types

import tensorflow.compat.v1 as tf
from bert import tokenization

SHA256 = "7c3df7749e6327f85fdd00adaf6ed55d6399ee58d3d844d2281db60b36129b21"
GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "pretraining"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = SPECIAL + [f"w{i}" for i in range(40)] + [f"##s{i}" for i in range(25)]
WORDS = (5, 44)
CONTINUATIONS = (45, 69)


class Draws:
    """Numerical Recipes' generator, in the place of `random.Random`.

    A shuffle draws one item after the other, from a stream of its own that begins where the other one stands: a program
    that draws only as many items as it needs chooses the same, and goes on with the same draws.
    """

    def __init__(self, seed):
        self.state = seed

    @staticmethod
    def step(state):
        return (1664525 * state + 1013904223) % 2**32

    def random(self):
        self.state = self.step(self.state)
        return self.state / 2**32

    def randint(self, low, high):
        return low + math.floor(self.random() * (high - low + 1))

    def shuffle(self, items):
        order = []
        state = self.state
        while items:
            state = self.step(state)
            drawn = math.floor(state / 2**32 * len(items))
            order.append(items[drawn])
            items[drawn] = items[-1]
            items.pop()
        items.extend(order)


class ChosenDraws(Draws):
    """Floats in turn from a list, and the same part of every range; shuffles as before."""

    def __init__(self, seed, floats, part):
        super().__init__(seed)
        self.floats, self.part, self.next = floats, part, 0

    def random(self):
        self.next += 1
        return self.floats[(self.next - 1) % len(self.floats)]

    def randint(self, low, high):
        return low + math.floor(self.part * (high - low + 1))


def load(path):
    """Imports the script as it is."""
    found = hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    if found != SHA256:
        sys.exit(f"{path}: expected SHA-256 {SHA256}, got {found}")
    sys.modules.update(tensorflow=tf, tokenization=tokenization)
    spec = importlib.util.spec_from_file_location("create_pretraining_data", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    script.FLAGS([sys.argv[0]])
    return script


def documents_of(draws, count):
    """Documents of 1 to 12 sentences of 1 to 20 pieces, a third of which go on a word."""
    return [
        [
            [
                draws.randint(*CONTINUATIONS) if i > 0 and draws.random() < 0.35 else draws.randint(*WORDS)
                for i in range(draws.randint(1, 20))
            ]
            for _ in range(draws.randint(1, 12))
        ]
        for _ in range(count)
    ]


def tokens(documents):
    return [[[VOCABULARY[i] for i in sentence] for sentence in document] for document in documents]


def ids(tokens):
    return [VOCABULARY.index(token) for token in tokens]


def record(instance):
    """An instance before it was masked, and its masked places."""
    original = list(instance.tokens)
    for position, label in zip(instance.masked_lm_positions, instance.masked_lm_labels):
        original[position] = label
    return {
        "input_ids": ids(original),
        "second_segment": instance.segment_ids.index(1),
        "is_random_next": instance.is_random_next,
        "positions": instance.masked_lm_positions,
        "masks": instance.tokens.count("[MASK]"),
    }


def instances_case(script, seed, count, length, short, whole_word, probability, most):
    documents = documents_of(Draws(seed), count)
    draws = Draws(seed)
    script.FLAGS.do_whole_word_mask = whole_word
    instances = [
        [
            record(instance)
            for instance in script.create_instances_from_document(
                tokens(documents), index, length, short, probability, most, VOCABULARY, draws
            )
        ]
        for index in range(count)
    ]
    return {
        "seed": seed,
        "max_seq_length": length,
        "short_seq_prob": short,
        "whole_word_mask": whole_word,
        "masked_lm_prob": probability,
        "max_predictions_per_seq": most,
        "documents": documents,
        "instances": instances,
    }


def replacements_case(script, seed, whole_word, floats, part):
    draws = Draws(seed)
    sides = [
        [VOCABULARY[draws.randint(*(CONTINUATIONS if draws.random() < 0.35 else WORDS))] for _ in range(n)]
        for n in (23, 19)
    ]
    sequence = ["[CLS]", *sides[0], "[SEP]", *sides[1], "[SEP]"]
    script.FLAGS.do_whole_word_mask = whole_word
    output, positions, labels = script.create_masked_lm_predictions(
        list(sequence), 0.4, 64, VOCABULARY, ChosenDraws(seed, floats, part)
    )
    return {
        "seed": seed,
        "whole_word_mask": whole_word,
        "floats": floats,
        "part": part,
        "input_ids": ids(sequence),
        "second_segment": 25,
        "output_ids": ids(output),
        "positions": positions,
        "labels": ids(labels),
    }


def text_of(documents):
    """A sentence a line, and a blank line behind each document."""
    lines = lambda document: "".join(" ".join(s).replace(" ##", "") + "\n" for s in document)
    return "".join(lines(document) + "\n" for document in tokens(documents))


def counts_of(instances, length):
    """What the tests count in the same way."""
    pieces = sum(len(i.tokens) for i in instances)
    predictions = sum(len(i.masked_lm_positions) for i in instances)
    labels = [label for i in instances for label in i.masked_lm_labels]
    standing = [i.tokens[position] for i in instances for position in i.masked_lm_positions]
    part = lambda items: sum(items) / len(items)
    return {
        "examples": len(instances),
        "pieces": pieces / len(instances),
        "first_segment": part([i.segment_ids.index(1) for i in instances]),
        "random_next": part([i.is_random_next for i in instances]),
        "short": part([len(i.tokens) < length / 2 for i in instances]),
        "predictions": predictions / pieces,
        "continuations": part([label.startswith("##") for label in labels]),
        "masks": part([token == "[MASK]" for token in standing]),
        "kept": part([token == label for token, label in zip(standing, labels)]),
    }


def run_case(script, directory, text, dupe_factor, short, whole_word, seeds=100, length=37, most=4):
    """Means and deviations of what runs of the whole script come to."""
    vocabulary, corpus = directory / "vocab.txt", directory / "corpus.txt"
    vocabulary.write_text("".join(f"{token}\n" for token in VOCABULARY))
    corpus.write_text(text)
    tokenizer = tokenization.FullTokenizer(str(vocabulary), do_lower_case=False)
    script.FLAGS.do_whole_word_mask = whole_word
    runs = [
        counts_of(
            script.create_training_instances(
                [str(corpus)], tokenizer, length, dupe_factor, short, 0.15, most, random.Random(seed)
            ),
            length,
        )
        for seed in range(seeds)
    ]
    return {
        "max_seq_length": length,
        "max_predictions_per_seq": most,
        "dupe_factor": dupe_factor,
        "short_seq_prob": short,
        "whole_word_mask": whole_word,
        "seeds": seeds,
        "counts": {
            name: [round(f([run[name] for run in runs]), 6) for f in (statistics.mean, statistics.stdev)]
            for name in runs[0]
        },
    }


def write_records(script):
    script.FLAGS.do_whole_word_mask = True
    draws = Draws(5)
    documents = tokens(documents_of(draws, 7))
    instances = [
        instance
        for index in range(len(documents))
        for instance in script.create_instances_from_document(
            documents, index, 37, 0.1, 0.15, 7, VOCABULARY, draws
        )
    ]
    tokenizer = types.SimpleNamespace(convert_tokens_to_ids=ids)
    script.write_instance_to_example_files(instances, tokenizer, 37, 7, [str(GOLDEN / "examples.tfrecord")])
    expected = [
        {
            "input_ids": ids(instance.tokens),
            "second_segment": instance.segment_ids.index(1),
            "masked_lm_positions": instance.masked_lm_positions,
            "masked_lm_ids": ids(instance.masked_lm_labels),
            "next_sentence_label": int(instance.is_random_next),
        }
        for instance in instances
    ]
    write("examples.json", expected)


def write(name, value):
    (GOLDEN / name).write_text(json.dumps(value, separators=(",", ":")) + "\n")


def main():
    script = load(sys.argv[1])
    GOLDEN.mkdir(parents=True, exist_ok=True)
    text = text_of(documents_of(Draws(77), 40))
    with tempfile.TemporaryDirectory() as directory:
        runs = [
            run_case(script, pathlib.Path(directory), text, *options)
            for options in [(1, 0.1, False), (5, 0.1, True), (2, 0.5, True)]
        ]
    golden = {
        "vocabulary": VOCABULARY,
        "instances": [
            instances_case(script, *options)
            for options in [
                (1, 12, 13, 0.1, False, 0.15, 20),
                (2, 20, 37, 0.5, True, 0.15, 20),
                (3, 20, 37, 0.0, True, 0.15, 3),
                (4, 24, 64, 1.0, False, 0.15, 5),
                (6, 20, 64, 0.1, True, 0.4, 64),
                (7, 2, 37, 0.1, False, 0.4, 64),
                (8, 1, 29, 0.1, True, 0.15, 20),
                (9, 32, 128, 0.3, True, 0.15, 20),
                (10, 32, 128, 0.1, False, 0.15, 20),
            ]
        ],
        "replacements": [
            replacements_case(script, seed, whole_word, floats, part)
            for seed, whole_word in [(11, False), (12, True)]
            for floats, part in [
                ([0.0], 0.0),
                ([0.799999], 0.0),
                ([0.8, 0.0], 0.0),
                ([0.8, 0.499999], 0.0),
                ([0.8, 0.5], 0.0),
                ([0.999999, 0.999999], 0.5),
                ([0.999999, 0.999999], 0.999999),
            ]
        ],
        "text": text,
        "runs": runs,
    }
    write("procedure.json", golden)
    write_records(script)
    print(sum(len(i) for case in golden["instances"] for i in case["instances"]), "instances")


if __name__ == "__main__":
    main()
