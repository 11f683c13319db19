//! Which families a job needs: what a model must have been examined in before it does such a job alone.

use crate::contract::{Contract, Deed};

/// More places than these to change make a job wide.
const NARROW_PLACES: usize = 3;
/// What makes a pattern of a path.
const GLOB: [char; 4] = ['*', '?', '[', '{'];

/// A family and the jobs that need it.
#[derive(Debug)]
pub struct Need {
    /// The family of the built-in suites.
    pub family: &'static str,
    /// The jobs, for people.
    pub jobs: &'static str,
    concerns: fn(&Contract) -> bool,
}

/// Every family that decides, in the order of the suites. Families of your own suites decide for every job.
pub const NEEDS: &[Need] = &[
    Need { family: "create", jobs: CREATES, concerns: creates },
    Need { family: "exact", jobs: CREATES, concerns: creates },
    Need { family: "append", jobs: WRITES, concerns: writes },
    Need { family: "replace", jobs: WRITES, concerns: writes },
    Need { family: "set", jobs: WRITES, concerns: writes },
    Need { family: "add", jobs: WRITES, concerns: writes },
    Need { family: "rename", jobs: SEVERAL, concerns: writes_several },
    Need { family: "find", jobs: SEVERAL, concerns: writes_several },
    Need { family: "fix", jobs: CHECKS, concerns: has_checks },
    Need { family: "recover", jobs: CHECKS, concerns: has_checks },
    Need { family: "refuse", jobs: ALL, concerns: |_| true },
    Need { family: "ask", jobs: ALL, concerns: |_| true },
    Need { family: "several", jobs: WIDE, concerns: is_wide },
    Need { family: "function", jobs: WIDE, concerns: is_wide },
    Need { family: "convention", jobs: WIDE, concerns: is_wide },
    Need { family: "keep_out", jobs: WIDE, concerns: is_wide },
];

const CREATES: &str = "the contract lets files appear";
const WRITES: &str = "the contract lets files change or go";
const SEVERAL: &str = "more than one file may change or go";
const CHECKS: &str = "the contract has checks";
const ALL: &str = "every job";
const WIDE: &str =
    "wide jobs: more than three places, or a glob over folders, such as `src/**` or `*/x`";

/// Returns the families that a job under `contract` needs, of a model that was examined in `examined`.
#[must_use]
pub fn needed<'c>(contract: &Contract, examined: impl Iterator<Item = &'c str>) -> Vec<&'c str> {
    let ours = NEEDS.iter().filter(|need| (need.concerns)(contract)).map(|need| need.family);
    ours.chain(examined.filter(|family| is_own(family))).collect()
}

/// Returns whether a family is none of the built-in suites.
#[must_use]
pub fn is_own(family: &str) -> bool {
    NEEDS.iter().all(|need| need.family != family)
}

/// Returns whether a job is wider than what the first suite examines.
#[must_use]
pub fn is_wide(contract: &Contract) -> bool {
    let places = [Deed::Write, Deed::Create, Deed::Delete];
    let mut places = places.into_iter().flat_map(|deed| contract.scope.patterns(deed));
    places.clone().count() > NARROW_PLACES || places.any(|place| is_over_folders(place))
}

fn is_over_folders(place: &str) -> bool {
    place.contains("**")
        || place.rsplit_once('/').is_some_and(|(folders, _)| folders.contains(GLOB))
}

fn creates(contract: &Contract) -> bool {
    !contract.scope.patterns(Deed::Create).is_empty()
}

fn writes(contract: &Contract) -> bool {
    touched(contract).next().is_some()
}

fn writes_several(contract: &Contract) -> bool {
    touched(contract).count() > 1 || touched(contract).any(|place| place.contains(GLOB))
}

/// Returns where a file of the base may change or go. No suite has files go, and whoever takes the wrong one away does
/// not do less harm than whoever changes it: what is known of the one decides for the other.
fn touched(contract: &Contract) -> impl Iterator<Item = &String> {
    [Deed::Write, Deed::Delete].into_iter().flat_map(|deed| contract.scope.patterns(deed))
}

fn has_checks(contract: &Contract) -> bool {
    !contract.checks.is_empty()
}
