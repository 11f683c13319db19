//! Fetches a file of a repository from a hub that speaks as Hugging Face does: the only way of this program to a
//! network, and only where a user asks for it.
//!
//! A file has its name only once its SHA-256 is what the hub announced, or what the user gave.

mod error;
mod part;
mod request;
mod source;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::http::Uri;

use self::part::{Opened, Part};
use self::request::{Facts, Reply, TICK};
use super::digest;

pub use self::error::HubError;
pub use self::source::{Source, SourceError};

/// So often a file is asked for again after it broke off without a byte more than before.
const MAX_TRIES: u32 = 3;
/// Before the first of these; each next one waits twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// Where files come from.
#[derive(Clone, Debug)]
pub struct Hub {
    endpoint: Uri,
    token: Option<Token>,
    proxy: Option<ureq::Proxy>,
    patience: Duration,
}

/// What opens a gated repository. It is never shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Token(String);

impl Token {
    /// Takes a token as it stands in the environment.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// What lies here already is hashed.
    Hashed(u64, u64),
    /// Bytes of the file, of all it has.
    Received(u64, u64),
    /// It broke off and is asked for again.
    Again,
}

/// Whoever waits: told how far it is, at least every tenth of a second, and may say stop.
pub type Tell<'t> = dyn FnMut(Option<Progress>) -> ControlFlow<()> + 't;

/// A file that is whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pulled {
    /// Where it lies.
    pub path: PathBuf,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// The commit it is of, where the hub says so.
    pub commit: Option<String>,
    /// How many of its bytes came over the network now.
    pub received: u64,
}

impl Hub {
    /// Returns the hub at `endpoint`. One that sends nothing for `patience` is given up.
    ///
    /// # Errors
    ///
    /// [`HubError::Endpoint`]; a token is only given to a hub that is asked by https, or that is this machine.
    pub fn new(
        endpoint: &str,
        token: Option<Token>,
        proxy: Option<ureq::Proxy>,
        patience: Duration,
    ) -> Result<Self, HubError> {
        let refuse = |reason| HubError::Endpoint { endpoint: endpoint.to_owned(), reason };
        let uri: Uri =
            endpoint.trim_end_matches('/').parse().map_err(|_| refuse("it is no address"))?;
        if uri.host().is_none_or(str::is_empty) {
            return Err(refuse("it names no host"));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refuse("it names a user: a token belongs into HF_TOKEN"));
        }
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if token.is_none() || is_here(&uri) => {}
            Some("http") => return Err(refuse("a token goes over https only")),
            Some(_) | None => return Err(refuse("it begins with neither https:// nor http://")),
        }
        if uri.query().is_some() {
            return Err(refuse("it has a query"));
        }
        Ok(Self { endpoint: uri, token, proxy, patience })
    }

    /// Fetches `source` into `folder`, under its own path there. `wanted` is its SHA-256, where the user knows it. What
    /// was fetched before is kept and gone on with.
    ///
    /// # Errors
    ///
    /// [`HubError`]; the part that came stays beside the place of the file, unless its content is wrong.
    pub fn pull(
        &self,
        source: &Source,
        wanted: Option<&str>,
        folder: &Path,
        tell: &mut Tell<'_>,
    ) -> Result<Pulled, HubError> {
        let target = folder.join(source.path());
        let mut job = Job { hub: self, source, wanted, target, part: None, received: 0, tell };
        let (mut tries, mut longest) = (0, 0);
        loop {
            let err = match job.attempt() {
                Ok(pulled) => return Ok(pulled),
                Err(err) => err,
            };
            // Not what came: a server that ignores ranges sends the same bytes again.
            let have = job.part.as_ref().map_or(0, Part::bytes);
            tries = if have > longest { 1 } else { tries + 1 };
            longest = longest.max(have);
            if !err.may_pass() || tries >= MAX_TRIES {
                return Err(err);
            }
            job.pause(PAUSE * 2_u32.pow(tries - 1))?;
        }
    }
}

/// One file on its way.
struct Job<'j> {
    hub: &'j Hub,
    source: &'j Source,
    wanted: Option<&'j str>,
    target: PathBuf,
    /// Kept between attempts, so that it is hashed once only.
    part: Option<Part>,
    received: u64,
    tell: &'j mut Tell<'j>,
}

