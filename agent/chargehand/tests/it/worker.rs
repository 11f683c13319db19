//! What becomes of a run with the built-in model when something happens to its worker process.
//!
//! A check of the contract holds the run at a known place: it waits for a gate that the test opens. Until then the
//! worker is idle; stopped there, it is asked something afterwards that it does not answer.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use chargehand::audit;
use chargehand_core::memory::{self, Budget, Footprint, LoadOptions};
use chargehand_engine::client::Client;
use chargehand_engine::probe::Rung;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::place::Place;

/// A variable whose folder is shown to the commands of a contract: there the gates are.
const SHOWN: &str = "GOROOT";
/// Nothing here takes so long unless it hangs.
const FOREVER: Duration = Duration::from_secs(120);

/// A run of the program under way.
pub(crate) struct Job {
    place: Place,
    gates: TempDir,
    program: Child,
    stream: Lines<BufReader<ChildStdout>>,
    seen: Vec<Value>,
}

impl Job {
    /// Begins a job that is asked to pass `checks` before it may finish.
    pub(crate) fn begin(checks: usize, flags: &[&str]) -> Self {
        let place = Place::with(&[("README.md", "# Demo\n")]);
        let mut args = vec!["run", "Create the file MINSTRAL.md with the line 'Hello World'"];
        args.extend(["--create", "MINSTRAL.md", "--json"]);
        let gate = |n| format!("c{n}=sh -c 'until test -e ${SHOWN}/c{n}; do sleep 0.02; done'");
        let waits: Vec<String> = (0..checks).map(gate).collect();
        for check in &waits {
            args.extend(["--check", check]);
        }
        args.extend(flags);
        let stderr = fs::File::create(place.root().join("stderr")).unwrap();
        let gates = tempfile::tempdir().unwrap();
        let mut command = place.command(args);
        command.env(SHOWN, gates.path());
        let mut program = command.stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let stream = BufReader::new(program.stdout.take().unwrap()).lines();
        Self { place, gates, program, stream, seen: Vec::new() }
    }

    /// Reads the stream up to a line that is `wanted`.
    #[track_caller]
    fn until(&mut self, wanted: impl Fn(&Value) -> bool) {
        let found = self.stream.by_ref().any(|line| {
            self.seen.push(serde_json::from_str(&line.unwrap()).unwrap());
            wanted(self.seen.last().unwrap())
        });
        assert!(found, "the run ended too early: {:#?}\n{}", self.seen, self.stderr());
    }

    /// Goes on until the worker waits for a check, and returns it.
    #[track_caller]
    pub(crate) fn hold_worker(&mut self) -> Pid {
        self.until(|line| {
            line["type"] == "item.started" && line["item"]["type"] == "command_execution"
        });
        self.worker()
    }

    /// Ends the check that holds the run.
    pub(crate) fn open_gate(&self) {
        let check = self.seen.last().unwrap()["item"]["check"].as_str().unwrap();
        fs::write(self.gates.path().join(check), "").unwrap();
    }

    /// Stops the worker that waits, and goes on until it is asked something.
    #[track_caller]
    fn stop(&mut self, worker: Pid) {
        kill(worker, Signal::SIGSTOP).unwrap();
        self.open_gate();
        self.until(|line| line["type"] == "turn.started");
    }

    /// Goes on until the worker is stopped in the middle of a turn, and returns it.
    #[track_caller]
    fn stop_worker(&mut self) -> Pid {
        let worker = self.hold_worker();
        self.stop(worker);
        worker
    }

    /// Returns the worker, as soon as there is one.
    #[track_caller]
    fn worker(&self) -> Pid {
        wait_for(|| worker_of(self.program.id()))
    }

    /// Returns the number of the process that holds authority.
    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.program.id().cast_signed()), signal).unwrap();
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.place.root().join("stderr")).unwrap()
    }

    /// Waits for the end and looks whether the evidence is whole.
    #[track_caller]
    pub(crate) fn end(mut self, code: i32) -> Ended {
        // The model may have asked for one check twice and for another not at all.
        for check in 0..10 {
            fs::write(self.gates.path().join(format!("c{check}")), "").unwrap();
        }
        let begun = Instant::now();
        self.seen.extend(self.stream.by_ref().map(|line| {
            assert!(begun.elapsed() < FOREVER, "it goes on and on");
            serde_json::from_str(&line.unwrap()).unwrap()
        }));
        let status = self.program.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{:#?}\n{}", self.seen, self.stderr());
        let dir = self.place.run_dir();
        // It is only read when every line has the hash of the one before.
        let log = audit::read(&dir.join("events.jsonl")).unwrap();
        assert_eq!(log.last().unwrap().kind, "judged");
        for name in ["report.html", "diff.patch"] {
            assert!(dir.join(name).is_file(), "{name}");
        }
        let of = |kind| log.iter().filter(move |line| line.kind == kind);
        let reasons = |kind| of(kind).map(|line| line.fields["reason"].to_string()).collect();
        let (restarts, warnings) = (reasons("worker_restarted"), reasons("memory_warned"));
        let report = self.place.report();
        assert_eq!(self.seen.last().unwrap()["report"], report);
        Ended { restarts, warnings, report, place: self.place }
    }
}

