//! Which members and items of a value a schema has evaluated (JSON Schema Core 10.3, 11), way by way.
//!
//! With `anyOf`, `oneOf`, `if` and `dependentSchemas` that depends on which parts of the schema hold for the value. So
//! there are several ways, each with its conditions. What is evaluated where the conditions of a way hold is at least
//! what the way says; [`Claims::All`] has it exact, at the cost of more conditions.

use std::rc::Rc;

use serde_json::Value;

use super::budget::Exceeded;
use super::compiler::Compiler;
use super::dfa::Dfa;
use super::document::SchemaId;
use super::error::SchemaError;
use super::nodes::Term;
use super::options::Draft;
use super::scalars::automaton;

/// What is evaluated where some parts of the schema hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    /// The parts that hold or fail.
    pub(super) terms: Vec<Term>,
    /// The members that are there, and those that are not.
    pub(super) present: Vec<String>,
    pub(super) absent: Vec<String>,
    pub(super) evaluated: Evaluated,
}

/// Members or items.
#[derive(Clone, Debug, Default)]
pub(super) struct Evaluated {
    pub(super) everything: bool,
    pub(super) names: Vec<String>,
    pub(super) patterns: Vec<Rc<Dfa>>,
    /// How many of the first items.
    pub(super) first: usize,
    /// The items that satisfy one of these parts.
    pub(super) contains: Vec<SchemaId>,
}

/// What the conditions of a way say of the parts that evaluate something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Claims {
    /// Those that are needed hold; of the others nothing is said.
    Needed,
    /// The others fail.
    All,
}

impl Way {
    fn is_idle(&self) -> bool {
        let Evaluated { everything, names, patterns, first, contains } = &self.evaluated;
        let lists = names.is_empty() && patterns.is_empty() && contains.is_empty();
        !everything && *first == 0 && lists
    }

    /// Returns about how much there is to copy, in steps.
    fn weight(&self) -> usize {
        let Evaluated { names, patterns, contains, .. } = &self.evaluated;
        let evaluated = names.len() + patterns.len() + contains.len();
        1 + self.terms.len() + self.present.len() + self.absent.len() + evaluated
    }

    fn under(mut self, terms: impl IntoIterator<Item = Term>) -> Self {
        self.terms.extend(terms);
        self
    }

    fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.terms.extend(&other.terms);
        both.present.extend(other.present.iter().cloned());
        both.absent.extend(other.absent.iter().cloned());
        let (all, more) = (&mut both.evaluated, &other.evaluated);
        all.everything |= more.everything;
        all.names.extend(more.names.iter().cloned());
        all.patterns.extend(more.patterns.iter().cloned());
        all.first = all.first.max(more.first);
        all.contains.extend(&more.contains);
        both
    }
}

type Ways = Result<Vec<Way>, SchemaError>;

/// Looks for what the parts of a schema evaluate.
pub(super) struct Search<'c, 'a> {
    pub(super) compiler: &'c mut Compiler<'a>,
    /// The part with the keyword, which sees everything but itself.
    pub(super) start: SchemaId,
    /// `unevaluatedProperties` or `unevaluatedItems`.
    pub(super) key: &'static str,
    pub(super) claims: Claims,
    /// The parts that are being looked into.
    open: Vec<SchemaId>,
}

impl<'c, 'a> Search<'c, 'a> {
    /// Returns a search that has found nothing yet.
    pub(super) fn new(
        compiler: &'c mut Compiler<'a>,
        start: SchemaId,
        key: &'static str,
        claims: Claims,
    ) -> Self {
        Self { compiler, start, key, claims, open: Vec::new() }
    }

    /// Returns the ways of the part `at`, which holds.
    pub(super) fn ways(&mut self, at: SchemaId) -> Ways {
        if self.open.contains(&at) || !self.compiler.document.value(at).is_object() {
            return Ok(vec![Way::default()]);
        }
        let limit = self.compiler.options.limits.depth;
        if self.open.len() >= limit {
            let what = "references and combinations inside each other";
            return Err(Exceeded { what, limit }.at(self.compiler.document.pointer(at)));
        }
        self.open.push(at);
        let evaluated = match self.key {
            "unevaluatedItems" => self.items(at),
            _ => self.members(at)?,
        };
        let mut all = vec![Way { evaluated, ..Way::default() }];
        // A part that is reached in several ways is looked into several times.
        self.spend(Self::weight(&all))?;
        for key in ["$ref", "$dynamicRef", "$recursiveRef"] {
            if let Some(Value::String(text)) = self.compiler.document.get(at, key) {
                let target = self.compiler.document.target(at, key, text)?;
                let ways = self.ways(target)?;
                all = self.both(&all, &ways)?;
            }
        }
        for branch in self.branches(at, "allOf") {
            let ways = self.ways(branch)?;
            all = self.both(&all, &ways)?;
        }
        for branch in self.branches(at, "anyOf") {
            let mut ways = self.claimed(branch)?;
            if !ways.is_empty() {
                ways.push(self.unclaimed(&[branch]));
                all = self.both(&all, &ways)?;
            }
        }
        for found in [self.one_of(at)?, self.conditional(at)?] {
            all = self.both(&all, &found)?;
        }
        for key in ["dependentSchemas", "dependencies"] {
            for name in self.compiler.members(at, key)? {
                let ways = self.dependent(at, key, name)?;
                all = self.both(&all, &ways)?;
            }
        }
        self.open.pop();
        Ok(all)
    }

