//! The examinations that are kept. They are small, and their figures may be wanted for long: they go after the runs.

use std::fs;
use std::path::Path;

use chargehand_core::bytes::Bytes;
use serde::Deserialize;

use super::{GOING, May, Shelf, clear, folders, is_young, size};
use crate::env::dir::{DiskError, Tried, is_absent};
use crate::env::run_dir::{hold, is_held};

/// How far an examination is, as far as its removal is concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EvalStanding {
    /// A process conducts it.
    Busy,
    /// It was interrupted and can be gone on with, or an earlier version began it.
    Open,
    /// All was done.
    Ended,
    /// It may be in the making.
    Young,
    /// Its `eval.json` is not there or cannot be read.
    Foreign,
}

/// An examination on the shelf.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeptEval {
    /// The name of its folder.
    pub id: String,
    /// How far it is.
    pub standing: EvalStanding,
    /// What it takes of the disk.
    pub bytes: Bytes,
}

/// What `eval.json` says of it.
#[derive(Deserialize)]
struct Head {
    id: String,
    #[serde(default)]
    course: Course,
}

#[derive(Default, Deserialize)]
struct Course {
    ended: bool,
}

impl EvalStanding {
    fn may_go(self, which: May) -> bool {
        match self {
            Self::Ended => true,
            Self::Open | Self::Foreign => which == May::Open,
            Self::Busy | Self::Young => false,
        }
    }
}

impl Shelf {
    /// Returns the examinations that have to go so that no more than `most` stays when [`Shelf::surplus`] is gone, the
    /// oldest first.
    #[must_use]
    pub fn surplus_evals(&self, most: Bytes, which: May) -> Vec<&KeptEval> {
        let runs: Bytes = self.surplus(most, which).iter().map(|run| run.bytes).sum();
        let mut left = self.bytes().saturating_sub(runs);
        let mut going = Vec::new();
        for eval in self.evals.iter().filter(|eval| eval.standing.may_go(which)) {
            if left <= most {
                break;
            }
            left = left.saturating_sub(eval.bytes);
            going.push(eval);
        }
        going
    }
}

/// Returns the examinations below `state`, the oldest first.
pub(super) fn look(state: &Path) -> Result<Vec<KeptEval>, DiskError> {
    let parent = state.join("evals");
    let mut ids = folders(&parent)?;
    ids.retain(|id| !id.starts_with('.'));
    // A name begins with its moment.
    ids.sort();
    let look = |id: String| {
        let path = parent.join(&id);
        let standing = if is_held(&path) { EvalStanding::Busy } else { standing(&path, &id) };
        KeptEval { standing, bytes: size(&path), id }
    };
    Ok(ids.into_iter().map(look).collect())
}

/// Removes `eval` from `state`, and returns whether it is gone. It stays when somebody took it up meanwhile. No scorecard
/// goes with it.
///
/// # Errors
///
/// [`DiskError`]. What is left of it then has a name that nobody takes for an examination, and goes with the next removal.
pub fn remove_eval(state: &Path, eval: &KeptEval, which: May) -> Result<bool, DiskError> {
    let (parent, id) = (state.join("evals"), &eval.id);
    let path = parent.join(id);
    if !path.exists() || is_held(&path) || !standing(&path, id).may_go(which) {
        return Ok(false);
    }
    let Some(_held) = hold(&path)? else { return Ok(false) };
    // Somebody may have taken it up and left it again. It looks young where our lock is the first thing in it.
    let now = standing(&path, id);
    if now != EvalStanding::Young && !now.may_go(which) {
        return Ok(false);
    }
    let aside = format!("{GOING}{id}");
    match fs::rename(&path, parent.join(&aside)) {
        Err(err) if is_absent(&err) => return Ok(false),
        renamed => renamed.tried(|| format!("cannot remove examination {id}"))?,
    }
    clear(&parent, &aside).map(|()| true)
}

/// Returns how far one is that no process conducts.
fn standing(path: &Path, id: &str) -> EvalStanding {
    let head = fs::read(path.join("eval.json")).ok();
    match head.and_then(|text| serde_json::from_slice::<Head>(&text).ok()) {
        Some(head) if head.id == id && head.course.ended => EvalStanding::Ended,
        Some(head) if head.id == id => EvalStanding::Open,
        _ if is_young(path) => EvalStanding::Young,
        _ => EvalStanding::Foreign,
    }
}
