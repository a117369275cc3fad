"""Hidden states of transformers' BertModel for texts in padded batches: test/golden/pipelines/features.json.

The model is that of scripts/golden/bert_logits.py. Needs torch and transformers.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import torch
from transformers import BertModel, BertTokenizer

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "test/golden/bert"
OUTPUT = ROOT / "test/golden/pipelines/features.json"

# Of different lengths, one a pair, one longer than MAX_LENGTH.
TEXTS = [
    "Ada came.",
    ["Who came first?", "In 1821 Ada came first, and Bob was second."],
    "In 1821 Ada came first, and Bob was second, and in 1822 it was Bob, who came first.",
    "x",
]
MAX_LENGTH = 40


def rounded(tensor):
    return [round(float(value), 6) for value in tensor.flatten()]


def main():
    tokenizer = BertTokenizer(vocab=str(MODEL / "vocab.txt"), do_lower_case=False)
    model = BertModel.from_pretrained(MODEL, add_pooling_layer=False, attn_implementation="eager").eval()
    pairs = [(text, None) if isinstance(text, str) else text for text in TEXTS]
    rows = [tokenizer(a, b, truncation="longest_first", max_length=MAX_LENGTH) for a, b in pairs]
    batch = tokenizer.pad(rows, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch, output_hidden_states=True).hidden_states
    golden = []
    for i, (text, row) in enumerate(zip(TEXTS, rows)):
        length = len(row["input_ids"])
        real = [state[i, :length] for state in states]
        golden.append(
            {
                "text": text,
                "tokens": tokenizer.convert_ids_to_tokens(row["input_ids"]),
                "states": [rounded(state) for state in real],
                "cls": [rounded(state[0]) for state in real],
                "mean": [rounded(state.mean(dim=0)) for state in real],
            }
        )
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    document = {"max_seq_length": MAX_LENGTH, "texts": golden}
    OUTPUT.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
