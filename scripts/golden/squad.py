"""Makes test/golden/squad/*.json: what the reference programs themselves compute on question-answering sets.

The references are run, not copied. Put these files, as published, into one folder and name it by --references:
  run_qa.py, utils_qa.py            huggingface/transformers, examples/pytorch/question-answering
  run_squad.py, tokenization.py     google-research/bert
  evaluate-v1.1.py, evaluate-v2.0.py   the official SQuAD scorers

    python3 -m venv v && v/bin/pip install tokenizers==0.22.2 transformers==4.57.6 numpy tqdm
    v/bin/python scripts/golden/squad.py --references DIR --data ../shared/data [--only windows,metrics,...]

tokenizers must be 0.22.2 or older: from 0.23.1 on it returns at most one overflowing window.
"""

import argparse
import ast
import contextlib
import functools
import gzip
import hashlib
import importlib.util
import io
import json
import os
import random
import re
import sys
import tempfile
import types
import unicodedata
from unittest import mock

import numpy as np

OUT = os.path.join(os.path.dirname(__file__), "../../test/golden/squad")
SETTINGS = [(384, 128), (97, 31)]
MAX_QUERY_LENGTH = {384: 64, 97: 32}


def read_set(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        return json.load(file)


def flattened(data):
    """SQuAD JSON as the columns that run_qa.py's functions receive."""
    columns = {"id": [], "title": [], "context": [], "question": [], "answers": []}
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            for qa in paragraph["qas"]:
                columns["id"].append(qa["id"])
                columns["title"].append(article["title"])
                columns["context"].append(paragraph["context"])
                columns["question"].append(qa["question"])
                columns["answers"].append(
                    {
                        "text": [a["text"] for a in qa["answers"]],
                        "answer_start": [a["answer_start"] for a in qa["answers"]],
                    }
                )
    return columns


def rows(columns, begin, end):
    return {name: values[begin:end] for name, values in columns.items()}


@functools.lru_cache(maxsize=8192)
def utf16_offsets(text):
    """Code point index to UTF-16 index, or None where they are the same."""
    if text.isascii() or max(text) <= "\uffff":
        return None
    return np.concatenate([[0], np.cumsum([2 if c > "\uffff" else 1 for c in text])]).astype(np.int32)


def to_utf16(text, offsets):
    table = utf16_offsets(text)
    return offsets if table is None else table[offsets]


def load_module(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- windows, Hugging Face -------------------------------------------------------------------------------------------


def run_qa_functions(references, tokenizer, max_seq_length, doc_stride):
    """prepare_train_features and prepare_validation_features, which are closures inside run_qa.py's main()."""
    with open(os.path.join(references, "run_qa.py"), encoding="utf-8") as file:
        tree = ast.parse(file.read())
    wanted = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in ("prepare_train_features", "prepare_validation_features")
    ]
    scope = {
        "tokenizer": tokenizer,
        "max_seq_length": max_seq_length,
        "data_args": types.SimpleNamespace(doc_stride=doc_stride, pad_to_max_length=True),
        "pad_on_right": True,
        "question_column_name": "question",
        "context_column_name": "context",
        "answer_column_name": "answers",
    }
    exec(compile(ast.Module(body=wanted, type_ignores=[]), "run_qa.py", "exec"), scope)
    return scope["prepare_train_features"], scope["prepare_validation_features"]


def overlap_windows(references, tokenizer, columns, max_seq_length, doc_stride, visit):
    """Calls visit(example_index, ids, context_begin, context_end, starts, ends, start, end) for every feature.

    Returns the ids that run_qa.py refuses (question too long), and how many start labels ran off the context."""
    train, validation = run_qa_functions(references, tokenizer, max_seq_length, doc_stride)
    total = len(columns["id"])
    refused, ran_off = [], 0

    def features(begin, end):
        # Each function strips the questions in place: give both their own copy.
        with silenced():
            return train(rows(columns, begin, end)), validation(rows(columns, begin, end))

    begin = 0
    while begin < total:
        end = min(begin + 500, total)
        try:
            batches = [(begin, features(begin, end))]
        except BaseException as error:  # tokenizers panics where the stride does not fit
            if isinstance(error, KeyboardInterrupt):
                raise
            batches = []
            for one in range(begin, end):
                try:
                    batches.append((one, features(one, one + 1)))
                except BaseException as inner:
                    if isinstance(inner, KeyboardInterrupt):
                        raise
                    refused.append(columns["id"][one])
        for first, (trained, validated) in batches:
            index_of = {columns["id"][i]: i for i in range(first, end)}
            assert trained["input_ids"] == validated["input_ids"]
            for i in range(len(trained["input_ids"])):
                length = sum(trained["attention_mask"][i])
                ids = np.array(trained["input_ids"][i][:length], np.int32)
                offsets = validated["offset_mapping"][i]
                inside = [k for k, offset in enumerate(offsets) if offset is not None]
                context_begin, context_end = inside[0], inside[-1] + 1
                assert len(inside) == context_end - context_begin and context_end == length - 1
                assert trained["token_type_ids"][i][:length] == [0] * context_begin + [1] * (length - context_begin)
                index = index_of[validated["example_id"][i]]
                pairs = np.array(offsets[context_begin:context_end], np.int32)
                starts = to_utf16(columns["context"][index], pairs[:, 0])
                ends = to_utf16(columns["context"][index], pairs[:, 1])
                start, stop = trained["start_positions"][i], trained["end_positions"][i]
                if start >= context_end:
                    # "we could go after the last offset if the answer is the last word (edge case)": the loop does
                    # not stop at the context's end but runs on over [SEP] and the padding, whose offsets are (0, 0),
                    # and labels the last padding position. The label meant is the last piece of the context.
                    assert start == max_seq_length - 1
                    start, ran_off = context_end - 1, ran_off + 1
                visit(index, ids, context_begin, context_end, starts, ends, start, stop)
        begin = end
    return refused, ran_off


@contextlib.contextmanager
def silenced():
    """Rust's panics print to the file descriptor itself."""
    saved, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null)


