"""The peer of bench/vocab.ts: `tokenizers` learns a vocabulary from a file, on one thread.

Reads a JSON line {"text": path, "output": path, "vocabSize": n, "uncased": bool}; answers it with a JSON line.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers


def peak_megabytes():
    """Of this process alone: getrusage() begins with what the parent had."""
    status = Path("/proc/self/status")
    return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) // 1024 if status.exists() else None


def main():
    for line in sys.stdin:
        request = json.loads(line)
        began, cpu_began = time.perf_counter(), time.process_time()
        tokenizer = tokenizers.BertWordPieceTokenizer(lowercase=request["uncased"])
        tokenizer.train([request["text"]], vocab_size=request["vocabSize"], show_progress=False)
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        with open(request["output"], "w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{token}\n" for token, _ in by_id)
        answer = {
            "version": tokenizers.__version__,
            "seconds": seconds,
            "cpuSeconds": cpu_seconds,
            "megabytes": peak_megabytes(),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
