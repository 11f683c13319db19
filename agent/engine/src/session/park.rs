//! What a session remembers, on the disk: its process can end and another one goes on without evaluating it again.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Session, SessionError};

/// What was written, or read back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct Parked {
    /// Tokens that are remembered.
    pub tokens: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

impl Session<'_> {
    /// Writes what is remembered to `file`.
    ///
    /// # Errors
    ///
    /// [`SessionError::Parking`], when the disk is full, for instance. What is remembered stays.
    pub fn park(&self, file: &Path) -> Result<Parked, SessionError> {
        if self.cached.is_empty() {
            return Ok(Parked::default());
        }
        let written = self.context.state_seq_save_file(file, 0, &self.cached);
        let bytes = written.map_err(|err| SessionError::Parking(err.to_string()))?;
        Ok(self.parked(bytes))
    }

    /// Takes back what [`Session::park`] has written to `file` with the same model and options: `parked` is what it said.
    ///
    /// # Errors
    ///
    /// [`SessionError::Parking`], when it is of another model, for instance. Nothing is remembered then.
    pub fn restore(&mut self, file: &Path, parked: Parked) -> Result<Parked, SessionError> {
        self.forget();
        // llama.cpp aborts on a file that ends early.
        let found = std::fs::metadata(file).map_or(0, |facts| facts.len());
        if found != parked.bytes {
            let text = format!("the file has {found} bytes and not {}", parked.bytes);
            return Err(SessionError::Parking(text));
        }
        let n_ctx = self.n_ctx();
        match self.context.state_seq_load_file(file, 0, n_ctx) {
            Ok((tokens, bytes)) => {
                self.cached = tokens;
                Ok(self.parked(bytes))
            }
            Err(err) => {
                // How much of it came is unknown.
                self.forget();
                Err(SessionError::Parking(err.to_string()))
            }
        }
    }

    fn parked(&self, bytes: usize) -> Parked {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Parked { tokens: count(self.cached.len()), bytes: count(bytes) }
    }
}
