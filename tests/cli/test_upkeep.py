"""The commands that keep a store in order, and those on a server, as people run them."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.qdrant import QdrantDouble

Run = Callable[..., subprocess.CompletedProcess[str]]
Paint = Callable[..., Path]
Do = Callable[..., Any]
BLUE, GREY, BROWN = (30, 80, 220), (120, 120, 120), (90, 50, 20)


@pytest.fixture
def home(space_folder: Path, tmp_path: Path, paint: Paint) -> Path:
    """A workspace with a topic space, and a folder of six pictures that is not indexed yet."""
    shutil.copytree(space_folder, tmp_path / ".topicidx" / "space")
    for number, colour in enumerate((BLUE, GREY, BROWN) * 2):
        paint(tmp_path / "photos" / ("london" if number < 3 else "paris") / f"{number}.jpg", colour)
    return tmp_path


@pytest.fixture
def do(colour_cli: Run, home: Path) -> Do:
    """do("ingest", "photos"): runs a command in the workspace and gives what it prints with --json."""

    def do(*arguments: object, **env: str) -> Any:
        json_too = ["--format", "json"] if arguments[0] == "query" else ["--json"]
        done = colour_cli(*arguments, *json_too, cwd=home, **env)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return do


@pytest.fixture
def refused(colour_cli: Run, home: Path) -> Callable[..., str]:
    """refused(code, "ingest", ...): what is said by a command that ends with this exit code."""

    def refused(code: int, *arguments: object, **env: str) -> str:
        done = colour_cli(*arguments, cwd=home, **env)
        assert done.returncode == code, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stderr

    return refused


def images(found: dict[str, Any]) -> set[str]:
    return {hit["image"].partition("/")[2] for hit in found["results"]}


def test_pictures_that_are_gone_are_removed_when_asked_and_brought_back_by_a_rollback(
    home: Path, do: Do, colour_cli: Run
) -> None:
    do("ingest", "photos")
    (home / "photos" / "london" / "0.jpg").unlink()
    planned = do("ingest", "photos", "--prune", "--dry-run")
    assert (planned["dry_run"], planned["pruned"], planned["points"]) == (True, 1, 5)
    assert len(do("query", "beach")["results"]) == 6
    told = colour_cli("ingest", "photos", "--dry-run", cwd=home)
    assert told.stdout.startswith("would be done: 0 indexed, 5 unchanged, 0 skipped; the store would hold 6 pictures")
    assert "--prune" in told.stderr
    assert do("ingest", "photos", "--prune")["points"] == 5
    assert "london/0.jpg" not in images(do("query", "beach"))
    assert do("rollback") == {"from": "g000002", "to": "g000001", "pictures": 6}
    assert "london/0.jpg" in images(do("query", "beach"))
    assert do("rollback")["pictures"] == 5
    assert do("info")["store"]["previous_generation"] == "g000001"


def test_there_is_nothing_to_roll_back_to_after_the_first_ingest(do: Do, refused: Callable[..., str]) -> None:
    assert "there is no collection" in refused(1, "rollback")
    do("ingest", "photos")
    assert "no generation before g000001" in refused(1, "rollback")


def test_a_rebuild_holds_this_source_alone(home: Path, do: Do, paint: Paint) -> None:
    paint(home / "other" / "9.jpg")
    do("ingest", "photos")
    assert do("ingest", "other")["points"] == 7
    assert do("ingest", "photos", "--rebuild")["points"] == 6
    assert do("rollback")["pictures"] == 7


def test_sources_are_listed_and_moved(home: Path, do: Do, refused: Callable[..., str], paint: Paint) -> None:
    do("ingest", "photos")
    paint(home / "elsewhere" / "photos" / "0.jpg")
    do("ingest", "elsewhere/photos")
    do("ingest", "photos")
    listed = {entry["source"]: entry for entry in do("sources")}
    assert {name: entry["pictures"] for name, entry in listed.items()} == {"photos": 6, "photos-2": 1}
    assert listed["photos"]["root"] == str(home / "photos")
    (home / "photos").rename(home / "archive")
    assert [entry["there"] for entry in do("sources")] == [False, True]
    (home / "empty").mkdir()
    assert "none of 6 pictures of 'photos' is below" in refused(1, "relocate", "photos", "empty")
    assert "there is no source 'fotos'; the store knows photos, photos-2" in refused(1, "relocate", "fotos", "archive")
    assert "there is no folder" in refused(1, "relocate", "photos", "nowhere")
    assert "two sources cannot share a root" in refused(1, "relocate", "--force", "photos", "elsewhere/photos")
    assert do("relocate", "photos", "archive")["found"] == 6
    again = do("ingest", "archive")
    assert (again["decoded"], again["unchanged"], again["points"]) == (0, 6, 7)
    paths = [hit["path"] for hit in do("query", "beach", "--city", "london")["results"]]
    assert paths
    assert all(path.startswith(str(home / "archive")) for path in paths)


def test_a_source_is_called_what_it_is_told(home: Path, do: Do, refused: Callable[..., str]) -> None:
    do("ingest", "photos", "--name", "holiday 2019")
    assert [entry["source"] for entry in do("sources")] == ["holiday 2019"]
    assert "belongs to the source 'holiday 2019'" in refused(1, "ingest", "photos/london", "--name", "london")
    shutil.copytree(home / "photos", home / "moved")
    said = refused(1, "ingest", "moved", "--name", "holiday 2019")
    assert "topicidx relocate holiday 2019" in said
    assert "cannot be a source's name" in refused(1, "ingest", "moved", "--name", "a/b")


def test_a_folder_around_a_source_leaves_it_what_its_own_captions_say(home: Path, do: Do, colour_cli: Run) -> None:
    (home / "photos" / "captions.csv").write_text("image,caption,city,likes\nlondon/0.jpg,a caption,Oslo,7\n")
    do("ingest", "photos", "--index-field", "likes:integer")
    again = do("ingest", ".")
    assert (again["unchanged"], again["updated"], again["points"]) == (6, 0, 6)
    assert [entry["source"] for entry in do("sources")] == ["photos"]  # the folder around has no pictures of its own
    assert images(do("query", "beach", "--where", "likes = 7 and city = oslo")) == {"london/0.jpg"}
    part = colour_cli("ingest", "photos/london", cwd=home)
    assert "is a part of the source 'photos'" in part.stderr


def test_a_source_without_pictures_gets_no_name(home: Path, do: Do, refused: Callable[..., str]) -> None:
    do("ingest", "photos")
    (home / "empty").mkdir()
    assert "no pictures" in refused(1, "ingest", "empty")
    assert [entry["source"] for entry in do("sources")] == ["photos"]


def test_a_source_is_forgotten_with_all_its_pictures(
    home: Path, do: Do, refused: Callable[..., str], paint: Paint
) -> None:
    paint(home / "other" / "9.jpg")
    do("ingest", "photos")
    do("ingest", "other")
    shutil.rmtree(home / "photos")
    assert do("forget", "photos", "--dry-run") == {"source": "photos", "dry_run": True, "removed": 6, "pictures": 1}
    assert len(do("query", "beach")["results"]) == 7
    assert do("forget", "photos") == {"source": "photos", "dry_run": False, "removed": 6, "pictures": 1}
    assert images(do("query", "beach")) == {"9.jpg"}
    assert [entry["source"] for entry in do("sources")] == ["other"]
    assert "there is no source 'photos'" in refused(1, "forget", "photos")
    assert do("rollback")["pictures"] == 7


def test_a_rebuild_says_what_it_leaves_out(home: Path, do: Do, colour_cli: Run, paint: Paint) -> None:
    paint(home / "other" / "9.jpg")
    do("ingest", "photos")
    do("ingest", "other")
    planned = colour_cli("ingest", "other", "--rebuild", "--dry-run", cwd=home)
    assert "6 pictures of 'photos' would not be in it" in planned.stderr
    done = colour_cli("ingest", "other", "--rebuild", cwd=home)
    assert "6 pictures of 'photos' are not in it any more" in done.stderr
    assert do("rollback")["pictures"] == 7


def test_a_rebuild_of_a_source_with_a_number_says_what_it_leaves_out_too(
    home: Path, do: Do, colour_cli: Run, paint: Paint
) -> None:
    paint(home / "more" / "photos" / "9.jpg")
    do("ingest", "photos")
    do("ingest", "more/photos")
    done = colour_cli("ingest", "more/photos", "--rebuild", cwd=home)
    assert "6 pictures of 'photos' are not in it any more" in done.stderr
    assert "photos-2" not in done.stderr


def test_a_store_whose_pointer_is_damaged_or_lost_is_mended_by_a_rollback(
    home: Path, do: Do, refused: Callable[..., str], paint: Paint
) -> None:
    do("ingest", "photos")
    paint(home / "photos" / "new.jpg")
    do("ingest", "photos")
    pointer = home / ".topicidx" / "store" / "photos" / "current.json"
    for content in ("{", None):
        pointer.unlink()
        if content:
            pointer.write_text(content)
        assert "topicidx rollback" in refused(1, "query", "beach")
        assert "topicidx rollback" in refused(1, "ingest", "photos")
        assert do("rollback")["pictures"] == 7
        assert len(do("query", "beach")["results"]) == 7


def test_a_column_that_no_picture_has_is_named(do: Do, colour_cli: Run, home: Path) -> None:
    do("ingest", "photos")
    told = colour_cli("query", "beach", "--where", "citty = london", cwd=home)
    assert (told.returncode, told.stdout) == (0, "")
    assert "no picture has a field 'citty'" in told.stderr
    assert "no picture has" not in colour_cli("query", "beach", "--where", "width > 1", cwd=home).stderr


def test_exact_copies_are_reported_listed_and_collapsed(home: Path, do: Do, colour_cli: Run) -> None:
    shutil.copy(home / "photos" / "london" / "0.jpg", home / "photos" / "paris" / "copy.jpg")
    done = colour_cli("ingest", "photos", cwd=home)
    assert "1 pictures in the store are exact copies" in done.stderr
    assert do("duplicates") == [["photos/london/0.jpg", "photos/paris/copy.jpg"]]
    assert len(do("query", "beach", "--limit", 3)["results"]) == 3
    unique = do("query", "beach", "--limit", 6, "--unique")["results"]
    assert len(unique) == 6
    assert len({hit["image"] for hit in unique} & {"photos/london/0.jpg", "photos/paris/copy.jpg"}) == 1


def test_queries_are_narrowed_by_what_is_known_of_pictures(home: Path, do: Do, refused: Callable[..., str]) -> None:
    (home / "photos" / "captions.csv").write_text(
        "image,caption,author,likes\nlondon/0.jpg,x,Ann,7\nparis/3.jpg,x,Ann,12\nparis/4.jpg,x,Bob,100\n"
    )
    do("ingest", "photos", "--index-field", "author:keyword", "--index-field", "likes:integer")
    assert do("info")["store"]["indexed_fields"]["likes"] == "integer"
    assert images(do("query", "beach", "--where", "author = Ann and likes > 7")) == {"paris/3.jpg"}
    assert images(do("query", "beach", "--where", "likes >= 12", "--city", "paris")) == {"paris/3.jpg", "paris/4.jpg"}
    assert images(do("query", "beach", "--where", "city in (London, Rome) and author is missing")) == {
        "london/1.jpg", "london/2.jpg",
    }  # fmt: skip
    assert "likes > many\n" in refused(2, "query", "beach", "--where", "likes > many")
    assert "write FIELD:TYPE" in refused(2, "ingest", "photos", "--index-field", "likes")
    assert "--rebuild" in refused(1, "ingest", "photos", "--index-field", "likes:keyword")


def test_what_a_killed_ingest_left_is_kept_until_it_is_asked_for(
    home: Path, do: Do, colour_cli: Run, paint: Paint
) -> None:
    do("ingest", "photos")
    paint(home / "photos" / "new.jpg")
    collection = home / ".topicidx" / "store" / "photos"
    assert do("gc")["leftovers"] == []
    do("ingest", "photos")
    # As a killed ingest leaves it: changes in a generation that is not live.
    shutil.copytree(collection / "g000002", collection / "g000003")
    (collection / "g000003" / "shard").rename(collection / "g000003" / "changes")
    description = json.loads((collection / "g000003" / "generation.json").read_text())
    (collection / "g000003" / "generation.json").write_text(
        json.dumps(description | {"base": "g000002", "points": None})
    )
    (collection / "g000004" / "merging").mkdir(parents=True)
    listed = do("gc", "--dry-run")
    assert [(Path(entry["name"]).name, entry["removed"]) for entry in listed["leftovers"]] == [
        ("g000003", False), ("g000004", True),
    ]  # fmt: skip
    assert (collection / "g000004").is_dir()
    told = colour_cli("gc", cwd=home)
    assert "kept:" in told.stdout
    assert "removed:" in told.stdout
    assert "--unfinished" in told.stderr
    assert not (collection / "g000004").exists()
    do("gc", "--unfinished")
    assert sorted(path.name for path in collection.glob("g0*")) == ["g000001", "g000002"]
    assert len(do("query", "beach")["results"]) == 7


# On a server


@pytest.fixture
def server(home: Path) -> Iterator[tuple[QdrantDouble, dict[str, str]]]:
    """A Qdrant double, and the settings to reach it with."""
    with QdrantDouble() as double:
        yield (
            double,
            {
                "TOPICIDX_STORE": double.url,
                "TOPICIDX_SERVER__GRPC_PORT": str(double.port),
                "TOPICIDX_SERVER__ATTEMPTS": "2",
                "TOPICIDX_SERVER__LONGEST_WAIT": "0.01",
            },
        )


def test_a_server_is_filled_searched_and_kept_in_order_as_a_folder_is(
    home: Path, do: Do, server: tuple[QdrantDouble, dict[str, str]]
) -> None:
    double, env = server
    folder = do("ingest", "photos")
    served = do("ingest", "photos", **env)
    assert (served["indexed"], served["points"]) == (folder["indexed"], folder["points"]) == (6, 6)
    for arguments in (["beach"], ["beach", "dog"], ["beach", "--city", "paris"], ["dog", "--match", "mean"]):
        one, other = do("query", *arguments)["results"], do("query", *arguments, **env)["results"]
        assert [hit["image"] for hit in one] == [hit["image"] for hit in other]
        assert [hit["path"] for hit in one] == [hit["path"] for hit in other]
        assert [hit["score"] for hit in one] == pytest.approx([hit["score"] for hit in other], rel=1e-4)
    assert do("ingest", "photos", **env)["unchanged"] == 6
    (home / "photos" / "london" / "0.jpg").unlink()
    assert do("ingest", "photos", "--prune", **env)["points"] == 5
    assert do("ingest", "photos", "--rebuild", **env)["points"] == 5
    assert do("rollback", **env)["pictures"] == 5
    assert do("gc", **env)["leftovers"] == []
    info = do("info", **env)["store"]
    assert (info["location"], info["pictures"], info["cities"]) == (double.url, 5, {"london": 2, "paris": 3})
    assert do("sources", **env)[0]["pictures"] == 5
    words = double.memory.count("photos_words").count
    assert words == do("info")["space"]["words"]


def test_pictures_that_others_put_on_a_server_are_not_taken_for_ones_own(
    home: Path, do: Do, refused: Callable[..., str], server: tuple[QdrantDouble, dict[str, str]]
) -> None:
    _, env = server
    do("ingest", "photos", **env)
    shutil.rmtree(home / ".topicidx" / "servers")  # as on another machine
    said = refused(1, "ingest", "photos", **env)
    assert "has pictures of a source 'photos' already" in said
    assert "--name photos" in said
    assert do("ingest", "photos", "--name", "photos", **env)["unchanged"] == 6


def test_a_key_is_taken_from_the_environment_or_a_file_and_shown_nowhere(
    home: Path, colour_cli: Run, refused: Callable[..., str], server: tuple[QdrantDouble, dict[str, str]]
) -> None:
    double, env = server
    double.require_api_key("s3cret-key")
    assert "TOPICIDX_API_KEY" in refused(1, "ingest", "photos", **env)
    wrong = refused(1, "ingest", "photos", **env, TOPICIDX_API_KEY="wr0ng-key")
    assert "refuses" in wrong
    assert "wr0ng-key" not in wrong
    (home / "topicidx.toml").write_text('[server]\napi_key = "s3cret-key"\n')
    said = refused(2, "info", **env)
    assert "TOPICIDX_API_KEY" in said
    assert "s3cret-key" not in said
    (home / "key.txt").write_text("s3cret-key\n")
    (home / "topicidx.toml").write_text('[server]\napi_key_file = "key.txt"\n')
    done = colour_cli("--verbose", "ingest", "photos", cwd=home, **env)
    assert done.returncode == 0, done.stderr
    info = colour_cli("--verbose", "info", "--json", cwd=home, **env)
    for told in (done.stdout, done.stderr, info.stdout, info.stderr):
        assert "s3cret-key" not in told


def test_what_is_wrong_with_a_server_is_said_with_what_to_do(
    refused: Callable[..., str], server: tuple[QdrantDouble, dict[str, str]]
) -> None:
    double, env = server
    assert "an URL must not hold a key" in refused(2, "query", "beach", "--store", "http://me:secret@localhost:6333")
    assert "secret" not in refused(2, "query", "beach", "--store", "http://me:secret@localhost:6333")
    assert "a Qdrant server has an URL" in refused(2, "query", "beach", "--store", "ftp://localhost")
    assert "not an URL" in refused(2, "query", "beach", "--store", "http://localhost:99999")
    assert "http://localhost:6333" in refused(2, "query", "beach", "--store", "localhost:6333")
    assert "is a file" in refused(2, "copy", "--to", "photos/london/0.jpg")
    binary = refused(2, "ingest", "photos", **env, TOPICIDX_SERVER__QUANTIZATION="binary")
    assert "binary quantization keeps only whether a number is positive" in binary
    assert "there is no collection" in refused(1, "query", "beach", **env)
    double.version = "1.9.0"
    old = refused(1, "query", "beach", **env)
    assert "1.9.0" in old
    assert "upgrade the server" in old
    double.stop_listening()
    gone = refused(1, "query", "beach", **env)
    assert double.url in gone
    assert "is it running" in gone


def test_what_the_configured_search_finds_is_measured(home: Path, do: Do, colour_cli: Run) -> None:
    assert "there is no store" in do("info", "--recall")["recall"]["error"]
    do("ingest", "photos")
    measured = do("info", "--recall")["recall"]
    assert (measured["search"], measured["points"]) == ("exact", 6)
    assert measured["words"]["mean"] == measured["pictures"]["worst_decile"] == 1.0
    told = colour_cli("info", "--recall", cwd=home).stdout
    assert "recall@10 against an exact search of 6 pictures; search: exact" in told
    assert "worst tenth 1.0000" in told
