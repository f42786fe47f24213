"""Public sources become the same mails everywhere, or a sentence says what is missing."""

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from store.message.mime import parse_message
from training.corpus import catalogues, clones, collect, dressing, placeholders
from training.corpus.catalogues import Unreadable
from training.corpus.clones import MissingClone
from training.corpus.manifest import BadManifest, load
from training.corpus.sample import Label, Mail, read

BODY = "Your parcel was handed to your neighbour, who signed for it at noon. Ask at the door with the red bell."
FILES = {
    "mails/one.eml": f"From x Mon Jan  1\nSubject: Parcel\n\n{BODY}\n",
    "mails/copy.eml": f"Subject: Parcel\n\n{BODY.replace('noon', '12:30')}\n",
    "mails/short.eml": "Subject: test\n\ntest\n",
    "mails/notes.md": BODY,
    "po/de.po": 'msgid "emails.paid.subject"\nmsgstr "Bezahlt: {$order}"\n\n'
    '#, fuzzy\nmsgid "emails.old.body"\nmsgstr "Nein"\n\n'
    'msgid "emails.paid.body"\nmsgstr ""\n"<p>Liebe/r {$recipientName},</p>\\n"\n'
    '"<p>die Zahlung über {$amount} ist heute bei uns eingegangen, vielen Dank dafür. "\n'
    '"<a href=\\"{$url}\\">Zur Rechnung</a></p>"\n',
    "pages/lure.html": "<html><head><title>Mailbox full</title></head><body><p>{{client.name}}, your mailbox is full."
    " Sign in at once or lose every mail that comes in tonight.</p><a href='{{url}}'>Sign in</a></body></html>",
}
TAKES = """
[[source.take]]
reader = "mails"
paths = ["mails/*.eml"]
label = "ham"
kind = "parcel"
language = "en"

[[source.take]]
reader = "catalogue"
paths = ["po/*.po"]
label = "ham"
kind = "order"
language_at = 'po/(?P<language>\\w+)\\.po'
mail = '^emails\\.(?P<mail>\\w+)\\.(?P<part>\\w+)$'

[[source.take]]
reader = "pages"
subject = '<title>(?P<subject>[^<]+)</title>'
paths = ["*.html"]
label = "phish"
kind = "lure"
language = "en"
"""


def manifest(root: Path, repository: str, commit: str) -> Path:
    path = root / "manifest.toml"
    head = {"name": "fixtures", "repository": repository, "commit": commit, "licence": "MIT", "era": "2026"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in head.items()]
    path.write_text("[[source]]\n" + "\n".join(lines) + "\n" + TAKES)
    return path


