//! What models take: as it is known from before, or counted anew; held against the header and against the last load.
//! The larger counts, and it is said.

use std::path::{Path, PathBuf};

use chargehand_core::memory::beside::{Beside, draft, projector};
use chargehand_core::memory::estimate::estimate;
use chargehand_core::memory::taken::{Taken, at_least};
use chargehand_core::memory::{self, Footprint, LoadOptions, Pool};
use chargehand_engine::gguf::{self, Weights};

use super::model::Choice;
use crate::config::Places;
use crate::env::kept::{Kept, Key, Known};
use crate::env::prober::Prober;
use crate::error::Error;

/// Says what models take on one machine.
pub(super) struct Meter {
    kept: Kept,
    prober: Prober,
    devices: Vec<Pool>,
}

impl Meter {
    /// Returns a meter for the models at `paths`, beside `devices`.
    pub(super) fn of(paths: Vec<PathBuf>, devices: Vec<Pool>, places: &Places) -> Self {
        Self { kept: Kept::below(&places.state), prober: Prober::of(paths), devices }
    }

    /// Returns what `options` take of the model of `choice`, with what works beside it, and what there is to say.
    pub(super) fn measure(
        &mut self,
        choice: &Choice,
        options: &LoadOptions,
    ) -> Result<(Footprint, Vec<String>), Error> {
        let alone = LoadOptions { beside: Vec::new(), ..options.clone() };
        let (mut footprint, mut warnings) = self.alone(choice, &alone)?;
        for beside in &options.beside {
            let path = Path::new(beside.path());
            match beside {
                Beside::Projector { on_cpu, .. } => {
                    let devices = if *on_cpu { &[] } else { self.devices.as_slice() };
                    footprint.rows.extend(projector(&gguf::model(path, Weights::Here)?, devices)?);
                }
                Beside::Draft { path: draft_path } => {
                    let header = gguf::model(path, Weights::Here)?;
                    let options = LoadOptions {
                        path: draft_path.clone(),
                        // Those of the model that it guesses for are of other files.
                        seals: Vec::new(),
                        ..alone.clone()
                    };
                    let digest = gguf::digest(path)?;
                    let guesser = Choice {
                        name: draft_path.clone(),
                        options: options.clone(),
                        header,
                        digest,
                        mmproj: None,
                    };
                    let (found, said) = self.alone(&guesser, &options)?;
                    footprint.rows.extend(draft(found));
                    warnings.extend(said);
                }
            }
        }
        footprint.options.beside.clone_from(&options.beside);
        Ok((footprint, warnings))
    }

    fn alone(
        &mut self,
        choice: &Choice,
        options: &LoadOptions,
    ) -> Result<(Footprint, Vec<String>), Error> {
        let Known { footprint, taken } = self.known(choice, options)?;
        let mut warnings = Vec::new();
        // What the header does not tell, the dry run decides alone.
        let footprint = match estimate(&choice.header, &choice.name, options.clone(), &self.devices)
        {
            Ok(estimated) => {
                let (larger, doubt) = memory::larger(footprint, &estimated);
                warnings.extend(doubt.map(|doubt| doubt.to_string()));
                larger
            }
            Err(_) => footprint,
        };
        let Some(taken) = taken else { return Ok((footprint, warnings)) };
        let (larger, residual) = at_least(footprint, &taken);
        warnings.extend(residual.iter().map(|residual| residual.to_string()));
        Ok((larger, warnings))
    }

    fn known(&mut self, choice: &Choice, options: &LoadOptions) -> Result<Known, Error> {
        let key = Key::of(&choice.digest, options, &self.devices);
        if let Some(mut known) = self.kept.find(&key, choice.header.file) {
            // It may lie elsewhere by now, and be called otherwise.
            known.footprint.model.clone_from(&choice.name);
            known.footprint.options = options.clone().settled();
            return Ok(known);
        }
        let footprint = self.prober.footprint(&choice.name, options)?;
        let known = Known { footprint, taken: None };
        // Where it cannot be kept, it is counted anew the next time.
        self.kept.keep(&key, &known).unwrap_or_default();
        Ok(known)
    }
}

/// Keeps what a load of `footprint` has `taken`, for the next plan.
pub(super) fn learn(kept: &Kept, footprint: &Footprint, devices: &[Pool], taken: Taken) {
    let Ok(digest) = gguf::digest(Path::new(&footprint.options.path)) else { return };
    let key = Key::of(&digest, &footprint.options, devices);
    if let Some(known) = kept.find(&key, None) {
        kept.keep(&key, &Known { taken: Some(taken), ..known }).unwrap_or_default();
    }
}
