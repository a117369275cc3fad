"""Makes test/golden/bert/: a small BERT with a question-answering head in several spellings of its file, and the logits
that transformers computes with it.

    python scripts/golden/bert_logits.py [OUTPUT_DIRECTORY]

Made with transformers 5.17, torch 2.13 (CPU), safetensors 0.8. Sizes are awkward, so that no two axes can be mistaken;
weights are large, so that attention is far from uniform and a wrong term shows in the first digits.
"""

import json
import string
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForQuestionAnswering, BertTokenizer

torch.set_num_threads(1)
OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/bert")
LETTERS = string.ascii_letters
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{c}" for c in string.ascii_lowercase)]
TOKENS += [*".,?!'-", *string.digits]
SIZES = {
    "vocab_size": len(TOKENS),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "max_position_embeddings": 96,
}
TEXTS = [
    ("Who came first?", "In 1821 Ada came first, and Bob was second."),
    ("Where?", "At sea."),
    ("How many lived?", "There were 40 or 50 men, of whom 9 lived; the rest died."),
]


def small_model(hidden_act="gelu"):
    torch.manual_seed(17)
    model = BertForQuestionAnswering(BertConfig(**SIZES, hidden_act=hidden_act)).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            scale = 0.5 if "LayerNorm" in name else 0.25
            noise = torch.randn(parameter.shape) * scale
            parameter.copy_(noise + 1 if name.endswith("LayerNorm.weight") else noise)
    return model


def old_names(state):
    """As checkpoints of 2018 and 2019: TensorFlow's names of LayerNorm's parameters, no prefix, a buffer beside them."""
    renamed = {}
    for name, tensor in state.items():
        name = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        renamed[name.removeprefix("bert.")] = tensor
    positions = torch.arange(SIZES["max_position_embeddings"]).reshape(1, -1)
    return renamed | {"embeddings.position_ids": positions}


def batch(model, ids, types, lengths):
    mask = torch.arange(ids.shape[1])[None, :] < torch.tensor(lengths)[:, None]
    with torch.no_grad():
        out = model(input_ids=ids, token_type_ids=types, attention_mask=mask.long())
    rows = lambda logits: [[round(v, 7) for v in row[:n].tolist()] for row, n in zip(logits, lengths)]
    return {
        "input_ids": [row[:n].tolist() for row, n in zip(ids, lengths)],
        "token_type_ids": [row[:n].tolist() for row, n in zip(types, lengths)],
        "start_logits": rows(out.start_logits),
        "end_logits": rows(out.end_logits),
    }


def random_batches(model):
    generator = torch.Generator().manual_seed(5)
    draw = lambda high, *shape: torch.randint(0, high, shape, generator=generator)
    batches = []
    for size, length in [(13, 7), (3, 37), (1, 96)]:
        lengths = [length, *(int(n) + 1 for n in draw(length, size - 1))]
        batches.append(batch(model, draw(len(TOKENS), size, length), draw(2, size, length), lengths))
    return batches


def texts(model, tokenizer):
    results = []
    for question, context in TEXTS:
        encoded = tokenizer(question, context, return_offsets_mapping=True)
        ids, types = torch.tensor([encoded["input_ids"]]), torch.tensor([encoded["token_type_ids"]])
        offsets = [
            list(offset) if sequence == 1 else [0, 0]
            for offset, sequence in zip(encoded["offset_mapping"], encoded.sequence_ids(0))
        ]
        row = {name: rows[0] for name, rows in batch(model, ids, types, [ids.shape[1]]).items()}
        results.append({"question": question, "context": context, "window": row | {"offsets": offsets}})
    return results


def main():
    OUTPUT.mkdir(parents=True, exist_ok=True)
    (OUTPUT / "vocab.txt").write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")
    (OUTPUT / "tokenizer_config.json").write_text('{ "do_lower_case": false }\n', encoding="utf-8")
    model = small_model()
    model.config.architectures = ["BertForQuestionAnswering"]
    model.config.to_json_file(OUTPUT / "config.json")

    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, OUTPUT / "model.safetensors", metadata={"format": "pt"})
    save_file(old_names(state), OUTPUT / "old-names.safetensors", metadata={"format": "pt"})
    cases = [{"name": "gelu", "hidden_act": "gelu", "weights": "model.safetensors", "batches": random_batches(model)}]
    cases.append(cases[0] | {"name": "names of 2018", "weights": "old-names.safetensors"})
    for activation in ["relu", "gelu_new"]:
        other = small_model(activation)
        case = {"name": activation, "hidden_act": activation, "weights": "model.safetensors"}
        cases.append(case | {"batches": random_batches(other)})
    for name, dtype in [("float16", torch.float16), ("bfloat16", torch.bfloat16)]:
        rounded = {key: tensor.to(dtype) for key, tensor in state.items()}
        save_file(rounded, OUTPUT / f"{name}.safetensors", metadata={"format": "pt"})
        other = small_model()
        other.load_state_dict({key: tensor.float() for key, tensor in rounded.items()})
        case = {"name": name, "hidden_act": "gelu", "weights": f"{name}.safetensors"}
        cases.append(case | {"batches": random_batches(other)})

    tokenizer = BertTokenizer(vocab=str(OUTPUT / "vocab.txt"), do_lower_case=False)
    golden = {"cases": cases, "texts": texts(model, tokenizer)}
    (OUTPUT / "logits.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
