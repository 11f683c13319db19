//! `chargehand models pull`: a file of a repository, fetched and named. The only command that uses a network.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use chargehand_core::contract::parse_duration;
use chargehand_engine::gguf::{self, SplitName, Weights};

use super::{ProgressLine, add};
use crate::cli::{model, out};
use crate::config::{self, Places, UserConfig};
use crate::env::digest::is_sha256;
use crate::env::hub::{Hub, Progress, Pulled, Source, Token};
use crate::env::registry::{self, Entry, Replace};
use crate::error::{Error, Kind};

/// Flags of `models pull`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The repository
    #[arg(value_name = "OWNER/NAME")]
    repository: String,
    /// The file in it; of a split model the first one, the others follow
    file: String,
    /// A branch, a tag or a commit
    #[arg(long, value_name = "REVISION", default_value = "main")]
    revision: String,
    /// What the model is to be called; without it, as its file
    #[arg(long)]
    name: Option<String>,
    /// The SHA-256 that the file must have; without it, the one that the hub announces
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
    /// The folder in which OWNER/NAME/FILE is put; without it, the one for models in the state folder
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// The address of the hub; without it, HF_ENDPOINT, and then `hub` of config.toml. A token is taken from HF_TOKEN
    /// alone
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// A hub that sends nothing for so long is given up
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = parse_duration)]
    silence: Duration,
    /// Gives the name anew where it means another file
    #[arg(long)]
    replace: bool,
    /// Prints what was fetched as one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Fetches it.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    let places = Places::find()?;
    let mut source = Source::new(&args.repository, &args.file, &args.revision)?;
    let files = parts(source.file());
    let wanted = args.wanted(files.len())?;
    let name = args.name.clone().unwrap_or_else(|| stem(source.file()));
    add::check_free(&name)?;
    let hub = args.hub(&places)?;
    let folder = args.to.clone().unwrap_or_else(|| places.models());
    let folder = PathBuf::from(model::absolute(&folder)?);
    let path = folder.join(source.path());
    let replace = if args.replace { Replace::Allow } else { Replace::Deny };
    // Said before an hour of fetching, not after it.
    registry::check_free(&places.models(), &name, &path, replace)?;
    let mut entry = Entry { path, sha256: [].into(), from: None };
    for file in files {
        source = source.sibling(file);
        let pulled = pull(&hub, &source, wanted.as_deref(), &folder)?;
        out::note(&format!("{source}: {}", words_of(&pulled)));
        let name = pulled.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        entry.sha256.insert(name, pulled.sha256);
        // The other files of the model are those of the same commit, whatever is pushed meanwhile.
        source = pulled.commit.into_iter().fold(source, Source::at);
        entry.from.get_or_insert_with(|| source.to_string());
    }
    gguf::model(&entry.path, Weights::Here)?;
    registry::add(&places.models(), &name, entry.clone(), replace)?;
    add::tell(&name, &entry, args.json)
}

impl Args {
    fn hub(&self, places: &Places) -> Result<Hub, Error> {
        let config = UserConfig::read(places.config.as_deref(), &[])?;
        let (endpoint, token) = config::hub();
        let endpoint = self.endpoint.clone().or(endpoint).or(config.hub).ok_or_else(|| {
            Error::new(Kind::Usage, "nobody says which hub is meant").hint(
                "give its address with --endpoint, in HF_ENDPOINT, or as `hub` in config.toml",
            )
        })?;
        let token = token.as_deref().map(Token::new);
        Ok(Hub::new(&endpoint, token, config::proxy(), self.silence)?)
    }

    /// Returns the hash that the user gave for one of `files` files.
    fn wanted(&self, files: usize) -> Result<Option<String>, Error> {
        let Some(hash) = self.sha256.as_ref().map(|hash| hash.to_ascii_lowercase()) else {
            return Ok(None);
        };
        if !is_sha256(&hash) {
            return Err(Error::new(Kind::Usage, format!("`{hash}` is no SHA-256 in hex")));
        }
        if files > 1 {
            let message = format!("--sha256 is of one file, the model has {files}");
            return Err(Error::new(Kind::Usage, message));
        }
        Ok(Some(hash))
    }
}

fn pull(
    hub: &Hub,
    source: &Source,
    wanted: Option<&str>,
    folder: &std::path::Path,
) -> Result<Pulled, Error> {
    let mut line = ProgressLine::new(source.file())?;
    let mut tell = |progress: Option<Progress>| -> ControlFlow<()> {
        match progress {
            Some(Progress::Received(done, total)) => line.show("fetched", done, total),
            Some(Progress::Hashed(done, total)) => line.show("hashed", done, total),
            Some(Progress::Again) => {
                out::note("it broke off; asking again");
                line.goes_on()
            }
            None => line.goes_on(),
        }
    };
    Ok(hub.pull(source, wanted, folder, &mut tell)?)
}

fn words_of(pulled: &Pulled) -> String {
    let Pulled { sha256, bytes, received, commit, .. } = pulled;
    let of = commit.as_ref().map(|commit| format!(" of commit {commit}")).unwrap_or_default();
    format!("{received} of {bytes} bytes fetched{of}, sha256 {sha256}")
}

/// Returns all files of a model whose first one is called `file`.
fn parts(file: &str) -> Vec<String> {
    first_of(file).map_or_else(|| vec![file.to_owned()], |name| name.all().collect())
}

/// Returns what a model is called by its file.
fn stem(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or(file);
    let alone = || name.strip_suffix(".gguf").unwrap_or(name);
    first_of(name).map_or_else(alone, |name| name.stem).to_owned()
}

fn first_of(file: &str) -> Option<SplitName<'_>> {
    SplitName::of(file).filter(|name| name.no == 1)
}

#[cfg(test)]
mod tests {
    use super::{parts, stem};

    #[track_caller]
    fn check(file: &str, count: usize, last: &str, name: &str) {
        let all = parts(file);
        assert_eq!(
            (all.len(), all.last().unwrap().as_str(), stem(file)),
            (count, last, name.into())
        );
    }

    #[test]
    fn a_split_model_is_fetched_as_a_whole() {
        check("a.gguf", 1, "a.gguf", "a");
        check("q/a-00001-of-00003.gguf", 3, "q/a-00003-of-00003.gguf", "a");
        check("a-00002-of-00003.gguf", 1, "a-00002-of-00003.gguf", "a-00002-of-00003");
        check("a-00001-of-00000.gguf", 1, "a-00001-of-00000.gguf", "a-00001-of-00000");
        check("a-1-of-3.gguf", 1, "a-1-of-3.gguf", "a-1-of-3");
    }
}
