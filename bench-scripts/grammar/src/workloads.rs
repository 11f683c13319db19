//! What is constrained: grammars with the texts that a model says under them.
//!
//! Written by rule and the same each time. The texts are plausible calls; no model said them.

use chargehand_grammar::{Binding, Bindings, Bound, Expr, Grammar, json};
use serde_json::{Value, json};

use crate::calls::{Type, calls_of, closed, schema_of};

/// A grammar, and texts under it.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) gbnf: String,
    pub(crate) bindings: Bindings,
    pub(crate) texts: Vec<String>,
    /// The same without bindings, where a grammar alone can say it.
    pub(crate) open: Option<String>,
    /// The same as a schema, where one can say it.
    pub(crate) schema: Option<Value>,
    /// The same in llguidance's own words.
    pub(crate) lark: Option<String>,
}

impl Workload {
    pub(crate) fn plain(name: &'static str, gbnf: String, texts: Vec<String>) -> Self {
        let (bindings, open) = (Bindings::new(), Some(gbnf.clone()));
        Self { name, gbnf, bindings, texts, open, schema: None, lark: None }
    }

    fn with_schema(self, schema: Value) -> Self {
        // Without white space, as the texts are.
        let tight =
            json!({"whitespace_flexible": false, "item_separator": ",", "key_separator": ":"});
        let mut told = schema.clone();
        if let Some(object) = told.as_object_mut() {
            object.insert("x-guidance".to_owned(), tight);
        }
        let lark = Some(format!("start: %json {told}\n"));
        Self { schema: Some(schema), lark, ..self }
    }
}

/// Returns all workloads.
pub(crate) fn all() -> Vec<Workload> {
    let mut all = vec![tools(), functions(), paths(), free_json(), short_strings()];
    all.extend([piece(), edit(), without_words()].into_iter().flatten());
    all
}

/// A file of this crate, as a model would copy or write it.
const CODE: &str = include_str!("tokenizer.rs");

/// Code of this project, as a file in which something is to be changed.
const FILES: [&str; 4] = [
    include_str!("../../../agent/grammar/src/schema/compiler.rs"),
    include_str!("../../../agent/grammar/src/schema/emit.rs"),
    include_str!("../../../agent/grammar/src/schema/emit_object.rs"),
    include_str!("../../../agent/grammar/src/schema/dfa.rs"),
];
/// The length of that file.
const FILE_BYTES: usize = 50_000;

/// Eight tools of an agent, one call a text, large pieces of code among the arguments.
fn tools() -> Workload {
    let tools: [(&str, &[(&str, Type)]); 8] = [
        ("list_dir", &[("path", Type::Text)]),
        (
            "read_file",
            &[("path", Type::Text), ("first_line", Type::Integer), ("lines", Type::Integer)],
        ),
        ("grep", &[("pattern", Type::Text), ("path", Type::Text), ("ignore_case", Type::Flag)]),
        ("edit", &[("path", Type::Text), ("old", Type::Text), ("new", Type::Text)]),
        ("write_file", &[("path", Type::Text), ("content", Type::Text)]),
        ("run", &[("command", Type::Text), ("timeout", Type::Integer)]),
        ("git_diff", &[("path", Type::Text)]),
        ("finish", &[("summary", Type::Text), ("success", Type::Flag)]),
    ];
    let code: Vec<&str> = CODE.lines().collect();
    let piece = |at: usize, lines: usize| code[at..(at + lines).min(code.len())].join("\n");
    let mut calls: Vec<Value> = Vec::new();
    for round in 0..6 {
        let path = format!("src/part_{round}/tokenizer.rs");
        calls.extend([
            json!({"tool": "list_dir", "args": {"path": format!("src/part_{round}")}}),
            json!({"tool": "read_file", "args": {"path": path, "first_line": 1 + 40 * round, "lines": 40}}),
            json!({"tool": "grep", "args": {"pattern": "fn (read|encode)_\\w+\\(", "path": "src", "ignore_case": round % 2 == 0}}),
            json!({"tool": "edit", "args": {"path": path, "old": piece(12 * round, 4), "new": piece(12 * round + 1, 7)}}),
            json!({"tool": "write_file", "args": {"path": format!("docs/é{round}.md"), "content": piece(9 * round, 30)}}),
            json!({"tool": "run", "args": {"command": "cargo test --release -p grammar -- --nocapture", "timeout": 600}}),
            json!({"tool": "git_diff", "args": {"path": path}}),
            json!({"tool": "finish", "args": {"summary": "The tokenizer reads both forms now; 漢字 pass too.", "success": true}}),
        ]);
    }
    Workload::plain("a", calls_of("tool", "args", &tools), printed(&calls))
        .with_schema(schema_of("tool", "args", &tools))
}

