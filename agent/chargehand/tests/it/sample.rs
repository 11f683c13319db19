//! Three runs told in events, with the reports that follow from them.

use chargehand_core::change::{Change, ChangeKind};
use chargehand_core::contract::{Contract, ContractFile, Gate};
use chargehand_core::event::{Event, Part};
use chargehand_core::evidence::{CheckEnd, CheckRun, Evidence};
use chargehand_core::menu::Shut;
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::{Report, SCHEMA, totals, turns};
use chargehand_core::tool::{Observation, ToolCall};

/// A run: what happened, its report and its diff.
pub(crate) struct Sample {
    pub(crate) events: Vec<Event>,
    pub(crate) report: Report,
    pub(crate) patch: String,
}

const CONTRACT: &str = r#"
goal = "Add --json to the export command, and say in the guide how to use it."
[scope]
write = ["src/export.rs", "tests/**"]
create = ["docs/export.md"]
forbid = ["Cargo.toml", "**/*.lock"]
max_changed_lines = 200
[[check]]
name = "tests"
run = ["cargo", "test", "--offline"]
timeout = "10m"
[limits]
turns = 40
"#;

const PATCH: &str = "\
diff --git a/docs/export.md b/docs/export.md
new file mode 100644
index 0000000..8d1c2ab
--- /dev/null
+++ b/docs/export.md
@@ -0,0 +1,3 @@
+# Export
+
+`ledger export --json` writes one object a line.
diff --git a/src/export.rs b/src/export.rs
index 3f0a1c2..9b7d5e4 100644
--- a/src/export.rs
+++ b/src/export.rs
@@ -8,9 +8,14 @@ use crate::ledger::Entry;
 
 /// Writes all entries of a ledger.
 pub fn export(entries: &[Entry], format: Format, out: &mut impl Write) -> io::Result<()> {
--- an old comment that looks like a header
     for entry in entries {
-        writeln!(out, \"{};{};{}\", entry.day, entry.text, entry.cents)?;
+        match format {
+            Format::Csv => writeln!(out, \"{};{};{}\", entry.day, entry.text, entry.cents)?,
+            Format::Json => {
+                serde_json::to_writer(&mut *out, entry)?;
+                writeln!(out)?;
+            }
+        }
     }
     Ok(())
 }
";

const FORBIDDEN: &str = "\
diff --git a/Cargo.toml b/Cargo.toml
index 1a2b3c4..5d6e7f8 100644
--- a/Cargo.toml
+++ b/Cargo.toml
@@ -9,3 +9,3 @@ edition = \"2024\"
 [dependencies]
-serde_json = \"1\"
+serde_json = { version = \"1\", features = [\"preserve_order\"] }
 time = \"0.3\"
";

fn call(name: &str, written: &str) -> ToolCall {
    ToolCall::new(name, written).unwrap()
}

fn usage(prompt_n: u64, cache_n: u64, predicted_n: u64) -> Usage {
    let [prompt_ms, predicted_ms] = [prompt_n * 2, predicted_n * 11].map(|time| time as f64);
    Usage { prompt_n, cache_n, prompt_ms, predicted_n, predicted_ms }
}

fn tests(end: CheckEnd, output: &str) -> CheckRun {
    let output_bytes = output.len() as u64;
    CheckRun {
        name: "tests".to_owned(),
        passed: end == CheckEnd::Exit(0),
        end,
        millis: 4218,
        output: output.to_owned(),
        output_bytes,
    }
}

fn change(path: &str, kind: ChangeKind, added: u32, removed: u32) -> Change {
    let bytes = 30 * u64::from(added + removed);
    Change { path: path.to_owned(), kind, regular: true, added, removed, bytes }
}

/// Begins turn `turn` and ends it with `call` and its answer.
fn turn(
    events: &mut Vec<Event>,
    turn: u32,
    call: ToolCall,
    usage: Usage,
    answer: Option<Observation>,
) {
    let tools = ["list_dir", "read_file", "search", "write_file", "edit_file", "run_check", "ask"];
    let reason = "check `tests` has not passed since the last change".to_owned();
    let gates = vec![Shut { gate: Gate::FinishAfterChecks, tool: "finish".to_owned(), reason }];
    events.push(Event::TurnStarted { turn, tools: tools.map(str::to_owned).to_vec(), gates });
    events.push(Event::Tokens {
        part: Part::Call,
        text: format!("{{\"name\":\"{}", call.name),
        count: 4,
    });
    events.push(Event::Called { turn, call, usage });
    if let Some(observation) = answer {
        events.push(Event::Observed { turn, observation });
    }
}

fn report(
    events: &[Event],
    contract: &str,
    evidence: Evidence,
    stop: Stop,
    claim: Option<&str>,
) -> Report {
    let mut file: ContractFile = toml::from_str(contract).unwrap();
    // A report may come from elsewhere, with a goal that no contract may have.
    let goal = std::mem::replace(&mut file.goal, "g".to_owned());
    let contract = Contract::from_file(file).unwrap();
    let (verdict, violations) = Report::judge(&contract, &evidence);
    let turns = turns(events);
    Report {
        tree: "1f".to_owned(),
        log_head: "2e".to_owned(),
        schema: SCHEMA,
        run: "20260822-140309-7af3".to_owned(),
        started: 1_787_407_389,
        millis: 38_420,
        base: Some("9e107d9d372bb6826bd81d3542a419d6e1f0a2c4".to_owned()),
        worker: "qwen3-coder-30b sha256:1f2e3d4c5b6a".to_owned(),
        contract: ContractFile { goal, ..contract.source.clone() },
        verdict,
        violations,
        evidence,
        claim: claim.map(str::to_owned),
        review: None,
        approvals: Vec::new(),
        stop,
        totals: totals(&turns),
        turns,
        prompt_tokens: Some(1184),
        sandbox: vec![
            "user namespace without capabilities".to_owned(),
            "no network: a namespace of its own".to_owned(),
            "Landlock: writes in the workspace only".to_owned(),
        ],
    }
}

/// A job well done, after one edit that missed.
pub(crate) fn holds() -> Sample {
    let mut events = Vec::new();
    let source = "pub fn export(entries: &[Entry], format: Format, out: &mut impl Write) -> io::Result<()> {\n    \
        for entry in entries {\n        writeln!(out, \"{};{};{}\", entry.day, entry.text, entry.cents)?;\n    }\n    \
        Ok(())\n}\n";
    turn(
        &mut events,
        1,
        call("list_dir", r#"{"path":"src"}"#),
        usage(1412, 0, 18),
        Some(Observation::done("src/export.rs\nsrc/ledger.rs\nsrc/main.rs")),
    );
    turn(
        &mut events,
        2,
        call("read_file", r#"{"path":"src/export.rs"}"#),
        usage(41, 1430, 21),
        Some(Observation::done(source)),
    );
    let edit = r#"{"path":"src/export.rs","old":"    for entry in entry {","new":"    for entry in entries {"}"#;
    turn(
        &mut events,
        3,
        call("edit_file", edit),
        usage(312, 1492, 44),
        Some(Observation::failed(
            "`old` is not in src/export.rs; line 2 is `    for entry in entries {`",
        )),
    );
    let edit = r#"{"path":"src/export.rs","old":"        writeln!(out, \"{};{};{}\", entry.day, entry.text, entry.cents)?;","new":"        match format {\n            Format::Csv => writeln!(out, \"{};{};{}\", entry.day, entry.text, entry.cents)?,\n            Format::Json => {\n                serde_json::to_writer(&mut *out, entry)?;\n                writeln!(out)?;\n            }\n        }"}"#;
    turn(
        &mut events,
        4,
        call("edit_file", edit),
        usage(63, 1848, 151),
        Some(Observation::done("changed src/export.rs")),
    );
    let write = r##"{"path":"docs/export.md","content":"# Export\n\n`ledger export --json` writes one object a line.\n"}"##;
    turn(
        &mut events,
        5,
        call("write_file", write),
        usage(17, 2062, 48),
        Some(Observation::done("created docs/export.md (3 lines)")),
    );
    let output =
        "running 12 tests\n............\ntest result: ok. 12 passed; 0 failed; finished in 0.31s\n";
    let run = tests(CheckEnd::Exit(0), output);
    turn(&mut events, 6, call("run_check", r#"{"name":"tests"}"#), usage(24, 2127, 16), None);
    events.push(Event::Checked { run: run.clone() });
    events.push(Event::Observed {
        turn: 6,
        observation: Observation::done(format!("pass\n{output}")),
    });
    let claim = "The export command knows --json now and the guide shows it. All tests pass.";
    turn(
        &mut events,
        7,
        call("finish", &format!(r#"{{"summary":"{claim}"}}"#)),
        usage(58, 2167, 33),
        None,
    );
    let stop = Stop::Finished(claim.to_owned());
    events.push(Event::Stopped { stop: stop.clone() });
    let changes = vec![
        change("docs/export.md", ChangeKind::Added, 3, 0),
        change("src/export.rs", ChangeKind::Modified, 7, 2),
    ];
    let evidence = Evidence { changes, checks: vec![run], ..Evidence::default() };
    let report = report(&events, CONTRACT, evidence, stop, Some(claim));
    Sample { events, report, patch: PATCH.to_owned() }
}

/// A worker that touched what it must not and said that all is well.
pub(crate) fn violated() -> Sample {
    let mut sample = holds();
    let changes = &mut sample.report.evidence.changes;
    changes.insert(0, change("Cargo.toml", ChangeKind::Modified, 1, 1));
    changes.push(change("scripts/run", ChangeKind::Mode, 0, 0));
    let output = "running 12 tests\n.........F..\ntest export::json ... FAILED\n\nfailures:\n    export::json\n";
    sample.report.evidence.checks = vec![tests(CheckEnd::Exit(101), output)];
    let Sample { events, report: made, patch } = sample;
    let patch = format!(
        "{FORBIDDEN}{patch}diff --git a/scripts/run b/scripts/run\nold mode 100644\nnew mode 100755\n"
    );
    let Report { evidence, stop, claim, .. } = made;
    let report = report(&events, CONTRACT, evidence, stop, claim.as_deref());
    Sample { events, report, patch }
}

/// Everything in it tries to be more than text, and a limit ended it.
pub(crate) fn hostile() -> Sample {
    let contract = "goal = \"\"\"<script>alert('goal')</script>\n\\u001b[2J \\u202e txet \\u202c\"\"\"\n\
        [scope]\nwrite = ['<img src=x onerror=alert(1)>']\n\
        [[check]]\nname = \"tests\"\nrun = [\"</pre><script>alert('run')</script>\"]\n[limits]\nturns = 2\n";
    let mut events = Vec::new();
    let args =
        serde_json::json!({ "path": "\u{1b}]0;owned\u{7}a\r\nb", "</span><script>": "x\u{200b}y" });
    let observation =
        Observation::failed("\u{1b}[31m<script>alert('seen')</script>\u{2066}\u{9b}31m");
    turn(
        &mut events,
        1,
        call("</summary><script>", &args.to_string()),
        usage(10, 0, 5),
        Some(observation),
    );
    events.push(Event::TurnStarted {
        turn: 2,
        tools: Vec::new(),
        gates: vec![Shut {
            gate: Gate::NoRepeat,
            tool: "<script>".to_owned(),
            reason: "\u{1b}[2J<script>gate".to_owned(),
        }],
    });
    events.push(Event::Tokens {
        part: Part::Call,
        text: "\u{1b}[2J\u{1b}]52;c;aGk=\u{7}".to_owned(),
        count: 9,
    });
    events.push(Event::Malformed {
        turn: 2,
        text: "I'll do <b>it</b> later \u{1b}[1A\u{2028}".to_owned(),
        reason: "the text is not a tool call: `\u{1b}` is missing".to_owned(),
        usage: usage(10, 15, 9),
    });
    events.push(Event::Observed { turn: 2, observation: Observation::failed("no call \u{1b}c") });
    events.push(Event::WorkerRestarted { reason: "signal 11 \u{1b}[8m".to_owned() });
    let stop = Stop::TurnLimit(2);
    events.push(Event::Stopped { stop: stop.clone() });
    let checks = vec![tests(
        CheckEnd::NotStarted("\u{1b}[0m<no>".to_owned()),
        "</pre><script>1</script>\u{0}\r\n",
    )];
    let mut changes = vec![change("a\\x1b<script>\u{202e}", ChangeKind::Type, 1, 0)];
    changes[0].regular = false;
    let mut report = report(
        &events,
        contract,
        Evidence { changes, checks, ..Evidence::default() },
        stop,
        Some("</blockquote>\u{1b}[2J"),
    );
    report.worker = "<script>w</script>".to_owned();
    report.base = None;
    report.sandbox = vec!["<script>layer</script>".to_owned()];
    let patch = "diff --git a/<script> b/<script>\n--- a/<script>\n+++ b/<script>\n@@ -1 +1 @@ </td><script>\n\
        -old\u{1b}[2J\n+</td><script>alert(1)</script>\u{202e}\r\n\\ No newline at end of file\n";
    Sample { events, report, patch: patch.to_owned() }
}
