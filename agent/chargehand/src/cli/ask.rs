//! Asks the user on the terminal whether a command may run that the contract does not have.
//!
//! It never asks where nobody can answer, and an answer that nobody gave is no.

use std::io::{self, IsTerminal};

use chargehand_core::event::Approval;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::termios::{QueueSelector, tcflush};

use std::os::fd::AsFd;

use super::out;
use crate::env::approvals::Approvals;
use crate::report::visible;

/// How often whoever waits for an answer is asked whether to go on, in milliseconds.
const TICK: u16 = 50;
/// An answer has fewer bytes.
const MAX_ANSWER: usize = 64;

/// Somebody at the terminal, and what he has allowed for good.
#[derive(Debug)]
pub(super) struct Owner(Approvals);

impl Owner {
    /// Returns the one who looks on, where he wants to and can be asked: on a terminal that shows the question and
    /// takes the answer.
    pub(super) fn at_the_terminal(is_wanted: bool, approvals: Approvals) -> Option<Self> {
        if !is_wanted {
            return None;
        }
        if io::stdin().is_terminal() && io::stderr().is_terminal() {
            return Some(Self(approvals));
        }
        out::note(
            "note: stdin and stderr are no terminal, so nobody can be asked: the run is unattended",
        );
        None
    }

    /// Returns whether `command` may run. `stop` ends the question, and that is no.
    pub(super) fn decide(&self, command: &[String], stop: &dyn Fn() -> bool) -> Approval {
        if self.0.has(command) {
            return Approval::Remembered;
        }
        let approval = ask(command, stop);
        if approval == Approval::Always
            && let Err(err) = self.0.remember(command)
        {
            out::note(&format!("note: this cannot be remembered, so it counts once: {err}"));
            return Approval::Once;
        }
        approval
    }
}

fn ask(command: &[String], stop: &dyn Fn() -> bool) -> Approval {
    // What was typed before the question is no answer to it.
    tcflush(io::stdin(), QueueSelector::IFlush).unwrap_or_default();
    out::note(&format!(
        "\nthe worker proposes a command that the contract does not have:\n\n  {}\n\nit would run in the sandbox, \
         in a copy of the files, without the network",
        visible::command(command)
    ));
    loop {
        out::ask("[o]nce, [a]lways in this repository, [n]o? ");
        let Some(answer) = read_line(stop) else {
            out::note("");
            return Approval::Denied;
        };
        match answer.trim().to_ascii_lowercase().as_str() {
            "o" | "once" | "y" | "yes" => return Approval::Once,
            "a" | "always" => return Approval::Always,
            "" | "n" | "no" => return Approval::Denied,
            _ => {}
        }
    }
}

/// Returns the next line of the terminal; nothing at its end, or when `stop` says so.
fn read_line(stop: &dyn Fn() -> bool) -> Option<String> {
    let stdin = io::stdin();
    let mut line = [0; MAX_ANSWER];
    while !stop() {
        let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut polled, PollTimeout::from(TICK)) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            // Past the buffer of the standard library: a line that waits there would be no news to `poll`.
            Ok(_) => {
                return match rustix::io::read(stdin.as_fd(), &mut line) {
                    Ok(0) | Err(_) => None,
                    Ok(length) => Some(String::from_utf8_lossy(&line[..length]).into_owned()),
                };
            }
            Err(_) => return None,
        }
    }
    None
}
