//! Secrets that are taken out, and letters that pass for others.

use chargehand_core::contract::Deed;
use chargehand_core::look_alike::has_disguise;
use chargehand_core::mask::{Secrets, is_secret_name, values_in};

use crate::world::contract;

#[track_caller]
fn mask(values: &[(&str, &str)], text: &str, expect: &str) {
    let own = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    assert_eq!(Secrets::new(own).mask(text), expect);
}

#[test]
fn a_value_gives_way_to_its_name() {
    mask(&[("T", "hunter22")], "a hunter22b hunter2", "a [secret T]b hunter2");
    mask(&[("T", "hunter2")], "seven bytes: hunter2", "seven bytes: hunter2");
    mask(&[("A", "12345678"), ("B", "123456789")], "123456789", "[secret B]");
    mask(&[("A", "same-value"), ("B", "same-value")], "same-value", "[secret A]");
    mask(&[], "hunter22", "hunter22");
}

#[test]
fn names_of_variables_tell_which_are_secret() {
    for name in ["GITHUB_TOKEN", "db_password", "AWS_SECRET_ACCESS_KEY", "NPM_AUTH", "MY_PAT"] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["PATH", "HOME", "LANG", "KEYBOARD", "XDG_RUNTIME_DIR", "EDITOR", "PATTERN"] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn a_file_of_secrets_has_settings_and_keys() {
    let text = "# comment=no\nA=one\nexport B=\"two words\"\n\nc: 'three'\n-----BEGIN KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIA\nshort\nMC4CAQAwBQYDK2VwBCIEIA==\n";
    let found = values_in(".env", text);
    let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
    let key = "MC4CAQAwBQYDK2VwBCIEIA";
    assert_eq!(values, ["one", "two words", "three", key, &format!("{key}==")]);
    assert!(found.iter().all(|(name, _)| name == ".env"));
}

#[track_caller]
fn a_value(line: &str, expect: &str) {
    let found = values_in("secrets.yaml", line);
    assert!(found.iter().any(|(_, value)| value == expect), "{line}: {found:?}");
}

#[test]
fn a_value_ends_where_its_setting_does() {
    a_value("token: c2VjcmV0LXRva2Vu==", "c2VjcmV0LXRva2Vu==");
    a_value("  \"password\": \"abc=defghi\",", "abc=defghi");
    a_value("URL=a: bcdefghi", "a: bcdefghi");
    a_value("TOKEN=\"s3cr3t-value\" # of the test account", "s3cr3t-value");
    a_value("TOKEN=s3cr3t-value # of the test account", "s3cr3t-value");
    a_value("{ \"key\": \"s3cr3t-value\" }", "s3cr3t-value");
}

#[track_caller]
fn disguised(text: &str, expect: bool) {
    assert_eq!(has_disguise(text), expect, "{text}");
}

#[test]
fn a_letter_passes_for_another_only_beside_ascii() {
    disguised("p\u{430}ypal", true);
    disguised("\u{441}\u{43e}\u{440}", false);
    disguised("\u{441}\u{43e}\u{440}/main.rs", false);
    disguised("src\u{2215}a", true);
    disguised("s\u{131}n\u{131}f", false);
    disguised("\u{ff57}ord", true);
    disguised("plain ä 漢", false);
}

#[test]
fn a_disguised_name_appears_only_where_it_is_spelt_out() {
    let scope = contract("[scope]\ncreate = ['**']\nwrite = ['**']").scope;
    assert!(!scope.may_create("sr\u{441}/a.rs") && scope.may_create("src/a.rs"));
    assert!(scope.may_write("sr\u{441}/a.rs"), "a name that is there already is nobody's disguise");
    let spelt = contract("[scope]\ncreate = ['sr\u{441}/a.rs']").scope;
    assert!(spelt.may_create("sr\u{441}/a.rs"));
    let twin = scope.objection(Deed::Write, ".\u{ff47}ithub/workflows/a.yml").unwrap().to_string();
    assert!(twin.contains("class `ci`"), "{twin}");
}
