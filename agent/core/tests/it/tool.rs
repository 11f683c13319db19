//! Envelopes: what is written is read back, and nothing else is read.

use chargehand_core::tool::{Envelope, ToolCall};
use proptest::prelude::*;

fn envelopes() -> Vec<Envelope> {
    let envelope = |[before, between, after]: [&str; 3]| Envelope::new(before, between, after);
    vec![
        Envelope::plain(),
        envelope(["<tool_call>\n{\"name\": \"", "\", \"arguments\": ", "}\n</tool_call>"]),
        envelope(["[TOOL_CALLS]", "[ARGS]", ""]),
        envelope(["{\"name\": \"", "\", \"parameters\": ", "}"]),
    ]
}

#[track_caller]
fn refused(text: &str, expect: &str) {
    let err = Envelope::plain().parse(text, &[]).expect_err("it is no call").to_string();
    assert!(err.contains(expect), "{err}");
}

#[test]
fn what_is_no_call_is_refused() {
    refused("I am done.", "`{\\\"tool\\\":\\\"` is missing");
    refused("{\"tool\":\"finish\"}", "`\\\",\\\"args\\\":` is missing");
    refused("{\"tool\":\"finish\",\"args\":{\"summary\":\"a", "`}` is missing");
    refused("{\"tool\":\"finish\",\"args\":{\"summary\":\"a\"}", "not a JSON object");
    refused("{\"tool\":\"finish\",\"args\":[1]}", "not a JSON object");
    refused("{\"tool\":\"finish\",\"args\":{} and more}", "not a JSON object");
}

proptest! {
    #[test]
    fn a_call_is_read_back_as_written(text in ".*", name in "[a-z_]{1,10}") {
        let written = serde_json::json!({ "text": text }).to_string();
        let call = ToolCall::new(&name, &written).unwrap();
        for envelope in envelopes() {
            prop_assert_eq!(&envelope.parse(&envelope.write(&call), &[]).unwrap(), &call);
        }
    }
}
