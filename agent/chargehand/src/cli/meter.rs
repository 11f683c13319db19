//! What models take: as it is known from before, or counted anew; held against the header and against the last load.
//! The larger counts, and it is said.

use std::path::{Path, PathBuf};

use chargehand_core::memory::beside::{Beside, MOST_PADDING, draft, projector};
use chargehand_core::memory::estimate::estimate;
use chargehand_core::memory::taken::{Taken, at_least};
use chargehand_core::memory::{self, Footprint, LoadOptions, Pool, Row};
use chargehand_engine::gguf::{self, Weights};

use super::model::{self, Choice};
use crate::config::Places;
use crate::env::kept::{Kept, Key, Known};
use crate::env::prober::Prober;
use crate::error::{Error, Kind};

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
        let alone = options.alone();
        let (mut footprint, mut warnings) = self.alone(choice, &alone)?;
        if *options == alone {
            return Ok((footprint, warnings));
        }
        for beside in &options.beside {
            match beside {
                Beside::Projector { path, on_cpu } => {
                    let devices = if *on_cpu { &[] } else { self.devices.as_slice() };
                    let header = gguf::model(Path::new(path), Weights::Here)?;
                    footprint.rows.extend(projector(&header, devices)?);
                }
                Beside::Draft { path, seals } => {
                    let (path, seals) = (path.clone(), seals.clone());
                    let options = LoadOptions { path, seals, ..alone.clone() };
                    let (rows, said) = self.guesser(choice, options)?;
                    footprint.rows.extend(rows);
                    warnings.extend(said);
                }
                // Counted with the model.
                Beside::Mtp => {}
            }
        }
        footprint.options.beside.clone_from(&options.beside);
        let known = self.kept.find(&key(&footprint, &self.devices)?, None);
        let Some(taken) = known.and_then(|known| known.taken) else {
            return Ok((footprint, warnings));
        };
        let (larger, residual) = at_least(footprint, &taken);
        warnings.extend(residual.iter().map(|residual| residual.to_string()));
        Ok((larger, warnings))
    }

    /// Returns what the model of `options` takes that guesses for the one of `choice`.
    fn guesser(
        &mut self,
        choice: &Choice,
        options: LoadOptions,
    ) -> Result<(Vec<Row>, Vec<String>), Error> {
        let path = Path::new(&options.path);
        let header = gguf::model(path, Weights::Here)?;
        let [own, other] = [header.tokens.count, choice.header.tokens.count];
        if own.abs_diff(other) > MOST_PADDING {
            let (path, name) = (path.display(), &choice.name);
            let message = format!("{path} has {own} tokens, and {name} has {other}");
            return Err(Error::new(Kind::Refused, message)
                .hint("a model that guesses has the tokens of the one that it guesses for"));
        }
        let (digest, name) = (gguf::digest(path)?, options.path.clone());
        let guesser = Choice { name, options: options.clone(), header, digest, mmproj: None };
        let (found, said) = self.alone(&guesser, &options)?;
        Ok((draft(found), said))
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
        let key = Key::of(&[choice.digest], options, &self.devices);
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
    let Ok(key) = key(footprint, devices) else { return };
    let known = if footprint.options == footprint.options.alone() {
        kept.find(&key, None)
    } else {
        // Each was counted alone; of both together only this is known.
        Some(Known { footprint: footprint.clone(), taken: None })
    };
    if let Some(known) = known {
        kept.keep(&key, &Known { taken: Some(taken), ..known }).unwrap_or_default();
    }
}

/// Returns under which key it is known what `footprint` took, with what works beside the model.
fn key(footprint: &Footprint, devices: &[Pool]) -> Result<Key, Error> {
    let files = model::files(&footprint.options);
    let digests = files.iter().map(|path| gguf::digest(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(Key::of(&digests, &footprint.options, devices))
}
