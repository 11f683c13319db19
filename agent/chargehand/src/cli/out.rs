//! Printing: results to stdout, the rest to stderr. A reader that is gone is no error.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::json;

use crate::error::{Error, Kind};
use crate::report::visible;

/// Prints `text` and a line end to stdout.
pub(super) fn line(text: &str) -> Result<(), Error> {
    raw(&format!("{text}\n"))
}

/// Prints `text` as it is to stdout.
pub(super) fn raw(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(err) if err.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::new(Kind::Failed, format!("cannot write to stdout: {err}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints `value` as one line of JSON to stdout; what a terminal would act on is spelt out in its strings.
pub(super) fn json(value: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(value).expect("our own types have text keys only");
    line(&visible::json(&text))
}

/// Prints `text` and a line end to stderr; where that goes nowhere, nobody can be told.
pub(super) fn note(text: &str) {
    drop(writeln!(io::stderr(), "{text}"));
}

/// Prints a question to stderr, with no line end: the answer stands behind it.
pub(super) fn ask(text: &str) {
    let mut stderr = io::stderr();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

/// Says why a command failed: to people on stderr, and to a program that asked for JSON on stdout too.
pub(super) fn report_error(err: &Error, as_json: bool) {
    note(&format!("error: {}", escape(&err.to_string())));
    for hint in err.hints() {
        note(&format!("hint: {}", escape(hint)));
    }
    if as_json {
        report_json(err);
    }
}

/// Says why a command failed to a program that asked for JSON, on stdout.
pub(super) fn report_json(err: &Error) {
    let (kind, exit_code) = (err.kind.word(), err.kind.code());
    let message = err.to_string();
    let hints = err.hints();
    // Stdout may be what failed.
    drop(json(&json!({
        "type": "error", "kind": kind, "message": message, "hints": hints, "exit_code": exit_code,
    })));
}

/// Says that we have a bug.
pub(super) fn report_panic(panic: &str) {
    note(&format!("error: a bug of chargehand: {}", escape(panic)));
    note("hint: please report it; a run that was under way can be resumed or rejected");
}

/// Names in a message may come from a hostile repository.
fn escape(text: &str) -> String {
    visible::block(text).text
}
