"""An event file by TensorBoard's own record writer and messages, and PyTorch's summaries: test/golden/reports.

    pip install tensorboard torch
    python scripts/golden/tensorboard_events.py test/golden/reports
"""

import json
import sys
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard.summary import scalar, text

BEGIN = 1_700_000_000
TEXT = "| a | b |\n|---|---|\n| learning rate | 3e-05, später |"
NAN = float("nan")
SCALARS = [(13, "train/loss", 5.95), (13, "train/learning_rate", 2.5e-5), (300, "eval/f1", 71.25), (2**33, "train/loss", NAN)]

events = [
    {"file_version": "brain.Event:2"},
    {"step": 13, "session_log": SessionLog(status=SessionLog.START)},
    {"summary": text("configuration", TEXT)},
    *({"step": step, "summary": scalar(tag, value)} for step, tag, value in SCALARS),
]
directory = Path(sys.argv[1])
writer = RecordWriter(open(directory / "tensorboard.tfevents", "wb"))
for tick, event in enumerate(events):
    writer.write(Event(wall_time=BEGIN + tick / 4, **event).SerializeToString())
writer.close()

scalars = [[step, tag, value if value == value else None] for step, tag, value in SCALARS]
golden = {"begin": BEGIN, "text": TEXT, "scalars": scalars}
(directory / "tensorboard.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
