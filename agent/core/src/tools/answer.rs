//! Answers one criterion of a review, and cites evidence.

use super::{Arguments, Desk, Effect, Subjects, Tool, ToolError};
use crate::menu::{Argument, Values};
use crate::opinion::Answered;
use crate::phase::Phase;
use crate::state::State;

pub(super) const TOOL: Tool = Tool {
    name: "answer",
    description: "Answers a criterion by its number: whether it is met, `yes` or `no`, which evidence shows it, and why.",
    parameters: &[
        ("criterion", "string", true),
        ("met", "string", true),
        ("evidence", "string", true),
        ("why", "string", true),
    ],
    phases: &[Phase::Review],
    subjects,
    nothing: "every criterion has its answer",
    ways,
    run,
};

fn subjects<'s>(state: &'s State<'s>) -> Subjects<'s> {
    let is_open =
        |number: &usize| state.opinion.answers.iter().all(|answer| answer.criterion != *number);
    let open = (1..=state.contract.criteria().len()).filter(is_open);
    Subjects::names(open.map(|number| number.to_string()))
}

fn ways(tool: &Tool, state: &State<'_>, criteria: Values) -> Vec<Vec<Argument>> {
    let mut ways = tool.one_way(state, criteria);
    for way in &mut ways {
        if let [_, met, evidence, _] = way.as_mut_slice() {
            met.values = Values::OneOf(["yes", "no"].map(str::to_owned).to_vec());
            evidence.values = Values::OneOf(state.citable.clone());
        }
    }
    ways
}

fn run(desk: &mut Desk<'_, '_>, arguments: &Arguments<'_>) -> Result<Effect, ToolError> {
    let refuse = |text: String| Err(ToolError::Refused(text));
    let [number, met, evidence, why] =
        ["criterion", "met", "evidence", "why"].map(|name| arguments.text(name));
    let criteria = desk.state.contract.criteria().len();
    let Some(criterion) = number.parse().ok().filter(|number| (1..=criteria).contains(number))
    else {
        return refuse(format!("there is no criterion `{}`", number.escape_debug()));
    };
    if desk.state.opinion.answers.iter().any(|answer| answer.criterion == criterion) {
        return refuse(format!("criterion {criterion} has its answer"));
    }
    let met = match met {
        "yes" => true,
        "no" => false,
        other => return refuse(format!("`met` is `yes` or `no`, not `{}`", other.escape_debug())),
    };
    if !desk.state.citable.iter().any(|id| id == evidence) {
        return refuse(format!("there is no evidence `{}`", evidence.escape_debug()));
    }
    let (evidence, why) = (evidence.to_owned(), why.to_owned());
    desk.state.opinion.answers.push(Answered { criterion, met, evidence, why });
    Ok(Effect::Did("noted".to_owned()))
}