@pytest.fixture
def clone(tmp_path: Path) -> tuple[Path, str]:
    """A folder of clones with one in it, and its commit."""
    work = tmp_path / "clones" / "owner+name"
    for name, text in FILES.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", "-C", str(work), *arguments], check=True, capture_output=True)
    head = subprocess.run(["git", "-C", str(work), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return tmp_path / "clones", head.stdout.strip()


def run(path: Path, root: Path, out: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(collect.main, ["--manifest", str(path), "--from", str(root), "--to", str(out), *options])
    return done.exit_code, done.output


def test_the_same_clone_gives_the_same_mails(clone: tuple[Path, str], tmp_path: Path) -> None:
    root, commit = clone
    path = manifest(tmp_path, "owner/name", commit)
    assert run(path, root, tmp_path / "a", "--lock")[0] == 0
    assert run(path, root, tmp_path / "b")[0] == 0
    found = {file.relative_to(tmp_path / "a"): file.read_bytes() for file in (tmp_path / "a").rglob("*.eml")}
    assert found == {file.relative_to(tmp_path / "b"): file.read_bytes() for file in (tmp_path / "b").rglob("*.eml")}
    entries = [entry for entry, _ in collect.read_collected(tmp_path / "a")]
    assert [(e.label, e.language, e.kind, e.family) for e in entries] == [
        (Label.HAM, "en", "parcel", "fixtures/mails/copy.eml"),
        (Label.HAM, "de", "order", "fixtures/paid"),
        (Label.PHISH, "en", "lure", "fixtures/lure"),
    ]
    assert [entry.kind for entry, _ in collect.read_collected(tmp_path / "a", {"de"})] == ["order"]


def test_templates_become_whole_mails(clone: tuple[Path, str], tmp_path: Path) -> None:
    root, commit = clone
    run(manifest(tmp_path, "owner/name", commit), root, tmp_path / "out", "--lock")
    by_kind = {entry.kind: read(mail).view for entry, mail in collect.read_collected(tmp_path / "out")}
    assert by_kind["order"].subject.startswith("Bezahlt: ")
    assert "die Zahlung über" in by_kind["order"].text
    assert by_kind["lure"].subject == "Mailbox full"
    assert all("{" not in view.text + view.subject for view in by_kind.values())
    assert by_kind["lure"].links[0].href.startswith("http")


def test_other_files_than_the_lock_says_are_noticed(clone: tuple[Path, str], tmp_path: Path) -> None:
    root, commit = clone
    path = manifest(tmp_path, "owner/name", commit)
    code, said = run(path, root, tmp_path / "out")
    assert (code, "not in the lock file" in said) == (1, True)
    run(path, root, tmp_path / "out", "--lock")
    lock = path.with_suffix(".lock.json")
    told = json.loads(lock.read_text())
    lock.write_text(json.dumps({"fixtures": told["fixtures"] | {"sha256": "0"}}))
    assert "other bodies" in run(path, root, tmp_path / "out")[1]
    lock.write_text(json.dumps({"fixtures": told["fixtures"] | {"count": 4}}))
    code, said = run(path, root, tmp_path / "out")
    assert (code, "3 mails instead of 4" in said) == (1, True)


@pytest.mark.parametrize(
    ("repository", "commit", "says"),
    [
        ("owner/other", "HEAD", "no clone of owner/other: git clone it to "),
        ("owner/name", "0" * 40, "lacks commit 000000000000"),
        ("pypi:name==1.0", "0" * 64, "no wheel of name==1.0: pip download"),
    ],
)
def test_what_is_missing_is_said(
    clone: tuple[Path, str], tmp_path: Path, repository: str, commit: str, says: str
) -> None:
    code, said = run(manifest(tmp_path, repository, commit), clone[0], tmp_path / "out")
    assert code == 1
    assert says in said


def test_a_wheel_is_a_source_when_it_is_the_one_of_the_manifest(tmp_path: Path) -> None:
    wheel = tmp_path / "some_name-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in FILES.items():
            archive.writestr(name, text)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert run(manifest(tmp_path, "pypi:some-name==1.0", digest), tmp_path, tmp_path / "out", "--lock")[0] == 0
    assert len(list(collect.read_collected(tmp_path / "out"))) == 3
    wheel.write_bytes(wheel.read_bytes()[:-40])
    code, said = run(manifest(tmp_path, "pypi:some-name==1.0", digest), tmp_path, tmp_path / "out")
    assert (code, "is not the wheel of the manifest" in said) == (1, True)
    damaged = hashlib.sha256(wheel.read_bytes()).hexdigest()
    code, said = run(manifest(tmp_path, "pypi:some-name==1.0", damaged), tmp_path, tmp_path / "out")
    assert (code, "zip" in said) == (1, True)


def test_what_git_holds_is_bounded(clone: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    root, commit = clone
    git = clones.locate(root, "owner/name", commit)
    monkeypatch.setattr(clones, "FILE_OCTETS", 100)
    assert {blob.path for blob in clones.files(git, commit, ["mails/*"])} == {"mails/short.eml"}
    monkeypatch.setattr(clones, "TOTAL_OCTETS", 10)
    with pytest.raises(MissingClone, match="more than 10 octets"):
        list(clones.files(git, commit, ["mails/*"]))


def test_a_folder_that_was_not_collected(tmp_path: Path) -> None:
    with pytest.raises(collect.NotCollected, match=r"run python -m training\.corpus\.collect"):
        list(collect.read_collected(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('reader = "mails"', 'reader = "mail"', "no reader is called 'mail'"),
        ('language = "en"', "", "give a language"),
        ("(?P<mail>", "(?P<name>", "needs mail with a group"),
        ("(?P<subject>", "(", "no regular expression|subject"),
        ('label = "ham"', 'label = "good"', "label"),
        ("[[source]]", "[[source", "manifest.toml"),
        ('licence = "MIT"', "", "licence"),
    ],
)
def test_a_wrong_manifest_says_where(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = manifest(tmp_path, "owner/name", "0" * 40)
    path.write_text(path.read_text().replace(old, new))
    if new == "(":
        path.write_text(path.read_text().replace("[^<]+)", "[^<]+"))
    with pytest.raises(BadManifest, match=says):
        load(path)


def test_the_manifest_of_this_repository_is_sound() -> None:
    sources = load(collect.MANIFEST)
    lock = json.loads(collect.MANIFEST.with_suffix(".lock.json").read_text())
    assert {source.name for source in sources} == set(lock)
    assert len({source.name for source in sources}) == len(sources)
    assert all(len(source.commit) in (40, 64) and source.licence for source in sources)
    assert sum(one["count"] for one in lock.values()) > 4_000


def test_the_readme_names_every_source() -> None:
    readme = (collect.MANIFEST.parent / "README.md").read_text()
    assert [source.name for source in load(collect.MANIFEST) if f"| `{source.name}` |" not in readme] == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.properties", "# no\nhello=Gr\\u00fc\\u00dfe, \\\n  {0}\n", [("hello", "Grüße, {0}")]),
        ("a.json", '{"a": {"b": "c", "n": 1}}', [("a.b", "c")]),
        ("a.yml", "de:\n  mailer:\n    subject: Hallo\n", [("de.mailer.subject", "Hallo")]),
        ("a.php", "<?php return ['a' => ['b' => 'It\\'s', \"c\" => \"x\\ny\"], 'd' => 'e'];", None),
        ("b.php", "<?php $_['text_subject']  = '%s - Order'; // no\n$_['text_b'] = 'c';", None),
        ("a.po", 'msgid "a"\nmsgstr ""\n"b\\n"\n"c"\n\n#~ msgid "x"\n#~ msgstr "y"\n', [("a", "b\nc")]),
    ],
)
def test_catalogues(name: str, text: str, found: list[tuple[str, str]] | None) -> None:
    nested = [("a.b", "It's"), ("a.c", "x\ny"), ("d", "e")]
    flat = [("text_subject", "%s - Order"), ("text_b", "c")]
    assert catalogues.read(name, text.encode()) == (found or (nested if name == "a.php" else flat))


@pytest.mark.parametrize(("name", "text"), [("a.json", "{"), ("a.yml", "a: [b"), ("a.xyz", ""), ("a.json", "[" * 9000)])
def test_a_broken_catalogue_is_named(name: str, text: str) -> None:
    with pytest.raises(Unreadable, match=name):
        catalogues.read(name, text.encode())


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("Hi {{ user.name }}, {% if x %}pay{% endif %} <%= @amount %>", "Hi  , pay"),
        ("Dear *|FNAME|*: ${url} %{count} %(date)s [Product Name] {0}", "Dear :"),
        ("Call :name at 12:30 or a@b.example, {#if no#}", "Call   at 12:30 or a@b.example,"),
    ],
)
def test_gaps_are_filled_and_can_be_left_out(template: str, says: str) -> None:
    assert " ".join(placeholders.emptied(template).split()) == " ".join(says.split())
    filled = dressing.dress(dressing.Letter("seed", template))
    assert filled == dressing.dress(dressing.Letter("seed", template))
    text = parse_message(filled).octets.decode()
    assert not [mark for mark in ("{{", "{%", "<%", "*|", "${", "%{", "[Product") if mark in text]


def test_lures_lead_to_strangers_and_notices_home() -> None:
    page = "<p>Dear {name}, please look at your order today.</p><a href='{url}'>Look</a>"
    for unwanted in (True, False):
        letters = [dressing.Letter(f"{n}", page, unwanted=unwanted) for n in range(30)]
        views = [read(Mail(dressing.dress(letter), Label.HAM, "t")).view for letter in letters]
        assert all(view.links for view in views)
        assert any("sitebuilder" in view.links[0].href for view in views) is unwanted