# --- windows, Google -------------------------------------------------------------------------------------------------


def google_run_squad(references, vocab, lowercase):
    """run_squad.py with its tokenizer; TensorFlow, which only reads files and logs here, is a stand-in."""
    tensorflow = mock.MagicMock()
    tensorflow.gfile.GFile = tensorflow.gfile.Open = lambda path, mode: open(path, mode, encoding="utf-8")
    tokenization = {}
    with mock.patch.dict(sys.modules, {"tensorflow": tensorflow}):
        tokenization = load_module(os.path.join(references, "tokenization.py"), "tokenization")
        stand_ins = {name: mock.MagicMock() for name in ("modeling", "optimization", "bert")}
        with mock.patch.dict(sys.modules, {**stand_ins, "tokenization": tokenization}):
            run_squad = load_module(os.path.join(references, "run_squad.py"), "run_squad")
    run_squad.tokenization = tokenization
    run_squad.FLAGS = types.SimpleNamespace(version_2_with_negative=True)
    tokenizer = tokenization.FullTokenizer(vocab_file=vocab, do_lower_case=lowercase)
    tokenizer.tokenize = functools.lru_cache(maxsize=None)(tokenizer.tokenize)
    return run_squad, tokenizer


def step_features(google, data, max_seq_length, doc_stride, training):
    """Features by run_squad.py of the questions with their first answer only, as its training mode asks for."""
    run_squad, tokenizer = google
    articles = []
    for article in data["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            qas = [{**qa, "answers": qa["answers"][:1], "is_impossible": not qa["answers"]} for qa in paragraph["qas"]]
            paragraphs.append({"context": paragraph["context"], "qas": qas})
        articles.append({"title": article["title"], "paragraphs": paragraphs})
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({"data": articles}, file)
        file.flush()
        examples = run_squad.read_squad_examples(file.name, training)
    features = []
    run_squad.convert_examples_to_features(
        examples, tokenizer, max_seq_length, doc_stride, MAX_QUERY_LENGTH[max_seq_length], training, features.append
    )
    return examples, features


def step_windows(google, data, max_seq_length, doc_stride):
    ids = flattened(data)["id"]
    _, predicting = step_features(google, data, max_seq_length, doc_stride, False)
    examples, features = step_features(google, data, max_seq_length, doc_stride, True)
    kept = [example.qas_id for example in examples]
    index_of = {id: index for index, id in enumerate(ids)}
    digest = Digest()
    for feature in features:
        length = sum(feature.input_mask)
        context = sorted(feature.token_to_orig_map)
        digest.add([index_of[kept[feature.example_index]], length, context[0], context[-1] + 1])
        digest.add([feature.start_position, feature.end_position])
        digest.add(feature.input_ids[:length])
        digest.add([int(feature.token_is_max_context[position]) for position in context])
    return {
        "windows": len(predicting),
        "training_windows": len(features),
        "skipped": sorted(set(ids) - set(kept)),
        "digest": digest.hex(),
    }


# --- all windows -----------------------------------------------------------------------------------------------------


class Digest:
    """sha256 over little-endian int32."""

    def __init__(self):
        self.hash = hashlib.sha256()

    def add(self, values):
        self.hash.update(np.asarray(values, "<i4").tobytes())

    def hex(self):
        return self.hash.hexdigest()


def overlap_summary(references, tokenizer, columns, max_seq_length, doc_stride):
    digest, count = Digest(), [0]

    def visit(index, ids, context_begin, context_end, starts, ends, start, stop):
        count[0] += 1
        digest.add([index, len(ids), context_begin, context_end])
        digest.add([start, stop])
        digest.add(ids)
        digest.add(starts)
        digest.add(ends)

    refused, ran_off = overlap_windows(references, tokenizer, columns, max_seq_length, doc_stride, visit)
    return {"windows": count[0], "refused": refused, "ran_off": ran_off, "digest": digest.hex()}


def make_windows(arguments):
    from transformers import BertTokenizerFast

    # Google's program is plain Python: the long articles and the largest sets would take it hours.
    step_sets = {"new-wiki-valid": SETTINGS, "qed": SETTINGS, "reddit": SETTINGS[:1], "own-set": SETTINGS}
    awkward_sets = ("own-set", "new-wiki-valid", "qed", "reddit")
    fixtures = os.path.join(os.path.dirname(__file__), "../../test/squad/fixtures")
    sources = {"own-set": f"{fixtures}/own-set.json"}
    for file in sorted(os.listdir(f"{arguments.data}/qa"), key=lambda name: not name.startswith(awkward_sets)):
        sources[file.removesuffix(".json.gz")] = f"{arguments.data}/qa/{file}"
    golden = {}
    if arguments.sets:
        sources = {name: sources[name] for name in arguments.sets.split(",")}
        with open(os.path.join(OUT, "windows.json"), encoding="utf-8") as file:
            golden = json.load(file)
    for name, path in sources.items():
        data = read_set(path)
        for casing in ("cased", "uncased"):
            own = name == "own-set"
            vocab = f"{fixtures}/own-vocab.txt" if own else f"{arguments.data}/vocab/bert-{casing}/vocab.txt"
            lowercase = casing == "uncased"
            tokenizer = BertTokenizerFast(vocab_file=vocab, do_lower_case=lowercase)
            google = google_run_squad(arguments.references, vocab, lowercase)
            for max_seq_length, doc_stride in SETTINGS:
                if max_seq_length == 97 and name not in awkward_sets:
                    continue
                key = f"{name}/{casing}/{max_seq_length}/{doc_stride}"
                golden[key] = {
                    "questions": len(flattened(data)["id"]),
                    "overlap": overlap_summary(
                        arguments.references, tokenizer, flattened(data), max_seq_length, doc_stride
                    ),
                }
                if (max_seq_length, doc_stride) in step_sets.get(name, []):
                    golden[key]["step"] = step_windows(google, data, max_seq_length, doc_stride)
                print(key, golden[key], flush=True)
                write("windows", golden)


# --- post-processing -------------------------------------------------------------------------------------------------


class Tie(Exception):
    pass


class Lcg:
    """Numerical Recipes' generator; its upper 24 bits become logits in [-8, 8) that float32 holds exactly."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state

    def logits(self, count, null_bonus):
        values = [((self.next() >> 8) - 2**23) / 2**19 / 2 for _ in range(count)]
        values[0] += null_bonus
        array = np.array(values, np.float32)
        assert array.tolist() == values
        best = np.sort(array)[-21:]
        if len(set(best.tolist())) < len(best):
            raise Tie  # np.argsort leaves the order of equals to the machine
        return array


def make_post_processing(arguments):
    from transformers import BertTokenizerFast

    utils_qa = load_module(os.path.join(arguments.references, "utils_qa.py"), "utils_qa")
    vocab = f"{arguments.data}/vocab/bert-cased/vocab.txt"
    data = read_set(f"{arguments.data}/qa/new-wiki-valid.json.gz")
    fixtures = os.path.join(os.path.dirname(__file__), "../../test/squad/fixtures")
    own = (read_set(f"{fixtures}/own-set.json"), f"{fixtures}/own-vocab.txt")
    golden = {}
    cases = {
        # name: (data, vocabulary, questions, window mode, padded, keyword arguments of the reference)
        "v1": (data, vocab, 400, "overlap", True, {}),
        "v1-unpadded": (data, vocab, 400, "overlap", False, {"n_best_size": 7, "max_answer_length": 12}),
        "v1-max-context": (data, vocab, 400, "step", True, {}),
        "v2": (data, vocab, 400, "overlap", True, {"version_2_with_negative": True}),
        "v2-threshold": (
            data,
            vocab,
            400,
            "overlap",
            False,
            {"version_2_with_negative": True, "null_score_diff_threshold": -2.5, "n_best_size": 3},
        ),
        "own-v1": (*own, 100, "overlap", True, {"n_best_size": 4}),
        "own-v2": (*own, 100, "step", False, {"version_2_with_negative": True, "n_best_size": 4}),
        "own-no-span": (*own, 100, "overlap", False, {"n_best_size": 1, "max_answer_length": 1}),
        "own-v2-no-span": (
            *own,
            100,
            "overlap",
            False,
            {"n_best_size": 1, "max_answer_length": 1, "version_2_with_negative": True},
        ),
    }
    for number, (name, (source, vocab_file, limit, mode, padded, options)) in enumerate(cases.items()):
        tokenizer = BertTokenizerFast(vocab_file=vocab_file, do_lower_case=False)
        columns = rows(flattened(source), 0, limit)
        _, validation = run_qa_functions(arguments.references, tokenizer, 97, 31)
        if mode == "overlap":
            refused = {
                c for c in columns["id"] if len(tokenizer.tokenize(columns["question"][columns["id"].index(c)])) > 62
            }
            keep = [i for i, id in enumerate(columns["id"]) if id not in refused]
            columns = {field: [values[i] for i in keep] for field, values in columns.items()}
            encoded = validation({field: list(values) for field, values in columns.items()})
            features = [
                {"example_id": encoded["example_id"][i], "offset_mapping": encoded["offset_mapping"][i]}
                for i in range(len(encoded["input_ids"]))
            ]
            lengths = [sum(mask) for mask in encoded["attention_mask"]]
        else:
            google = google_run_squad(arguments.references, vocab_file, False)
            features, lengths = max_context_features(google, tokenizer, source, columns)
        counts = [97 if padded else length for length in lengths]
        for feature, count in zip(features, counts):
            feature["offset_mapping"] = feature["offset_mapping"][:count]
        bonus = 6 if "version_2_with_negative" in options else 0
        seed, (starts, ends) = logits_without_ties(10 * number, counts, bonus)
        examples = Examples(columns)
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            utils_qa.postprocess_qa_predictions(examples, features, (starts, ends), output_dir=folder, **options)
            files = {}
            for file in ("predictions", "nbest_predictions", "null_odds"):
                path = os.path.join(folder, f"{file}.json")
                if os.path.exists(path):
                    with open(path, encoding="utf-8") as opened:
                        files[file] = opened.read()
        # NumPy's float32 exponential is not correctly rounded: probabilities are compared apart, with a tolerance.
        n_best = files.pop("nbest_predictions")
        probabilities = [float(p) for p in re.findall(r'"probability": (\S+)', n_best)]
        masked = re.sub(r'"probability": \S+', '"probability": 0.0', n_best)
        golden[name] = {
            "seed": seed,
            "mode": mode,
            "padded": padded,
            "options": options,
            "questions": len(columns["id"]),
            "windows": len(features),
            "empty_predictions": sum(text == "" for text in json.loads(files["predictions"]).values()),
            "nbest_digest": hashlib.sha256(masked.encode()).hexdigest(),
            "probabilities": probabilities[:100],
            **{f"{file}_digest": hashlib.sha256(text.encode()).hexdigest() for file, text in files.items()},
        }
        if name.startswith("own-v2"):
            golden[name]["files"] = {**files, "nbest_predictions": masked}
        else:
            golden[name]["sample"] = dict(list(json.loads(files["predictions"]).items())[:5])
        print(name, {k: v for k, v in golden[name].items() if k not in ("probabilities", "files")}, flush=True)
    write("post-processing", golden)


def logits_without_ties(seed, counts, bonus):
    """The first seed from the given one on, and its start and end logits."""
    while True:
        generator = Lcg(seed)
        try:
            pairs = [(generator.logits(count, bonus), generator.logits(count, bonus)) for count in counts]
            return seed, zip(*pairs)
        except Tie:
            seed += 1


class Examples:
    """The two ways in which the reference reads its data set: by column, and row after row."""

    def __init__(self, columns):
        self.columns = columns

    def __len__(self):
        return len(self.columns["id"])

    def __getitem__(self, name):
        return self.columns[name]

    def __iter__(self):
        return iter([{name: self.columns[name][i] for name in self.columns} for i in range(len(self))])


def max_context_features(google, tokenizer, source, columns):
    """run_squad.py's windows with the offsets of their pieces: what utils_qa.py calls token_is_max_context."""
    wanted = set(columns["id"])
    data = {"data": []}
    for article in source["data"]:
        paragraphs = []
        for paragraph in article["paragraphs"]:
            qas = [qa for qa in paragraph["qas"] if qa["id"] in wanted]
            paragraphs.append({"context": paragraph["context"], "qas": qas})
        data["data"].append({"title": article["title"], "paragraphs": paragraphs})
    examples, found = step_features(google, data, 97, 31, False)
    features, lengths = [], []
    for feature in found:
        index = columns["id"].index(examples[feature.example_index].qas_id)
        encoding = tokenizer(columns["context"][index], add_special_tokens=False, return_offsets_mapping=True)
        context = sorted(feature.token_to_orig_map)
        begin = feature.doc_span_index * 31
        ids = encoding["input_ids"][begin : begin + len(context)]
        assert ids == feature.input_ids[context[0] : context[-1] + 1]
        offsets = [None] * 97
        offsets[context[0] : context[-1] + 1] = encoding["offset_mapping"][begin : begin + len(context)]
        features.append(
            {
                "example_id": columns["id"][index],
                "offset_mapping": offsets,
                "token_is_max_context": {str(k): v for k, v in feature.token_is_max_context.items()},
            }
        )
        lengths.append(sum(feature.input_mask))
    return features, lengths


# --- scores ----------------------------------------------------------------------------------------------------------

TEXTS = [
    "The  quick, brown fox!",
    "a",
    "The",
    "an apple a day",
    "A.B.C.",
    "the-end",
    "theatre",
    "THE END",
    "'the' \"a\"",
    "don’t",
    "“The” end",
    "the\u00a0cat",
    "the\u2003cat",
    "the\ufeffcat",
    "the\u200bcat",
    "x\x1cy\x1dz",
    "x\x85y",
    "a\u0301",
    "the\u0301",
    "á a",
    "thé the",
    "a_b",
    "a b_the",
    "1,000",
    "$5.00",
    "50%",
    "Ⅷ the",
    "٣ a ٣",
    "a٣",
    "İstanbul",
    "ΑΣ",
    "ΑΣ ΒΣ.",
    "Straße",
    "ẞ",
    "DŽ",
    "Å K",
    "🐟 the 🐟",
    "the🐟a",
    "",
    "   ",
    "...",
    "\x1f",
    "a²",
    "a ½ the",
    "東京 the 東京",
    "the東京",
    "ªa",
    "a\u00ada",
    "\u2028the\u2029a",
    "O'Neill's",
    "—the—",
    "the\x0bend\x0c",
    "\ud83dthe",
]


def noisy_predictions(columns, generator):
    """A prediction for most questions: right, nearly right, wrong or empty. The test makes the same ones."""
    predictions = {}
    for id, question, context, answers in zip(*(columns[k] for k in ("id", "question", "context", "answers"))):
        choice = generator.next() >> 29
        gold = answers["text"][-1] if answers["text"] else question
        predictions[id] = [
            gold,
            f"The {gold}!",
            " ".join(gold.split(" ")[:2]),
            f"{gold} {question}",
            question,
            "",
            context[:60],
            gold.lower(),
        ][choice]
    return predictions


def make_metrics(arguments):
    v1 = load_module(os.path.join(arguments.references, "evaluate-v1.1.py"), "evaluate_v1")
    v2 = load_module(os.path.join(arguments.references, "evaluate-v2.0.py"), "evaluate_v2")
    assert all(v1.normalize_answer(text) == v2.normalize_answer(text) for text in TEXTS)
    pairs = [(a, b) for a in TEXTS for b in TEXTS]
    golden = {
        "normalized": [[text, v1.normalize_answer(text)] for text in TEXTS],
        "f1_v1_digest": hashlib.sha256(np.array([v1.f1_score(a, b) for a, b in pairs], "<f8").tobytes()).hexdigest(),
        "f1_v2_digest": hashlib.sha256(np.array([v2.compute_f1(b, a) for a, b in pairs], "<f8").tobytes()).hexdigest(),
        "exact": sum(v1.exact_match_score(a, b) for a, b in pairs),
        "sets": {},
    }
    fixtures = os.path.join(os.path.dirname(__file__), "../../test/squad/fixtures")
    sources = {"own-set": f"{fixtures}/own-set.json"}
    for name in ("new-wiki-valid", "reddit", "covidqa"):
        sources[name] = f"{arguments.data}/qa/{name}.json.gz"
    for name, path in sources.items():
        data = read_set(path)
        golden["sets"][name] = {}
        if name != "own-set":
            columns = flattened(data)
            predictions = noisy_predictions(columns, Lcg(7))
            with contextlib.redirect_stderr(io.StringIO()):
                partial = {id: text for i, (id, text) in enumerate(predictions.items()) if i % 10 != 3}
                golden["sets"][name]["v1"] = v1.evaluate(data["data"], predictions)
                golden["sets"][name]["v1_partial"] = v1.evaluate(data["data"], partial)
            # Every third question loses its answers.
            qas = [qa for article in data["data"] for p in article["paragraphs"] for qa in p["qas"]]
            for qa in qas[::3]:
                qa["answers"] = []
        columns = flattened(data)
        generator = Lcg(11)
        predictions = noisy_predictions(columns, generator)
        # Few different values, so that the order of equals matters.
        odds = {id: ((generator.next() >> 20) % 64 - 32) / 8 for id in predictions}
        golden["sets"][name]["v2"] = run_evaluate_v2(arguments.references, data, predictions, None, 1.0)
        golden["sets"][name]["v2_odds"] = run_evaluate_v2(arguments.references, data, predictions, odds, 1.0)
        golden["sets"][name]["v2_odds_threshold"] = run_evaluate_v2(arguments.references, data, predictions, odds, -1.5)
        print(name, golden["sets"][name])
    write("metrics", golden)


def run_evaluate_v2(references, data, predictions, odds, threshold):
    import subprocess

    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, value in (("data", data), ("predictions", predictions), ("odds", odds)):
            paths[name] = os.path.join(folder, f"{name}.json")
            with open(paths[name], "w", encoding="utf-8") as file:
                json.dump(value, file)
        command = [sys.executable, os.path.join(references, "evaluate-v2.0.py"), paths["data"], paths["predictions"]]
        if odds is not None:
            command += ["--na-prob-file", paths["odds"], "--na-prob-thresh", str(threshold)]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


# --- Python's characters ---------------------------------------------------------------------------------------------


def ranges(test):
    """The code points that pass, as [first, last, first, last, ...]."""
    bounds, inside = [], False
    for code in range(0x110000):
        passes = not 0xD800 <= code < 0xE000 and test(chr(code))
        if passes != inside:
            bounds.append(code if passes else code - 1)
            inside = passes
    return bounds + [0x10FFFF] if inside else bounds


def make_characters(arguments):
    del arguments
    is_word = re.compile(r"\w").fullmatch
    assigned = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
    random.seed(3)
    floats = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.1,
        1e-4,
        9.9e-5,
        1e-5,
        1e-7,
        -2.5e-10,
        123456.0,
        1e15,
        1e16,
        1.5e16,
        1e21,
        1e22,
        5e-324,
    ]
    floats += [1.7976931348623157e308, 9007199254740993.0, 9999999999999998.0]
    floats += [random.uniform(-1, 1) * 10.0 ** random.randint(-30, 30) for _ in range(300)]
    floats += [float(np.float32(random.uniform(-20, 20))) for _ in range(100)]
    golden = {
        "unicode": unicodedata.unidata_version,
        "spaces": ranges(str.isspace),
        "words": ranges(lambda c: is_word(c) is not None),
        "unassigned": ranges(lambda c: unicodedata.category(c) in ("Cn", "Co")),
        "lower_digest": hashlib.sha256("\n".join(c.lower() for c in assigned).encode()).hexdigest(),
        "floats": [[value, json.dumps(value)] for value in floats],
        "strings": [[text, json.dumps(text)] for text in TEXTS + ["\x7f\x80\uffff", '\b\t\n\f\r"\\/', "\ud800"]],
    }
    write("python-strings", golden)


def write(name, golden):
    os.makedirs(OUT, exist_ok=True)
    with open(os.path.join(OUT, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump(
            golden,
            file,
            separators=(",", ":") if name == "python-strings" else None,
            indent=None if name == "python-strings" else 1,
        )
        file.write("\n")


MAKERS = {
    "windows": make_windows,
    "post-processing": make_post_processing,
    "metrics": make_metrics,
    "characters": make_characters,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--only", default=",".join(MAKERS))
    parser.add_argument("--sets", help="with --only windows: make these sets anew and keep the others")
    given = parser.parse_args()
    for maker in given.only.split(","):
        MAKERS[maker](given)
