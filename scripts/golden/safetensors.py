"""Makes test/golden/checkpoint/: safetensors files written by the Python library, shards by huggingface_hub, a BERT by
transformers, digests of 16-bit float conversions by numpy and torch, and 8-bit matrices by numpy.

    python scripts/golden/safetensors.py [OUTPUT_DIRECTORY]

Made with safetensors 0.8, huggingface_hub 1.x, transformers 5.17, torch 2.13, numpy 2.4. No random numbers: every value
is a formula, so the output is the same on every machine.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from transformers import BertConfig, BertForPreTraining, BertForQuestionAnswering, BertModel

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/checkpoint")


def write_json(name, value):
    (OUTPUT / name).write_text(json.dumps(value, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


def raw_hex(tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes().hex() if tensor.numel() else ""


def wave(*shape, phase=0.0):
    """Values in [-1, 1], none alike: sin of the golden ratio's multiples."""
    count = int(np.prod(shape))
    return torch.from_numpy(np.sin(1.618033988749895 * np.arange(1, count + 1) + phase).astype(np.float32)).reshape(shape)


def all_dtypes():
    integers = torch.tensor([[0, 1, 2], [100, 126, 127]])
    floats = torch.tensor([[0.0, -0.0, 1.0], [-2.5, 3.0e38, float("inf")]])
    signed = [torch.int8, torch.int16, torch.int32, torch.int64]
    unsigned = [torch.uint8, torch.uint16, torch.uint32, torch.uint64]
    small = [torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu]
    tensors = {f"of.{dtype}".replace("torch.", ""): (-integers).to(dtype) for dtype in signed}
    tensors |= {f"of.{dtype}".replace("torch.", ""): integers.to(dtype) for dtype in unsigned}
    tensors |= {
        f"of.{dtype}".replace("torch.", ""): floats.to(dtype)
        for dtype in [torch.float16, torch.bfloat16, torch.float32, torch.float64]
    }
    tensors |= {f"of.{dtype}".replace("torch.", ""): integers.to(torch.float32).to(dtype) for dtype in small}
    tensors["of.bool"] = torch.tensor([True, False, True])
    tensors["of.complex64"] = torch.complex(wave(3), wave(3, phase=1.0))
    tensors["scalar"] = torch.tensor(2.5)
    tensors["empty"] = torch.zeros(3, 0, 2)
    tensors["__proto__"] = torch.tensor([1.5])
    tensors["constructor"] = torch.tensor([2.5])
    # By code point the emoji (U+1F917) comes after the ligature (U+FB01); by UTF-16 unit it would come before.
    tensors["\U0001f917"] = torch.tensor([3.5])
    tensors["\ufb01"] = torch.tensor([4.5])
    tensors['quote " backslash \\ tab \t bell \x07 delete \x7f'] = torch.tensor([5.5])
    save_file(tensors, OUTPUT / "all-dtypes.safetensors", metadata={"format": "pt"})
    floating = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
    write_json(
        "all-dtypes.json",
        {
            name: {
                "shape": list(tensor.shape),
                "bytes": raw_hex(tensor),
                "float32": raw_hex(tensor.to(torch.float32)) if tensor.dtype in floating else None,
            }
            for name, tensor in tensors.items()
        },
    )


def edges():
    save_file({}, OUTPUT / "no-tensors.safetensors")
    save_file({"a": wave(3, 5)}, OUTPUT / "one-tensor.safetensors")


def sharded():
    directory = OUTPUT / "sharded"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    # 24, 200, 40, 40, 24 and 0 bytes against 80: one tensor larger than a shard, one shard filled to the last byte.
    state = {
        "embeddings.b": wave(2, 3),
        "embeddings.a": wave(5, 10, phase=1.0),
        "layer.z": wave(10, phase=2.0),
        "layer.half": wave(4, 5, phase=3.0).to(torch.float16),
        "head": wave(6, phase=4.0),
        "nothing": torch.zeros(0, 4),
    }
    save_torch_state_dict(state, directory, max_shard_size=80, metadata={"format": "pt"})


