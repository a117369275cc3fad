"""Writes test/golden/tokenizers/: what Hugging Face `tokenizers` makes of text that tests can make again.

Run from the project's root, with `tokenizers==0.22.2` (0.23.1 to 0.23.3 lose overflowing windows, their issue 2091):

    python scripts/golden/tokenizer.py                 # everything
    python scripts/golden/tokenizer.py cases windows   # some parts
    python scripts/golden/tokenizer.py corpus --every 1 --output /tmp   # the whole corpus, not one line in 13

Offsets are converted from code points to UTF-16 units. Where the results are many, a golden holds digests of them:
the first 16 hexadecimal digits of the SHA-256 of little-endian int32 numbers: for each text the number of pieces, then
all ids, all starts, all ends.
"""

import argparse
import array
import gzip
import hashlib
import json
import os
import re
from itertools import accumulate
from pathlib import Path

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tokenizers
from tokenizers import AddedToken, BertWordPieceTokenizer

SHARED = Path("../shared/data")
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

MODES = {
    "cased": dict(lowercase=False),
    "uncased": dict(lowercase=True),
    "uncased, accents kept": dict(lowercase=True, strip_accents=False),
    "cased, accents stripped": dict(lowercase=False, strip_accents=True),
    "uncased, not cleaned, ideographs not set apart": dict(
        lowercase=True, clean_text=False, handle_chinese_chars=False
    ),
}


def well_formed(text):
    """The text as Rust sees it: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return re.sub("[\ud800-\udfff]", "\ufffd", joined)


def encode(tokenizer, text):
    """(ids, starts, ends), the offsets in UTF-16 units."""
    text = well_formed(text)
    encoding = tokenizer.encode(text, add_special_tokens=False)
    starts = [start for start, _ in encoding.offsets]
    ends = [end for _, end in encoding.offsets]
    if not text.isascii() and max(text) > "\uffff":
        units = [0, *accumulate(2 if c > "\uffff" else 1 for c in text)]
        starts = [units[i] for i in starts]
        ends = [units[i] for i in ends]
    return encoding.ids, starts, ends


class Digest:
    def __init__(self):
        self.hash = hashlib.sha256()

    def add(self, *lists):
        self.hash.update(array.array("i", [len(lists[0])]).tobytes())
        for numbers in lists:
            self.hash.update(array.array("i", numbers).tobytes())

    def __str__(self):
        return self.hash.hexdigest()[:16]


def digests(tokenizer, blocks):
    result = []
    for block in blocks:
        digest = Digest()
        for text in block:
            digest.add(*encode(tokenizer, text))
        result.append(str(digest))
    return result


# --- a small vocabulary of our own ------------------------------------------------------------------------------------

ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789 àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿßœ ÀÉÎÖÜ "
    "αβγδεζηθικλμνξοπρσςτυφχψω ΑΣΩ абвгдежзийклмнопрстуфхцчшщъыьэюя אבגדהוזחטיכלמנסעפצקרשת ابتثجحخدذرزسشصضطظعغفقكلمنهوي "
    "अआइकखगचजतदनपबभमयरलवसह ािीुूेोंः् กขคงจชดตนบปผพมยรลวสหอ ะาิีึืุูเแโไ กานรถ ขอม កខគរម្ុ தமிழ்பெணக "
    "あいうえおかきくけこさしすせそがぎ アイウエオカキクケコガギ 日本語中文東京大学 한국어각 ᄀᄂᄃᄅᄆᄇᄉᄋᄌᄒ ᅡᅥᅩᅮᅳᅵ ᆨᆫᆯᆼ 👍😀👨👩🇫🇷𝔘"
)
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~–—‘’“”…«»¿¡。、।"
MARKS = "\u0300\u0301\u0302\u0303\u0307\u0308\u030a\u0316\u0323\u0327\u0328\u05b0\u05bc\u064b\u0651\u094d\u302e\u1b44"
WORDS = """the of and in to a was is for as on with by he at from his that it The In Paris paris istanbul ist
strasse Straße naive naïve resume résumé cafe café hello Hello world World mask MASK cls don won isn new NEW
un able aff ing ed er s ly tion ##s ##ing ##ed ##er ##ly ##aff ##able ##tion ##an ##bul ##us ##isi ##t ##ll""".split()


def small_vocabulary():
    characters = sorted(set(ALPHABETS.replace(" ", "") + MARKS))
    pieces = [*SPECIALS, "[unused0]", *PUNCTUATION, *characters, *("##" + c for c in characters), *WORDS]
    return list(dict.fromkeys(pieces))


