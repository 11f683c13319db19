//! What a model remembers while another one has its turn: a file in the folder of the run. It holds what was said, so it
//! is ours alone, and goes with the turn. It is given back only as it was written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use chargehand_core::bytes::Bytes;
use chargehand_core::roles::Role;
use chargehand_engine::session::Parked;

use super::digest::of_file;

/// The folder of a run for these files. What a process left there that was killed is of no use to the next.
pub const FOLDER: &str = "parked";

/// So much of the disk is left to the log and the report of the run.
const LEFT: Bytes = Bytes::mib(16);

/// The file of one model.
#[derive(Debug)]
pub struct Parking {
    path: PathBuf,
    kept: Option<Kept>,
}

/// What lies in it.
#[derive(Debug)]
struct Kept {
    parked: Parked,
    sha256: String,
}

impl Parking {
    /// Makes an empty file for `role` in the folder of a run.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn of(run: &Path, role: Role) -> io::Result<Self> {
        let folder = run.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let parking = Self { path: folder.join(role.to_string()), kept: None };
        parking.renew()?;
        Ok(parking)
    }

    /// Returns where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes note of what was written: what is read back later is the same, or nothing.
    ///
    /// # Errors
    ///
    /// What the system said, that the disk is nearly full, or that `stop` said so.
    pub fn keep(&mut self, parked: Parked, stop: &mut dyn FnMut() -> bool) -> io::Result<()> {
        let disk = rustix::fs::statvfs(&self.path)?;
        let left = Bytes(disk.f_bavail.saturating_mul(disk.f_frsize));
        if left < LEFT {
            return Err(io::Error::other(format!("it would leave {left} of the disk")));
        }
        let sha256 = digest(&self.path, stop)?;
        self.kept = Some(Kept { parked, sha256 });
        Ok(())
    }

    /// Returns what lies there, if that is still what was written, once. Whatever else lies there is thrown away.
    ///
    /// # Errors
    ///
    /// Why it is lost.
    pub fn look(&mut self, stop: &mut dyn FnMut() -> bool) -> io::Result<Option<Parked>> {
        let Some(Kept { parked, sha256 }) = self.kept.take() else { return Ok(None) };
        match digest(&self.path, stop) {
            Ok(found) if found == sha256 => Ok(Some(parked)),
            Ok(_) => self.renew().and(Err(io::Error::other("its file was changed"))),
            Err(err) => self.renew().and(Err(err)),
        }
    }

    /// Puts an empty file in its place, which gives the disk back.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub fn renew(&self) -> io::Result<()> {
        // Never through a link.
        if let Err(err) = fs::remove_file(&self.path)
            && err.kind() != io::ErrorKind::NotFound
        {
            return Err(err);
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path).map(drop)
    }

    /// Empties the file that a process may write to already.
    pub fn clear(&self) {
        drop(File::options().write(true).truncate(true).open(&self.path));
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap_or_default();
        // The last one takes the folder along.
        self.path.parent().map(fs::remove_dir).transpose().unwrap_or_default();
    }
}

fn digest(path: &Path, stop: &mut dyn FnMut() -> bool) -> io::Result<String> {
    let mut see = |_, _| if stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    of_file(path, &mut see)?.ok_or_else(|| io::Error::other("it was not waited for"))
}