/// A run that has come to its report.
pub(crate) struct Ended {
    place: Place,
    restarts: Vec<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) report: Value,
}

impl Ended {
    /// Compares why a worker was started again.
    #[track_caller]
    pub(crate) fn restarted(self, reasons: &[&str]) -> Self {
        let fit = |(found, reason): (&String, &&str)| found.contains(reason);
        let all = self.restarts.iter().zip(reasons).all(fit);
        assert!(all && self.restarts.len() == reasons.len(), "{:?}", self.restarts);
        self
    }

    /// The job was done all the same.
    #[track_caller]
    pub(crate) fn holds(self) {
        assert_eq!(
            (&self.report["verdict"], &self.report["stop"]["kind"]),
            (&json!("holds"), &json!("finished"))
        );
        let turns = self.report["turns"].as_array().unwrap().iter();
        assert!(turns.enumerate().all(|(at, turn)| turn["turn"] == at + 1), "{}", self.report);
        self.place.run(&["accept", "last"]).expect(0);
        assert_eq!(self.place.read("MINSTRAL.md"), "Hello World\n");
    }
}

/// Returns the child of `program` that holds its model.
pub(crate) fn worker_of(program: u32) -> Option<Pid> {
    fs::read_dir("/proc").unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        let id = path.file_name()?.to_str()?.parse().ok()?;
        let words = fs::read(path.join("cmdline")).ok()?;
        let is_worker = words.split(|byte| *byte == 0).nth(1)? == b"worker";
        (is_worker && parent_and_state(Pid::from_raw(id))?.0 == program)
            .then_some(Pid::from_raw(id))
    })
}

fn parent_and_state(process: Pid) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Looks until there is something.
#[track_caller]
pub(crate) fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < FOREVER, "it never happened");
        thread::yield_now();
    }
}

/// Returns whether a process has a handler of its own for `signal`.
fn handles(process: Pid, signal: Signal) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() >> (signal as i32 - 1) & 1 == 1
}

/// Ends a worker by `signal` while it is asked, and goes on with the next one.
#[track_caller]
fn check_death(signal: Signal, reason: &str) {
    let mut job = Job::begin(1, &[]);
    let worker = job.hold_worker();
    if handles(worker, signal) {
        // Rust looks at the first one, for a full stack, and lets the next one through.
        kill(worker, signal).unwrap();
        wait_for(|| (!handles(worker, signal)).then_some(()));
    }
    job.stop(worker);
    kill(worker, signal).unwrap();
    kill(worker, Signal::SIGCONT).unwrap_or_default();
    job.end(0).restarted(&[reason]).holds();
}

#[test]
fn a_worker_that_is_killed_is_started_again() {
    check_death(Signal::SIGKILL, "signal 9: killed, perhaps because memory ran out");
}

#[test]
fn a_worker_that_crashes_is_started_again() {
    check_death(Signal::SIGSEGV, "signal 11: llama.cpp crashed");
    check_death(Signal::SIGABRT, "signal 6: llama.cpp gave up");
}

#[test]
fn a_worker_that_died_while_nobody_asked_is_started_again() {
    let mut job = Job::begin(1, &[]);
    let worker = job.hold_worker();
    kill(worker, Signal::SIGKILL).unwrap();
    job.open_gate();
    job.end(0).restarted(&["signal 9"]).holds();
}

#[test]
fn a_worker_that_hangs_is_killed_and_started_again() {
    let mut job = Job::begin(1, &["--config", "silence=2s"]);
    job.stop_worker();
    job.end(0).restarted(&["it said nothing for 2 s and was killed"]).holds();
}

#[test]
fn a_worker_that_dies_every_time_ends_the_run_with_its_evidence() {
    let mut job = Job::begin(4, &[]);
    for _ in 0..4 {
        let worker = job.stop_worker();
        kill(worker, Signal::SIGKILL).unwrap();
    }
    // What was measured is judged, but nobody said that the job was done.
    let ended = job.end(74).restarted(&["signal 9"; 3]);
    assert_eq!(ended.report["verdict"], "holds");
    let stop = &ended.report["stop"];
    assert_eq!(stop["kind"], "worker_failed");
    let detail = stop["detail"].as_str().unwrap();
    assert!(detail.starts_with("the worker process ended: signal 9"), "{detail}");
    assert!(detail.ends_with("it was started again 3 times"), "{detail}");
    ended.place.run(&["report", "last"]).expect(0).shows("it was started again 3 times");
}

