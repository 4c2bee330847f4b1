"""Sources: folders and manifests read as Posts, however people name their files and write their tables."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import UUID

import pytest

from topicidx.errors import SourceError
from topicidx.indexer.keys import point_id
from topicidx.indexer.sources import Source, open_source
from topicidx.post import Post

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """make(pictures..., **files): a folder `photos` with empty picture files and text files."""

    def make(*pictures: str, files: Mapping[str, str | bytes] | None = None) -> Path:
        root = tmp_path / "photos"
        for name, content in [*((name, b"") for name in pictures), *(files or {}).items()]:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return make


def posts_of(path: Path, **options: object) -> list[Post]:
    return list(open_source(path, **options).posts())  # type: ignore[arg-type]


def captions_of(path: Path) -> dict[str, tuple[str, ...]]:
    return {post.image: post.captions for post in posts_of(path)}


def cities_of(path: Path, **options: object) -> dict[str, str | None]:
    return {post.image: post.city for post in posts_of(path, **options)}


def test_a_folder_is_every_picture_in_it_in_the_order_of_paths(make: Make) -> None:
    root = make("b.jpg", "a.PNG", "z/deep/c.webp", "z/b.jpeg", "B.gif", "notes.pdf", "no_suffix")
    posts = posts_of(root)
    assert [post.image for post in posts] == [
        "photos/B.gif", "photos/a.PNG", "photos/b.jpg", "photos/z/b.jpeg", "photos/z/deep/c.webp",
    ]  # fmt: skip
    assert posts[-1] == Post("photos/z/deep/c.webp", root / "z" / "deep" / "c.webp")


def test_hidden_files_and_folders_are_left_out(make: Make) -> None:
    root = make("a.jpg", ".hidden.jpg", "._a.jpg", ".trash/b.jpg", "sub/.c.jpg")
    assert [post.image for post in posts_of(root)] == ["photos/a.jpg"]


def test_a_folder_named_like_a_picture_is_a_folder(make: Make) -> None:
    assert [post.image for post in posts_of(make("x.jpg/a.jpg"))] == ["photos/x.jpg/a.jpg"]


def test_a_link_inside_the_root_is_a_picture_inside_the_root(make: Make, tmp_path: Path) -> None:
    root = make("a.jpg")
    (tmp_path / "elsewhere.jpg").write_bytes(b"")
    (root / "b.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    assert [post.image for post in posts_of(root)] == ["photos/a.jpg", "photos/b.jpg"]


def test_a_source_is_named_after_its_folder_however_it_is_given(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make("a.jpg", "sub/b.jpg")
    monkeypatch.chdir(root / "sub")
    for given in (root, Path(".."), root / "sub" / "..", Path(f"{root}/")):
        assert [post.image for post in posts_of(given)] == ["photos/a.jpg", "photos/sub/b.jpg"]


@pytest.mark.parametrize("name", ["cafe\u0301", "caf\u00e9"], ids=ascii)
def test_the_normal_form_of_a_folders_name_is_no_part_of_keys(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.jpg").write_bytes(b"")
    assert [post.image for post in posts_of(tmp_path / name)] == ["caf\u00e9/a.jpg"]


def test_a_folder_whose_name_is_not_utf8_gives_keys_that_can_be_written(tmp_path: Path) -> None:
    root = tmp_path / os.fsdecode(b"caf\xe9")
    root.mkdir()
    (root / "a.jpg").write_bytes(b"")
    (root / "list.csv").write_text("image\na.jpg\n")
    for given in (root, root / "list.csv"):
        (post,) = posts_of(given)
        assert post.image == "caf%E9/a.jpg"
        assert isinstance(point_id(post.image), UUID)


def test_names_that_are_not_utf8_are_read(make: Make) -> None:
    root = make("a.jpg")
    (root / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    post = posts_of(root)[-1]
    assert post.image == "photos/caf%E9.jpg"
    assert os.fsencode(post.path.name) == b"caf\xe9.jpg"


def test_two_spellings_of_one_name_are_one_picture(make: Make) -> None:
    root = make("caf\u00e9.jpg", "cafe\u0301.jpg")
    assert len(list(root.iterdir())) == 2
    assert [post.image for post in posts_of(root)] == ["photos/caf\u00e9.jpg"]


def test_two_spellings_of_one_folder_hold_each_name_once(make: Make) -> None:
    root = make("\u212a/a.jpg", "K/a.jpg", "K/b.jpg", "e\u0301/\u212a.jpg", "\u00e9/K.jpg", "\u00e9/c.jpg")
    assert [post.image for post in posts_of(root)] == [
        "photos/K/a.jpg", "photos/K/b.jpg", "photos/\u00e9/K.jpg", "photos/\u00e9/c.jpg",
    ]  # fmt: skip


# Captions


def test_captions_lie_in_text_files_beside_pictures(make: Make) -> None:
    root = make(
        "a.b.jpg", "a.jpg", "c.jpg", "bad.jpg",
        files={
            "a.b.txt": "\ufeffone\r\n\r\n  two  \n", "a.txt": "another", "bad.txt": b"caf\xe9", "note.txt": "of no picture",
        },
    )  # fmt: skip
    assert captions_of(root) == {
        "photos/a.b.jpg": ("one", "two"),
        "photos/a.jpg": ("another",),
        "photos/bad.jpg": ("caf\ufffd",),
        "photos/c.jpg": (),
    }


@pytest.mark.parametrize("name", ["captions.csv", "metadata.csv"])
@pytest.mark.parametrize("column", ["image", "file_name"])
@pytest.mark.parametrize("caption", ["caption", "text"])
def test_captions_lie_in_a_table_in_the_folder(make: Make, name: str, column: str, caption: str) -> None:
    table = f"{column},{caption}\nlondon/1.jpg,with its folder\n2.jpg,without\n"
    root = make("london/1.jpg", "paris/2.jpg", "paris/3.jpg", files={name: table})
    assert captions_of(root) == {
        "photos/london/1.jpg": ("with its folder",),
        "photos/paris/2.jpg": ("without",),
        "photos/paris/3.jpg": (),
    }


def test_a_name_that_two_folders_share_needs_its_folder(make: Make) -> None:
    table = "image,caption\n1.jpg,of which?\nlondon/2.jpg,of this\n"
    root = make("london/1.jpg", "london/2.jpg", "paris/1.jpg", "paris/2.jpg", files={"captions.csv": table})
    assert captions_of(root) == {
        "photos/london/1.jpg": (),
        "photos/london/2.jpg": ("of this",),
        "photos/paris/1.jpg": (),
        "photos/paris/2.jpg": (),
    }


def test_a_picture_at_the_written_path_comes_before_one_of_that_name_in_a_folder(make: Make) -> None:
    root = make("1.jpg", "london/1.jpg", files={"captions.csv": "image,caption\n1.JPG,at the top\n"})
    assert captions_of(root) == {"photos/1.jpg": ("at the top",), "photos/london/1.jpg": ()}


@pytest.mark.parametrize(
    "written",
    ["caf\u00e9 1.b.jpg", "cafe\u0301 1.b.jpg", "CAF\u00c9 1.B.JPG", " caf\u00e9 1.b.jpg ", "./caf\u00e9 1.b.jpg"],
    ids=ascii,
)
@pytest.mark.parametrize("on_disk", ["caf\u00e9 1.b.jpg", "cafe\u0301 1.b.jpg"], ids=ascii)
@pytest.mark.parametrize("given", ["folder", "manifest"])
def test_names_are_found_in_another_case_normal_form_or_with_spaces(
    make: Make, written: str, on_disk: str, given: str
) -> None:
    root = make(on_disk, files={"captions.csv": f'image,caption\n"{written}",a caption\n'})
    (post,) = posts_of(root if given == "folder" else root / "captions.csv")
    assert post == Post("photos/caf\u00e9 1.b.jpg", root / on_disk, ("a caption",))


def test_several_rows_of_one_picture_are_one_post(make: Make) -> None:
    table = "image,caption,city,author\na.jpg,one,London,ann\nb.jpg,two,,\na.jpg,three,Paris,bob\na.jpg,one,,\n"
    root = make("a.jpg", "b.jpg", files={"captions.csv": table})
    assert posts_of(root / "captions.csv") == posts_of(root)
    first = posts_of(root)[0]
    assert first.captions == ("one", "three", "one")
    assert (first.city, first.payload) == ("London", {"author": "ann"})


@pytest.mark.parametrize("given", ["folder", "manifest"])
def test_rows_that_spell_one_picture_in_several_ways_are_one_post(make: Make, given: str) -> None:
    table = "image,caption\na.jpg,one\n./a.jpg,two\nA.JPG,three\na.jpg ,four\n"
    root = make("a.jpg", files={"captions.csv": table})
    assert captions_of(root if given == "folder" else root / "captions.csv") == {
        "photos/a.jpg": ("one", "two", "three", "four")
    }


def test_other_columns_become_payload(make: Make) -> None:
    table = "image,caption,place,likes,empty\na.jpg,x,Kew Gardens,12,\n"
    (post,) = posts_of(make("a.jpg", files={"captions.csv": table}))
    assert post.payload == {"place": "Kew Gardens", "likes": "12"}


def test_captions_may_hold_quotes_commas_and_lines(make: Make) -> None:
    table = '\ufeffimage,caption\r\na.jpg,"sun, ""sand""\r\nand sea"\r\n"b,c.jpg",\N{SUNRISE}\r\n\r\n'
    root = make("a.jpg", "b,c.jpg", files={"captions.csv": table.encode()})
    assert captions_of(root) == {
        "photos/a.jpg": ('sun, "sand"\r\nand sea',),
        "photos/b,c.jpg": ("\N{SUNRISE}",),
    }


def test_json_lines_hold_one_caption_or_a_list(make: Make) -> None:
    rows = [
        {"image": "a.jpg", "captions": ["one", "", "two"], "city": " London ", "likes": 3, "tags": ["x"], "no": None},
        {"image": "b.jpg", "captions": "three"},
        {"image": "a.jpg", "captions": ["four"]},
    ]
    text = "\ufeff" + "\n".join(json.dumps(row) for row in rows) + "\n\n"
    root = make("a.jpg", "b.jpg", "unlisted.jpg", files={"list.jsonl": text})
    assert posts_of(root / "list.jsonl") == [
        Post("photos/a.jpg", root / "a.jpg", ("one", "two", "four"), "London", {"likes": 3, "tags": ["x"]}),
        Post("photos/b.jpg", root / "b.jpg", ("three",)),
    ]


def test_json_lines_need_not_have_the_same_columns(make: Make) -> None:
    text = '{"image": "a.jpg"}\n{"image": "b.jpg", "caption": "two"}\n{"file_name": "c.jpg", "text": "three"}\n'
    root = make("a.jpg", "b.jpg", "c.jpg", files={"list.jsonl": text})
    assert posts_of(root / "list.jsonl") == [
        Post("photos/a.jpg", root / "a.jpg"),
        Post("photos/b.jpg", root / "b.jpg", ("two",)),
        Post("photos/c.jpg", root / "c.jpg", ("three",)),
    ]


@pytest.mark.parametrize("header", ["Image,Caption,City", "image, caption, city", "IMAGE ,caption,CITY"])
def test_column_names_are_known_in_any_case_and_with_spaces(make: Make, header: str) -> None:
    root = make("a.jpg", files={"captions.csv": f"{header}\na.jpg,hello,London\n"})
    assert posts_of(root) == [Post("photos/a.jpg", root / "a.jpg", ("hello",), "London")]


def test_a_manifest_and_the_folder_it_describes_give_the_same_posts(make: Make) -> None:
    table = "image,caption\nsub/cafe\u0301.jpg,one\nB.JPG,two\n"
    root = make("sub/caf\u00e9.jpg", "b.jpg", files={"captions.csv": table})
    by_folder, by_manifest = posts_of(root), posts_of(root / "captions.csv")
    assert {post.image: post for post in by_folder} == {post.image: post for post in by_manifest}
    assert [post.image for post in by_manifest] == ["photos/sub/caf\u00e9.jpg", "photos/b.jpg"]


@pytest.mark.parametrize("written", ["gone.jpg", "sub/gone.jpg", "a\x00.jpg", f"{300 * 'x'}.jpg"], ids=ascii)
def test_a_picture_that_is_listed_but_missing_is_a_post_all_the_same(make: Make, written: str) -> None:
    rows = "".join(json.dumps({"image": image, "caption": "x"}) + "\n" for image in (written, "a.jpg"))
    root = make("a.jpg", files={"list.jsonl": rows})
    assert [post.image for post in posts_of(root / "list.jsonl")] == [f"photos/{written}", "photos/a.jpg"]


def test_reading_twice_gives_the_same_order(make: Make) -> None:
    source = open_source(make(*(f"{folder}/{name}.jpg" for folder in "bca" for name in "yxz")))
    first = [post.image for post in source.posts()]
    assert first == sorted(first)
    assert first == [post.image for post in source.posts()]


# Cities


def test_sub_folders_name_cities(make: Make) -> None:
    assert cities_of(make("london/1.jpg", "New_York/2.jpg", "s\u00e3o paulo/deep/3.jpg")) == {
        "photos/london/1.jpg": "london",
        "photos/New_York/2.jpg": "New York",
        "photos/s\u00e3o paulo/deep/3.jpg": "s\u00e3o paulo",
    }


@pytest.mark.parametrize(
    "pictures",
    [
        ("1.jpg", "2.jpg"),
        ("images/1.jpg", "london/2.jpg"),
        ("Train/1.jpg", "Val/2.jpg"),
        ("2019/1.jpg", "2020/2.jpg"),
        ("london/1.jpg", "trip 2/2.jpg"),
        ("london/1.jpg",),
        ("london/1.jpg", "paris/2.jpg", "3.jpg"),
    ],
    ids=str,
)
def test_sub_folders_that_are_no_list_of_places_name_no_cities(make: Make, pictures: tuple[str, ...]) -> None:
    assert set(cities_of(make(*pictures)).values()) == {None}


def test_pictures_beside_sub_folders_that_look_like_cities_are_mentioned(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    cities_of(make("london/1.jpg", "paris/2.jpg", "3.jpg"))
    (message,) = [record.getMessage() for record in caplog.records]
    assert "'london'" in message
    assert "1 pictures, such as '3.jpg'" in message


def test_a_manifest_names_the_cities_that_its_folder_does(make: Make) -> None:
    table = "image,caption\nlondon/1.jpg,rain\nparis/2.jpg,snow\n"
    root = make("london/1.jpg", "paris/2.jpg", files={"captions.csv": table})
    assert cities_of(root / "captions.csv") == cities_of(root)
    assert list(cities_of(root).values()) == ["london", "paris"]


def test_sub_folders_name_no_cities_where_it_is_not_wanted(make: Make) -> None:
    root = make("london/1.jpg", "paris/2.jpg")
    assert set(cities_of(root, folder_city=False).values()) == {None}


def test_a_given_city_comes_before_the_manifests_and_that_before_the_folders(make: Make) -> None:
    table = "image,city\nlondon/1.jpg,Soho\nparis/2.jpg,\n"
    root = make("london/1.jpg", "paris/2.jpg", files={"captions.csv": table})
    assert list(cities_of(root).values()) == ["Soho", "paris"]
    assert list(cities_of(root, city="Rome").values()) == ["Rome", "Rome"]
    assert list(cities_of(root / "captions.csv", city="Rome").values()) == ["Rome", "Rome"]


def test_a_folder_name_that_is_not_utf8_gives_a_city_that_can_be_written(make: Make) -> None:
    root = make("london/1.jpg")
    folder = root / os.fsdecode(b"m\xfcnchen")
    folder.mkdir()
    (folder / "2.jpg").write_bytes(b"")
    for city in cities_of(root).values():
        assert city is None or city.encode()


# Mistakes


def test_a_path_with_nothing_is_said_to_have_nothing(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nothing at .*gone; give a folder of pictures, a manifest"):
        open_source(tmp_path / "gone")


@pytest.mark.parametrize("name", ["report.pdf", "photo.jpg", "captions.txt", "captions"])
def test_a_file_that_is_no_manifest_is_refused(make: Make, name: str) -> None:
    with pytest.raises(
        SourceError, match=r"neither a folder nor a manifest; give .*\.csv, \.jsonl, \.parquet or \.tar"
    ):
        open_source(make(files={name: "x"}) / name)


@pytest.mark.parametrize(
    "files", [{}, {"notes.txt": "x", "sub/paper.pdf": "x", ".hidden.jpg": "x"}], ids=["empty", "other"]
)
def test_a_folder_without_pictures_says_what_was_looked_for(make: Make, files: dict[str, str]) -> None:
    root = make(files=files)
    root.mkdir(exist_ok=True)
    with pytest.raises(SourceError, match=r"no pictures in .*photos .*\.jpg.*sub-folders") as caught:
        posts_of(root)
    assert str(root) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("captions.csv", "photo;caption\na.jpg;x\n", r"no column for the picture: one of image, .*it has 'photo', 'caption'"),
        ("captions.csv", "image,caption\na.jpg,x\n,y\n", r"line 3: the column 'image' is empty"),
        ("captions.csv", "image,caption\n  ,y\n", r"line 2: the column 'image' is empty"),
        ("captions.csv", "image,caption\na.jpg,one, two\n", r"line 2: more values than columns.*quotes"),
        ("captions.csv", "image,caption\na.jpg,caf\u00e9\n".encode("latin-1"), r"not UTF-8 text .*save it as UTF-8"),
        ("captions.csv", "image,caption\na.jpg,x\n".encode("utf-16"), r"not UTF-8 text .*save it as UTF-8"),
        ("captions.csv", "", r"lists no pictures"),
        ("captions.csv", "image,caption\n", r"lists no pictures"),
        ("captions.csv", f"image,caption\na.jpg,{200_000 * 'x'}\n", r"no CSV file that can be read: field larger"),
        ("list.jsonl", '{"image": "a.jpg"}\nimage: b.jpg\n', r"line 2: not JSON"),
        ("list.jsonl", '{"image": "a.jpg"}\n["b.jpg"]\n', r"line 2: not a JSON object"),
        ("list.jsonl", '{"image": ""}\n', r"line 1: the column 'image' is empty"),
        ("list.jsonl", '{"caption": "x"}\n', r"no column for the picture"),
        ("list.jsonl", "\n\n", r"lists no pictures"),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_used_is_named_with_its_line(
    make: Make, name: str, content: str | bytes, message: str
) -> None:
    root = make("a.jpg", files={name: content})
    with pytest.raises(SourceError, match=message) as caught:
        posts_of(root / name)
    assert str(root / name) in str(caught.value)


def test_the_byte_that_is_not_utf8_is_counted_from_the_beginning_of_the_file(make: Make) -> None:
    content = b"image,caption\n" + b"a.jpg,x\n" * 5_000 + b"a.jpg,caf\xe9\n"
    root = make("a.jpg", files={"captions.csv": content})
    with pytest.raises(SourceError, match=rf"at byte {content.index(0xE9)}\b"):
        posts_of(root)


def test_a_picture_that_is_no_text_is_not_called_empty(make: Make) -> None:
    root = make("a.jpg", files={"list.jsonl": '{"image": 17}\n'})
    with pytest.raises(SourceError, match=r"line 1: .*'image'") as caught:
        posts_of(root / "list.jsonl")
    assert "empty" not in str(caught.value)


def test_a_folder_with_a_broken_table_is_an_error_and_not_a_folder_without_captions(make: Make) -> None:
    with pytest.raises(SourceError, match=r"captions\.csv has no column for the picture"):
        posts_of(make("a.jpg", files={"captions.csv": "name,caption\na.jpg,x\n"}))


@pytest.mark.parametrize("sign", [";", "\t"])
def test_tables_of_spreadsheets_that_write_no_commas_are_read(tmp_path: Path, sign: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "captions.csv").write_text(f"image{sign}caption\na.jpg{sign}one, two\n")
    (post,) = open_source(tmp_path).posts()
    assert post.captions == ("one, two",)


def test_captions_of_pictures_that_are_not_there_are_mentioned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,here\nb.jpg,gone\nc.jpg,gone\n")
    assert len(list(open_source(tmp_path).posts())) == 1
    assert "names 2 pictures that are not in the folder, such as 'b.jpg'" in caplog.text


def streamed_from(source: Source) -> list[tuple[str, ...]]:
    return list(source.captions())


@pytest.mark.parametrize(
    ("rows", "streamed"),
    [
        ("a.jpg,one\na.jpg,two\nb.jpg,\nc.jpg,three\n", True),
        ("a.jpg,one\nc.jpg,three\na.jpg,two\nb.jpg,\n", False),
        ("a.jpg,one\nc.jpg,three\n./a.jpg,two\n", False),
    ],
)
def test_captions_are_those_of_the_pictures(
    tmp_path: Path, rows: str, streamed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        (tmp_path / f"{name}.jpg").touch()
    manifest = tmp_path / "list.csv"
    manifest.write_text("image,caption\n" + rows)
    source = open_source(manifest)
    assert streamed_from(source) == [post.captions for post in source.posts() if post.captions]
    assert sorted(streamed_from(source)) == [("one", "two"), ("three",)]
    with monkeypatch.context() as patched:
        patched.setattr(Source, "posts", lambda self: iter(()))
        assert bool(streamed_from(source)) == streamed


def test_captions_of_a_folder_are_those_of_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.jpg").touch()
    assert streamed_from(open_source(tmp_path)) == [("one", "two")]


@pytest.mark.parametrize(
    ("content", "message"),
    [("image,caption\n", "lists no pictures"), ("image,caption\na.jpg,one\n,two\n", "line 3")],
)
def test_captions_of_a_manifest_that_cannot_be_read(tmp_path: Path, content: str, message: str) -> None:
    manifest = tmp_path / "list.csv"
    manifest.write_text(content)
    with pytest.raises(SourceError, match=message):
        streamed_from(open_source(manifest))
