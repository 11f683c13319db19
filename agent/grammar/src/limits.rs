//! What a grammar may cost. Over a limit is an error with the number, never a hang and never "everything is allowed".

/// How large a grammar may be, and how much its matcher may use.
///
/// The defaults take every grammar that an agent or a schema gives, a suffix automaton of a file of 50 kB included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Bytes of GBNF text.
    pub text_bytes: usize,
    /// Rules of a grammar.
    pub rules: usize,
    /// Parentheses inside each other. llama.cpp ends the process at about 30,000; what compiles a grammar calls
    /// itself too, and stays within a stack of 2 MB at the default.
    pub nesting: usize,
    /// The largest number in `{m,n}`. llama.cpp refuses an `m` above 2,000 and reads an `n` above it as
    /// "any number"; a higher limit here means what is written, but no longer the same to llama.cpp.
    pub repetition: u32,
    /// Positions of the compiled grammar and the ranges of bytes in them, 8 bytes each, repetitions written out.
    pub positions: usize,
    /// Positions that the matcher may stand in at once, ambiguity and alternatives together.
    pub width: usize,
    /// Steps of the matcher in one call, or in 4,096 bytes of a long one; a step takes 5 to 50 ns. The
    /// search for a shortest end that bindings decide has as many for each of the states that it looks at, at most
    /// 50,000.
    pub work: usize,
    /// Bytes of the matcher's states, rows and masks. Rows and masks are forgotten and made again; states stay.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 8 << 20,
            rules: 250_000,
            nesting: 256,
            repetition: 2_000,
            positions: 4_000_000,
            width: 50_000,
            work: 10_000_000,
            memory_bytes: 256 << 20,
        }
    }
}
