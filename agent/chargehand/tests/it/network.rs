//! Checks that reach the network: only where the contract says so and the user has said so too.

use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use chargehand_core::contract::Check;
use serde_json::{Value, json};

use crate::place::{self, Outcome};
use crate::sandbox::Place;

/// A service of this machine, and an abstract socket beside it.
struct Services {
    port: u16,
    _tcp: TcpListener,
    _unix: UnixListener,
}

impl Services {
    fn start() -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        let name = SocketAddr::from_abstract_name(format!("chargehand-test-{port}")).unwrap();
        Self { port, _tcp: tcp, _unix: UnixListener::bind_addr(&name).unwrap() }
    }

    /// Runs a job whose check connects to the service.
    fn job(&self, place: &place::Place, asks: bool, flags: &[&str]) -> Outcome {
        self.job_of(place, &format!("exec 3<>/dev/tcp/127.0.0.1/{}", self.port), asks, flags)
    }

    /// Returns how a check ends that may reach the network and runs `perl`, in which `$n` is the abstract name.
    fn end_of(&self, perl: &str) -> Value {
        let place = place();
        let name = format!("$n = pack_sockaddr_un(\"\\0chargehand-test-{}\")", self.port);
        self.job_of(&place, &format!("perl -MSocket -e '{name}; {perl}'"), true, &["--network"]);
        place.report()["evidence"]["checks"][0]["end"].clone()
    }

    fn job_of(&self, place: &place::Place, script: &str, asks: bool, flags: &[&str]) -> Outcome {
        let contract = json!({
            "goal": "g", "scope": { "create": ["new"] }, "gates": { "finish_after_checks": false },
            "check": [{ "name": "out", "run": ["bash", "-c", script], "network": asks }],
        });
        let path = place.root().join("contract.toml");
        std::fs::write(&path, toml::to_string(&contract).unwrap()).unwrap();
        let calls = [
            ("write_file", json!({ "path": "new", "content": "x" })),
            ("finish", json!({ "summary": "d" })),
        ];
        let script = place.script("s", &calls);
        let args = ["run", "--contract", path.to_str().unwrap(), "--worker", &script];
        place.run(&[&args, flags].concat())
    }
}

fn place() -> place::Place {
    place::Place::with(&[("a", "1\n")])
}

#[test]
fn a_check_reaches_the_network_when_contract_and_user_say_so() {
    let services = Services::start();
    let place = place();
    let refused = services.job(&place, true, &[]).expect(3);
    refused.says("check `out` asks for the network, and nobody has allowed it").says("--network");
    assert!(place.runs().is_empty());
    // The user alone opens nothing.
    services.job(&place, false, &["--network"]).expect(1);
    place.run(&["reject", "last"]).expect(0);
    services.job(&place, true, &["--network"]).expect(0);
    let report = place.run(&["report", "last", "--json"]).expect(0).lines().remove(0);
    let layers = report["sandbox"].as_array().unwrap();
    assert!(layers.iter().any(|layer| *layer
        == "not stopped: check `out` reaches the network and services of this machine"));
    // What was said holds for the run.
    place.run(&["verify", "last"]).expect(0);
    place.run(&["replay", "last"]).expect(0);
    // A log that was changed says nothing of what the user allowed, and that is what has to be told.
    let path = place.runs().pop().unwrap().join("events.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("write_file", "edit_file", 1)).unwrap();
    let refused = place.run(&["verify", "last"]).expect(3).says("cannot be verified: ");
    assert!(!refused.stderr.contains("--network"), "{}", refused.stderr);
}

/// In the network of the machine lie the abstract sockets of its sessions and desktops.
#[test]
fn the_network_opens_no_socket_of_the_sessions() {
    let services = Services::start();
    let ends = |perl: &str, code: i32| {
        assert_eq!(services.end_of(perl), json!({ "exit": code }), "{perl}");
    };
    ends("socket(S, AF_UNIX, SOCK_STREAM, 0) or exit 3; connect(S, $n) or exit 4", 3);
    ends("socketpair(A, B, AF_UNIX, SOCK_DGRAM, 0) or exit 3; send(A, 1, 0, $n) or exit 4", 3);
    ends("socketpair(A, B, AF_UNIX, SOCK_RAW, 0) or exit 3", 3);
    ends("socketpair(A, B, AF_UNIX, SOCK_STREAM, 0) or exit 3; connect(A, $n) or exit 4", 4);
    ends("socketpair(A, B, AF_UNIX, SOCK_SEQPACKET, 0) or exit 3; connect(A, $n) or exit 4", 4);
}

#[test]
fn a_sandbox_gives_no_network_by_itself() {
    let place = Place::new("work");
    let check = Check { network: true, ..Check::new("c", vec!["true".to_owned()]) };
    let [first, second] = place.sandboxes();
    // Nobody can allow it to the second tier.
    for sandbox in [first, second.clone(), second.with_network()] {
        let run = sandbox.run(&check, &place.path("work"), None, &|| false);
        assert!(!run.passed && run.result().contains("this sandbox does not give"), "{run:?}");
    }
}