#[test]
fn a_worker_that_never_gets_ready_ends_the_run_with_its_evidence() {
    let job = Job::begin(0, &[]);
    let program = job.program.id();
    let killer = thread::spawn(move || {
        while parent_and_state(Pid::from_raw(program.cast_signed())).is_some_and(|it| it.1 != 'Z') {
            if let Some(worker) = worker_of(program) {
                // It may be gone by now.
                kill(worker, Signal::SIGKILL).unwrap_or_default();
            }
            thread::yield_now();
        }
    });
    // Nothing is said of the job: it is the machine that failed.
    let ended = job.end(74);
    killer.join().unwrap();
    assert_eq!(ended.report["verdict"], "violated");
    let detail = ended.report["stop"]["detail"].as_str().unwrap();
    assert!(detail.contains("the worker died while it loaded the model: signal 9"), "{detail}");
    ended.place.run(&["resume", "last"]).expect(0).shows("holds");
}

#[test]
fn ctrl_c_does_not_wait_for_a_worker_that_hangs() {
    let mut job = Job::begin(1, &[]);
    job.stop_worker();
    job.signal(Signal::SIGINT);
    let ended = job.end(130).restarted(&[]);
    assert_eq!(ended.report["stop"]["kind"], "interrupted");
    ended.place.run(&["reject", "last"]).expect(0);
}

#[test]
fn ctrl_c_does_not_wait_for_a_model_to_be_loaded() {
    let mut job = Job::begin(0, &[]);
    job.until(|line| line["phase"] == "loading");
    kill(job.worker(), Signal::SIGSTOP).unwrap();
    job.signal(Signal::SIGINT);
    let ended = job.end(130).restarted(&[]);
    assert_eq!(ended.report["stop"]["kind"], "interrupted");
}

#[test]
fn the_time_limit_holds_for_a_worker_that_hangs() {
    let mut job = Job::begin(1, &["--time", "5s"]);
    job.stop_worker();
    let ended = job.end(4).restarted(&[]);
    assert_eq!(ended.report["stop"], json!({ "kind": "time_limit", "detail": 5 }));
}

#[test]
fn a_worker_ends_with_its_parent() {
    let mut job = Job::begin(1, &[]);
    // Stopped, it cannot notice that nobody listens any more.
    let worker = job.stop_worker();
    job.signal(Signal::SIGKILL);
    job.program.wait().unwrap();
    wait_for(|| match parent_and_state(worker) {
        None | Some((_, 'Z' | 'X')) => Some(()),
        Some(_) => None,
    });
}

#[test]
fn a_worker_is_the_first_to_go_and_leaves_no_core() {
    let mut job = Job::begin(1, &[]);
    let worker = job.stop_worker();
    let read = |name: &str| fs::read_to_string(format!("/proc/{worker}/{name}")).unwrap();
    let limits = read("limits");
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let core: Vec<&str> = core.split_whitespace().collect();
    // Where less was allowed before, it stays.
    assert!([["1", "1", "bytes"], ["0", "0", "bytes"]].iter().any(|none| core == none), "{core:?}");
    assert_eq!(read("oom_score_adj"), "800\n");
    kill(worker, Signal::SIGCONT).unwrap();
    job.end(0).restarted(&[]).holds();
}

/// The profile of a worker holds, and a file that it was not started with cannot be loaded.
#[test]
fn a_worker_reads_its_model_and_nothing_of_the_user() {
    let mut job = Job::begin(1, &[]);
    let worker = job.hold_worker();
    let status = fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"), "{status}");
    job.open_gate();
    job.end(0).restarted(&[]).holds();

    let folder = tempfile::tempdir().unwrap();
    let [own, other] = ["own.gguf", "other.gguf"].map(|name| folder.path().join(name));
    for path in [&own, &other] {
        fs::write(path, include_bytes!("../../models/apprentice.gguf")).unwrap();
    }
    for (asked, loads) in [(&own, true), (&other, false)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chargehand"));
        command.args(["worker", "--"]).arg(&own).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let options = LoadOptions {
            path: asked.display().to_string(),
            n_ctx: 512,
            n_batch: 64,
            n_gpu_layers: 0,
            kv_type: "f16".to_owned(),
            use_mmap: true,
            extra_buffers: false,
            threads: 1,
            seals: Vec::new(),
            n_seq: 1,
            kv_on_host: false,
            experts_on_cpu: false,
            beside: Vec::new(),
        };
        let footprint = Footprint { model: "m".to_owned(), options, rows: Vec::new() };
        let plan = memory::plan(vec![footprint], &Budget::default()).unwrap();
        let loaded = Client::new(stdout, stdin).load(&plan, 0, Rung::Planned);
        assert_eq!(loaded.is_ok(), loads, "{}: {loaded:?}", asked.display());
        child.kill().unwrap_or_default();
        child.wait().unwrap();
    }
}