/// Thirty functions with arguments of many names and types.
fn functions() -> Workload {
    let verbs = ["get", "set", "find", "calculate", "convert"];
    let nouns = ["weather", "exchange_rate", "triangle_area", "flight_price", "song", "recipe"];
    let units: Vec<String> = ["celsius", "fahrenheit", "kelvin"].map(str::to_owned).to_vec();
    let mut functions: Vec<(String, Vec<(String, Type)>)> = Vec::new();
    let mut calls = Vec::new();
    for (at, (verb, noun)) in
        verbs.iter().flat_map(|verb| nouns.iter().map(move |noun| (verb, noun))).enumerate()
    {
        let name = format!("{verb}_{noun}");
        let arguments = vec![
            (format!("{noun}_id"), Type::Integer),
            ("location".to_owned(), Type::Text),
            (format!("{verb}_unit"), Type::OneOf(units.clone())),
            ("verbose".to_owned(), Type::Flag),
        ];
        let values =
            [json!(at * 17), json!("San Francisco, CA"), json!(units[at % 3]), json!(at % 2 == 0)];
        let used = 2 + at % 3;
        let given = arguments.iter().map(|(name, _)| name.clone()).zip(values).take(used);
        calls.push(json!({"name": name, "arguments": given.collect::<serde_json::Map<_, _>>()}));
        functions.push((name, arguments.into_iter().take(used).collect()));
    }
    let functions: Vec<(&str, Vec<(&str, Type)>)> = functions
        .iter()
        .map(|(name, arguments)| {
            (name.as_str(), arguments.iter().map(|(name, of)| (name.as_str(), of.copy())).collect())
        })
        .collect();
    let functions: Vec<(&str, &[(&str, Type)])> =
        functions.iter().map(|(name, arguments)| (*name, arguments.as_slice())).collect();
    Workload::plain("b", calls_of("name", "arguments", &functions), printed(&calls))
        .with_schema(schema_of("name", "arguments", &functions))
}

/// A path out of 5,000.
fn paths() -> Workload {
    let folders = [
        "src",
        "tests",
        "docs",
        "examples",
        "benches",
        "crates/core/src",
        "crates/engine/src",
        "tools/ci",
    ];
    let topics = [
        "parser",
        "printer",
        "matcher",
        "vocabulary",
        "session",
        "worker",
        "report",
        "ledger",
        "probe",
        "window",
    ];
    let endings = ["rs", "md", "toml", "py"];
    let all: Vec<String> = (0..5_000)
        .map(|at| {
            let (folder, topic) = (folders[at * 7 % 8], topics[at * 3 % 10]);
            let other = topics[at / 11 % 10];
            format!("{folder}/{topic}/{other}_{at}/mod_{}.{}", at % 13, endings[at % 4])
        })
        .collect();
    let quoted: Vec<String> = all.iter().map(|path| json::quote(path)).collect();
    let path = Expr::one_of(quoted.iter().map(String::as_str));
    let mut grammar = Grammar::new(Expr::Seq(vec![
        Expr::literal("{\"tool\":\"read_file\",\"args\":{\"path\":"),
        Expr::rule("path"),
        Expr::literal("}}"),
    ]));
    grammar.add("path", path);
    let chosen = all.iter().step_by(83);
    let calls: Vec<Value> =
        chosen.map(|path| json!({"tool": "read_file", "args": {"path": path}})).collect();
    let arguments = closed([("path", json!({"enum": all}))]);
    let schema = closed([("tool", json!({"const": "read_file"})), ("args", arguments)]);
    Workload::plain("c", grammar.to_string(), printed(&calls)).with_schema(schema)
}

