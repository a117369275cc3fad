"""Makes test/golden/checkpoint/pytorch/: files of `torch.save`, new and old, and what torch and transformers make of them.

    python scripts/golden/pytorch_checkpoints.py [OUTPUT_DIRECTORY]

Made with torch 2.13 and transformers 5.17, from test/golden/checkpoint/bert/. `new/` and `old/` hold the same BERT, in
the zip format of PyTorch 1.6 and in the format before, the latter with the names of its time; `sharded/` has it in two
files. `views.bin` and its likes hold tensors of all types that share and stride over memory.
"""

import json
import os
import shutil
import sys
from collections import OrderedDict
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertForPreTraining, BertForQuestionAnswering

CHECKPOINTS = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/checkpoint")
OUTPUT = CHECKPOINTS / "pytorch"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]


def wave(*shape, phase):
    count = int(np.prod(shape))
    return torch.from_numpy(np.sin(1.618033988749895 * np.arange(1, count + 1) + phase).astype(np.float32)).reshape(shape)


def save(state, name, new=True):
    torch.save(state, OUTPUT / name, _use_new_zipfile_serialization=new)


def tied(model):
    """With the decoder's weight and bias under both names, on one memory, as transformers saved them for years."""
    state = OrderedDict(model)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"]
    state["cls.predictions.decoder.bias"] = state["cls.predictions.bias"]
    return state


def old_names(state):
    renamed = OrderedDict()
    for name, value in state.items():
        renamed[name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")] = value
    renamed["bert.embeddings.position_ids"] = torch.arange(5).expand((1, -1))
    return renamed


def berts(model):
    for directory in ["new", "old", "sharded"]:
        (OUTPUT / directory).mkdir(parents=True)
        shutil.copy(CHECKPOINTS / "bert/config.json", OUTPUT / directory)
        (OUTPUT / directory / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    save(tied(model), "new/pytorch_model.bin")
    save(old_names(tied(model)), "old/pytorch_model.bin", new=False)
    parts = [{k: v for k, v in model.items() if ("layer.1" in k) == second} for second in [False, True]]
    weight_map = {}
    for i, part in enumerate(parts):
        file = f"pytorch_model-0000{i + 1}-of-00002.bin"
        save(part, f"sharded/{file}", new=i == 0)
        weight_map |= {name: file for name in part}
    index = {"metadata": {"total_size": sum(v.nbytes for v in model.values())}, "weight_map": weight_map}
    (OUTPUT / "sharded/pytorch_model.bin.index.json").write_text(json.dumps(index, indent=2) + "\n")


def views():
    base = wave(4, 6, phase=3.0)
    block = torch.arange(2 * 3 * 5, dtype=torch.float32).reshape(2, 3, 5)
    tensors = {
        "whole": base,
        "transposed": base.t(),
        "rows": base[1:3],
        "columns": base[:, 1:4],
        "every second": base[::2, ::3],
        "permuted": block.permute(2, 0, 1),
        "inner slice": block[:, 1:, ::2].transpose(0, 2),
        "scalar": base[2, 3],
        "empty": torch.zeros(0, 3),
        "one row": base[3:4].t(),
        "parameter": torch.nn.Parameter(base),
        "large": wave(38, 39, phase=4.0).t()[5:, 3:],
    }
    values = torch.tensor([[0, 1, 2], [100, 126, 127]])
    floats = torch.tensor([[0.0, -0.0, 1.0], [-2.5, 3.0e38, float("inf")]])
    for dtype in [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool]:
        tensors[str(dtype)] = values.to(dtype).t()
    for dtype in [torch.float16, torch.bfloat16, torch.float32, torch.float64]:
        tensors[str(dtype)] = floats.to(dtype).t()
    save(tensors, "views.bin")
    save(tensors, "views-old.bin", new=False)
    torch.save(tensors, OUTPUT / "views-protocol-4.bin", pickle_protocol=4)
    torch.serialization.set_crc32_options(False)
    save(tensors, "views-without-checksums.bin")
    torch.serialization.set_crc32_options(True)
    for name in ["views.bin", "views-old.bin"]:
        loaded = torch.load(OUTPUT / name)
        assert all(torch.equal(loaded[key].detach(), value.detach()) for key, value in tensors.items())
    expected = {}
    for name, tensor in tensors.items():
        flat = tensor.detach().contiguous().reshape(-1)
        raw = flat.view(torch.uint8).numpy().tobytes().hex() if flat.numel() else ""
        expected[name] = {"shape": list(tensor.shape), "bytes": raw}
    (OUTPUT / "views.json").write_text(json.dumps(expected, indent=1) + "\n")


def trainer():
    model = {"weight": wave(2, 3, phase=5.0)}
    state = {"epoch": 3, "loss": 0.25, "model": model | {"version": 2}, "optimizer": {"lr": 1e-4, "steps": [1, 2]}}
    save(state, "trainer.bin")


class Malicious:
    def __reduce__(self):
        return os.system, ("exit 1",)


def refused():
    save({"weight": wave(2, 3, phase=5.0), "x": Malicious()}, "malicious.bin")
    save({"weight": wave(2, 3, phase=5.0), "x": Malicious()}, "malicious-old.bin", new=False)
    save(torch.nn.Linear(2, 3), "module.bin")
    save({"weight": torch.ones(1).expand(1000)}, "expanded.bin")
    save({"weight": torch.eye(3).to_sparse()}, "sparse.bin")


def logits(model):
    """What transformers computes with that BERT, and with its encoder under a head for answers."""
    config = BertConfig.from_pretrained(CHECKPOINTS / "bert", attn_implementation="eager")
    inputs = {
        "input_ids": torch.tensor([[2, 5, 3, 9, 3], [2, 4, 12, 3, 0]]),
        "token_type_ids": torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]),
    }
    pretraining = BertForPreTraining.from_pretrained(CHECKPOINTS / "bert", config=config).eval()
    squad = BertForQuestionAnswering(config).eval()
    squad.load_state_dict({k: v for k, v in model.items() if k.startswith("bert.") and "pooler" not in k}, strict=False)
    with torch.no_grad():
        squad.qa_outputs.weight.copy_(wave(2, config.hidden_size, phase=100.0))
        squad.qa_outputs.bias.copy_(wave(2, phase=101.0))
        heads, spans = pretraining(**inputs), squad(**inputs)
    results = {
        "prediction_logits": heads.prediction_logits,
        "seq_relationship_logits": heads.seq_relationship_logits,
        "start_logits": spans.start_logits,
        "end_logits": spans.end_logits,
    }
    golden = {name: value.tolist() for name, value in (inputs | results).items()}
    (OUTPUT / "logits.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    bert = load_file(CHECKPOINTS / "bert/model.safetensors")
    berts(bert)
    views()
    trainer()
    refused()
    logits(bert)
