//! One request, in a thread of its own: whoever waits for a silent server can still be told to stop. Redirects are
//! followed here, so that a token reaches nobody but the hub.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE};
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use super::{Hub, HubError, Tell, Token, is_here, stop_if};
use crate::env::digest::{CHUNK, is_sha256};

/// How often whoever waits is asked whether to go on.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// A hub sends us on once or twice.
const MAX_REDIRECTS: usize = 5;
/// So many chunks wait while the disk is slow.
const WAITING: usize = 4;
/// To find somebody and to shake hands.
const CONNECT: Duration = Duration::from_secs(20);

/// What the answer says of the file.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Facts {
    /// Where the bytes that follow begin.
    pub(super) start: u64,
    /// All that the file has.
    pub(super) bytes: Option<u64>,
    /// Its hash, as the hub itself says.
    pub(super) sha256: Option<String>,
    /// The commit it is of.
    pub(super) commit: Option<String>,
}

/// An answer whose bytes are on their way.
pub(super) struct Reply {
    pub(super) facts: Facts,
    news: Receiver<Result<News, HubError>>,
}

enum News {
    Facts(Facts),
    Bytes(Vec<u8>),
}

impl Reply {
    /// Asks `hub` for `url` from the byte `from` on.
    pub(super) fn wait(
        hub: Hub,
        url: Uri,
        from: u64,
        tell: &mut Tell<'_>,
    ) -> Result<Self, HubError> {
        let (sender, news) = sync_channel(WAITING);
        // Not joined: it may wait for a silent server, until that has lost its patience too.
        thread::spawn(move || talk(&hub, url, from, &sender));
        let mut reply = Self { facts: Facts::default(), news };
        match reply.hear(tell)? {
            Some(News::Facts(facts)) => reply.facts = facts,
            Some(News::Bytes(_)) | None => {
                return Err(HubError::BrokeOff { have: from, total: from });
            }
        }
        Ok(reply)
    }

    /// Returns the next bytes; nothing at the end.
    pub(super) fn next(&mut self, tell: &mut Tell<'_>) -> Result<Option<Vec<u8>>, HubError> {
        match self.hear(tell)? {
            Some(News::Bytes(bytes)) => Ok(Some(bytes)),
            Some(News::Facts(_)) | None => Ok(None),
        }
    }

    fn hear(&mut self, tell: &mut Tell<'_>) -> Result<Option<News>, HubError> {
        loop {
            match self.news.recv_timeout(TICK) {
                Ok(news) => return news.map(Some),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => stop_if(tell(None))?,
            }
        }
    }
}

fn talk(hub: &Hub, url: Uri, from: u64, sender: &SyncSender<Result<News, HubError>>) {
    let (facts, url, body) = match open(hub, url, from) {
        Ok(opened) => opened,
        // Nobody waits any more where it cannot be sent.
        Err(err) => return drop(sender.send(Err(err))),
    };
    let mut body = body.into_reader();
    let mut next = Ok(News::Facts(facts));
    let mut buffer = vec![0; CHUNK];
    while sender.send(next).is_ok() {
        next = match body.read(&mut buffer) {
            Ok(0) => return,
            // Some 16 KiB come at once.
            Ok(length) => Ok(News::Bytes(buffer[..length].to_vec())),
            Err(err) if err.kind() == ErrorKind::UnexpectedEof => return,
            Err(err) => Err(lost(hub, &url, ureq::Error::from(err))),
        };
        if next.is_err() {
            return drop(sender.send(next));
        }
    }
}

/// Follows the hub to where the bytes are.
fn open(hub: &Hub, url: Uri, from: u64) -> Result<(Facts, Uri, Body), HubError> {
    let mut url = url;
    let mut facts = Facts::default();
    for _ in 0..=MAX_REDIRECTS {
        let response = send(&agent(hub, &url), hub, &url, from)?;
        let is_hub = is_same_origin(&url, &hub.endpoint);
        if is_hub {
            facts.learn(response.headers());
        }
        let status = response.status().as_u16();
        let host = host(&url);
        match status {
            200 | 206 => {
                facts.place(&response, is_hub);
                return Ok((facts, url, response.into_body()));
            }
            301 | 302 | 303 | 307 | 308 => url = follow(&url, &response)?,
            401 | 403 => return Err(HubError::Denied { host, status }),
            404 | 410 => return Err(HubError::NotFound { host, path: url.path().to_owned() }),
            _ => return Err(HubError::Status { host, status }),
        }
    }
    let reason = format!("did so {MAX_REDIRECTS} times before");
    Err(HubError::Redirect { host: host(&url), reason })
}

