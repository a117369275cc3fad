"""Makes test/golden/pipelines/: a small BERT with both heads of pretraining, and what transformers fills masks with and
thinks of pairs of sentences.

    python scripts/golden/pretraining_heads.py [OUTPUT_DIRECTORY]

Made with transformers 5.17, torch 2.13 (CPU), safetensors 0.8. Words of several masks are tried out exhaustively: every
piece that begins a word with every one that continues it, if the tokenizer cuts the word into just these.
"""

import json
import re
import string
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertTokenizer,
)

torch.set_num_threads(1)
OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/pipelines")
LETTERS = string.ascii_lowercase
TOKENS = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"TP", *LETTERS, *(f"##{c}" for c in LETTERS)]
TOKENS += ["th", "un", "##he", "##able", *".,?!'", *"0123456789"]
SIZES = {
    "vocab_size": len(TOKENS) + 3,  # rows that no token has
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 29,
    "max_position_embeddings": 40,
}
TEXTS = ["a b [MASK] c.", "[MASK]", "The [MASK] in 1 [MASK] of [MASK]?", "un[MASK]able, q", "Pa is [MASK], [MASK]!"]
WORDS = ["The [MASK][MASK] is 7.", "[MASK][MASK][MASK], or so", "a [MASK][MASK] b [MASK] c"]
PAIRS = [("a b c.", "The d."), ("The d.", "a b c."), ("un", "un"), ("is 12 the?", "Pa is a, b, c, d, e, f, g!")]


def small_model():
    torch.manual_seed(23)
    model = BertForPreTraining(BertConfig(**SIZES)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.5 if "LayerNorm" in name else 0.35
            noise = torch.randn(parameter.shape) * scale
            parameter.copy_(noise + 1 if name.endswith("LayerNorm.weight") else noise)
        # So that `t ##h`, which the tokenizer would never make, is more probable than any word.
        for token in ["t", "##h"]:
            model.cls.predictions.bias[TOKENS.index(token)] += 5
    return model


def probabilities(model, ids):
    """[B, S, V] of sequences of one length"""
    with torch.no_grad():
        return model(input_ids=torch.as_tensor(ids)).logits.double().softmax(-1)


def single_masks(model, tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    rows = probabilities(model, [ids])[0]
    blanks = []
    for place in [i for i, token in enumerate(ids) if token == tokenizer.mask_token_id]:
        best = rows[place, : len(TOKENS)].topk(7)
        blanks.append({"ids": best.indices.tolist(), "scores": best.values.tolist()})
    return {"text": text, "blanks": blanks}


def masked_word(model, tokenizer, text):
    """The best words for the first run of masks."""
    ids = tokenizer(text)["input_ids"]
    first = ids.index(tokenizer.mask_token_id)
    length = len(re.search(r"(\[MASK\])+", text)[0]) // len("[MASK]")
    special = set(tokenizer.all_special_ids)
    continuing = [i for i, token in enumerate(TOKENS) if token.startswith("##")]
    initial = [i for i in range(len(TOKENS)) if i not in special and i not in continuing]
    beginnings = {(): 1.0}
    for place in range(length):
        choices = initial if place == 0 else continuing
        longer = {}
        filled = []
        for pieces in beginnings:
            row = list(ids)
            row[first : first + place] = pieces
            filled.append(row)
        rows = probabilities(model, filled)[:, first + place]
        for (pieces, score), row in zip(beginnings.items(), rows):
            longer |= {(*pieces, piece): score * row[piece].item() for piece in choices}
        beginnings = longer
    words = []
    for pieces, score in sorted(beginnings.items(), key=lambda item: -item[1]):
        tokens = [TOKENS[piece] for piece in pieces]
        word = tokens[0] + "".join(token[2:] for token in tokens[1:])
        if tokenizer.tokenize(word) == tokens:
            words.append({"ids": list(pieces), "word": word, "score": score})
        if len(words) == 10:
            return {"text": text, "words": words}


def pair(model, tokenizer, first, second):
    encoded = tokenizer(first, second, return_tensors="pt")
    with torch.no_grad():
        logits = model(**encoded).logits[0]
    return {"first": first, "second": second, "logits": logits.tolist(), "scores": logits.double().softmax(-1).tolist()}


def main():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "vocab.txt").write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")
    small_model().save_pretrained(OUTPUT)
    (OUTPUT / "generation_config.json").unlink(missing_ok=True)
    (OUTPUT / "tokenizer_config.json").write_text('{ "do_lower_case": false }\n', encoding="utf-8")
    tokenizer = BertTokenizer(vocab=str(OUTPUT / "vocab.txt"), do_lower_case=False)
    masked_lm = BertForMaskedLM.from_pretrained(OUTPUT).eval()
    next_sentence = BertForNextSentencePrediction.from_pretrained(OUTPUT).eval()
    golden = {
        "masks": [single_masks(masked_lm, tokenizer, text) for text in TEXTS],
        "words": [masked_word(masked_lm, tokenizer, text) for text in WORDS],
        "pairs": [pair(next_sentence, tokenizer, *texts) for texts in PAIRS],
    }
    (OUTPUT / "pretraining-heads.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
