//! What a user decides about the grammar of a schema.

/// How a schema is read and how the JSON is written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Options {
    /// The version of JSON Schema when `$schema` names none.
    pub draft: Draft,
    /// The white space of the JSON.
    pub space: Space,
    /// What happens to keywords that JSON Schema does not know.
    pub unknown: Unknown,
    /// What `format` means.
    pub formats: Formats,
    /// Whether objects may have members of which the schema says nothing.
    pub objects: Objects,
    /// How integers are written.
    pub numbers: Numbers,
    /// How large things may become.
    pub limits: Limits,
}

/// A version of JSON Schema.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Draft {
    /// Draft 4 of 2013: `id`, and `exclusiveMinimum` as a flag.
    Draft4,
    /// Draft 6: `$id`, `const`, `contains`, `propertyNames`.
    Draft6,
    /// Draft 7: `if`, `then` and `else`. As in older drafts, `$ref` hides its neighbours.
    Draft7,
    /// 2019-09: `$anchor`, `$recursiveRef`, `unevaluatedProperties`.
    Draft2019,
    /// 2020-12: `$dynamicRef`, `prefixItems`; `items` as a list is read as in older drafts.
    #[default]
    Draft2020,
}

/// Where white space may stand outside of strings.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Space {
    /// Nowhere: `{"a":1,"b":[2,3]}`.
    #[default]
    Compact,
    /// One space after each `,` and `:`: `{"a": 1, "b": [2, 3]}`.
    Spaced,
    /// Any amount, anywhere inside of the outermost value (RFC 8259 section 2); a model may then write space for
    /// ever.
    Free,
}

/// What happens to keywords that JSON Schema does not know.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Unknown {
    /// They are annotations, as JSON Schema Core 6.5 says.
    #[default]
    Annotation,
    /// The schema is refused: a misspelt keyword is not overlooked.
    Refuse,
}

/// What `format` means.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Formats {
    /// Formats of JSON Schema Validation 7.3 are enforced or refused; other names are unknown keywords.
    #[default]
    Enforce,
    /// All are annotations, as 2020-12 has it by default.
    Annotate,
}

/// Whether objects may have members of which the schema says nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Objects {
    /// Yes, as JSON Schema has it, unless `additionalProperties` or its like forbids them.
    #[default]
    Open,
    /// No, as if `additionalProperties` were false wherever nothing else is said; what is written satisfies the
    /// schema all the same. For tools, whose arguments nobody would read. An object of which the schema names no
    /// member, as in `{"type": "object"}`, stays open.
    Closed,
}

/// How integers are written where only integers are possible.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Numbers {
    /// With a fraction of zeros too: `1.0`, which is an integer to JSON Schema.
    #[default]
    Fractions,
    /// As digits only: `1`. Every parser then reads an integer.
    Digits,
}

/// How large the grammar of a schema may become on the way and in the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Alternatives of one part of the schema, after `anyOf`, `oneOf`, `not` and their like are multiplied out.
    pub alternatives: usize,
    /// States of an automaton: of a pattern, a format, a length, a number.
    pub states: usize,
    /// Different parts of the schema, combinations included.
    pub parts: usize,
    /// Rules of the grammar.
    pub rules: usize,
    /// Bytes of its text, as estimated while it is written.
    pub text_bytes: usize,
    /// References and combinations inside each other.
    pub depth: usize,
    /// Steps in all, an edge of an automaton or the like each; a million take a third of a second.
    pub work: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            alternatives: 1_000,
            states: 20_000,
            parts: 50_000,
            rules: 50_000,
            text_bytes: 4 << 20,
            depth: 100,
            work: 4_000_000,
        }
    }
}
