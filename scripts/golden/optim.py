"""Makes test/golden/training/optim.json: AdamW by PyTorch and by Google's published rule, learning rates by transformers
and by Google's formula, and which parameters decay.

    python scripts/golden/optim.py [OUTPUT_DIRECTORY]

Made with transformers 5.17, torch 2.13, numpy 2.4; computed in float64.
"""

import json
import sys
from pathlib import Path

sys.path.pop(0)  # this directory, whose scripts bear the names of the packages they call

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertForPreTraining, BertForQuestionAnswering, get_scheduler

OUTPUT = Path(sys.argv[1] if len(sys.argv) > 1 else "test/golden/training")
STEPS = 7
SIZES = dict(weight=[23], bias=[5])
LEARNING_RATES = [0.0, 0.02, 0.05, 0.04, 0.03, 0.02, 0.01]
CLIP = 1.0


def make_gradients(random):
    """From far below the limit of the norm to far above it; one number of each is always 0."""
    steps = []
    for step in range(STEPS):
        gradients = {name: random.normal(0, 0.02 * 3**step, size) for name, size in SIZES.items()}
        for gradient in gradients.values():
            gradient[2] = 0
        steps.append(gradients)
    return steps


def pytorch(start, gradients):
    parameters = {name: nn.Parameter(torch.from_numpy(values.copy())) for name, values in start.items()}
    groups = [
        dict(params=[parameters["weight"]], weight_decay=0.1),
        dict(params=[parameters["bias"]], weight_decay=0.0),
    ]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-3)
    steps = []
    for given, rate in zip(gradients, LEARNING_RATES):
        for name, parameter in parameters.items():
            parameter.grad = torch.from_numpy(given[name].copy())
        for group in optimizer.param_groups:
            group["lr"] = rate
        norm = nn.utils.clip_grad_norm_(parameters.values(), CLIP).item()
        optimizer.step()
        values = {name: parameter.detach().numpy().copy() for name, parameter in parameters.items()}
        moments = {
            kind: {name: optimizer.state[parameter][kind].numpy().copy() for name, parameter in parameters.items()}
            for kind in ("exp_avg", "exp_avg_sq")
        }
        steps.append(dict(norm=norm, values=values, **moments))
    return dict(beta1=0.9, beta2=0.999, epsilon=1e-3, weight_decay=0.1, clip=CLIP, steps=steps)


def google(start, gradients):
    """`AdamWeightDecayOptimizer.apply_gradients` of google-research/bert optimization.py, line by line."""
    beta_1, beta_2, epsilon, weight_decay_rate = 0.9, 0.999, 1e-3, 0.1
    params = {name: values.copy() for name, values in start.items()}
    ms = {name: np.zeros_like(values) for name, values in start.items()}
    vs = {name: np.zeros_like(values) for name, values in start.items()}
    steps = []
    for given, learning_rate in zip(gradients, LEARNING_RATES):
        norm = float(np.sqrt(sum((gradient**2).sum() for gradient in given.values())))
        for name, param in params.items():
            grad, m, v = given[name], ms[name], vs[name]
            next_m = np.multiply(beta_1, m) + np.multiply(1.0 - beta_1, grad)
            next_v = np.multiply(beta_2, v) + np.multiply(1.0 - beta_2, np.square(grad))
            update = next_m / (np.sqrt(next_v) + epsilon)
            if name != "bias":  # _do_use_weight_decay
                update += weight_decay_rate * param
            update_with_lr = learning_rate * update
            params[name], ms[name], vs[name] = param - update_with_lr, next_m, next_v
        snapshot = lambda arrays: {name: array.copy() for name, array in arrays.items()}
        steps.append(dict(norm=norm, values=snapshot(params), exp_avg=snapshot(ms), exp_avg_sq=snapshot(vs)))
    return dict(
        beta1=beta_1, beta2=beta_2, epsilon=epsilon, weight_decay=weight_decay_rate, clip=0, steps=steps
    )


def schedules():
    cases = []
    for name in ("linear", "cosine", "constant", "constant_with_warmup"):
        for warmup, total in ((0, 10), (3, 10), (10, 10), (12, 10), (1, 1)):
            optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
            scheduler = get_scheduler(name, optimizer, warmup, total)
            rates = []
            for _ in range(13):
                rates.append(scheduler.get_last_lr()[0])
                optimizer.step()
                scheduler.step()
            cases.append(dict(name=name, warmup=warmup, total=total, rates=rates))
    return cases


def google_schedules():
    """`create_optimizer` of google-research/bert optimization.py, for an init_lr of 1."""
    cases = []
    for num_warmup_steps, num_train_steps in ((0, 10), (3, 10), (10, 10)):
        rates = []
        for global_step in range(13):
            # tf.train.polynomial_decay(init_lr, global_step, num_train_steps, end_learning_rate=0.0, power=1.0)
            decay_step = min(global_step, num_train_steps)
            learning_rate = (1.0 - 0.0) * (1 - decay_step / num_train_steps) ** 1.0 + 0.0
            if num_warmup_steps:
                is_warmup = float(global_step < num_warmup_steps)
                learning_rate = (1.0 - is_warmup) * learning_rate + is_warmup * (global_step / num_warmup_steps)
            rates.append(learning_rate)
        cases.append(dict(warmup=num_warmup_steps, total=num_train_steps, rates=rates))
    return cases


def decaying():
    """Of every parameter, whether it decays by transformers' rule."""
    config = BertConfig(vocab_size=9, hidden_size=4, num_hidden_layers=2, num_attention_heads=2, intermediate_size=5)
    decays = {}
    for model in (BertForQuestionAnswering(config), BertForPreTraining(config)):
        norms = {id(p) for module in model.modules() if isinstance(module, nn.LayerNorm) for p in module.parameters()}
        decays |= {n: not (id(p) in norms or n.endswith("bias")) for n, p in model.named_parameters()}
    return decays


def main():
    random = np.random.default_rng(5)
    start = {name: random.normal(0, 1, size) for name, size in SIZES.items()}
    gradients = make_gradients(random)
    golden = dict(
        start=start,
        gradients=gradients,
        learning_rates=LEARNING_RATES,
        pytorch=pytorch(start, gradients),
        google=google(start, gradients),
        schedules=schedules(),
        google_schedules=google_schedules(),
        decays=decaying(),
    )
    lines = [f"{json.dumps(key)}: {json.dumps(value, default=lambda a: a.tolist())}" for key, value in golden.items()]
    (OUTPUT / "optim.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print([step["norm"] for step in golden["pytorch"]["steps"]])


main()
