"""Writes a BERT of a published size with random weights, inputs for it, and the logits that transformers computes.

    python scripts/check/large_logits.py SIZE OUTPUT_DIRECTORY

Called by large-logits.ts. Needs torch and transformers 5.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import BertConfig, BertForQuestionAnswering

SIZES = {"tiny": (2, 128), "mini": (4, 256), "small": (4, 512), "medium": (8, 512), "base": (12, 768), "large": (24, 1024)}
VOCABULARY = 28996


def main(size, output):
    layers, hidden = SIZES[size]
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=VOCABULARY,
        num_hidden_layers=layers,
        hidden_size=hidden,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
        initializer_range=0.04,
    )
    model = BertForQuestionAnswering(config).eval()
    model.save_pretrained(output)
    (output / "vocab.txt").write_text("".join(f"{token}\n" for token in ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    batches = []
    for lengths in [[384], [384, 57, 200]]:
        ids = torch.randint(5, VOCABULARY, (len(lengths), 384))
        types = (torch.arange(384) >= 20).long().repeat(len(lengths), 1)
        mask = torch.arange(384)[None, :] < torch.tensor(lengths)[:, None]
        with torch.no_grad():
            out = model(input_ids=ids, token_type_ids=types, attention_mask=mask.long())
        rows = lambda values: [row[:n].tolist() for row, n in zip(values, lengths)]
        batch = {"input_ids": ids, "token_type_ids": types, "start_logits": out.start_logits, "end_logits": out.end_logits}
        batches.append({name: rows(values) for name, values in batch.items()})
    (output / "expected.json").write_text(json.dumps(batches))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
