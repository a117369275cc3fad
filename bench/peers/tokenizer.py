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
        began = time.perf_counter()
        for paragraph in paragraphs:
            pieces += len(tokenizer.encode(paragraph, add_special_tokens=False))
        seconds = time.perf_counter() - began
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({"seconds": seconds, "pieces": pieces, "megabytes": memory}), flush=True)


if __name__ == "__main__":
    main()