/// Any JSON.
fn free_json() -> Workload {
    let mut grammar = Grammar::new(Expr::rule("value"));
    json::string(&mut grammar);
    let rules = "value ::= \"{\" (pair (\",\" pair)*)? \"}\" | \"[\" (value (\",\" value)*)? \"]\" | json-string | number | \"true\" | \"false\" | \"null\"\n\
        pair ::= json-string \":\" value\n\
        number ::= \"-\"? (\"0\" | [1-9] [0-9]*) (\".\" [0-9]+)? ([eE] [-+]? [0-9]+)?\n";
    let gbnf = format!("{grammar}{rules}");
    let code: Vec<&str> = CODE.lines().collect();
    let documents: Vec<Value> = (0..12)
        .map(|at| {
            let lines: Vec<&str> = code.iter().copied().cycle().skip(at * 11).take(9).collect();
            json!({
                "id": at, "ratio": 0.25 * f64::from(u8::try_from(at).unwrap_or(0)), "tags": ["grammar", "gbnf", "漢字"],
                "author": {"name": "Zoë Müller", "mail": "zoe@example.org", "active": true, "manager": null},
                "lines": lines, "matrix": [[1, 2, 3], [4, 5, -6], [7.5e10, 8, 9]],
                "text": "A sentence with \"quotes\", a\ttab and a backslash \\ in it.",
            })
        })
        .collect();
    Workload::plain("e", gbnf, printed(&documents)).with_schema(json!({}))
}

/// Strings of limited length, where each character is a state of its own.
fn short_strings() -> Workload {
    let mut grammar = Grammar::new(Expr::literal("unused"));
    json::string(&mut grammar);
    let body = "root ::= \"{\\\"name\\\":\\\"\" json-char{1,80} \"\\\",\\\"about\\\":\\\"\" json-char{0,2000} \"\\\"}\"\n";
    let rules = grammar.to_string().replace("root ::= \"unused\"\n", body);
    let code: Vec<&str> = CODE.lines().collect();
    let texts: Vec<Value> = (0..10)
        .map(|at| json!({"name": format!("Straße {at}, 漢字 \"x\""), "about": code[at * 9..at * 9 + 8].join("\n")}))
        .collect();
    let text = |least, most| json!({"type": "string", "minLength": least, "maxLength": most});
    let schema = closed([("name", text(1, 80)), ("about", text(0, 2_000))]);
    Workload::plain("s", rules, printed(&texts)).with_schema(schema)
}

/// A piece of a file of 50 kB that occurs in it once.
fn piece() -> Option<Workload> {
    let file = file();
    let bindings = Bindings::new().with("old", Binding::piece(file.as_str()));
    let open = bindings.expand("old").map(|pieces| {
        let mut grammar = edit_grammar("bound");
        let rules = pieces.rules().filter(|(name, _)| *name != "root");
        rules.for_each(|(name, body)| grammar.add(name, body.clone()));
        grammar.to_string()
    });
    let chunks = file.chars().map(|c| json::quote(c.encode_utf8(&mut [0; 4])));
    let chunks: Vec<String> = chunks.map(|chunk| chunk[1..chunk.len() - 1].to_owned()).collect();
    let chunks = json!({"substring_chunks": chunks});
    let text = r#"/"(\\(["\\\/bfnrt]|u[0-9a-fA-F]{4})|[^"\\\x00-\x1F\x7F])*"/"#;
    let lark = format!(
        r#"start: "{{\"tool\":\"edit\",\"args\":{{\"path\":" TEXT ",\"old\":" OLD ",\"new\":" TEXT "}}}}"
TEXT: {text}
OLD: "\"" PIECE "\""
PIECE: %regex {chunks}
"#
    );
    let workload = edits("d", &file, bindings, &["old"])?;
    Some(Workload { open, lark: Some(lark), ..workload })
}

