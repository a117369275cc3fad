"""The peer of bench/tokenizer.ts: `tokenizers` on one thread, one call a paragraph.

Reads one JSON line {"text": path, "vocabularies": {mode: path}}, then a mode a line; answers each with a JSON line.
"""

import json
import os
import resource
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers


def main():
    request = json.loads(sys.stdin.readline())
    with open(request["text"], encoding="utf-8", newline="\n") as file:
        paragraphs = file.read().split("\n")
    loaded = {
        mode: tokenizers.BertWordPieceTokenizer(path, lowercase=mode == "uncased")
        for mode, path in request["vocabularies"].items()
    }
    print(json.dumps({"version": tokenizers.__version__}), flush=True)
    for line in sys.stdin:
        tokenizer = loaded[line.strip()]
        pieces = 0
        began, cpu_began = time.perf_counter(), time.process_time()
        for paragraph in paragraphs:
            pieces += len(tokenizer.encode(paragraph, add_special_tokens=False))
        answer = {
            "seconds": time.perf_counter() - began,
            "cpuSeconds": time.process_time() - cpu_began,
            "pieces": pieces,
            "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
