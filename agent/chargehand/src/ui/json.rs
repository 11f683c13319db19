//! A stream for programs: one JSON object a line, in the words that codex made common.
//!
//! `docs/report.md` describes it. Single tokens are not in it; the call that they form is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use chargehand_core::change::ChangeKind;
use chargehand_core::event::Event;
use chargehand_core::evidence::{CheckEnd, CheckRun};
use chargehand_core::memory::Plan;
use chargehand_core::ports::{Stop, Usage};
use chargehand_core::report::Report;
use chargehand_core::tool::{Observation, ToolCall};
use serde_json::{Value, json};

use super::{Lost, Phase, Start, View};
use crate::report::{visible, words};

/// The version of the stream, in its first line.
pub const STREAM_SCHEMA: u32 = 1;

/// Writes the stream.
pub struct Json<W: Write> {
    out: W,
    /// The commands of the checks, by name.
    commands: BTreeMap<String, String>,
    items: u64,
    open: Option<Open>,
    check: Option<CheckRun>,
    verifying: bool,
    in_turn: bool,
    lost: Lost,
}

/// The turn that has a call, or what came instead, and no end yet.
#[derive(Debug)]
struct Open {
    usage: Usage,
    /// What the worker called, with the number of its item.
    call: Option<(u64, ToolCall)>,
}

impl<W: Write> std::fmt::Debug for Json<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Json").field("items", &self.items).finish_non_exhaustive()
    }
}

impl<W: Write> Json<W> {
    /// Returns a view that writes to `out`, which is stdout but in tests.
    pub fn new(out: W) -> Self {
        let (commands, check, lost) = (BTreeMap::new(), None, Lost::default());
        Self { out, commands, items: 0, open: None, check, verifying: false, in_turn: false, lost }
    }

    fn line(&mut self, value: &Value) {
        let mut line = visible::json(&value.to_string());
        line.push('\n');
        // Neither a reader that is gone nor a full disk is a reason to end a run.
        self.lost.note(self.out.write_all(line.as_bytes()).and_then(|()| self.out.flush()));
    }

    /// Writes a line about item `id`, whose fields are `fields`.
    fn item(&mut self, kind: &str, id: u64, fields: Value) {
        let mut item = json!({ "id": format!("item_{id}") });
        if let (Some(item), Value::Object(fields)) = (item.as_object_mut(), fields) {
            item.extend(fields);
        }
        self.line(&json!({ "type": kind, "item": item }));
    }

    fn next_id(&mut self) -> u64 {
        self.items += 1;
        self.items - 1
    }

    fn completed(&mut self, fields: Value) {
        let id = self.next_id();
        self.item("item.completed", id, fields);
    }

    fn called(&mut self, call: &ToolCall, usage: Usage) {
        let id = self.next_id();
        if !matches!(call.name.as_str(), "finish" | "ask" | "end_review") {
            let fields = self.call_item(call, None);
            self.item("item.started", id, fields);
        }
        self.open = Some(Open { usage, call: Some((id, call.clone())) });
    }

    fn observed(&mut self, observation: &Observation) {
        let Some(Open { usage, call }) = self.open.take() else { return };
        if let Some((id, call)) = call {
            let fields = self.call_item(&call, Some(observation));
            self.item("item.completed", id, fields);
        }
        self.check = None;
        self.turn_completed(&usage);
    }

    /// Returns what is told of a call, with the answer when it is there.
    fn call_item(&self, call: &ToolCall, answer: Option<&Observation>) -> Value {
        let text =
            |name: &str| call.arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let status = match answer {
            None => "in_progress",
            Some(Observation { ok: true, .. }) => "completed",
            Some(Observation { ok: false, .. }) => "failed",
        };
        let result = answer.map(|answer| answer.text.as_str());
        match call.name.as_str() {
            "write_file" | "edit_file" => {
                let created = result.is_some_and(|text| text.starts_with("created "));
                let kind = if created { "add" } else { "update" };
                let changes = json!([{ "path": text("path"), "kind": kind }]);
                json!({ "type": "file_change", "tool": call.name, "changes": changes,
                    "arguments": call.arguments, "result": result, "status": status })
            }
            "run_check" => {
                let run = self.check.as_ref().filter(|_| answer.is_some());
                let failed = run.is_some_and(|run| !run.passed);
                let name = text("name");
                json!({ "type": "command_execution", "check": name,
                    "command": self.commands.get(name), "exit_code": run.and_then(exit_code),
                    "aggregated_output": run.map_or(result, |run| Some(run.output.as_str())),
                    "duration_ms": run.map(|run| run.millis), "status": if failed { "failed" } else { status } })
            }
            _ => json!({ "type": "tool_call", "tool": call.name, "arguments": call.arguments,
                "result": result, "status": status }),
        }
    }