fn agent(hub: &Hub, url: &Uri) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // This machine is asked in the clear, and whoever is on the way would read the token.
        .proxy(hub.proxy.clone().filter(|_| !is_here(url)))
        .user_agent(concat!("chargehand/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT.min(hub.patience)))
        .timeout_recv_response(Some(hub.patience))
        .timeout_per_read(Some(hub.patience))
        .timeout_per_write(Some(hub.patience));
    Agent::new_with_config(config.build())
}

fn send(agent: &Agent, hub: &Hub, url: &Uri, from: u64) -> Result<Response<Body>, HubError> {
    let mut request = agent.get(url);
    if from > 0 {
        request = request.header(RANGE, format!("bytes={from}-"));
    }
    if let Some(Token(token)) = hub.token.as_ref().filter(|_| is_same_origin(url, &hub.endpoint)) {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    request.call().map_err(|err| lost(hub, url, err))
}

fn lost(hub: &Hub, url: &Uri, err: ureq::Error) -> HubError {
    match err {
        ureq::Error::Timeout(_) => HubError::Silent { host: host(url), time: hub.patience },
        other => HubError::Unreachable { host: host(url), reason: other.to_string() },
    }
}

/// Returns where a redirect leads: never from https to http.
fn follow(url: &Uri, response: &Response<Body>) -> Result<Uri, HubError> {
    let refuse = |reason: &str| HubError::Redirect { host: host(url), reason: reason.to_owned() };
    let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
    let place = place.ok_or_else(|| refuse("does not say where to"))?;
    let (scheme, authority) = (url.scheme_str().unwrap_or_default(), url.authority());
    let absolute = match place {
        _ if place.starts_with("//") => format!("{scheme}:{place}"),
        _ if place.starts_with('/') => {
            format!("{scheme}://{}{place}", authority.map_or("", |known| known.as_str()))
        }
        _ => place.to_owned(),
    };
    let next: Uri = absolute.parse().map_err(|_| refuse("to no address"))?;
    match (scheme, next.scheme_str()) {
        (_, Some("https")) | ("http", Some("http")) => Ok(next),
        ("https", Some("http")) => Err(refuse("from https to http")),
        (_, _) => Err(refuse("to no address of the web")),
    }
}

fn host(url: &Uri) -> String {
    url.authority().map_or_else(String::new, |known| known.host().to_owned())
}

fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let origin = |url: &Uri| {
        let scheme = url.scheme_str().map(str::to_owned);
        let usual = if scheme.as_deref() == Some("https") { 443 } else { 80 };
        let host = url.host().map(str::to_ascii_lowercase);
        (scheme, host, url.port_u16().unwrap_or(usual))
    };
    origin(one) == origin(other)
}

impl Facts {
    /// Takes what only the hub itself is believed.
    fn learn(&mut self, headers: &HeaderMap) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let hash = text("x-linked-etag").map(unquoted).filter(|text| is_sha256(text));
        self.sha256 = hash.map(str::to_owned).or_else(|| self.sha256.take());
        let size = text("x-linked-size").and_then(|text| text.parse().ok());
        self.bytes = size.or(self.bytes);
        let commit = text("x-repo-commit").filter(|text| is_commit(text));
        self.commit = commit.map(str::to_owned).or_else(|| self.commit.take());
    }

    /// Takes where the bytes of `response` stand in the file.
    fn place(&mut self, response: &Response<Body>, is_hub: bool) {
        let headers = response.headers();
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let (start, total) = match response.status().as_u16() {
            206 => text(CONTENT_RANGE).and_then(range).unwrap_or((u64::MAX, None)),
            _ => (0, text(CONTENT_LENGTH).and_then(|text| text.parse().ok())),
        };
        self.start = start;
        self.bytes = self.bytes.or(total);
        // A hub without a store for large files names the hash of the file itself.
        let own = text(ETAG).map(unquoted).filter(|text| is_hub && is_sha256(text));
        self.sha256 = self.sha256.take().or_else(|| own.map(str::to_owned));
    }
}

/// Whether `text` is the hash of a commit, of either kind that git knows.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn unquoted(text: &str) -> &str {
    text.trim_start_matches("W/").trim_matches('"')
}

/// Reads `bytes 5-9/10`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = span.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 0-0/*"), Some((0, None)));
        for wrong in ["", "bytes", "bytes */10", "5-9/10", "bytes x-9/10", "bytes 5/10"] {
            assert_eq!(range(wrong), None, "{wrong}");
        }
    }

    #[track_caller]
    fn same(one: &str, other: &str, expect: bool) {
        assert_eq!(is_same_origin(&one.parse().unwrap(), &other.parse().unwrap()), expect);
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        same("https://h/a", "https://H:443/b", true);
        same("http://h/a", "http://h:80/b", true);
        same("https://h/a", "http://h/a", false);
        same("http://h:1/a", "http://h:2/a", false);
        same("http://h/a", "http://h.evil/a", false);
        same("http://u@h/a", "http://h/a", true);
    }
}
