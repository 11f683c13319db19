//! Which models are asked for, and who works with them.

use std::path::PathBuf;

use chargehand_core::roles::{ROLES, Role};

use crate::cli::model::known::{Known, find};
use crate::config::{ModelConfig, Places, UserConfig};
use crate::error::{Error, Kind};

/// More layers than any model has.
pub(super) const ALL_LAYERS: u32 = 999;

/// A model, loaded once.
#[derive(Debug)]
pub(super) struct Wish {
    /// Its file or its name.
    pub(super) asked: PathBuf,
    /// Who works with it.
    pub(super) roles: Vec<Role>,
    known: Known,
}

impl Wish {
    /// Returns the sequences it needs, where each role has `each`.
    pub(super) fn sequences(&self, each: u32) -> u32 {
        let roles = u32::try_from(self.roles.len()).unwrap_or(u32::MAX).max(1);
        each.saturating_mul(roles)
    }
}

/// Reads who wants what: where nothing is asked for, all roles of the configuration. Roles of the same file share one
/// model.
pub(super) fn wishes(
    models: &[PathBuf],
    roles: &[String],
    config: &UserConfig,
    places: &Places,
) -> Result<Vec<Wish>, Error> {
    let mut wishes: Vec<Wish> = Vec::new();
    for asked in models {
        let known = find(asked, config, places)?;
        wishes.push(Wish { asked: asked.clone(), roles: Vec::new(), known });
    }
    let roles = match (models, roles) {
        ([], []) => config.roles.iter().map(|(role, model)| (*role, model.clone())).collect(),
        (_, roles) => {
            roles.iter().map(|text| read(text, config)).collect::<Result<Vec<_>, Error>>()?
        }
    };
    for (role, model) in roles {
        if wishes.iter().any(|wish| wish.roles.contains(&role)) {
            return Err(usage(&format!("the role {role} stands there twice"), "one model each"));
        }
        let asked = PathBuf::from(model);
        let known = find(&asked, config, places)
            .map_err(|err| Error::new(err.kind, format!("the {role} is {err}")))?;
        match wishes.iter_mut().find(|wish| is_same(&wish.known, &known)) {
            Some(wish) => wish.roles.push(role),
            None => wishes.push(Wish { asked, roles: vec![role], known }),
        }
    }
    if wishes.is_empty() {
        let hint = "name a GGUF file, or say in [roles] of config.toml which model does what";
        return Err(usage("there is no model to plan for", hint));
    }
    Ok(wishes)
}

/// Reads `ROLE=MODEL`, or `ROLE` whose model is configured.
fn read(text: &str, config: &UserConfig) -> Result<(Role, String), Error> {
    let (word, model) = text.split_once('=').map_or((text, ""), |(word, model)| (word, model));
    let role: Role = word.parse().map_err(|err| {
        let words = ROLES.map(|(word, _)| word).join(", ");
        usage(&format!("{err}"), &format!("roles are {words}"))
    })?;
    let model = Some(model).filter(|model| !model.is_empty());
    let model = model.or(config.roles.get(&role).map(String::as_str));
    let hint = "write it like --role coder=MODEL.gguf, or set it in [roles] of config.toml";
    let model = model.ok_or_else(|| usage(&format!("`{text}` gives no role a model"), hint))?;
    Ok((role, model.to_owned()))
}

/// Whether two models are one worker: the same file, loaded in the same way, whatever it is called.
fn is_same(one: &Known, other: &Known) -> bool {
    let file = |known: &Known| known.path.canonicalize().unwrap_or_else(|_| known.path.clone());
    let how = |known: &Known| ModelConfig { path: PathBuf::new(), ..known.set.clone() };
    file(one) == file(other) && how(one) == how(other)
}

fn usage(message: &str, hint: &str) -> Error {
    Error::new(Kind::Usage, message).hint(hint)
}
