//! The worker's main loop behind two pipes, as its parent sees it.

use std::io::{BufReader, PipeReader, PipeWriter, Write as _, pipe};
use std::ops::ControlFlow;
use std::path::Path;
use std::thread::{self, JoinHandle};

use chargehand_core::memory::LoadOptions;
use chargehand_engine::client::{Client, ClientError};
use chargehand_engine::probe::{Rung, Stage};
use chargehand_engine::sampler::Sampling;
use chargehand_engine::serve::{ServeError, serve};
use chargehand_engine::session::Ending;
use chargehand_engine::wire::{Ask, Chat, Event, Failure, Request, read_message, write_message};
use chargehand_grammar::Bindings;

use crate::common::{backend, model, options, planned, system_and, tools};

type Parent = Client<PipeReader, PipeWriter>;

/// Returns the parent's ends of a worker in a thread.
fn worker() -> (PipeReader, PipeWriter, JoinHandle<Result<(), ServeError>>) {
    let (requests, to_worker) = pipe().unwrap();
    let (from_worker, events) = pipe().unwrap();
    let handle = thread::spawn(|| serve(backend(), BufReader::new(requests), events));
    (from_worker, to_worker, handle)
}

fn loaded(path: &Path) -> (Parent, JoinHandle<Result<(), ServeError>>) {
    let (reader, writer, handle) = worker();
    let mut client = Client::new(reader, writer);
    let loaded = client.load(&planned(path), 0, Rung::Planned).unwrap();
    assert_eq!((loaded.n_ctx, loaded.rung), (1024, Rung::Planned));
    assert!(loaded.model.n_vocab > 0 && loaded.load_ms > 0.0);
    (client, handle)
}

fn chat(user: &str) -> Chat {
    Chat { messages: system_and(user), tools: tools() }
}

fn ask(grammar: &str, max_tokens: u32) -> Ask {
    let (grammar, sampling) = (Some(grammar.to_owned()), Sampling::default());
    let (chat, bindings) = (chat("Read the file docs/guide.md."), Bindings::new());
    Ask { chat, grammar, bindings, sampling, max_tokens }
}