    fn stopped(&mut self, stop: &Stop) {
        if let Some(Open { usage, call }) = self.open.take() {
            match (call, stop) {
                (
                    Some((id, _)),
                    Stop::Finished(text) | Stop::Asked(text) | Stop::Reviewed(text),
                ) => {
                    let fields = json!({ "type": "agent_message", "text": text });
                    self.item("item.completed", id, fields);
                }
                (Some((id, call)), _) => {
                    let fields = self.call_item(&call, None);
                    self.item("item.completed", id, fields);
                }
                (None, _) => {}
            }
            self.turn_completed(&usage);
        }
        if self.in_turn {
            let message = words::stop_detail(stop).map_or_else(|| words::stop(stop), str::to_owned);
            self.line(&json!({ "type": "turn.failed", "error": { "message": message } }));
        }
        self.line(&json!({ "type": "thread.stopped", "reason": words::stop(stop), "stop": stop }));
    }

    fn turn_completed(&mut self, usage: &Usage) {
        self.in_turn = false;
        let usage = json!({
            // Codex counts the cached ones among the input.
            "input_tokens": words::prompt(usage),
            "cached_input_tokens": usage.cache_n,
            "output_tokens": usage.predicted_n,
            "timings": usage,
        });
        self.line(&json!({ "type": "turn.completed", "usage": usage }));
    }

    fn checked(&mut self, run: &CheckRun) {
        if !self.verifying {
            self.check = Some(run.clone());
            return;
        }
        let status = if run.passed { "completed" } else { "failed" };
        let command = self.commands.get(&run.name).cloned();
        self.completed(json!({ "type": "verification", "check": run.name, "command": command,
            "exit_code": exit_code(run), "end": run.end, "aggregated_output": run.output,
            "duration_ms": run.millis, "status": status }));
    }
}

fn exit_code(run: &CheckRun) -> Option<i32> {
    match &run.end {
        CheckEnd::Exit(code) => Some(*code),
        CheckEnd::Signal(_)
        | CheckEnd::TimedOut
        | CheckEnd::Flaky { .. }
        | CheckEnd::NotStarted(_) => None,
    }
}

const fn kind_word(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Added => "add",
        ChangeKind::Deleted => "delete",
        ChangeKind::Modified | ChangeKind::Mode | ChangeKind::Type => "update",
    }
}

impl<W: Write> View for Json<W> {
    fn begin(&mut self, start: &Start<'_>) {
        let Start { run, worker, base, contract } = start;
        let commands =
            contract.checks.iter().map(|check| (check.name.clone(), check.run.join(" ")));
        self.commands = commands.collect();
        self.line(&json!({ "type": "thread.started", "schema": STREAM_SCHEMA, "thread_id": run,
            "worker": worker, "base": base, "goal": contract.goal }));
    }

    fn planned(&mut self, plan: &Plan) {
        self.completed(json!({ "type": "memory_plan", "footprints": plan.footprints() }));
    }

    fn phase(&mut self, phase: Phase) {
        self.verifying = phase.is_ours();
        self.line(&json!({ "type": "thread.phase", "phase": phase.word() }));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::TurnStarted { turn, tools, gates } => {
                (self.verifying, self.in_turn) = (false, true);
                self.line(&json!({ "type": "turn.started", "turn": turn, "tools": tools, "gates": gates }));
            }
            Event::Tokens { .. } | Event::PhaseStarted { .. } => {}
            Event::Reviewed { round, opinion } => {
                self.completed(json!({ "type": "review", "round": round, "opinion": opinion }));
            }
            Event::Proposed { command, approval } => {
                self.completed(
                    json!({ "type": "approval", "command": command, "approval": approval }),
                );
            }
            Event::Reasoned { text, .. } => {
                self.completed(json!({ "type": "reasoning", "text": text }));
            }
            Event::Called { call, usage, .. } => self.called(call, *usage),
            Event::Malformed { text, reason, usage, .. } => {
                self.completed(json!({ "type": "error", "message": reason, "text": text }));
                self.open = Some(Open { usage: *usage, call: None });
            }
            Event::Observed { observation, .. } => self.observed(observation),
            Event::Checked { run } => self.checked(run),
            Event::WorkerRestarted { reason } => {
                let message = format!("the worker was started anew: {reason}");
                self.completed(json!({ "type": "error", "message": message }));
            }
            Event::MemoryWarned { reason } => {
                self.completed(json!({ "type": "warning", "message": reason }));
            }
            Event::ModelChanged(handover) => self.completed(json!({
                "type": "model_change", "from": handover.from, "to": handover.to,
                "reason": handover.reason, "parked": handover.parked, "restored": handover.restored,
            })),
            Event::Stopped { stop } => self.stopped(stop),
        }
    }

    fn finished(&mut self, report: &Report, dir: &Path) {
        let changes = report.evidence.changes.iter();
        let changes: Vec<Value> = changes
            .map(|change| json!({ "path": change.path, "kind": kind_word(change.kind) }))
            .collect();
        self.completed(json!({ "type": "file_change", "measured": true, "changes": changes, "status": "completed" }));
        self.completed(json!({ "type": "contract_check", "verdict": report.verdict,
            "violations": report.violations }));
        let dir = dir.to_string_lossy();
        self.line(&json!({ "type": "report", "dir": dir, "exit_code": report.exit_code(), "report": report }));
    }

    fn failed(&mut self, message: &str) {
        self.line(&json!({ "type": "turn.failed", "error": { "message": message } }));
    }

    fn lost(&self) -> Option<String> {
        self.lost.0.clone()
    }
}
