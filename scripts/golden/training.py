"""Makes test/golden/training/: a tiny BertForQuestionAnswering of transformers (model/), and the losses of 50 updates of
it by a plain PyTorch loop (run.json): linear schedule with warm-up, weight decay, clipping, two batches an update.

    python scripts/golden/training.py [OUTPUT_DIRECTORY]

Made with transformers 5.17, torch 2.13, numpy 2.4. The loop runs in float64, so that its numbers are the same on every
machine. It also runs with one ingredient left out at a time, and stops unless each is seen in the losses: a loop of
ours that lacks one cannot equal the golden losses.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BertConfig, BertForQuestionAnswering, get_scheduler

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/training")
WORDS = (
    "the an is of in to who what where when lives was made by river city blue red green tower house king queen old new and"
)
TOKENS = [
    *["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    *[chr(97 + i) for i in range(26)],
    *["##" + chr(97 + i) for i in range(26)],
    *"0123456789",
    *".,?!'-",
    *WORDS.split(),
]
# Sizes of which no two agree but where they must, so that no two axes can be mistaken.
CONFIG = BertConfig(
    vocab_size=len(TOKENS),
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=37,
    max_position_embeddings=48,
    architectures=["BertForQuestionAnswering"],
)
OPTIONS = dict(
    batch_size=4,
    gradient_accumulation_steps=2,
    max_steps=50,
    warmup_steps=5,
    learning_rate=3e-3,
    weight_decay=0.3,
    max_grad_norm=2.0,
)


def make_model(random):
    """Weights far from their initialisation, so that no bias is 0, no scale 1 and no softmax flat."""
    model = BertForQuestionAnswering(CONFIG)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            deviation = 0.3 if parameter.dim() == 2 else 0.1
            values = random.normal(mean, deviation, parameter.shape).astype(np.float32)
            parameter.copy_(torch.from_numpy(values))
    return model


def make_windows(random, count):
    """`[CLS] question [SEP] context [SEP]` of random pieces, the answer somewhere in the context."""
    windows = []
    for _ in range(count):
        question, context = int(random.integers(1, 4)), int(random.integers(2, 9))
        pieces = random.integers(5, CONFIG.vocab_size, question + context).tolist()
        start = int(random.integers(question + 2, question + 2 + context))
        end = int(random.integers(start, question + 2 + context))
        ids = [2, *pieces[:question], 3, *pieces[question:], 3]
        types = [0] * (question + 2) + [1] * (context + 1)
        windows.append(dict(input_ids=ids, token_type_ids=types, start_position=start, end_position=end))
    return windows


def collate(windows):
    length = max(len(window["input_ids"]) for window in windows)
    padded = lambda key: torch.tensor([window[key] + [0] * (length - len(window[key])) for window in windows])
    mask = [[1] * len(window["input_ids"]) + [0] * (length - len(window["input_ids"])) for window in windows]
    return dict(
        input_ids=padded("input_ids"),
        token_type_ids=padded("token_type_ids"),
        attention_mask=torch.tensor(mask),
        start_positions=torch.tensor([window["start_position"] for window in windows]),
        end_positions=torch.tensor([window["end_position"] for window in windows]),
    )


def decay_groups(model, weight_decay):
    """transformers' rule: neither biases nor the parameters of LayerNorm decay."""
    norms = {id(p) for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()}
    spared = {name for name, p in model.named_parameters() if id(p) in norms or name.endswith("bias")}
    return [
        dict(params=[p for n, p in model.named_parameters() if n not in spared], weight_decay=weight_decay),
        dict(params=[p for n, p in model.named_parameters() if n in spared], weight_decay=0.0),
    ]


def run(
    windows,
    weight_decay=OPTIONS["weight_decay"],
    decay_all=False,
    max_grad_norm=OPTIONS["max_grad_norm"],
    warmup_steps=OPTIONS["warmup_steps"],
    scheduler="linear",
    mean_of_group=True,
    train_padding=False,
):
    model = BertForQuestionAnswering.from_pretrained(OUTPUT / "model", attn_implementation="eager").double()
    model.eval()  # no dropout
    if train_padding:
        # As google-research/bert does; transformers keeps the embedding of [PAD] as it is.
        model.bert.embeddings.word_embeddings.padding_idx = None
    groups = decay_groups(model, weight_decay)
    if decay_all:
        groups[1]["weight_decay"] = weight_decay
    optimizer = torch.optim.AdamW(groups, lr=OPTIONS["learning_rate"], betas=(0.9, 0.999), eps=1e-8)
    schedule = get_scheduler(scheduler, optimizer, warmup_steps, OPTIONS["max_steps"])
    size, accumulation = OPTIONS["batch_size"], OPTIONS["gradient_accumulation_steps"]
    batches = [collate(windows[i : i + size]) for i in range(0, len(windows), size)]
    losses, norms = [], []
    while len(losses) < OPTIONS["max_steps"]:
        for begin in range(0, len(batches), accumulation):
            group = batches[begin : begin + accumulation]
            loss = 0.0
            for batch in group:
                part = model(**batch).loss / (len(group) if mean_of_group else accumulation)
                part.backward()
                loss += part.item()
            norms.append(nn.utils.clip_grad_norm_(model.parameters(), max_grad_norm).item())
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss)
            if len(losses) == OPTIONS["max_steps"]:
                break
    return losses, norms, model


def main():
    random = np.random.default_rng(20181011)
    (OUTPUT / "model").mkdir(parents=True, exist_ok=True)
    tensors = {name: p.detach().contiguous() for name, p in make_model(random).named_parameters()}
    save_file(tensors, OUTPUT / "model/model.safetensors", {"format": "pt"})
    config = {key: value for key, value in CONFIG.to_diff_dict().items() if key != "transformers_version"}
    (OUTPUT / "model/config.json").write_text(json.dumps(config, indent=1) + "\n")
    (OUTPUT / "model/vocab.txt").write_text("".join(token + "\n" for token in TOKENS))

    # 35 windows make 9 batches, the last of 3; 9 batches make 5 updates an epoch, the last of a single batch.
    windows = make_windows(random, 35)
    losses, norms, model = run(windows)
    worst = lambda other: max(abs(a - b) / a for a, b in zip(losses, other))
    without = dict(
        weight_decay=run(windows, weight_decay=0.0)[0],
        exemption_from_decay=run(windows, decay_all=True)[0],
        clipping=run(windows, max_grad_norm=1e9)[0],
        warmup=run(windows, warmup_steps=0)[0],
        schedule=run(windows, scheduler="constant_with_warmup")[0],
        mean_of_group=run(windows, mean_of_group=False)[0],
    )
    seen = {name: worst(other) for name, other in without.items()}
    padding = worst(run(windows, train_padding=True)[0])
    clipped = sum(norm > OPTIONS["max_grad_norm"] for norm in norms)
    print("losses", [round(loss, 3) for loss in losses])
    print("without each:", seen, "padding trained:", padding, "clipped:", clipped)
    assert all(difference > 0.01 for difference in seen.values()) and 5 < clipped < 45
    final = {name: p.detach().reshape(-1)[:5].tolist() for name, p in model.named_parameters()}
    golden = dict(options=OPTIONS, windows=windows, losses=losses, gradient_norms=norms, final=final)
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items()]
    (OUTPUT / "run.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
