//! Hostile clients of the HTTP endpoint. There is no endpoint yet, and that is what is tested: with the first version
//! of `serve` these tests fail, and each must be carried out then.

use crate::place::Place;

/// There is no server that could be attacked.
#[track_caller]
fn nobody_serves() {
    let place = Place::bare();
    place.run(&["serve", "--port", "0"]).expect(2);
    assert!(!place.run(&["--help"]).stdout.contains("serve"), "carry out the cases W01 to W23 now");
}

#[test]
fn w01_a_token_is_asked_for() {
    nobody_serves();
}

#[test]
fn w02_another_name_as_host_is_refused() {
    nobody_serves();
}

#[test]
fn w04_another_origin_gets_no_permission() {
    nobody_serves();
}

#[test]
fn w06_all_addresses_are_refused() {
    nobody_serves();
}

#[test]
fn w07_a_huge_body_is_refused() {
    nobody_serves();
}

#[test]
fn w09_idle_connections_are_capped() {
    nobody_serves();
}

#[test]
fn w10_odd_json_is_refused() {
    nobody_serves();
}

#[test]
fn w11_numbers_out_of_range_are_refused() {
    nobody_serves();
}

#[test]
fn w18_forged_messages_raise_nothing() {
    nobody_serves();
}

#[test]
fn w21_a_worker_that_dies_mixes_no_answers() {
    nobody_serves();
}

#[test]
fn w22_hours_of_bad_clients_are_survived() {
    nobody_serves();
}

#[test]
fn w23_a_command_does_not_reach_it() {
    nobody_serves();
}