def dictionary(pieces):
    return {piece: i for i, piece in enumerate(pieces)}


def everything_vocabulary():
    """Every code point of planes 0 and 1 as a piece and as a continuing piece, so that no mapping hides in [UNK]."""
    characters = [chr(c) for c in range(0x21, 0x20000) if not 0xD800 <= c < 0xE000]
    return dictionary([*SPECIALS, *(piece for c in characters for piece in (c, "##" + c))])


# --- cases: named strings ---------------------------------------------------------------------------------------------

CASES = {
    "empty": "",
    "only white space": " \t\n\r\u3000 ",
    "the paper's example": "unaffable unaffables",
    "punctuation": "Hello, World! (don't) -- a.b;c",
    "ascii symbols": "1+1=2 $5 <a|b> ^_^ `x` ~y",
    "typographic punctuation": "“Hello”—‘world’… «naïve» ¿café?",
    "lower and upper case": "The PARIS paris ÉCOLE école",
    "accents composed": "résumé naïve café Ångström",
    "accents decomposed": "re\u0301sume\u0301 nai\u0308ve A\u030angstro\u0308m",
    "accents alone": "\u0301 a \u0301 \u0301\u0316",
    "marks out of order": "e\u0301\u0316 e\u0316\u0301 é\u0316 é\u0327",
    "viramas keep their place": "e\u0301\u094d e\u1b44\u0301 é\u1b44\u0316 \u302ea\u0301\u302e",
    "sharp s": "Straße STRASSE ẞ",
    "Turkish dotted I": "İstanbul ISTANBUL ısı İ\u0301",
    "final sigma": "ΣΑΣ σας ΟΔΟΣ. ΟΔΟΣ",
    "titlecase and ligatures": "ǅ ﬁne Ǆ Ÿ",
    "singleton decompositions": "K Å Ω ; ` \u2000 \u212b",
    "Cyrillic": "Привет, мир! Ёлка й",
    "Hebrew with points": "שָׁלוֹם עולם",
    "Arabic with harakat": "مَرْحَبًا بالعالم",
    "mixed directions": "\u202babc \u05d0\u05d1\u202c def\u200e,",
    "Devanagari": "नमस्ते दुनिया।",
    "Tamil": "தமிழ் பெண்",
    "Thai": "ภาษาไทย กำ",
    "Khmer": "ក្រុម",
    "kana with voicing marks": "ガギ か\u3099 が",
    "ideographs": "日本語の本 abc中文def 東京",
    "ideographs of compatibility": "\uf900\ufa6c\U0002f800 豈",
    "ideographs of extension B": "a\U00020000b\U0002a6d6c \U0002b820 \U00030000",
    "Hangul": "한국어 각각 \u1112\u1161\u11ab",
    "emoji": "👍 hello😀world 😀😀",
    "emoji sequences": "👨‍👩‍👧 🇫🇷 👍🏽 ❤️ 1️⃣",
    "mathematical letters": "𝔘𝔫𝔦 a𝔘b",
    "zero width": "he\u200bllo w\u200dorld \ufeffthe a\u00adb \u2060",
    "control characters": "a\u0000b c\u0001d\u007f e\u0085f \u0007",
    "only control characters": "\u0000\u0001\u200b",
    "replacement character": "a\ufffdb \ufffd",
    "every space": "a\u00a0b\u1680c\u2003d\u2028e\u2029f\u202fg\u205fh\u3000i\u000bj\u000ck",
    "unassigned and private": "a\u0378b a\ue000b \U000e0001 \U0010fffd \U0010ffff",
    "lone surrogates": "a\ud800b \udc00 the\udfff \ud83d \ud83dx",
    "special tokens": "[CLS] the [MASK] of[SEP]Paris[PAD][UNK]",
    "not special tokens": "[mask] [ MASK ] [MASK [CLS [unused0] [CLS",
    "special token in a word": "un[MASK]able [MASK][MASK]",
    "special token beside marks": "[MASK]\u0301e \u0301[MASK]",
    "word of 100": "a" * 100,
    "word of 101": "b" + "a" * 100,
    "word of 100 beyond the basic plane": "𝔘" * 100,
    "word of 101 beyond the basic plane": "𝔘" * 101,
    "word of 200 then more": "a" * 200 + " the",
    "long word with an accent": "a" * 99 + "\u0301" + "a",
    "long word lengthened by decomposition": "각" * 50,
    "continuation marks in text": "##ing # #ing un##able",
    "unknown characters": "the ☃ ☃the the☃ ☃☃ of",
    "unknown in the middle": "un☃able",
    "numbers and units": "3.14 1,000 10km 5µm 20°C ½ x²",
    "white space at both ends": "  the  of  ",
}


