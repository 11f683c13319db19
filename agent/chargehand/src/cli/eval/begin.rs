//! What is looked at before the first task: whether everybody who is to be examined can be, and whether an examination
//! that is gone on with is the same. Nothing is written before.

use chargehand_core::contract::Gates;
use chargehand_core::eval::{Fingerprint, Suite, Task};
use chargehand_core::script::Script;

use super::course::Course;
use super::record::{Head, Record};
use super::subject::{Likeness, Subject};
use crate::cli::held::Asking;
use crate::cli::worker::{Hired, Ready, Started, WorkerSpec};
use crate::cli::{card, whole};
use crate::config::Places;
use crate::error::{Error, Kind};
use crate::signal::Interrupt;

/// Opens the examination that is to be gone on with, if it was begun as `head` says.
pub(super) fn reopen(id: &str, head: &mut Head, places: &Places) -> Result<Record, Error> {
    let record = Record::open(&places.state, id)?;
    let models = head.subjects.iter_mut().filter(|subject| subject.scripts.is_none());
    models.for_each(|subject| subject.identify(places));
    let changes = changes(head, &record.head);
    if !changes.is_empty() {
        let message =
            format!("examination {} was begun otherwise: {}", record.head.id, changes.join(", "));
        return Err(Error::new(Kind::Usage, message).hint("begin a new one without --resume"));
    }
    Ok(record)
}

/// Gets an examination ready to be gone on with as `head` says: the same files may lie elsewhere by now, and who did
/// nothing yet may be another one.
pub(super) fn go_on(mut record: Record, head: &Head) -> Result<Record, Error> {
    record.mend()?;
    for (at, (old, now)) in record.head.subjects.iter_mut().zip(&head.subjects).enumerate() {
        old.model.clone_from(&now.model);
        if record.trials.iter().all(|trial| trial.subject != at) {
            old.identity.clone_from(&now.identity);
        }
    }
    let ended = record.head.course.ended;
    record.head.course = Course { ended, ..head.course.clone() };
    record.head.suite.clone_from(&head.suite);
    Ok(record)
}

/// Returns in what an examination is another one than `then`, in words.
fn changes(now: &Head, then: &Head) -> Vec<String> {
    let mut changes = Vec::new();
    if now.tasks_sha256 != then.tasks_sha256 {
        changes.push("the tasks are others".to_owned());
    }
    for (what, now, then) in
        [("--repeat", now.repeats, then.repeats), ("--seed", now.seed, then.seed)]
    {
        if now != then {
            changes.push(format!("{what} is {now}, it was {then}"));
        }
    }
    let (count, before) = (now.subjects.len(), then.subjects.len());
    if count != before {
        changes.push(format!("{count} models and settings are asked for, it had {before}"));
        return changes;
    }
    for (now, then) in now.subjects.iter().zip(&then.subjects) {
        let of = |change: String| match count {
            1 => change,
            _ => format!("of `{}` {change}", then.label),
        };
        changes.extend(now.changes_since(then).into_iter().map(of));
    }
    changes
}

/// Says what is wrong with a subject before any of them is examined. Of one that is `over` nothing is asked any more,
/// whatever lies in the place of its model by now.
pub(super) fn check(
    subjects: &mut [Subject],
    suite: &Suite,
    places: &Places,
    is_over: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    let mut seen: Vec<(String, Likeness)> = Vec::new();
    for (at, subject) in subjects.iter_mut().enumerate() {
        if is_over(at) {
            continue;
        }
        let likeness = subject.check(suite, places)?;
        if let Some((label, _)) = seen.iter().find(|(_, earlier)| *earlier == likeness) {
            let message = match *label == subject.label {
                true => format!("`{label}` is asked for twice"),
                false => format!("`{label}` and `{}` are the same", subject.label),
            };
            return Err(Error::new(Kind::Usage, message)
                .hint("name each model and each value once; --repeat does each task again"));
        }
        seen.push((subject.label.clone(), likeness));
    }
    Ok(())
}

/// Returns whether a subject has done everything.
pub(super) fn is_over(record: &Record, suite: &Suite, subject: usize) -> bool {
    let repeats = record.head.repeats;
    let done = |task: &Task| (1..=repeats).all(|repeat| record.has(subject, &task.id, repeat));
    suite.tasks.iter().all(done)
}

/// Whoever is examined next, ready to be started.
pub(super) struct Candidate {
    pub(super) spec: WorkerSpec,
    pub(super) of: Option<Fingerprint>,
    ready: Ready,
}

/// Whoever is examined.
pub(super) struct Examinee {
    pub(super) spec: WorkerSpec,
    pub(super) of: Option<Fingerprint>,
    pub(super) worker: Started,
}

impl Candidate {
    /// Returns whoever `subject` is, with memory reserved for it.
    pub(super) fn of(
        subject: &Subject,
        places: &Places,
        interrupt: &Interrupt,
    ) -> Result<Self, Error> {
        if let Some(path) = &subject.scripts {
            let spec = WorkerSpec::Script { path: path.clone() };
            return Ok(Self { spec, of: None, ready: Ready::Script(Script::of(Vec::new())) });
        }
        let args = subject.worker_args();
        let config = args.config(places)?;
        let Hired { mut spec, ready } =
            args.choose(Asking { config: &config, places, interrupt })?;
        // Whoever is hampered gets no card.
        if subject.ablation.is_none() {
            spec = whole::hashed(spec, &places.state)?;
        }
        let mut gates = Gates::default();
        subject.switch(&mut gates)?;
        let of = card::fingerprint(&spec, &gates)?;
        Ok(Self { spec, of, ready })
    }

    /// Starts it; nobody, where the user did not want to wait.
    pub(super) fn start(self, interrupt: &Interrupt) -> Result<Option<Examinee>, Error> {
        let Self { spec, of, ready } = self;
        match ready.start(&|| interrupt.is_set()) {
            Err(_) if interrupt.is_set() => Ok(None),
            started => Ok(Some(Examinee { spec, of, worker: started? })),
        }
    }
}