impl Job<'_> {
    fn attempt(&mut self) -> Result<Pulled, HubError> {
        let reply = self.ask(0)?;
        let total = reply.facts.bytes.ok_or(HubError::NoSize)?;
        let sha256 = self.known_hash(&reply)?;
        if self.target.exists() {
            return self.there_already(sha256, reply.facts.commit);
        }
        let mut part = match self.part.take() {
            Some(part) => part,
            None => match Part::open(&self.target, &sha256, self.tell)? {
                Opened::Ours(part) => part,
                // Whoever had it has finished it in this moment,
                Opened::Gone if self.target.exists() => {
                    return self.there_already(sha256, reply.facts.commit);
                }
                // or has thrown it away.
                Opened::Gone => return Err(HubError::Busy(self.target.clone())),
            },
        };
        if !part.is_of(&sha256) {
            return Err(HubError::Changed(self.source.to_string()));
        }
        let commit = reply.facts.commit.clone();
        let filled = self.fill(&mut part, reply, total);
        if let Err(err) = filled {
            self.part = Some(part);
            return Err(err);
        }
        if !part.finish(&self.target)? {
            let pulled = self.there_already(sha256, commit)?;
            part.remove()?;
            return Ok(pulled);
        }
        let (path, received) = (self.target.clone(), self.received);
        Ok(Pulled { path, sha256, bytes: total, commit, received })
    }

    /// Returns the hash that the file must have.
    fn known_hash(&self, reply: &Reply) -> Result<String, HubError> {
        match (self.wanted, &reply.facts.sha256) {
            (Some(wanted), Some(said)) if wanted != said => {
                Err(HubError::OtherHash { wanted: wanted.to_owned(), said: said.clone() })
            }
            (Some(wanted), _) => Ok(wanted.to_owned()),
            (None, Some(said)) => Ok(said.clone()),
            (None, None) => Err(HubError::NoHash),
        }
    }

    /// Fills `part` up to `total` bytes: from `reply` where nothing is there yet, otherwise from where it ends.
    fn fill(&mut self, part: &mut Part, reply: Reply, total: u64) -> Result<(), HubError> {
        if part.bytes() > total {
            part.clear()?;
        }
        if part.bytes() == total {
            return Ok(());
        }
        part.check_room(total)?;
        let mut reply = if part.bytes() == 0 { reply } else { self.ask(part.bytes())? };
        let Facts { bytes, sha256, .. } = &reply.facts;
        if bytes.is_some_and(|bytes| bytes != total)
            || sha256.as_ref().is_some_and(|said| !part.is_of(said))
        {
            return Err(HubError::Changed(self.source.to_string()));
        }
        match reply.facts.start {
            start if start == part.bytes() => {}
            // It does not know how to begin in the middle.
            0 => part.clear()?,
            start => return Err(HubError::Start { asked: part.bytes(), start }),
        }
        while let Some(bytes) = reply.next(self.tell)? {
            if part.bytes() + bytes.len() as u64 > total {
                return Err(HubError::TooLong { total });
            }
            part.write(&bytes)?;
            self.received += bytes.len() as u64;
            stop_if((self.tell)(Some(Progress::Received(part.bytes(), total))))?;
        }
        match part.bytes() {
            have if have < total => Err(HubError::BrokeOff { have, total }),
            _ => Ok(()),
        }
    }

    fn ask(&mut self, from: u64) -> Result<Reply, HubError> {
        let url = self.source.url(&self.hub.endpoint)?;
        Reply::wait(self.hub.clone(), url, from, self.tell)
    }

    /// Holds a file that has the name already against what is asked for.
    fn there_already(
        &mut self,
        sha256: String,
        commit: Option<String>,
    ) -> Result<Pulled, HubError> {
        let path = self.target.clone();
        let tell = &mut *self.tell;
        let mut see = |done, total| tell(Some(Progress::Hashed(done, total)));
        let found = digest::of_file(&path, &mut see)
            .map_err(|source| HubError::Io { path: path.clone(), source })?
            .ok_or(HubError::Stopped)?;
        if found != sha256 {
            return Err(HubError::Occupied { path, found, sha256 });
        }
        let bytes = fs::metadata(&path).map_or(0, |facts| facts.len());
        Ok(Pulled { path, sha256, bytes, commit, received: self.received })
    }

    fn pause(&mut self, time: Duration) -> Result<(), HubError> {
        stop_if((self.tell)(Some(Progress::Again)))?;
        let begun = Instant::now();
        while begun.elapsed() < time {
            stop_if((self.tell)(None))?;
            std::thread::sleep(TICK.min(time));
        }
        Ok(())
    }
}

/// Returns whether `url` is of this machine.
fn is_here(url: &Uri) -> bool {
    matches!(url.host(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

fn stop_if(flow: ControlFlow<()>) -> Result<(), HubError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(HubError::Stopped),
    }
}
