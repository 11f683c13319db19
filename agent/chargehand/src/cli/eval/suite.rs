//! Where the tasks come from: the built-in suite, a file, or a folder of files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chargehand_core::eval::{NEEDS, Suite, SuiteError, Task};
use rustix::fs::{Mode, OFlags};

use super::subject::whole_path;
use crate::cli::out;
use crate::error::{Error, Kind};

/// The suites that come with the program. The first is the one without a name.
const BUILT_IN: [(&str, &str); 2] = [
    ("first", include_str!("../../../suite/first.toml")),
    ("second", include_str!("../../../suite/second.toml")),
];
/// A suite file is not larger.
const MAX_FILE: u64 = 64 << 20;

/// Returns the tasks of all `places` together, of the built-in suite without any; only `families`, where some are
/// named, and no more than `most` of each.
pub(super) fn read(
    places: &[PathBuf],
    families: &[String],
    most: Option<usize>,
) -> Result<Suite, Error> {
    let mut suite = Suite::default();
    if places.is_empty() {
        suite = parse(BUILT_IN[0].0, BUILT_IN[0].1)?;
    }
    for place in places {
        if let Some((name, text)) = built_in(place) {
            suite.tasks.extend(parse(name, text)?.tasks);
            continue;
        }
        for file in files(place)? {
            suite.tasks.extend(parse(&file.display().to_string(), &text(&file)?)?.tasks);
        }
    }
    suite.check().map_err(|err| refused("the tasks together", &err))?;
    let known: Vec<String> = suite.families().into_iter().map(str::to_owned).collect();
    if let Some(unknown) = families.iter().find(|family| !known.contains(family)) {
        let message = format!("no task is of the family `{unknown}`");
        return Err(
            Error::new(Kind::Usage, message).hint(format!("there are: {}", known.join(", ")))
        );
    }
    suite.tasks.retain(|task| families.is_empty() || families.contains(&task.family));
    let mut kept = std::collections::BTreeMap::<String, usize>::new();
    suite.tasks.retain(|task| {
        let count = kept.entry(task.family.clone()).or_default();
        *count += 1;
        most.is_none_or(|most| *count <= most)
    });
    Ok(suite)
}

/// Returns the built-in suite of that name. A file of the current folder that is called so is not meant: the folder may
/// be a repository of strangers, and the message of `run` has these names in it.
fn built_in(place: &Path) -> Option<(&'static str, &'static str)> {
    let named = BUILT_IN.into_iter().find(|(name, _)| place.as_os_str() == *name);
    named.inspect(|(name, _)| {
        if place.exists() {
            out::note(&format!("note: {name} is the built-in suite; yours is meant by ./{name}"));
        }
    })
}

/// Returns the tasks of `suite` that a scorecard may speak of: a family of the built-in suites stands for their tasks
/// alone, or five easy tasks of any file would let a model work alone everywhere.
pub(super) fn that_count(suite: &Suite) -> Result<BTreeSet<String>, Error> {
    let mut ours = Vec::new();
    for (name, text) in BUILT_IN {
        ours.extend(parse(name, text)?.tasks);
    }
    let is_taken = |task: &Task| NEEDS.iter().any(|need| need.family == task.family);
    let counts = |task: &&Task| !is_taken(task) || ours.contains(task);
    Ok(suite.tasks.iter().filter(counts).map(|task| task.id.clone()).collect())
}

/// Returns the places of a suite from the root on, as one can be found from any folder; the built-in ones by their names.
pub(super) fn from_root(places: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let from_root = |place: &PathBuf| {
        if BUILT_IN.iter().any(|(name, _)| place.as_os_str() == *name) {
            return Ok(place.clone());
        }
        whole_path(place)
    };
    places.iter().map(from_root).collect()
}

/// Returns the suite files of a place: itself, or the `.toml` files of a folder in order.
fn files(place: &Path) -> Result<Vec<PathBuf>, Error> {
    let unreadable =
        |err| Error::new(Kind::Usage, format!("cannot read {}: {err}", place.display()));
    if !fs::metadata(place).map_err(unreadable)?.is_dir() {
        return Ok(vec![place.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let message = format!("{} has no .toml file", place.display());
        return Err(
            Error::new(Kind::Usage, message).hint("`chargehand eval new` writes a first task")
        );
    }
    Ok(files)
}

/// Reads a regular file: a device may have no end, and a pipe nobody who writes.
fn text(file: &Path) -> Result<String, Error> {
    let read = || -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = File::from(rustix::fs::open(file, flags, Mode::empty())?);
        if !opened.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut bytes = Vec::new();
        opened.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE {
            let why =
                format!("it has more than {MAX_FILE} bytes; split it, a folder may have many");
            return Err(io::Error::other(why));
        }
        String::from_utf8(bytes).map_err(|_| io::Error::other("it is no UTF-8 text"))
    };
    read().map_err(|err| Error::new(Kind::Usage, format!("cannot read {}: {err}", file.display())))
}

fn parse(origin: &str, text: &str) -> Result<Suite, Error> {
    Suite::parse(text).map_err(|err| refused(origin, &err))
}

fn refused(origin: &str, err: &SuiteError) -> Error {
    Error::new(Kind::Usage, format!("{origin}: {err}"))
}
