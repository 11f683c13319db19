//! The verdict of a run as an in-toto statement, which other tools read, and the DSSE envelope that signs it.
//!
//! It adds nothing to the report: the statement names files by their hashes and repeats who passed.

use chargehand_core::report::{Report, Verdict};
use ct_codecs::{Base64, Encoder};
use ed25519_compact::KeyPair;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::env::dir::hex;

const STATEMENT: &str = "https://in-toto.io/Statement/v1";
const PREDICATE: &str = "https://in-toto.io/attestation/test-result/v0.1";
const PAYLOAD: &str = "application/vnd.in-toto+json";

/// The files of a run that a statement is about, as they stand there, and the commit that was made of its result.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// `contract.toml`.
    pub contract: &'a [u8],
    /// `diff.patch`.
    pub patch: &'a [u8],
    /// `report.json`.
    pub report: &'a [u8],
    /// What `accept` made.
    pub commit: Option<&'a str>,
}

/// Returns the statement: `holds` is `PASSED`, and each check and each rule that was broken has its line.
#[must_use]
pub fn statement(report: &Report, files: Files<'_>) -> Value {
    let mut subject = vec![file("diff.patch", files.patch), file("report.json", files.report)];
    subject
        .extend(files.commit.map(|id| json!({ "name": "commit", "digest": { "gitCommit": id } })));
    let mut configuration = vec![file("contract.toml", files.contract)];
    let base = report.base.as_deref();
    configuration.extend(base.map(|id| json!({ "name": "base", "digest": { "gitCommit": id } })));
    let passed: Vec<String> =
        report.evidence.checks.iter().filter(|run| run.passed).map(|run| run.id()).collect();
    let failed: Vec<String> =
        report.violations.iter().map(|found| format!("{}:{}", found.rule, found.subject)).collect();
    let warned: Vec<&str> = report.is_open().then_some("review").into_iter().collect();
    let result = match report.verdict {
        Verdict::Holds if report.is_open() => "WARNED",
        Verdict::Holds => "PASSED",
        Verdict::Violated => "FAILED",
    };
    json!({
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": PREDICATE,
        "predicate": {
            "result": result,
            "configuration": configuration,
            "passedTests": passed,
            "warnedTests": warned,
            "failedTests": failed,
            "chargehand": {
                "version": env!("CARGO_PKG_VERSION"),
                "run": report.run,
                "started": report.started,
                "worker": report.worker,
                "tree": report.tree,
                "log_head": report.log_head,
                "sandbox": report.sandbox,
            },
        },
    })
}

/// Returns the DSSE envelope of `statement`, signed by `key`.
#[must_use]
pub fn envelope(statement: &Value, key: &KeyPair) -> Value {
    let payload = statement.to_string();
    let signature = key.sk.sign(pre_authenticated(payload.as_bytes()), None);
    let key_id = hex(&Sha256::digest(key.pk.to_der()));
    json!({
        "payload": base64(payload.as_bytes()),
        "payloadType": PAYLOAD,
        "signatures": [{ "keyid": key_id, "sig": base64(signature.as_ref()) }],
    })
}

/// Returns the bytes that a DSSE signature covers: the type and the payload, each after its length.
fn pre_authenticated(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {PAYLOAD} {} ", PAYLOAD.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

fn file(name: &str, bytes: &[u8]) -> Value {
    json!({ "name": name, "digest": { "sha256": hex(&Sha256::digest(bytes)) } })
}

fn base64(bytes: &[u8]) -> String {
    Base64::encode_to_string(bytes).expect("memory has room for four thirds of it")
}

#[cfg(test)]
mod tests {
    use ct_codecs::Decoder;
    use ed25519_compact::{Seed, Signature};

    use super::*;

    #[test]
    fn the_example_of_the_protocol_has_its_form() {
        let text = String::from_utf8(pre_authenticated(b"hello world")).unwrap();
        assert_eq!(text, "DSSEv1 28 application/vnd.in-toto+json 11 hello world");
    }

    #[test]
    fn a_signature_covers_every_byte() {
        let key = KeyPair::from_seed(Seed::new([7; 32]));
        let envelope = envelope(&json!({ "result": "PASSED" }), &key);
        let decode = |text: &Value| Base64::decode_to_vec(text.as_str().unwrap(), None).unwrap();
        let mut payload = decode(&envelope["payload"]);
        let signature = decode(&envelope["signatures"][0]["sig"]);
        let signature = Signature::from_slice(&signature).unwrap();
        assert!(key.pk.verify(pre_authenticated(&payload), &signature).is_ok());
        for at in 0..payload.len() {
            payload[at] ^= 1;
            assert!(key.pk.verify(pre_authenticated(&payload), &signature).is_err(), "{at}");
            payload[at] ^= 1;
        }
    }
}