def cases():
    vocabulary = dictionary(small_vocabulary())
    result = {"modes": {}, "texts": CASES}
    modes = {name: (options, 100) for name, options in MODES.items()}
    modes["cased, words up to 200"] = (MODES["cased"], 200)
    for name, (options, longest) in modes.items():
        tokenizer = BertWordPieceTokenizer(vocabulary, **options)
        tokenizer._tokenizer.model.max_input_chars_per_word = longest
        expected = {}
        for title, text in CASES.items():
            ids, starts, ends = encode(tokenizer, text)
            expected[title] = dict(
                tokens=" ".join(tokenizer.id_to_token(i) for i in ids),
                starts=starts,
                ends=ends,
                decoded=tokenizer.decode(ids),
            )
            with_specials = tokenizer.decode(ids, skip_special_tokens=False)
            if with_specials != expected[title]["decoded"]:
                expected[title]["decodedWithSpecials"] = with_specials
        result["modes"][name] = expected
    return result


# --- every code point, and random strings of awkward ones -----------------------------------------------------------

CODE_POINTS_PER_TEXT = 64
TEXTS_PER_BLOCK = 64


def code_point_text(first):
    """Each code point alone and in a word; in planes with a vocabulary also among accents of low and high classes."""
    with_accents = first < 0x20000
    return " ".join(
        f"{c} a{c}b {c}\u0301 a\u0345{c}\u0327x" if with_accents else f"{c} a{c}b"
        for c in (chr(i) for i in range(first, first + CODE_POINTS_PER_TEXT))
    )


def code_points():
    block = CODE_POINTS_PER_TEXT * TEXTS_PER_BLOCK
    vocabulary = everything_vocabulary()
    result = dict(codePointsPerText=CODE_POINTS_PER_TEXT, textsPerBlock=TEXTS_PER_BLOCK, modes={})
    for name, options in MODES.items():
        planes = 0x11 if name in ("cased", "uncased") else 2
        tokenizer = BertWordPieceTokenizer(vocabulary, **options)
        result["modes"][name] = digests(
            tokenizer,
            (
                [code_point_text(c) for c in range(first, first + block, CODE_POINTS_PER_TEXT)]
                for first in range(0, planes << 16, block)
            ),
        )
    return result


RANGES = [
    (0x20, 0x7F), (0x0, 0x250), (0x250, 0x600), (0x300, 0x370), (0x590, 0x800), (0x900, 0xE00), (0xE00, 0x2000),
    (0x1A00, 0x1D00), (0x2000, 0x2100), (0x3000, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4), (0xD800, 0xE000),
    (0xF900, 0x10000), (0x10000, 0x11000), (0x11000, 0x11E00), (0x16F00, 0x17000), (0x1D100, 0x1D200),
    (0x1F300, 0x1FB00), (0x20000, 0x30000), (0xE0000, 0xE0200), (0x0, 0x110000),
]  # fmt: skip
GLUE = [" ", " ", " ", "", "", ".", ",", "-", "\n", "\u0301", "\u0316", "\u094d", "\u302e", "\u200d", "a", "E", "[MASK]"]


