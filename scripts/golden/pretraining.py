"""Golden files of test/pretraining: what google-research/bert's create_pretraining_data.py makes of small documents.

    python scripts/golden/pretraining.py CREATE_PRETRAINING_DATA.PY

The script's own functions run on draws that the tests can repeat: a linear congruential generator takes the place of
`random.Random`. Its shuffle draws one item after the other, so that a program that draws only as many as it needs
chooses the same. With tensorflow installed it also writes examples.tfrecord; without, only the JSON.
"""

import importlib.util
import json
import math
import pathlib
import sys
import types

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "pretraining"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = SPECIAL + [f"w{i}" for i in range(40)] + [f"##s{i}" for i in range(25)]


class Draws:
    """Numerical Recipes' generator; floats and whole numbers come from one stream, shuffles from another."""

    def __init__(self, seed):
        self.state = seed
        self.shuffle_state = seed

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
        while items:
            self.shuffle_state = self.step(self.shuffle_state)
            drawn = math.floor(self.shuffle_state / 2**32 * len(items))
            order.append(items[drawn])
            items[drawn] = items[-1]
            items.pop()
        items.extend(order)


def load(path):
    """Imports the script; where tensorflow 1 is not there, with what it asks of it at import time."""
    try:
        import tensorflow.compat.v1 as tf

        tf.python_io = types.SimpleNamespace(TFRecordWriter=tf.io.TFRecordWriter)
    except ImportError:
        tf = types.ModuleType("tensorflow")
        tf.train = None
    define = lambda name, default, _: setattr(flags.FLAGS, name, default)
    flags = types.SimpleNamespace(FLAGS=types.SimpleNamespace())
    flags.DEFINE_string = flags.DEFINE_bool = flags.DEFINE_integer = flags.DEFINE_float = define
    fake = types.ModuleType("tensorflow")
    fake.flags, fake.train = flags, tf.train
    fake.python_io = getattr(tf, "python_io", None)
    fake.logging = types.SimpleNamespace(info=lambda *_: None)
    tokenization = types.ModuleType("tokenization")
    tokenization.printable_text = str
    sys.modules.update(tensorflow=fake, tokenization=tokenization)
    spec = importlib.util.spec_from_file_location("create_pretraining_data", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script, fake.train is not None


def documents_of(draws):
    """Documents of 1 to 12 sentences of 1 to 20 pieces, a third of which go on a word."""
    return [
        [
            [
                draws.randint(45, 69) if i > 0 and draws.random() < 0.35 else draws.randint(5, 44)
                for i in range(draws.randint(1, 20))
            ]
            for _ in range(draws.randint(1, 12))
        ]
        for _ in range(7)
    ]


def ids(tokens):
    return [VOCABULARY.index(token) for token in tokens]


def pair_case(script, seed, max_seq_length, short_seq_prob):
    documents = documents_of(Draws(seed))
    draws = Draws(seed)
    tokens = [[[VOCABULARY[i] for i in sentence] for sentence in document] for document in documents]
    script.create_masked_lm_predictions = lambda tokens, *_: (tokens, [], [])
    instances = [
        [
            {
                "input_ids": ids(instance.tokens),
                "second_segment": instance.segment_ids.index(1),
                "is_random_next": instance.is_random_next,
            }
            for instance in script.create_instances_from_document(
                tokens, index, max_seq_length, short_seq_prob, 0.15, 20, VOCABULARY, draws
            )
        ]
        for index in range(len(documents))
    ]
    return {
        "seed": seed,
        "max_seq_length": max_seq_length,
        "short_seq_prob": short_seq_prob,
        "documents": documents,
        "instances": instances,
    }


def masking_case(script, mask, seed, whole_word, probability, most):
    draws = Draws(seed)
    lengths = [draws.randint(1, 60), draws.randint(1, 60)]
    sides = [
        [VOCABULARY[draws.randint(45, 69) if draws.random() < 0.35 else draws.randint(5, 44)] for _ in range(n)]
        for n in lengths
    ]
    tokens = ["[CLS]", *sides[0], "[SEP]", *sides[1], "[SEP]"]
    script.FLAGS.do_whole_word_mask = whole_word
    draws = Draws(seed)
    _, positions, labels = mask(list(tokens), probability, most, VOCABULARY, draws)
    return {
        "seed": seed,
        "whole_word_mask": whole_word,
        "masked_lm_prob": probability,
        "max_predictions_per_seq": most,
        "input_ids": ids(tokens),
        "second_segment": lengths[0] + 2,
        "positions": positions,
        "labels": ids(labels),
    }


def write_records(script, mask):
    script.create_masked_lm_predictions = mask
    script.FLAGS.do_whole_word_mask = True
    draws = Draws(5)
    documents = [[[VOCABULARY[i] for i in s] for s in document] for document in documents_of(draws)]
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
    (GOLDEN / "examples.json").write_text(json.dumps(expected, separators=(",", ":")) + "\n")


def main():
    script, has_tensorflow = load(sys.argv[1])
    mask = script.create_masked_lm_predictions
    golden = {
        "vocabulary": VOCABULARY,
        "pairs": [
            pair_case(script, seed, length, short)
            for seed, length, short in [(1, 13, 0.1), (2, 37, 0.5), (3, 37, 0.0), (4, 64, 1.0), (9, 128, 0.3)]
        ],
        "masking": [
            masking_case(script, mask, seed, whole_word, probability, most)
            for whole_word in [False, True]
            for probability, most in [(0.15, 20), (0.15, 5), (0.4, 64)]
            for seed in range(11, 31)
        ],
    }
    GOLDEN.mkdir(parents=True, exist_ok=True)
    (GOLDEN / "procedure.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
    if has_tensorflow:
        write_records(script, mask)


if __name__ == "__main__":
    main()
