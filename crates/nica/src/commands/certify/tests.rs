//! The real way once, on a cluster of its own; the folder of answers in all the states that it can be in.

use super::kept::Kept;
use super::*;
use nica_engine::Digest;
use nica_engine::release::{RELEASE_FORMAT, Release};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

const UP: &str = "CREATE TABLE note (id text PRIMARY KEY);\nALTER TABLE note ADD mood text";

fn release_file(texts: &[(&str, &str, Option<&str>)]) -> ReleaseFile {
    let mut entries = BTreeMap::new();
    let migration = |(id, up, down): &(&str, &str, Option<&str>)| {
        let manifest = source::Manifest::default();
        let source = source::Migration::new(id, manifest, (*up).to_string(), down.map(str::to_string));
        release::migration(source.expect("a good migration"), &mut entries)
    };
    let migrations = texts.iter().map(migration).collect();
    let release = Release {
        format: RELEASE_FORMAT,
        service: "nica".to_string(),
        version: "1".to_string(),
        commit: "c".to_string(),
        commits: Vec::new(),
        components: Vec::new(),
        migrations,
        seeds: Vec::new(),
        config: BTreeMap::new(),
        manifests: BTreeMap::new(),
    };
    ReleaseFile { release, entries }
}

fn two() -> ReleaseFile {
    release_file(&[("0001_note", UP, None), ("0002_drop", "ALTER TABLE note DROP mood", None)])
}

fn question(file: &ReleaseFile) -> Question<'_> {
    let [live, wanted] = &file.release.migrations[..] else { panic!("two migrations") };
    let server = "postgres (PostgreSQL) 15".to_string();
    Question { format: 1, nica: "0.1.0", server, live: vec![live], wanted: vec![wanted] }
}

fn certificate(id: &str) -> Certificate {
    Certificate { migration: id.to_string(), ..Certificate::default() }
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    let mut files = std::fs::read_dir(folder.join("certificates")).expect("kept").flatten();
    let first = files.next().expect("an answer").path();
    assert!(files.next().is_none(), "no half-written file is left");
    first
}

#[tokio::test]
async fn what_a_plan_applies_is_tried_on_what_is_live_and_asked_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    let tell: Sink = Arc::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    // Another process each time.
    let ask = async |wanted: &[&str], live: &[String]| {
        let answers = Answers::with(Kept::below(folder.path()));
        answer(&two(), (wanted, live), (&answers, None), &tell).await
    };
    let live = ["0001_note".to_string()];
    let found = ask(&["0002_drop"], &live).await.expect("a server is here");
    assert_eq!(told.load(Ordering::Relaxed), 2, "it begins and it ends");
    let shown: Vec<_> = found.iter().map(|c| (c.migration.as_str(), c.changes[0].name.as_str())).collect();
    assert_eq!(shown, [("0002_drop", "note.mood")]);
    // The second answer is the file's.
    let path = only_file(folder.path());
    let text = std::fs::read_to_string(&path).expect("text");
    std::fs::write(&path, text.replace("note.mood", "from.file")).expect("written");
    let found = ask(&["0002_drop"], &live).await.expect("an answer");
    assert_eq!(found[0].changes[0].name, "from.file");
    assert_eq!(told.load(Ordering::Relaxed), 2, "nothing is tried again");
    // Nothing is live: another question, and a table that the same plan brings is nobody's yet.
    let found = ask(&["0001_note", "0002_drop"], &[]).await.expect("an answer");
    assert_eq!(found.iter().map(|c| c.changes.len()).collect::<Vec<_>>(), [0, 0]);
}

/// A contract that waits for its own run is not there, although the release has it.
#[tokio::test]
async fn what_is_neither_live_nor_wanted_is_left_out() {
    let file = release_file(&[
        ("0001_note", UP, None),
        ("0002_drop", "ALTER TABLE note DROP mood", None),
        ("0003_index", "CREATE INDEX i ON note (mood)", Some("DROP INDEX i")),
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let answers = Answers::with(Kept::below(folder.path()));
    let asked = (&["0003_index"][..], &["0001_note".to_string()][..]);
    let found = answer(&file, asked, (&answers, None), &silent()).await;
    assert!(found.expect("an answer")[0].errors.is_empty());
}

/// A failure is not kept for others, and not asked for again by whoever met it.
#[test]
fn what_was_answered_once_is_not_asked_again_by_the_same_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, failed) = (two(), Err("failed to start".to_string()));
    let answers = Answers::with(Kept::below(folder.path()));
    answers.keep(&question(&file), &failed);
    assert_eq!(answers.find(&question(&file)), Some(failed));
    assert_eq!(Answers::with(Kept::below(folder.path())).find(&question(&file)), None);
}

fn silent() -> Sink {
    Arc::new(|_| {})
}

#[test]
fn answer_is_found_only_for_its_own_question() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Kept::below(folder.path());
    let file = two();
    kept.keep(&question(&file), &[certificate("0002_drop")]);
    assert_eq!(kept.find(&question(&file)), Some(vec![certificate("0002_drop")]));
    let other = |change: fn(&mut Question<'_>)| {
        let mut question = question(&file);
        change(&mut question);
        kept.find(&question)
    };
    assert_eq!(other(|q| q.format = 2), None);
    assert_eq!(other(|q| q.nica = "0.2.0"), None);
    assert_eq!(other(|q| q.server = "postgres (PostgreSQL) 18".to_string()), None);
    assert_eq!(other(|q| q.live.clear()), None);
    let edited = release_file(&[("0001_note", UP, None), ("0002_drop", "ALTER TABLE note DROP  mood", None)]);
    assert_eq!(kept.find(&question(&edited)), None);
    // A file under the name of another question.
    let path = only_file(folder.path());
    let name = path.with_file_name(format!("{}.json", Digest::of_value(&question(&edited))));
    std::fs::rename(&path, name).expect("renamed");
    assert_eq!(kept.find(&question(&edited)), None);
}

#[test]
fn answer_that_cannot_be_trusted_or_read_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = Kept::below(folder.path());
    let file = two();
    // Neither failures nor half an answer are kept.
    let error = nica_engine::gates::input::SqlError { place: None, message: "no".to_string() };
    kept.keep(&question(&file), &[Certificate { errors: vec![error], ..certificate("0002_drop") }]);
    kept.keep(&question(&file), &[]);
    assert!(!folder.path().join("certificates").exists());
    kept.keep(&question(&file), &[certificate("0002_drop")]);
    let path = only_file(folder.path());
    let good = std::fs::read_to_string(&path).expect("text");
    for bad in [&good.replace("\"format\":1", "\"format\":2"), &good[..good.len() / 2], "{}", ""] {
        std::fs::write(&path, bad).expect("written");
        assert_eq!(kept.find(&question(&file)), None, "{bad}");
    }
    std::fs::write(&path, good).expect("written");
    assert!(kept.find(&question(&file)).is_some());
    let certificates = folder.path().join("certificates");
    let chmod = |mode| std::fs::set_permissions(&certificates, std::fs::Permissions::from_mode(mode));
    chmod(0o777).expect("changed");
    assert_eq!(kept.find(&question(&file)), None, "others can write there");
    chmod(0o700).expect("changed");
    let elsewhere = folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    std::os::unix::fs::symlink(&certificates, elsewhere.join("certificates")).expect("linked");
    assert_eq!(Kept::below(&elsewhere).find(&question(&file)), None, "a link leads anywhere");
}
