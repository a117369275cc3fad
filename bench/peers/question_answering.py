"""PyTorch's side of the question-answering comparison: logits of all windows of a data set, from input ids.

Reads windows as JSON lines from the file that the first argument names, then answers each line on stdin with the
seconds that reading all windows took. Batches are of like length, as on our side.
"""
import json
import resource
import sys
import time

import torch
from transformers import BertForQuestionAnswering

model_path, windows_path, precision, limit = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
model = BertForQuestionAnswering.from_pretrained(model_path).eval()
with open(windows_path) as file:
    windows = [json.loads(line) for line in file]
windows.sort(key=lambda window: -len(window["input_ids"]))

batches = []
for window in windows:
    longest = len(batches[-1][0]["input_ids"]) if batches else 0
    if not batches or (len(batches[-1]) + 1) * longest > limit:
        batches.append([])
    batches[-1].append(window)


def padded(batch, key):
    length = len(batch[0]["input_ids"])
    return torch.tensor([window[key] + [0] * (length - len(window[key])) for window in batch])


def read_all():
    for batch in batches:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            mask = [{"m": [1] * len(window["input_ids"]), "input_ids": window["input_ids"]} for window in batch]
            model(
                input_ids=padded(batch, "input_ids"),
                token_type_ids=padded(batch, "token_type_ids"),
                attention_mask=padded(mask, "m"),
            )


print(json.dumps({"ready": True, "torch": torch.__version__}), flush=True)
with torch.inference_mode():
    for _ in sys.stdin:
        began = time.perf_counter()
        read_all()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"seconds": seconds, "peak_bytes": peak}), flush=True)