def bert():
    config = BertConfig(
        vocab_size=13,
        hidden_size=6,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=7,
        max_position_embeddings=5,
    )
    directory = OUTPUT / "bert"
    shutil.rmtree(directory, ignore_errors=True)
    model = BertForPreTraining(config)
    with torch.no_grad():
        for i, parameter in enumerate(model.parameters()):
            parameter.copy_(wave(*parameter.shape, phase=float(i)))
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    names = {
        kind.__name__: {name: list(p.shape) for name, p in kind(config).named_parameters()}
        for kind in [BertModel, BertForPreTraining, BertForQuestionAnswering]
    }
    write_json("bert-parameters.json", names)


def float16():
    """SHA-256 over the little-endian results, for inputs the test makes again by the same formulas."""
    halves = np.arange(0x10000, dtype=np.uint16)
    widened = halves.view(np.float16).astype(np.float32)
    brains = torch.from_numpy(halves.view(np.int16)).view(torch.bfloat16).to(torch.float32).numpy()
    # Every sign, exponent and upper half of the fraction, with lower halves around all that rounding looks at.
    lows = np.array([0, 1, 0x0FFF, 0x1000, 0x1001, 0x2000, 0x3000, 0x7FFF, 0x8000, 0x8001, 0xFFFF], dtype=np.uint32)
    floats = ((np.arange(0x10000, dtype=np.uint32) << 16)[:, None] | lows[None, :]).reshape(-1).view(np.float32)
    numbers = floats[~np.isnan(floats)]
    with np.errstate(over="ignore"):
        narrowed_with_nan = floats.astype(np.float16).view(np.uint16)
    narrowed_brain = torch.from_numpy(numbers).to(torch.bfloat16).view(torch.int16).numpy().view(np.uint16)
    write_json(
        "float16.json",
        {
            "float16ToFloat32": hashlib.sha256(widened.astype("<f4").tobytes()).hexdigest(),
            "bfloat16ToFloat32": hashlib.sha256(brains.astype("<f4").tobytes()).hexdigest(),
            "float32ToFloat16": hashlib.sha256(narrowed_with_nan.astype("<u2").tobytes()).hexdigest(),
            "float32ToBfloat16WithoutNaN": hashlib.sha256(narrowed_brain.astype("<u2").tobytes()).hexdigest(),
        },
    )


def quantized():
    rows, cols = 7, 13
    matrix = wave(rows, cols).numpy()
    matrix[2] = 0
    matrix[3] *= np.float32(1e-30)
    matrix[4] *= np.float32(1e30)
    matrix[5] = (np.arange(cols) - 6) * np.float32(0.5)  # with 63 steps of 1/21: exact values, no ties
    matrix[6] = np.arange(cols) + np.float32(114.5)
    matrix[6][-1] = 127  # a scale of exactly 1 makes every other value a tie
    golden = {"rows": rows, "cols": cols, "matrix": matrix.astype("<f4").tobytes().hex(), "cases": []}
    for magnitude in [127, 63]:
        scales = (np.abs(matrix).max(axis=1).astype(np.float64) / magnitude).astype(np.float32)
        scales = np.maximum(scales, np.finfo(np.float32).tiny)
        values = np.rint(matrix.astype(np.float64) / scales[:, None].astype(np.float64)).astype(np.int8)
        golden["cases"].append(
            {
                "maxMagnitude": magnitude,
                "values": values.tobytes().hex(),
                "scales": scales.astype("<f4").tobytes().hex(),
                "dequantized": (values.astype(np.float32) * scales[:, None]).astype("<f4").tobytes().hex(),
            }
        )
    write_json("quantized.json", golden)


if __name__ == "__main__":
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for make in [all_dtypes, edges, sharded, bert, float16, quantized]:
        make()