    fn members(&mut self, at: SchemaId) -> Result<Evaluated, SchemaError> {
        let has = |key| self.compiler.document.get(at, key).is_some();
        let everything = has("additionalProperties") || (at != self.start && has(self.key));
        let names = self.compiler.members(at, "properties")?.into_iter().cloned().collect();
        let mut patterns = Vec::new();
        for pattern in self.compiler.members(at, "patternProperties")? {
            let found = automaton(self.compiler, at, "patternProperties", pattern)?;
            patterns.push(Rc::new(found));
        }
        Ok(Evaluated { everything, names, patterns, ..Evaluated::default() })
    }

    fn items(&mut self, at: SchemaId) -> Evaluated {
        let document = &self.compiler.document;
        let get = |key| document.get(at, key);
        let is_one = get("items").is_some_and(|value| !value.is_array());
        // `additionalItems` says nothing beside one schema for all items, or none.
        let is_list = get("items").is_some_and(Value::is_array);
        let covers_rest = is_list && get("additionalItems").is_some();
        let everything = is_one || covers_rest || (at != self.start && get(self.key).is_some());
        let count = |key| get(key).and_then(Value::as_array).map_or(0, Vec::len);
        // Before 2020-12, there is no `prefixItems`, and `contains` evaluates nothing.
        let is_new = document.draft() == Draft::Draft2020;
        let first = if is_new { count("prefixItems").max(count("items")) } else { count("items") };
        let counts = is_new && get("contains").is_some();
        let contains = counts.then(|| self.compiler.document.below(at, &["contains"]));
        let contains = contains.into_iter().collect();
        Evaluated { everything, first, contains, ..Evaluated::default() }
    }

    fn branches(&mut self, at: SchemaId, key: &str) -> Vec<SchemaId> {
        let count =
            self.compiler.document.get(at, key).and_then(Value::as_array).map_or(0, Vec::len);
        let places = (0..count).map(|place| place.to_string());
        places.map(|place| self.compiler.document.below(at, &[key, &place])).collect()
    }

    /// Returns the ways of `branch` that matter, under the condition that it holds; none where it evaluates nothing.
    fn claimed(&mut self, branch: SchemaId) -> Ways {
        let ways = self.ways(branch)?;
        Ok(self.mattering(ways).map(|way| way.under([Term::Holds(branch)])).collect())
    }

    /// Returns those of `ways` that evaluate something; the others too, where it is said that they do not and some do.
    fn mattering(&self, ways: Vec<Way>) -> impl Iterator<Item = Way> + use<> {
        let is_exact = self.claims == Claims::All && ways.iter().any(|way| !way.is_idle());
        ways.into_iter().filter(move |way| is_exact || !way.is_idle())
    }

    /// Returns the way in which nothing of `branches` matters.
    fn unclaimed(&self, branches: &[SchemaId]) -> Way {
        match self.claims {
            Claims::Needed => Way::default(),
            Claims::All => Way::default().under(branches.iter().copied().map(Term::Fails)),
        }
    }

    fn one_of(&mut self, at: SchemaId) -> Ways {
        let (mut all, mut busy) = (Vec::new(), Vec::new());
        for branch in self.branches(at, "oneOf") {
            let ways = self.claimed(branch)?;
            if !ways.is_empty() {
                busy.push(branch);
            }
            all.extend(ways);
        }
        all.push(self.unclaimed(&busy));
        Ok(all)
    }

    fn conditional(&mut self, at: SchemaId) -> Ways {
        if self.compiler.document.get(at, "if").is_none() {
            return Ok(vec![Way::default()]);
        }
        let condition = self.compiler.document.below(at, &["if"]);
        let mut met = self.ways(condition)?;
        let mut unmet = vec![Way::default()];
        for (key, ways) in [("then", &mut met), ("else", &mut unmet)] {
            if self.compiler.document.get(at, key).is_some() {
                let branch = self.compiler.document.below(at, &[key]);
                let more = self.ways(branch)?;
                *ways = self.both(ways, &more)?;
            }
        }
        let met = met.into_iter().map(|way| way.under([Term::Holds(condition)]));
        let needs_failure = |way: &Way| self.claims == Claims::All || !way.is_idle();
        let unmet = unmet.into_iter().map(|way| {
            let failure = needs_failure(&way).then_some(Term::Fails(condition));
            way.under(failure)
        });
        Ok(met.chain(unmet).collect())
    }

    fn dependent(&mut self, at: SchemaId, key: &str, name: &str) -> Ways {
        let branch = self.compiler.document.below(at, &[key, name]);
        let ways = self.ways(branch)?;
        let (mut all, mut other) = (Vec::new(), Way::default());
        for mut way in self.mattering(ways) {
            way.present.push(name.to_owned());
            all.push(way);
        }
        if self.claims == Claims::All && !all.is_empty() {
            other.absent.push(name.to_owned());
        }
        all.push(other);
        Ok(all)
    }

    /// Returns each way of `a` with each of `b`.
    fn both(&self, a: &[Way], b: &[Way]) -> Ways {
        let limit = self.compiler.options.limits.alternatives;
        if a.len().saturating_mul(b.len()) > limit {
            let place = self.compiler.document.pointer(self.start);
            return Err(
                Exceeded { what: "ways to evaluate it", limit }.at(format!("{place}/{}", self.key))
            );
        }
        let copied =
            [Self::weight(a).saturating_mul(b.len()), Self::weight(b).saturating_mul(a.len())];
        self.spend(copied[0].saturating_add(copied[1]))?;
        Ok(a.iter().flat_map(|left| b.iter().map(|right| left.and(right))).collect())
    }

    fn weight(ways: &[Way]) -> usize {
        ways.iter().map(Way::weight).sum()
    }

    fn spend(&self, steps: usize) -> Result<(), SchemaError> {
        let spent = self.compiler.budget.spend(steps);
        spent.map_err(|error| self.compiler.exceeded(self.start, self.key, error))
    }
}
