"""Makes test/golden/checkpoint/tensorflow/ and tensorflow-squad/: the BERT of test/golden/checkpoint/bert/ as TensorFlow's
own `Saver` writes it, under the names of google-research/bert.

    python scripts/golden/tensorflow_checkpoints.py [OUTPUT_DIRECTORY]

Made with tensorflow 2.21 (tf.compat.v1) and safetensors 0.8. `tensorflow/` is what a zip of Google's holds: pretraining
heads, slots of Adam, bert_config.json. `tensorflow-squad/` is a run of run_squad.py, with a head for answers and two
checkpoints, of which the file `checkpoint` names the last, in two data files.
"""

import json
import os
import re
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import tensorflow.compat.v1 as tf
from safetensors.numpy import load_file

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/checkpoint")
CONFIG = json.loads((OUTPUT / "bert/config.json").read_text())
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]


def wave(*shape, phase):
    count = int(np.prod(shape))
    return np.sin(1.618033988749895 * np.arange(1, count + 1) + phase).astype(np.float32).reshape(shape)


def to_tensorflow(name, value):
    """As in transformers' convert_bert_pytorch_checkpoint_to_original_tf.py, and the heads of google-research/bert."""
    heads = {
        "cls.predictions.bias": "cls/predictions/output_bias",
        "cls.seq_relationship.weight": "cls/seq_relationship/output_weights",
        "cls.seq_relationship.bias": "cls/seq_relationship/output_bias",
    }
    if name in heads:
        return heads[name], value
    is_kernel = name.endswith("weight") and "embeddings" not in name and "LayerNorm" not in name
    for old, new in [
        ("layer.", "layer_"),
        ("LayerNorm.weight", "LayerNorm.gamma"),
        ("LayerNorm.bias", "LayerNorm.beta"),
        ("_embeddings.weight", "_embeddings"),
        ("weight", "kernel"),
        (".", "/"),
    ]:
        name = name.replace(old, new)
    return name, value.T if is_kernel else value


def save(directory, variables, prefixes, second_device):
    """Saves the variables; those whose names match `second_device` on another device, and hence in another file."""
    directory.mkdir()
    with tf.Graph().as_default(), tf.Session(config=tf.ConfigProto(device_count={"CPU": 2})) as session:
        for name, value in variables.items():
            with tf.device(f"/cpu:{int(second_device(name))}"):
                tf.get_variable(name, initializer=value)
        saver = tf.train.Saver(sharded=True)
        session.run(tf.global_variables_initializer())
        for prefix, step in prefixes:
            saver.save(session, str(directory / prefix), global_step=step, write_meta_graph=False)
    reader = tf.train.load_checkpoint(str(directory))
    assert set(reader.get_variable_to_shape_map()) == set(variables)
    for name, value in variables.items():
        assert np.array_equal(reader.get_tensor(name), value), name
    (directory / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    keys = "attention_probs_dropout_prob hidden_act hidden_dropout_prob hidden_size initializer_range intermediate_size "
    keys += "max_position_embeddings num_attention_heads num_hidden_layers type_vocab_size vocab_size"
    config = {key: CONFIG[key] for key in keys.split()}
    (directory / "bert_config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    model = load_file(OUTPUT / "bert/model.safetensors")
    pretrained = dict(to_tensorflow(name, value) for name, value in sorted(model.items()))
    slots = {
        f"{name}/{slot}": np.full_like(value, 0.5)
        for name, value in pretrained.items()
        for slot in ["adam_m", "adam_v"]
        if re.search("output_bias|pooler", name)
    }
    shutil.rmtree(OUTPUT / "tensorflow", ignore_errors=True)
    variables = pretrained | slots | {"global_step": np.int64(20)}
    save(OUTPUT / "tensorflow", variables, [("bert_model.ckpt", None)], lambda name: False)
    (OUTPUT / "tensorflow/checkpoint").unlink()  # the zips have none

    squad = {name: value for name, value in pretrained.items() if name.startswith("bert/")}
    squad["cls/squad/output_weights"] = wave(2, CONFIG["hidden_size"], phase=100.0)
    squad["cls/squad/output_bias"] = wave(2, phase=101.0)
    shutil.rmtree(OUTPUT / "tensorflow-squad", ignore_errors=True)
    save(OUTPUT / "tensorflow-squad", squad, [("model.ckpt", 7), ("model.ckpt", 12)], lambda name: "layer_1" in name)
