"""Sentences of film reviews with what people think of them, as two files for `bertram classify`.

    python scripts/movie_reviews.py DIRECTORY

writes DIRECTORY/train.tsv and DIRECTORY/test.tsv. The data lie in the source package of vaderSentiment 3.3.2 (MIT
licence), which pip downloads: 10,605 sentences of Rotten Tomatoes reviews, of the collection of Pang and Lee, each rated by
20 people from -4 to 4 (Hutto and Gilbert, "VADER: A parsimonious rule-based model for sentiment analysis of social media
text", ICWSM 2014). A sentence is positive or negative as its mean rating is; those with a mean of zero and repeated ones are left
out. Every fifth number is for the test, as the collection numbers them.
"""

import hashlib
import io
import pathlib
import subprocess
import sys
import tarfile
import tempfile

PACKAGE = "vaderSentiment==3.3.2"
SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
ARCHIVE = "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz"
RATINGS = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
TEST_EVERY = 5


def download():
    """The package, as bytes."""
    with tempfile.TemporaryDirectory() as directory:
        options = ["--quiet", "--no-deps", "--no-binary", ":all:", "--dest", directory]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, PACKAGE], check=True)
        (path,) = pathlib.Path(directory).iterdir()
        data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        sys.exit(f"{PACKAGE}: expected SHA-256 {SHA256}, got {found}")
    return data


def rated_sentences(package):
    """Number, mean rating and text of each sentence."""
    with tarfile.open(fileobj=io.BytesIO(package)) as outer:
        archive = outer.extractfile(ARCHIVE).read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as inner:
        lines = inner.extractfile(RATINGS).read().decode("utf-8").split("\r\n")
    for line in lines:
        if line:
            number, rating, text = line.split("\t")
            yield int(number), float(rating), " ".join(text.split())


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    rows = {"train": [], "test": []}
    seen = set()
    for number, rating, text in rated_sentences(download()):
        if rating == 0 or text in seen:
            continue
        seen.add(text)
        label = "positive" if rating > 0 else "negative"
        rows["test" if number % TEST_EVERY == 0 else "train"].append(f"{text}\t{label}\n")
    for name, lines in rows.items():
        (directory / f"{name}.tsv").write_text("text\tlabel\n" + "".join(lines), encoding="utf-8")
        positive = sum(line.endswith("\tpositive\n") for line in lines)
        print(f"{name}.tsv: {len(lines)} sentences, {positive} positive")


if __name__ == "__main__":
    main()
