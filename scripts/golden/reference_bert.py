"""Makes test/golden/reference/bert.json: what transformers computes, in float64, for a tiny BERT with all its heads.

    python scripts/golden/reference_bert.py [OUTPUT_DIRECTORY]

Made with transformers 5.17 and torch 2.13. The weights are not stored: both sides make them from their names by the same
integer hash (`weight` here, `patterned` in test/reference/golden-bert.ts), far enough from their initialisation that no
bias is 0, no scale 1 and no softmax flat.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from transformers import BertConfig, BertForPreTraining, BertForQuestionAnswering

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/reference")
# Sizes of which no two agree but where they must, so that no two axes can be mistaken.
CONFIG = BertConfig(
    vocab_size=99,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=37,
    max_position_embeddings=17,
    type_vocab_size=3,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    attn_implementation="eager",
)
BATCH, SEQUENCE = 3, 7
LENGTHS = [7, 4, 6]
IGNORED = -100


def fnv1a(name):
    value = 0x811C9DC5
    for character in name:
        value = ((value ^ ord(character)) * 0x01000193) % 2**32
    return value


def pattern(name, count):
    """Numbers from -1 to 1: a hash of the name, the finaliser of MurmurHash3 over it and the index."""
    x = (fnv1a(name) + np.arange(count, dtype=np.uint64) * 2654435761) % 2**32
    for shift, factor in [(16, 0x85EBCA6B), (13, 0xC2B2AE35)]:
        x = ((x ^ (x >> shift)) * factor) % 2**32
    x ^= x >> 16
    return x.astype(np.float64) / 2**31 - 1


def weight(name, shape):
    scale = 0.5 if len(shape) == 2 else 0.2
    mean = 1.0 if name.endswith("LayerNorm.weight") else 0.0
    return torch.from_numpy(mean + scale * pattern(name, int(np.prod(shape))).reshape(shape))


def integers(name, shape, bound):
    """`pattern` cut into whole numbers from 0 to bound - 1."""
    return torch.from_numpy(((pattern(name, int(np.prod(shape))) + 1) / 2 * bound).astype(np.int64).reshape(shape))


def patterned(model):
    model.double().eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weight(name, tuple(parameter.shape)))
    return model


def projected_gradients(model, loss):
    """For each parameter, the derivative of the loss along `pattern`: a number that shows a wrong gradient."""
    model.zero_grad()
    loss.backward()
    return {
        name: float((parameter.grad.numpy().ravel() * pattern(f"direction of {name}", parameter.numel())).sum())
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }


def main():
    inputs = dict(
        input_ids=integers("input_ids", (BATCH, SEQUENCE), CONFIG.vocab_size),
        token_type_ids=integers("token_type_ids", (BATCH, SEQUENCE), CONFIG.type_vocab_size),
        attention_mask=torch.tensor([[int(i < length) for i in range(SEQUENCE)] for length in LENGTHS]),
    )
    sizes = "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size"
    sizes += " max_position_embeddings type_vocab_size layer_norm_eps"
    config = {name: getattr(CONFIG, name) for name in sizes.split()}
    golden = {"config": config, **{name: value.tolist() for name, value in inputs.items()}}

    model = patterned(BertForQuestionAnswering(CONFIG))
    start_positions, end_positions = torch.tensor([1, 0, 5]), torch.tensor([3, 2, 6])
    out = model(**inputs, start_positions=start_positions, end_positions=end_positions, output_hidden_states=True)
    golden["questionAnswering"] = dict(
        start_positions=start_positions.tolist(),
        end_positions=end_positions.tolist(),
        hidden_states=[state[1].tolist() for state in out.hidden_states],  # of the second sequence, which has padding
        start_logits=out.start_logits.tolist(),
        end_logits=out.end_logits.tolist(),
        loss=out.loss.item(),
        gradients=projected_gradients(model, out.loss),
    )

    model = patterned(BertForPreTraining(CONFIG))
    labels = torch.full((BATCH, SEQUENCE), IGNORED)
    for row, column, label in [(0, 2, 41), (0, 6, 98), (1, 1, 0), (2, 3, 7)]:
        labels[row, column] = label
    next_sentence_label = torch.tensor([0, 1, 1])
    out = model(**inputs, labels=labels, next_sentence_label=next_sentence_label)
    golden["preTraining"] = dict(
        labels=labels.tolist(),
        next_sentence_label=next_sentence_label.tolist(),
        prediction_logits=out.prediction_logits[labels != IGNORED].tolist(),
        seq_relationship_logits=out.seq_relationship_logits.tolist(),
        loss=out.loss.item(),
        gradients=projected_gradients(model, out.loss),
    )

    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "bert.json").write_text(json.dumps(golden, indent=1) + "\n")


main()