class Lehmer:
    """The generator of Park and Miller with multiplier 48271: exact in doubles, so that tests can repeat it."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = self.state * 48271 % 0x7FFFFFFF
        return self.state % bound


def random_text(random, fragments):
    parts = []
    for _ in range(1 + random.below(10)):
        if random.below(2):
            parts.append(fragments[random.below(len(fragments))])
        else:
            first, end = RANGES[random.below(len(RANGES))]
            parts.append(chr(first + random.below(end - first)))
        parts.append(GLUE[random.below(len(GLUE))])
    return "".join(parts)


def random_strings():
    fragments = sorted({word for text in CASES.values() for word in text.split(" ") if 0 < len(word) < 20})
    settings = dict(seed=1810, blocks=20, textsPerBlock=500)
    result = dict(**settings, fragments=fragments, ranges=RANGES, glue=GLUE, modes={})
    for name, options in MODES.items():
        tokenizer = BertWordPieceTokenizer(dictionary(small_vocabulary()), **options)
        random = Lehmer(settings["seed"])
        result["modes"][name] = digests(
            tokenizer,
            (
                [random_text(random, fragments) for _ in range(settings["textsPerBlock"])]
                for _ in range(settings["blocks"])
            ),
        )
    return result


# --- added tokens, as tokenizer.json has them -----------------------------------------------------------------------

ADDED_TOKENS = {
    "literal": [AddedToken("<e>", normalized=False), AddedToken("<e><f>", normalized=False)],
    "normalized": [AddedToken("Café", normalized=True), AddedToken("new world", normalized=True)],
    "single word": [AddedToken("un", single_word=True, normalized=False), AddedToken("é", single_word=True)],
    "white space": [
        AddedToken("<l>", lstrip=True, normalized=False),
        AddedToken("<r>", rstrip=True, normalized=False),
        AddedToken("<b>", lstrip=True, rstrip=True, normalized=True),
    ],
    "in the vocabulary": [AddedToken("the", normalized=True), AddedToken("日", normalized=False)],
    "special": [AddedToken("<s>", special=True), AddedToken("[NEW]", special=True, normalized=False)],
}
ADDED_TOKEN_TEXTS = [
    "<e> <E> <e><f><e>the<f>",
    "CAFÉ cafe cafés Cafe\u0301 new  world New World newworld new world",
    "un unable un-able [un] Un é É e\u0301 éa _é 1un un1 un\u0301",
    "a <l> b<l>\t<r>\u00a0 c <b> <b>\u3000<b> d<l>  <r>",
    "The theme the日本 日 thethe",
    "<s><S>[NEW] [new] <s>[MASK]<e>",
    "  <b>  ",
    "\u200b<l>\u200b<r>\u200bthe",
    "😀<e>😀un😀 Café😀the",
]


def added_tokens():
    result = dict(texts=ADDED_TOKEN_TEXTS, tokenizers=[])
    for title, tokens in ADDED_TOKENS.items():
        for mode in ("cased", "uncased"):
            tokenizer = BertWordPieceTokenizer(dictionary(small_vocabulary()), **MODES[mode])
            for token in tokens:
                (tokenizer.add_special_tokens if token.special else tokenizer.add_tokens)([token])
            description = json.loads(tokenizer.to_str())
            del description["model"]["vocab"]  # it is vocab.txt
            result["tokenizers"].append(
                dict(
                    name=f"{title}, {mode}",
                    json=description,
                    expected=[encode(tokenizer, text) for text in ADDED_TOKEN_TEXTS],
                )
            )
    return result


# --- windows over pairs ---------------------------------------------------------------------------------------------


def windows():
    random = Lehmer(384128)
    words = "the of Paris unaffable un able , . cafés 日本 istanbul 😀 don't résumé".split(" ")
    tokenizer = BertWordPieceTokenizer(dictionary(small_vocabulary()), lowercase=False)
    result = []
    while len(result) < 120:
        first, second = (" ".join(words[random.below(len(words))] for _ in range(random.below(25))) for _ in range(2))
        if random.below(4) == 0:
            second = None
        strategy = ["longest_first", "only_first", "only_second"][random.below(3)]
        max_length, stride = 8 + random.below(30), random.below(6)
        case = dict(first=first, second=second, strategy=strategy, maxLength=max_length, stride=stride)
        tokenizer.enable_truncation(max_length, stride=stride, strategy=strategy)
        try:
            encoding = tokenizer.encode(first, second)
        except BaseException as error:  # the stride assertion is a Rust panic
            if "too short" not in str(error) and "not provided" not in str(error) and "stride" not in str(error):
                raise
            result.append(case | dict(refused=True))
            continue
        tokenizer.no_truncation()
        digest = Digest()
        listed = [encoding, *encoding.overflowing]
        for window in listed:
            texts = {0: first, 1: second, None: ""}
            offsets = [
                [len(texts[s][:i].encode("utf-16-le")) // 2 for i in pair]
                for s, pair in zip(window.sequence_ids, window.offsets)
            ]
            digest.add(
                window.ids,
                window.type_ids,
                [start for start, _ in offsets],
                [end for _, end in offsets],
                [-1 if s is None else s for s in window.sequence_ids],
                window.special_tokens_mask,
            )
        result.append(case | dict(lengths=[len(window.ids) for window in listed], digest=str(digest)))
    return result


# --- a trained vocabulary -------------------------------------------------------------------------------------------

SYLLABLES = """ba be bo da de di ka ke ko la le lo ma me mi na ne no ra re ri sa se so ta te ti un ing er ed ly str
é ü жа 日""".split()


def training():
    """Words with counts so far apart that no two pairs are equally frequent, where the trainers might differ."""
    return trained(
        SYLLABLES,
        ((False, 200, 2, 1000), (True, 150, 2, 1000), (False, 400, 1500, 1000), (False, 120, 2, 20)),
    )


AWKWARD_SYLLABLES = [
    "a", "B", "é", "e\u0301", "İ", "ß", "ǆ", "ﬁ", "Å", "x\u0316\u0301", "ά", "Σ", "日", "本", "が", "か\u3099", "ー", "한", "ᄒ\u1161",
    "क\u094d", "ष", "กำ", "ש\u05c1", "ا", "\u200b", "\u200d", "\ufeff", "\ufffd", "\u00ad", "\u0085", "\u2028", "\u3000", "\U00020000",
    "\uf9d0", "\ufacf", "\U0001f600", "\U0001f469\u200d\U0001f469", "\U0001f1e9\U0001f1ea", "\u2764\ufe0f", "\U0001d4b3", "\U00010400", "'", "—",
    "。", "¿", "\x07", "\ue000", "\U000f0000", "1", "٣", "½",
]  # fmt: skip


def training_unicode():
    """
    The same with what normalisation drops, splits, joins and reorders, and characters of two UTF-16 units. The sizes are
    such that no pair is chosen among equally frequent ones: tokenizers does that by chance, from run to run.
    """
    return trained(AWKWARD_SYLLABLES, ((False, 122, 2, 1000), (True, 160, 2, 1000), (True, 90, 2, 30)))


def trained(syllables, settings):
    random = Lehmer(30522)
    counts = {}
    while len(counts) < 150:
        word = "".join(syllables[random.below(len(syllables))] for _ in range(1 + random.below(4)))
        counts[word] = 1 + random.below(3000)
    result = dict(counts=counts, vocabularies=[])
    for lowercase, vocab_size, min_frequency, limit_alphabet in settings:
        tokenizer = BertWordPieceTokenizer(lowercase=lowercase)
        tokenizer.train_from_iterator(
            (f"{word} " * count for word, count in counts.items()),
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            limit_alphabet=limit_alphabet,
            show_progress=False,
        )
        result["vocabularies"].append(
            dict(
                lowercase=lowercase,
                vocabSize=vocab_size,
                minFrequency=min_frequency,
                limitAlphabet=limit_alphabet,
                tokens=sorted(tokenizer.get_vocab()),
            )
        )
    return result


# --- megabytes of text ------------------------------------------------------------------------------------------------

LINES_PER_BLOCK = 1000


def in_blocks(texts):
    texts = list(texts)
    return (texts[i : i + LINES_PER_BLOCK] for i in range(0, len(texts), LINES_PER_BLOCK))


def corpus(every=13):
    """Every 13th line of the prose comes to 20 MB; the question-answering sets are taken whole."""
    shared = {
        mode: BertWordPieceTokenizer(str(SHARED / f"vocab/bert-{mode}/vocab.txt"), **MODES[mode])
        for mode in ("cased", "uncased")
    }
    result = dict(every=every, linesPerBlock=LINES_PER_BLOCK, text={}, qa={})
    for name in ("wikipedia", "novels"):
        with gzip.open(SHARED / f"text/{name}.txt.gz", "rt", encoding="utf-8", newline="\n") as file:
            lines = [line.rstrip("\n") for i, line in enumerate(file, 1) if i % every == 0]
        result["text"][name] = dict(bytes=sum(len(line.encode()) for line in lines)) | {
            mode: digests(tokenizer, in_blocks(lines)) for mode, tokenizer in shared.items()
        }
    for path in sorted((SHARED / "qa").glob("*.json.gz")):
        paragraphs = [p for article in json.load(gzip.open(path))["data"] for p in article["paragraphs"]]
        texts = [text for p in paragraphs for text in (p["context"], *(qa["question"] for qa in p["qas"]))]
        result["qa"][path.name] = dict(texts=len(texts)) | {
            mode: digests(tokenizer, in_blocks(texts)) for mode, tokenizer in shared.items()
        }
    return result


def main():
    parts = dict(
        cases=cases,
        code_points=code_points,
        random_strings=random_strings,
        added_tokens=added_tokens,
        windows=windows,
        training=training,
        training_unicode=training_unicode,
        corpus=corpus,
    )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(parts), help=", ".join(parts))
    parser.add_argument("--every", type=int, default=13, help="of the corpus, which lines")
    parser.add_argument("--output", type=Path, default=Path("test/golden/tokenizers"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "vocab.txt").write_text("".join(f"{piece}\n" for piece in small_vocabulary()), newline="\n")
    for part in arguments.parts:
        content = corpus(arguments.every) if part == "corpus" else parts[part]()
        golden = dict(madeBy=f"scripts/golden/tokenizer.py {part}, tokenizers {tokenizers.__version__}", content=content)
        path = arguments.output / f"{part.replace('_', '-')}.json"
        path.write_text(json.dumps(golden, separators=(",", ":")) + "\n")
        print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
