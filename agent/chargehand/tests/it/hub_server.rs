//! A hub on this machine that behaves like Hugging Face: the name of a file leads to a store under another address,
//! which sends ranges. And one that behaves badly, in one way at a time.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest, Sha256};

/// What the store and the hub do with a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Manner {
    /// What they should.
    #[default]
    Good,
    /// The hub wants a token.
    Gated,
    /// Nobody has such a file.
    Missing,
    /// The hub is overloaded.
    Overloaded,
    /// The store sends the whole file whatever was asked for.
    IgnoresRange,
    /// The store sends another range than was asked for.
    WrongRange,
    /// The store ends after so many bytes of the file, whatever it announced.
    EndsAt(usize),
    /// The store sends the whole file whatever was asked for, and ends after so many bytes.
    StartsAgainAndEndsAt(usize),
    /// The hub has another file by the time it is asked for the rest.
    Changes,
    /// The store sends so many bytes of the file and then nothing.
    StopsAt(usize),
    /// The store accepts and never answers.
    Mute,
    /// A byte of the file is another one than the hub says.
    WrongByte,
    /// The store sends a byte more than the hub says.
    TooMuch,
    /// The hub does not name a hash.
    NoHash,
    /// The hub says that the file is larger than any disk.
    Huge,
    /// The hub sends us in a circle.
    Circle,
    /// The hub sends us to something that is no web.
    OtherScheme,
    /// What answers does not speak HTTP.
    Garbage,
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
    /// Whether the store was asked, not the hub.
    pub(crate) is_store: bool,
}

/// Hub and store.
pub(crate) struct Server {
    hub: SocketAddr,
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Says that a transfer stands still.
    pub(crate) stands: Receiver<()>,
}

struct Shop {
    content: Vec<u8>,
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    stands: Mutex<Sender<()>>,
    store: SocketAddr,
}

impl Server {
    /// Serves `content` under every name.
    pub(crate) fn of(content: &[u8], manner: Manner) -> Self {
        let (hub, store) = (listener(), listener());
        let (sender, stands) = channel();
        let (manner, seen) = (Arc::new(Mutex::new(manner)), Arc::default());
        let shop = Arc::new(Shop {
            content: content.to_vec(),
            manner: Arc::clone(&manner),
            seen: Arc::clone(&seen),
            stands: Mutex::new(sender),
            store: store.local_addr().unwrap(),
        });
        let address = hub.local_addr().unwrap();
        for (listener, is_store) in [(hub, false), (store, true)] {
            let shop = Arc::clone(&shop);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let shop = Arc::clone(&shop);
                    // A client that is gone is no failure here.
                    thread::spawn(move || drop(shop.serve(stream, is_store)));
                }
            });
        }
        Self { hub: address, manner, seen, stands }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.hub)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Returns what was asked so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Returns the SHA-256 of `content` in hex.
pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Shop {
    fn serve(&self, stream: TcpStream, is_store: bool) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(seen) = request(&mut reader, is_store)? {
            self.seen.lock().unwrap().push(seen.clone());
            let manner = *self.manner.lock().unwrap();
            let stream = reader.get_mut();
            let goes_on = match is_store {
                false => self.answer_as_hub(stream, &seen, manner)?,
                true => self.answer_as_store(stream, &seen, manner)?,
            };
            if !goes_on {
                return Ok(());
            }
        }
        Ok(())
    }

    fn answer_as_hub(
        &self,
        stream: &mut TcpStream,
        seen: &Seen,
        manner: Manner,
    ) -> std::io::Result<bool> {
        let mut head = format!("X-Repo-Commit: {}\r\n", "c".repeat(40));
        let is_other = manner == Manner::Changes && seen.range.is_some();
        if manner != Manner::NoHash {
            let hash = sha256(if is_other { b"other" } else { &self.content });
            head += &format!("X-Linked-Etag: \"{hash}\"\r\n");
        }
        let size = if manner == Manner::Huge { 1 << 60 } else { self.content.len() };
        head += &format!("X-Linked-Size: {size}\r\n");
        let store = format!("http://{}/blob?key=1", self.store);
        let to = match manner {
            Manner::Gated if seen.token.is_none() => return status(stream, "401 Unauthorized"),
            Manner::Missing => return status(stream, "404 Not Found"),
            Manner::Overloaded => return status(stream, "503 Service Unavailable"),
            Manner::Garbage => {
                stream.write_all(b"what?\n")?;
                return Ok(false);
            }
            Manner::Circle => seen.path.clone(),
            Manner::OtherScheme => "ftp://127.0.0.1/m".to_owned(),
            // A repository that was renamed, as the hub itself says it.
            _ if seen.path.starts_with("/old/") => seen.path.replacen("/old/", "/new/", 1),
            _ => store,
        };
        let head =
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\n{head}Content-Length: 0\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(true)
    }

    fn answer_as_store(
        &self,
        stream: &mut TcpStream,
        seen: &Seen,
        manner: Manner,
    ) -> std::io::Result<bool> {
        let mut content = self.content.clone();
        match manner {
            Manner::Mute => return self.stand(stream),
            Manner::WrongByte => content[0] ^= 1,
            Manner::TooMuch => content.push(0),
            _ => {}
        }
        let all = content.len();
        let asked = seen.range.as_deref().and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let from = match (asked, manner) {
            (None, _) | (_, Manner::IgnoresRange | Manner::StartsAgainAndEndsAt(_)) => None,
            (Some(from), Manner::WrongRange) => Some(from + 1),
            (Some(from), _) => Some(from),
        };
        let head = match from {
            None => format!("HTTP/1.1 200 OK\r\nContent-Length: {all}\r\n\r\n"),
            Some(from) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{all}\r\nContent-Length: {}\r\n\r\n",
                all - 1,
                all - from
            ),
        };
        stream.write_all(head.as_bytes())?;
        let from = from.unwrap_or(0);
        match manner {
            Manner::EndsAt(end) | Manner::StartsAgainAndEndsAt(end) => {
                stream.write_all(&content[from.min(end)..end])?;
                Ok(false)
            }
            Manner::StopsAt(end) => {
                stream.write_all(&content[from.min(end)..end])?;
                self.stand(stream)
            }
            _ => stream.write_all(&content[from..]).map(|()| true),
        }
    }

    /// Says nothing until the other end is gone.
    fn stand(&self, stream: &mut TcpStream) -> std::io::Result<bool> {
        self.stands.lock().unwrap().send(()).unwrap();
        let mut rest = String::new();
        BufReader::new(stream).read_line(&mut rest)?;
        Ok(false)
    }
}

fn status(stream: &mut TcpStream, status: &str) -> std::io::Result<bool> {
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())?;
    Ok(true)
}

fn request(reader: &mut BufReader<TcpStream>, is_store: bool) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut seen = Seen { path, is_store, ..Seen::default() };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Ok(Some(seen)) };
        match name.to_ascii_lowercase().as_str() {
            "range" => seen.range = Some(value.to_owned()),
            "authorization" => seen.token = Some(value.to_owned()),
            _ => {}
        }
    }
}
