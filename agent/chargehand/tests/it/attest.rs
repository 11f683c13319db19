//! The verdict as other tools read it: an in-toto statement, and the envelope that signs it.

use std::fs;

use ct_codecs::{Base64, Decoder};
use ed25519_compact::{KeyPair, PublicKey, Seed, Signature};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::place::Place;

fn judged(write: &str) -> Place {
    let place = Place::with(&[("a.txt", "1\n"), ("b.txt", "1\n")]);
    let calls = [
        ("read_file", json!({ "path": "a.txt" })),
        ("edit_file", json!({ "path": "a.txt", "old": "1", "new": "2" })),
        ("finish", json!({ "summary": "done" })),
    ];
    let script = place.script("s", &calls);
    place.job(&script, &["--write", write, "--check", "one=true"]);
    place
}

fn sha256(place: &Place, name: &str) -> String {
    let bytes = fs::read(place.run_dir().join(name)).unwrap();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_statement_names_its_files_by_their_hashes() {
    let place = judged("a.txt");
    let statement = &place.run(&["attest", "last"]).expect(0).lines()[0];
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "https://in-toto.io/attestation/test-result/v0.1");
    let predicate = &statement["predicate"];
    assert_eq!(predicate["result"], "PASSED");
    assert_eq!(
        (&predicate["passedTests"], &predicate["failedTests"]),
        (&json!(["check:one"]), &json!([]))
    );
    let named = [
        (&statement["subject"][0], "diff.patch"),
        (&statement["subject"][1], "report.json"),
        (&predicate["configuration"][0], "contract.toml"),
    ];
    for (found, name) in named {
        assert_eq!(*found, json!({ "name": name, "digest": { "sha256": sha256(&place, name) } }));
    }
    let base = place.git(&["rev-parse", "HEAD"]);
    assert_eq!(predicate["configuration"][1]["digest"]["gitCommit"], base);
    place.run(&["accept", "last"]).expect(0);
    let statement = &place.run(&["attest", "last"]).expect(0).lines()[0];
    let commit = place.git(&["rev-parse", "HEAD"]);
    assert_eq!(statement["subject"][2]["digest"]["gitCommit"], commit);
}

#[test]
fn a_violated_contract_has_failed() {
    let place = judged("b.txt");
    let statement = &place.run(&["attest", "last"]).expect(0).lines()[0];
    assert_eq!(statement["predicate"]["result"], "FAILED");
    assert_eq!(statement["predicate"]["failedTests"], json!(["done:workspace"]));
}

#[test]
fn an_envelope_is_signed_by_the_key() {
    let place = judged("a.txt");
    let key = KeyPair::from_seed(Seed::new([7; 32]));
    let path = place.root().join("key.pem");
    fs::write(&path, key.to_pem()).unwrap();
    let path = path.to_str().unwrap();
    let plain = place.run(&["attest", "last"]).expect(0).lines()[0].clone();
    let envelope = place.run(&["attest", "last", "--key", path]).expect(0).lines()[0].clone();
    let decode = |text: &Value| Base64::decode_to_vec(text.as_str().unwrap(), None).unwrap();
    let payload = decode(&envelope["payload"]);
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), plain);
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    let head = format!("DSSEv1 28 application/vnd.in-toto+json {} ", payload.len());
    let signature = Signature::from_slice(&decode(&envelope["signatures"][0]["sig"])).unwrap();
    let public = PublicKey::from_pem(&key.pk.to_pem()).unwrap();
    public.verify([head.as_bytes(), &payload].concat(), &signature).unwrap();
    fs::write(path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    place.run(&["attest", "last", "--key", path]).expect(2).says("is no ed25519 key in PEM");
}

#[test]
fn what_is_not_what_was_judged_is_not_attested() {
    for name in ["report.json", "diff.patch", "contract.toml"] {
        let place = judged("a.txt");
        let path = place.run_dir().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("a.txt", "b.txt")).unwrap();
        place.run(&["attest", "last"]).expect(3).says("cannot be attested");
    }
}