#[test]
fn a_worker_answers_until_its_parent_leaves() {
    let Some(path) = model("the worker's main loop") else { return };
    let (mut client, handle) = loaded(&path);

    let rendered = client.render(chat("Read the file docs/guide.md.")).unwrap();
    assert!(0 < rendered.fixed && rendered.fixed < rendered.tokens, "{rendered:?}");

    let mut told = String::new();
    let answer = client.generate(ask("root ::= \"one \" [a-z]{3} \"!\"", 50), |event| {
        if let Event::Tokens { text, .. } = event {
            told.push_str(text);
        }
        ControlFlow::Continue(())
    });
    let answer = answer.unwrap();
    assert_eq!((answer.ending, &answer.text), (Ending::Complete, &told));
    assert_eq!(answer.timings.cache_n + answer.timings.prompt_n, rendered.tokens);

    let again =
        client.generate(ask("root ::= \"two\"", 50), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((again.text.as_str(), again.timings.prompt_n), ("two", 1));

    drop(client);
    handle.join().unwrap().unwrap();
}

#[test]
fn a_failure_is_typed_and_not_the_end() {
    let Some(path) = model("failures of a worker") else { return };
    let (mut client, _handle) = loaded(&path);
    let mut fails = |ask: Ask| match client.generate(ask, |_| ControlFlow::Continue(())) {
        Err(ClientError::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    };
    assert!(matches!(fails(ask("", 5)), Failure::Grammar { .. }));
    let long = Ask { chat: chat(&"word ".repeat(4000)), ..ask("root ::= \"a\"", 5) };
    match fails(long) {
        Failure::PromptTooLong { prompt, n_ctx } => assert!(prompt > n_ctx && n_ctx == 1024),
        other => panic!("{other:?}"),
    }
    let answer = client.generate(ask("root ::= \"a\"", 5), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((answer.ending, answer.text.as_str()), (Ending::Complete, "a"));
}

#[test]
fn a_cancelled_answer_is_no_answer() {
    let Some(path) = model("cancelling a worker") else { return };
    let (mut client, _handle) = loaded(&path);
    let endless = || ask("root ::= [a-z]* \"!!\"", 900);
    let answer = client.generate(endless(), |_| ControlFlow::Break(())).unwrap();
    assert_eq!(answer.ending, Ending::Cancelled);
    let answer = client.generate(ask("root ::= \"a\"", 5), |_| ControlFlow::Continue(())).unwrap();
    assert_eq!((answer.ending, answer.text.as_str()), (Ending::Complete, "a"));
}

#[test]
fn the_stages_tell_how_far_it_came() {
    let Some(path) = model("the stages of a worker") else { return };
    let (reader, mut writer, _handle) = worker();
    let mut reader = BufReader::new(reader);
    let (options, rung) = (options(&path, 512), Rung::OneThread);
    write_message(&mut writer, &Request::Load { options, rung }).unwrap();
    let mut stages = vec![];
    let loaded = loop {
        match read_message(&mut reader).unwrap().unwrap() {
            Event::Stage { stage } => stages.push(stage),
            Event::Loaded(loaded) => break loaded,
            other => panic!("{other:?}"),
        }
    };
    let expect = [Stage::Started, Stage::Load, Stage::Context, Stage::Canary, Stage::Ready];
    assert_eq!((stages.as_slice(), loaded.rung), (expect.as_slice(), Rung::OneThread));
}

#[test]
fn requests_out_of_order_and_noise_are_refused() {
    let (reader, mut writer, handle) = worker();
    let mut reader = BufReader::new(reader);
    let mut refused = |writer: &mut PipeWriter, line: &str| {
        writeln!(writer, "{line}").unwrap();
        loop {
            match read_message(&mut reader).unwrap().unwrap() {
                Event::Stage { .. } => {}
                Event::Failed { failure: Failure::Request { reason }, .. } => return reason,
                other => panic!("{other:?}"),
            }
        }
    };
    assert!(refused(&mut writer, "hello").contains("hello"));
    let chat = serde_json::to_string(&Request::Render { id: 3, chat: chat("x") }).unwrap();
    assert!(refused(&mut writer, &chat).contains("no model"));
    drop(writer);
    handle.join().unwrap().unwrap();
}

/// Returns why a worker does not load the model.
pub(crate) fn refused(path: &Path) -> String {
    let (reader, writer, _handle) = worker();
    match Client::new(reader, writer).load(&planned(path), 0, Rung::Planned) {
        Err(ClientError::Failed(Failure::Load { reason })) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_that_is_none_is_a_failure_to_load() {
    let (reader, writer, handle) = worker();
    let mut client = Client::new(reader, writer);
    let result = client.load(&planned(Path::new("/nonexistent/model.gguf")), 0, Rung::Planned);
    match result {
        Err(ClientError::Failed(Failure::File { reason })) => {
            assert!(reason.contains("model.gguf"));
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(handle.join().unwrap(), Err(ServeError::NoModel(_))));
    // Whoever asks on learns that nobody is there.
    let result = client.render(chat("x"));
    assert!(matches!(result, Err(ClientError::Ended(Stage::Load))), "{result:?}");
}

#[test]
fn no_rung_takes_more_than_planned() {
    let planned = options(Path::new("x.gguf"), 1024);
    let mut rung = Some(Rung::Planned);
    for expect in [Rung::Planned, Rung::PlainBuffers, Rung::OneThread] {
        assert_eq!(rung, Some(expect));
        let LoadOptions { extra_buffers, threads, .. } = expect.apply(&planned);
        let same = LoadOptions { extra_buffers: true, threads: 1, ..expect.apply(&planned) };
        assert_eq!(same, planned);
        assert_eq!(extra_buffers, expect == Rung::Planned);
        assert_eq!(threads, 1);
        rung = expect.next();
    }
    assert_eq!(rung, None);
}
