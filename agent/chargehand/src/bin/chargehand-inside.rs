//! The small program inside a sandbox. Nothing of `chargehand` is in it, so that it starts in a millisecond.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    chargehand_inside::main(std::env::args_os().skip(1), std::env::vars_os())
}
