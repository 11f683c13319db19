//! `chargehand grammar from-schema`: the GBNF of a JSON Schema, or of a turn of a run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chargehand_grammar::schema::{
    self, Draft, Formats, Numbers, Objects, Options, SchemaError, Space, Unknown,
};
use chargehand_grammar::{Bindings, Grammar};
use clap::ValueEnum;
use serde_json::{Value, json};

use super::from_run::{self, Found};
use super::source::Source;
use crate::cli::out;
use crate::error::{Error, Kind};

const EXAMPLE: &str = "\
Example:
  echo '{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}' \\
    | chargehand grammar from-schema --closed
  chargehand grammar from-schema --run last --turn 3";

/// Flags of `grammar from-schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The file with the schema, or `-` for stdin
    #[arg(value_name = "FILE", default_value = "-")]
    schema: PathBuf,
    /// Prints the grammar of a turn of this run, or of `last`, instead
    #[arg(long, value_name = "RUN", requires = "turn", conflicts_with = "schema")]
    run: Option<String>,
    /// The turn, counted from 1
    #[arg(long, value_name = "N", requires = "run")]
    turn: Option<u32>,
    /// Leaves out what rules of a turn are bound to beside the text: what llama.cpp reads, which allows more
    #[arg(long, requires = "run")]
    unbound: bool,
    /// Writes out what rules of a turn are bound to, as far as rules can say it: long, and llama.cpp reads it
    #[arg(long, requires = "run", conflicts_with = "unbound")]
    expand: bool,
    /// Where white space stands
    #[arg(long, value_enum, default_value_t = SpaceArg::Compact)]
    space: SpaceArg,
    /// The version of JSON Schema where `$schema` names none
    #[arg(long, value_enum, default_value_t = DraftArg::Draft2020)]
    draft: DraftArg,
    /// Objects have no members of which the schema says nothing
    #[arg(long)]
    closed: bool,
    /// Refuses keywords that JSON Schema does not know, instead of taking them for annotations
    #[arg(long)]
    refuse_unknown: bool,
    /// Takes `format` for an annotation, instead of enforcing it
    #[arg(long)]
    annotate_formats: bool,
    /// Integers are written as digits only, never `1.0`, which is an integer to JSON Schema too
    #[arg(long)]
    digits: bool,
    /// Prints the grammar in a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SpaceArg {
    /// nowhere: `{"a":1}`
    Compact,
    /// one space after each `,` and `:`
    Spaced,
    /// anywhere, any amount
    Free,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DraftArg {
    /// draft 4
    #[value(name = "4")]
    Draft4,
    /// draft 6
    #[value(name = "6")]
    Draft6,
    /// draft 7
    #[value(name = "7")]
    Draft7,
    /// 2019-09
    #[value(name = "2019-09")]
    Draft2019,
    /// 2020-12
    #[value(name = "2020-12")]
    Draft2020,
}

/// Prints the grammar.
pub(super) fn run(args: &Args) -> Result<(), Error> {
    if let (Some(run), Some(turn)) = (&args.run, args.turn) {
        let Found { run, gbnf, bindings } = from_run::find(run, turn)?;
        let gbnf = args.written(gbnf, &bindings)?;
        if args.json {
            return out::json(&json!({
                "type": "grammar", "source": run, "turn": turn, "rules": gbnf.lines().count(),
                "text_bytes": gbnf.len(), "gbnf": gbnf,
                "bindings": bindings.digests().collect::<BTreeMap<_, _>>(),
            }));
        }
        return out::raw(&gbnf);
    }
    let source = Source::read(&args.schema)?;
    let schema: Value = serde_json::from_str(&source.text)
        .map_err(|err| Error::new(Kind::Usage, format!("{} is no JSON: {err}", source.name)))?;
    let grammar =
        schema::compile(&schema, &args.options()).map_err(|err| refused(&source, &err))?;
    let gbnf = grammar.to_string();
    if args.json {
        let rules = grammar.rules().count();
        return out::json(&json!({
            "type": "grammar", "source": source.name, "rules": rules, "text_bytes": gbnf.len(),
            "gbnf": gbnf,
        }));
    }
    out::raw(&gbnf)
}

impl Args {
    /// Returns the grammar of a turn as it is asked for.
    fn written(&self, gbnf: String, bindings: &Bindings) -> Result<String, Error> {
        if !self.unbound && !self.expand {
            return Ok(gbnf);
        }
        let grammar = Grammar::parse(&gbnf).map_err(|err| Error::from_source(Kind::Bug, &err))?;
        let open = if self.expand { bindings.written_out(&grammar) } else { grammar.unbound() };
        Ok(open.to_string())
    }

    fn options(&self) -> Options {
        Options {
            draft: match self.draft {
                DraftArg::Draft4 => Draft::Draft4,
                DraftArg::Draft6 => Draft::Draft6,
                DraftArg::Draft7 => Draft::Draft7,
                DraftArg::Draft2019 => Draft::Draft2019,
                DraftArg::Draft2020 => Draft::Draft2020,
            },
            space: match self.space {
                SpaceArg::Compact => Space::Compact,
                SpaceArg::Spaced => Space::Spaced,
                SpaceArg::Free => Space::Free,
            },
            unknown: if self.refuse_unknown { Unknown::Refuse } else { Unknown::Annotation },
            formats: if self.annotate_formats { Formats::Annotate } else { Formats::Enforce },
            objects: if self.closed { Objects::Closed } else { Objects::Open },
            numbers: if self.digits { Numbers::Digits } else { Numbers::Fractions },
            limits: schema::Limits::default(),
        }
    }
}

fn refused(source: &Source, err: &SchemaError) -> Error {
    let kind = match err {
        SchemaError::Malformed { .. } => Kind::Usage,
        SchemaError::Unsupported { .. }
        | SchemaError::Unsatisfiable { .. }
        | SchemaError::TooLarge { .. } => Kind::Refused,
    };
    Error::new(kind, format!("{}: {err}", source.name))
}
