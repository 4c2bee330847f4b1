"""The queries of the follow-up paper over one's own pictures, on one contact sheet: twelve words and twelve pairs of words.

Those with a word that the vocabulary does not know are left out, and named. Source of the queries: Gomez et al.,
"Learning to Learn from Web Data through Deep Semantic Embeddings" (2018).

    python benchmarks/sheet.py sheet.html [--home FOLDER/.topicidx] [--limit 8] [--where CONDITION]
"""

import argparse
from pathlib import Path

from topicidx.errors import UnknownWordError
from topicidx.indexer import Index
from topicidx.indexer.contact_sheet import Sheet, write_contact_sheet

WORDS = ("car", "skyline", "bike", "sunrise", "snow", "rain", "icecream", "cake", "pizza", "woman", "man", "kid")
PAIRS = (
    "yellow car", "skyline night", "bike park", "sunrise beach", "snow ski", "rain umbrella", "icecream beach", "chocolate cake",
    "pizza wine", "woman bag", "man boat", "kid dog",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--limit", type=int, default=8)
    parser.add_argument("--where")
    arguments = parser.parse_args()
    sheets = []
    with Index.open(arguments.home) as index:
        for query in (*WORDS, *PAIRS):
            try:
                found = index.search(query, limit=arguments.limit, where=arguments.where)
            except UnknownWordError as error:
                print(f"left out: {query}: {error}")
                continue
            if found.unknown:
                print(f"left out: {query}: {'; '.join(map(str, found.unknown))}")
            else:
                sheets.append(Sheet(found, ", ".join(f"{hit.score:.3g}" for hit in found)))
    introduction = ["Words and pairs of words of the follow-up paper that the vocabulary knows; each with its scores."]
    write_contact_sheet(arguments.sheet, "topicidx: words and pairs", introduction, sheets)
    print(f"{len(sheets)} queries in {arguments.sheet}")


if __name__ == "__main__":
    main()
