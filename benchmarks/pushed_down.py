"""What a word that is pushed down should do where a picture has less than average of it: floors of its lift, compared.

Queries `a -b`: pairs of words of which a fifth or more of the pictures with `a` have `b` too, and eight or more do not. A
picture is relevant when its captions hold `a` and not `b`. Only the pictures of SOURCE that training kept for validation
are ranked, all of them. Lifts of `a` are floored as searches do.

    python benchmarks/pushed_down.py train.csv [--home FOLDER/.topicidx]
"""

import argparse
import random
from itertools import permutations
from pathlib import Path

import ir_measures
import numpy as np
from ir_measures import AP, P

from topicidx import Settings, Workspace
from topicidx.embedders.topic_space import TopicSpace
from topicidx.embedders.training import split_by_key
from topicidx.indexer.embedded import EmbeddedStore
from topicidx.indexer.keys import point_id
from topicidx.indexer.scoring import LIFT_FLOOR
from topicidx.indexer.sources import SourceRegistry, open_source

FLOORS = (0.01, 0.1, 0.25, 0.5, 1.0, 2.0, float("inf"))
QUERIES, LEAST = 400, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--validation-share", type=float, default=0.1, help="as in training")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    workspace = Workspace.find(Settings.load(home=arguments.home).home)
    space = TopicSpace.load(workspace.space)
    posts = [post for post in open_source(arguments.source).posts() if post.captions]
    _, places = split_by_key([post.image for post in posts], arguments.validation_share)
    keyed = {
        post.path: post.image for post in SourceRegistry(workspace.store).resolve(open_source(arguments.source)).posts()
    }
    chosen = [posts[place] for place in places]
    with EmbeddedStore.open(workspace.store) as store:
        thetas = store.vectors([point_id(keyed[post.path]) for post in chosen]).astype(np.float64)

    ids = space.words.vocabulary.ids
    holds = np.zeros((len(chosen), len(ids)), dtype=bool)
    for row, post in enumerate(chosen):
        stems = {stem for caption in post.captions for stem in space.normalizer.stems(caption)}
        holds[row, [ids[stem] for stem in stems if stem in ids]] = True
    words = np.flatnonzero((holds.sum(axis=0) >= 2 * LEAST) & (holds.mean(axis=0) <= 0.3))
    lifts = thetas @ space.words.vectors("lift", words.tolist()).T.astype(np.float64)
    holds = holds[:, words]
    both = holds.T.astype(int) @ holds.astype(int)
    pairs = [
        (a, b)
        for a, b in permutations(range(len(words)), 2)
        if both[a, b] >= max(6, 0.2 * both[a, a]) and both[a, a] - both[a, b] >= LEAST
    ]
    pairs = random.Random(arguments.seed).sample(pairs, min(QUERIES, len(pairs)))
    print(
        f"{len(chosen)} pictures, {len(pairs)} queries\n\n| floor of the lift pushed down | mAP | P@5 |\n|---|---|---|"
    )
    qrels = {f"{a} -{b}": {str(row): 1 for row in np.flatnonzero(holds[:, a] & ~holds[:, b])} for a, b in pairs}
    for floor in FLOORS:
        run = {}
        for a, b in pairs:
            pushed = np.zeros(len(chosen)) if np.isinf(floor) else np.log(np.maximum(lifts[:, b], floor))
            scores = np.log(np.maximum(lifts[:, a], LIFT_FLOOR)) - pushed
            run[f"{a} -{b}"] = {str(row): float(score) for row, score in enumerate(scores)}
        found = ir_measures.calc_aggregate([AP, P @ 5], qrels, run)
        name = "not pushed down" if np.isinf(floor) else f"{floor:g}"
        print(f"| {name} | {found[AP]:.3f} | {found[P @ 5]:.3f} |", flush=True)


if __name__ == "__main__":
    main()