/// The same for one of 100 files, with a new text that differs.
fn edit() -> Option<Workload> {
    let file = file();
    let paths: Vec<String> = (0..100).map(|at| format!("src/part_{at}/code.rs")).collect();
    let each = paths.iter().map(|path| (path.as_str(), Binding::piece(file.as_str())));
    let bindings = Bindings::new()
        .with("old", Binding::by("path", each))
        .with("path", Binding::one_of(paths.iter().map(String::as_str)))
        .with("new", Binding::other_than_said("old"));
    edits("f", &file, bindings, &["path", "old", "new"])
}

/// A description without words of judgement.
fn without_words() -> Option<Workload> {
    let words = [
        "pass", "fail", "correct", "wrong", "good", "bad", "success", "error", "approve", "reject",
    ];
    let mut grammar = Grammar::new(Expr::Seq(vec![
        Expr::literal("{\"description\":"),
        Expr::rule("description"),
        Expr::literal("}"),
    ]));
    let string = json::string(&mut grammar);
    grammar.add("description", string);
    grammar.bind("description", Bound::to("words")?);
    let bindings = Bindings::new().with("words", Binding::without_in_any_case(words));
    let lines = CODE.lines().filter(|line| {
        let line = line.to_lowercase();
        words.iter().all(|word| !line.contains(word))
    });
    let lines: Vec<&str> = lines.collect();
    let texts = lines.chunks(9).map(|lines| json!({"description": lines.join("\n")}));
    let texts: Vec<Value> = texts.collect();
    let plain = Workload::plain("w", grammar.to_string(), printed(&texts));
    Some(Workload { bindings, open: None, ..plain })
}

fn file() -> String {
    let mut file = FILES.concat();
    file.truncate(file.floor_char_boundary(FILE_BYTES));
    file
}

fn edits(name: &'static str, file: &str, bindings: Bindings, bound: &[&str]) -> Option<Workload> {
    let mut grammar = edit_grammar(json::STRING);
    for rule in bound {
        grammar.bind(rule, Bound::to(rule)?);
    }
    let lines: Vec<&str> = file.lines().collect();
    let pieces = (0..lines.len()).step_by(37).map(|at| {
        let length = 2 + at % 5;
        lines[at..(at + length).min(lines.len())].join("\n")
    });
    let once = |piece: &String| file.matches(piece.as_str()).count() == 1;
    let calls = pieces.filter(once).enumerate().map(|(at, old)| {
        let new = old.replace("self", "this").replace("let ", "let mut ") + "\n";
        let path = format!("src/part_{at}/code.rs");
        json!({"tool": "edit", "args": {"path": path, "old": old, "new": new}})
    });
    let calls: Vec<Value> = calls.collect();
    let plain = Workload::plain(name, grammar.to_string(), printed(&calls));
    Some(Workload { bindings, open: None, ..plain })
}

/// Returns the grammar of a call that changes a file, with the rule for what is replaced.
fn edit_grammar(old: &str) -> Grammar {
    let mut grammar = Grammar::new(Expr::Seq(vec![
        Expr::literal("{\"tool\":\"edit\",\"args\":{\"path\":"),
        Expr::rule("path"),
        Expr::literal(",\"old\":"),
        Expr::rule("old"),
        Expr::literal(",\"new\":"),
        Expr::rule("new"),
        Expr::literal("}}"),
    ]));
    let string = json::string(&mut grammar);
    grammar.add("path", string.clone());
    grammar.add("old", Expr::rule(old));
    grammar.add("new", string);
    grammar
}

fn printed(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}
