//! The embedded model was trained on what the worker sends: the corpus and the renderer agree to the letter.

use apprentice_corpus::{Kind, Split, Trajectory, Words};
use chargehand_core::transcript::Message;
use chargehand_engine::template::{ChatTemplate, Segment, SegmentKind, Source};

const TEMPLATE: &str = include_str!("../../../../bench-scripts/apprentice/chat_template.jinja");
const TRAJECTORIES: usize = 200;

/// Writes a prompt down: texts of people and tools as `«text»`, all else as it is.
fn rendered(segments: &[Segment], texts: &[&str]) -> String {
    let write = |segment: &Segment| match segment.kind {
        SegmentKind::Data if texts.contains(&segment.text.as_str()) => {
            format!("«{}»", segment.text)
        }
        SegmentKind::Data | SegmentKind::Template => segment.text.clone(),
    };
    segments.iter().map(write).collect()
}

fn trained(segments: &[(String, Kind)]) -> String {
    let write = |(text, kind): &(String, Kind)| match kind {
        Kind::Data => format!("«{text}»"),
        Kind::Template | Kind::Target | Kind::Slip => text.clone(),
    };
    segments.iter().map(write).collect()
}

#[test]
fn the_corpus_is_what_the_worker_sends() {
    let [bos, eos] = ["<|endoftext|>", "<|im_end|>"].map(str::to_owned);
    let template = Some(TEMPLATE.to_owned());
    let template = ChatTemplate::open(Source { template, bos, eos, add_bos: false }).unwrap();
    let mut words = Words::new(11, Split::Train);
    for _ in 0..TRAJECTORIES {
        let trajectory = Trajectory::draw(&mut words);
        let segments = trajectory.segments();
        let said = |kind: Kind| matches!(kind, Kind::Target | Kind::Slip);
        let targets = segments.iter().enumerate().filter(|(_, (_, kind))| said(*kind));
        let calls = trajectory.messages.iter().enumerate();
        let calls = calls.filter(|(_, message)| matches!(message, Message::Call(_)));
        for ((target, _), (call, _)) in targets.zip(calls) {
            let messages = &trajectory.messages[..call];
            let texts: Vec<&str> = messages.iter().filter_map(text).collect();
            let prompt = template.render(messages, &[]).unwrap();
            assert_eq!(rendered(&prompt, &texts), trained(&segments[..target]));
        }
    }
}

fn text(message: &Message) -> Option<&str> {
    match message {
        Message::User(text) => Some(text),
        Message::Observed(observation) => Some(&observation.text),
        Message::System(_) | Message::Reasoned(_) | Message::Call(_) | Message::Malformed(_) => {
            None
        }
    }
}
