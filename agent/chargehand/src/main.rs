//! The program; everything is in the library, so that tests reach it too.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    chargehand::main()
}
