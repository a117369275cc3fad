"""What transformers makes of series of evaluations, and the fields of its trainer_state.json: test/golden/training/best-model.json.

    python -P scripts/golden/best_model.py test/golden/training/best-model.json
"""

import dataclasses
import json
import random
import sys
from types import SimpleNamespace

from transformers import EarlyStoppingCallback, Trainer
from transformers.trainer_callback import TrainerControl, TrainerState
from transformers.trainer_utils import SaveStrategy

random.seed(5)


def judged(values, greater, patience, threshold):
    """For each evaluation until the run stops: whether it is the best, the best so far, and the count of patience."""
    args = SimpleNamespace(
        greater_is_better=greater,
        metric_for_best_model="f1",
        save_strategy=SaveStrategy.STEPS,
    )
    state, control = TrainerState(), TrainerControl()
    callback = EarlyStoppingCallback(patience, threshold)
    trainer = SimpleNamespace(args=args, state=state)
    rows = []
    for i, value in enumerate(values, 1):
        state.global_step = 10 * i
        callback.on_evaluate(args, state, control, {"eval_f1": value})
        best = Trainer._determine_best_metric(trainer, {"eval_f1": value}, None)
        count = callback.early_stopping_patience_counter
        rows.append([bool(best), state.best_metric, state.best_global_step, count, control.should_training_stop])
        if control.should_training_stop:
            break
    return rows


cases = []
for greater in (True, False):
    for patience, threshold in ((1, 0.0), (3, 0.0), (2, 0.5), (4, 2.0), (12, 0.1)):
        for _ in range(3):
            values = [round(random.gauss(80 + i * (1 if greater else -1) * 0.4, 1.5), 1) for i in range(13)]
            rows = judged(values, greater, patience, threshold)
            cases.append({"values": values, "greater": greater, "patience": patience, "threshold": threshold, "rows": rows})

fields = sorted(field.name for field in dataclasses.fields(TrainerState))
with open(sys.argv[1], "w") as file:
    json.dump({"fields": fields, "cases": cases}, file, allow_nan=False)
    file.write("\n")
