//! Which models are asked for, and who works with them.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind};

/// More layers than any model has.
pub(super) const ALL_LAYERS: u32 = 999;

/// What a model can be used for.
const ROLES: [&str; 5] = ["coder", "judge", "orchestrator", "describer", "backup"];

/// A model, loaded once.
#[derive(Debug)]
pub(super) struct Wish {
    /// Its file.
    pub(super) path: PathBuf,
    /// Who works with it.
    pub(super) roles: Vec<String>,
}

impl Wish {
    /// Returns the sequences it needs, where each role has `each`.
    pub(super) fn sequences(&self, each: u32) -> u32 {
        let roles = u32::try_from(self.roles.len()).unwrap_or(u32::MAX).max(1);
        each.saturating_mul(roles)
    }
}

/// Reads who wants what. Roles of the same file share one model.
pub(super) fn wishes(models: &[PathBuf], roles: &[String]) -> Result<Vec<Wish>, Error> {
    let mut wishes: Vec<Wish> = Vec::new();
    for path in models {
        wishes.push(Wish { path: path.clone(), roles: Vec::new() });
    }
    for text in roles {
        let (role, path) =
            text.split_once('=').filter(|(_, path)| !path.is_empty()).ok_or_else(|| {
                usage(
                    &format!("`{text}` gives no role a model"),
                    "write it like --role coder=MODEL.gguf",
                )
            })?;
        if !ROLES.contains(&role) {
            return Err(usage(
                &format!("`{role}` is no role"),
                &format!("roles are {}", ROLES.join(", ")),
            ));
        }
        if wishes.iter().any(|wish| wish.roles.iter().any(|known| known == role)) {
            return Err(usage(&format!("the role {role} stands there twice"), "one model each"));
        }
        let same = wishes.iter_mut().find(|wish| is_same(&wish.path, Path::new(path)));
        match same {
            Some(wish) => wish.roles.push(role.to_owned()),
            None => wishes.push(Wish { path: path.into(), roles: vec![role.to_owned()] }),
        }
    }
    Ok(wishes)
}

/// Whether two paths lead to one file, whatever they are called.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn usage(message: &str, hint: &str) -> Error {
    Error::new(Kind::Usage, message).hint(hint)
}
