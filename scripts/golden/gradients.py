"""Makes test/golden/training/gradients.{json,safetensors}: the loss of a batch and every parameter's gradient by
PyTorch's autograd, for the model that training.py makes, without dropout and with given masks; and nn.json: a loss and
an activation function.

    python scripts/golden/gradients.py [OUTPUT_DIRECTORY]

Made with transformers 5.17, torch 2.13, numpy 2.4; computed in float64, gradients stored in float32.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from transformers import BertForQuestionAnswering
from transformers.activations import ACT2FN

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/training")
BATCH, SEQUENCE = 13, 7
RATES = dict(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.3)


def make_batch(random, vocabulary):
    """Many ids repeat, so that adding up an embedding's gradients matters; rows have 0 to 4 padding positions."""
    lengths = [SEQUENCE - row % 5 for row in range(BATCH)]
    ids = random.integers(5, 25, (BATCH, SEQUENCE))
    ids[:, 0] = vocabulary - 1
    mask = np.arange(SEQUENCE)[None] < np.array(lengths)[:, None]
    starts = [row % length for row, length in enumerate(lengths)]
    ends = [length - 1 for length in lengths]
    starts[3] = SEQUENCE  # outside the sequence: ignored
    return dict(
        input_ids=np.where(mask, ids, 0).tolist(),
        token_type_ids=np.where(mask, np.arange(SEQUENCE)[None] >= 3, 0).tolist(),
        attention_mask=mask.astype(int).tolist(),
        start_positions=starts,
        end_positions=ends,
    )


def keep_mask(site, shape):
    """The test makes the same numbers: about a tenth is dropped, whatever the rate."""
    places = np.arange(np.prod(shape), dtype=np.uint64)
    hashed = (places * 0x9E3779B1 + site * 40503 + 12345) & 0xFFFFFFFF
    return torch.from_numpy(((hashed >> 16) % 10 != 0).reshape(shape))


def gradients(batch, dropout):
    """With dropout, each call of PyTorch's function takes the next mask, in the order in which the model calls it."""
    model = BertForQuestionAnswering.from_pretrained(OUTPUT / "model", attn_implementation="eager", **RATES).double()
    model.train(dropout)
    sites = []

    def masked_dropout(x, p=0.5, training=True, inplace=False):
        if not training:
            return x
        sites.append([*x.shape, p])
        return x * keep_mask(len(sites) - 1, tuple(x.shape)) / (1 - p)

    original = nn.functional.dropout
    nn.functional.dropout = masked_dropout
    try:
        loss = model(**{name: torch.tensor(value) for name, value in batch.items()}).loss
    finally:
        nn.functional.dropout = original
    loss.backward()
    return loss.item(), sites, {name: p.grad.float() for name, p in model.named_parameters()}


def neural_network():
    logits = torch.tensor(np.random.default_rng(3).normal(0, 3, (5, 4)), requires_grad=True)
    labels = torch.tensor([0, 3, -100, 2, 2])
    loss = nn.functional.cross_entropy(logits, labels)
    loss.backward()
    x = torch.tensor([-11.0, -3.0, -1.0, -0.1, 0.0, 0.1, 1.0, 3.0, 11.0], dtype=torch.float64)
    return dict(
        cross_entropy=dict(
            logits=logits.detach().reshape(-1).tolist(),
            labels=labels.tolist(),
            loss=loss.item(),
            gradient=logits.grad.reshape(-1).tolist(),
        ),
        activations=dict(x=x.tolist()) | {name: ACT2FN[name](x).tolist() for name in ("gelu", "gelu_new", "relu")},
    )


def main():
    random = np.random.default_rng(7)
    batch = make_batch(random, 99)
    plain_loss, _, plain = gradients(batch, dropout=False)
    dropout_loss, sites, dropped = gradients(batch, dropout=True)
    print(plain_loss, dropout_loss, sites)
    golden = dict(batch=batch, rates=RATES, sites=sites, losses=dict(plain=plain_loss, dropout=dropout_loss))
    (OUTPUT / "gradients.json").write_text(json.dumps(golden) + "\n")
    tensors = {f"plain.{name}": g for name, g in plain.items()} | {f"dropout.{name}": g for name, g in dropped.items()}
    save_file(tensors, OUTPUT / "gradients.safetensors")
    (OUTPUT / "nn.json").write_text(json.dumps(neural_network()) + "\n")


main()
