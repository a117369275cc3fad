"""PyTorch's side of the question-answering comparison: from the texts of a data set to its answers.

Each line on stdin is answered with the seconds that all questions took, and those of the model alone among them. What is
around the model is what run_qa.py does around it: texts tokenized in batches by the Rust library, contexts cut into
overlapping windows, and the 20 best starts and ends of each window paired. Windows are cut here by arithmetic, since
tokenizers 0.23 loses windows; batches are of like length, as on our side. The answers go to a file, for the caller to
see that the work was done.
"""
import gzip
import json
import resource
import sys
import time

import numpy as np
import torch
from transformers import BertForQuestionAnswering, BertTokenizerFast

model_path, dataset_path, answers_path, precision, limit = *sys.argv[1:5], int(sys.argv[5])
MAX_SEQ_LENGTH, DOC_STRIDE, MAX_QUERY_LENGTH, MAX_ANSWER_LENGTH, N_BEST = 384, 128, 64, 30, 20
model = BertForQuestionAnswering.from_pretrained(model_path).eval()
wrapped = BertTokenizerFast.from_pretrained(model_path)
tokenizer, cls, sep = wrapped.backend_tokenizer, wrapped.cls_token_id, wrapped.sep_token_id
tokenizer.no_truncation()
tokenizer.no_padding()
with gzip.open(dataset_path) as file:
    articles = json.load(file)["data"]
examples = [
    (qa["id"], qa["question"].lstrip(), paragraph["context"])
    for article in articles
    for paragraph in article["paragraphs"]
    for qa in paragraph["qas"]
]


def make_windows():
    questions = tokenizer.encode_batch([question for _, question, _ in examples], add_special_tokens=False)
    contexts = tokenizer.encode_batch([context for _, _, context in examples], add_special_tokens=False)
    windows = []
    for index, (question, context) in enumerate(zip(questions, contexts)):
        start = [cls, *question.ids[:MAX_QUERY_LENGTH], sep]
        room = MAX_SEQ_LENGTH - len(start) - 1
        begin = 0
        while True:
            ids = context.ids[begin : begin + room]
            windows.append((index, [*start, *ids, sep], len(start), context.offsets[begin : begin + room]))
            if begin + room >= len(context.ids):
                break
            begin += room - DOC_STRIDE
    return windows


def make_batches(windows):
    batches = []
    for window in sorted(windows, key=lambda window: -len(window[1])):
        if not batches or (len(batches[-1]) + 1) * len(batches[-1][0][1]) > limit:
            batches.append([])
        batches[-1].append(window)
    return batches


def read(batch):
    ids = np.zeros((len(batch), len(batch[0][1])), dtype=np.int64)
    types, mask = np.zeros_like(ids), np.zeros_like(ids)
    for row, (_, window, context, _) in enumerate(batch):
        ids[row, : len(window)] = window
        types[row, context : len(window)] = 1
        mask[row, : len(window)] = 1
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        output = model(
            input_ids=torch.from_numpy(ids),
            token_type_ids=torch.from_numpy(types),
            attention_mask=torch.from_numpy(mask),
        )
    return output.start_logits.float().numpy(), output.end_logits.float().numpy()


def collect(best, window, start_logits, end_logits):
    index, ids, context, offsets = window
    length = len(ids)
    starts = np.argsort(start_logits[:length])[-1 : -N_BEST - 1 : -1].tolist()
    ends = np.argsort(end_logits[:length])[-1 : -N_BEST - 1 : -1].tolist()
    for start in starts:
        for end in ends:
            if start < context or end >= length - 1 or end < start or end - start + 1 > MAX_ANSWER_LENGTH:
                continue
            score = start_logits[start] + end_logits[end]
            if index not in best or score > best[index][0]:
                best[index] = (score, offsets[start - context][0], offsets[end - context][1])


def answer_all():
    best, model_seconds = {}, 0.0
    for batch in make_batches(make_windows()):
        began = time.perf_counter()
        start_logits, end_logits = read(batch)
        model_seconds += time.perf_counter() - began
        for row, window in enumerate(batch):
            collect(best, window, start_logits[row], end_logits[row])
    answers = {
        id: context[best[index][1] : best[index][2]] if index in best else ""
        for index, (id, _, context) in enumerate(examples)
    }
    return answers, model_seconds


print(json.dumps({"ready": True, "torch": torch.__version__}), flush=True)
with torch.inference_mode():
    for _ in sys.stdin:
        began = time.perf_counter()
        answers, model_seconds = answer_all()
        seconds = time.perf_counter() - began
        with open(answers_path, "w") as file:
            json.dump(answers, file)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "model_seconds": model_seconds, "peak_bytes": peak}), flush=True)
