"""PyTorch's side of the train-step comparison: reads a request a line, answers a JSON line.

One step is what transformers' Trainer does: forward and backward of BertForQuestionAnswering with dropout, clipping of
the gradient norm, AdamW, and zero_grad. `bf16` runs forward and loss under CPU autocast to bfloat16.
"""
import json
import resource
import sys
import time

import torch
from transformers import BertConfig, BertForQuestionAnswering

SIZES = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768), "large": (24, 1024)}

preset, batch, length, precision = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
layers, hidden = SIZES[preset]
torch.manual_seed(0)
model = BertForQuestionAnswering(
    BertConfig(
        vocab_size=28996,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )
)
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-5, weight_decay=0.0)
ids = torch.randint(0, 28996, (batch, length))
types = (torch.arange(length) > 20).long().expand(batch, length)
start = torch.full((batch,), 30)
end = torch.full((batch,), 33)


def step():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        loss = model(
            input_ids=ids,
            token_type_ids=types,
            attention_mask=torch.ones_like(ids),
            start_positions=start,
            end_positions=end,
        ).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


print(json.dumps({"ready": True, "torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for _ in sys.stdin:
    began = time.perf_counter()
    loss = step()
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "loss": loss, "peak_bytes": peak}), flush=True)
