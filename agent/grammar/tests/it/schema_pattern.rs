//! Patterns of ECMA-262, tried place by place: slow and obvious. It knows classes, groups, repetitions, anchors and
//! looking ahead, as the random schemas have them.

use std::collections::BTreeSet;

use crate::dice::Dice;

/// Returns whether `pattern` is found in `text`.
pub(crate) fn found(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern = Pattern::read(pattern);
    (0..=text.len()).any(|at| !pattern.ends(&text, at).is_empty())
}

/// Returns a text in which `pattern` is found if its anchors and what it looks ahead to do not contradict it.
pub(crate) fn example(dice: &mut Dice, pattern: &str) -> String {
    let around = |dice: &mut Dice| if dice.one_in(3) { dice.text(0..3) } else { String::new() };
    let before = around(dice);
    let mut text = before;
    Pattern::read(pattern).say(dice, &mut text);
    text.push_str(&around(dice));
    text
}

#[derive(Debug)]
enum Pattern {
    /// One character out of these, or none of them.
    Chars(Vec<(char, char)>, bool),
    Start,
    End,
    Seq(Vec<Pattern>),
    Any(Vec<Pattern>),
    Repeat(Box<Pattern>, usize, Option<usize>),
    /// What follows is so, or is not so.
    Ahead(Box<Pattern>, bool),
}

impl Pattern {
    fn read(text: &str) -> Self {
        let mut reader = Reader { rest: text.chars().collect() };
        reader.rest.reverse();
        let read = reader.any();
        assert!(reader.rest.is_empty(), "{text}");
        read
    }

    /// Returns every place where it can end when it begins at `at`.
    fn ends(&self, text: &[char], at: usize) -> BTreeSet<usize> {
        let here = |holds: bool| holds.then_some(at).into_iter().collect();
        match self {
            Self::Chars(ranges, is_one) => {
                let fits = |c: &char| ranges.iter().any(|(low, high)| (low..=high).contains(&c));
                let next = text.get(at).filter(|c| fits(c) == *is_one);
                next.map(|_| at + 1).into_iter().collect()
            }
            Self::Start => here(at == 0),
            Self::End => here(at == text.len()),
            Self::Seq(parts) => parts.iter().fold(BTreeSet::from([at]), |from, part| {
                from.into_iter().flat_map(|at| part.ends(text, at)).collect()
            }),
            Self::Any(parts) => parts.iter().flat_map(|part| part.ends(text, at)).collect(),
            Self::Repeat(inner, min, max) => {
                let mut from = BTreeSet::from([at]);
                let mut found = BTreeSet::new();
                // More often than there are characters leads nowhere new.
                let most = max.unwrap_or(min + text.len());
                for count in 0..=most {
                    if count >= *min {
                        found.extend(&from);
                    }
                    from = from.into_iter().flat_map(|at| inner.ends(text, at)).collect();
                }
                found
            }
            Self::Ahead(inner, is_so) => here(inner.ends(text, at).is_empty() != *is_so),
        }
    }

    fn say(&self, dice: &mut Dice, text: &mut String) {
        match self {
            Self::Chars(ranges, true) => {
                let (low, high) = ranges[dice.roll(ranges.len())];
                let more = dice.roll(u32::from(high) as usize - u32::from(low) as usize + 1);
                text.extend(char::from_u32(u32::from(low) + u32::try_from(more).unwrap()));
            }
            Self::Chars(_, false) => text.push(dice.char()),
            Self::Start | Self::End | Self::Ahead(..) => {}
            Self::Seq(parts) => parts.iter().for_each(|part| part.say(dice, text)),
            Self::Any(parts) => parts[dice.roll(parts.len())].say(dice, text),
            Self::Repeat(inner, min, max) => {
                let most = max.unwrap_or(min + 3);
                (0..min + dice.roll(most - min + 1)).for_each(|_| inner.say(dice, text));
            }
        }
    }
}

/// Reads a pattern, the last character of which comes first.
struct Reader {
    rest: Vec<char>,
}

impl Reader {
    fn takes(&mut self, text: &str) -> bool {
        let is_next = text.chars().eq(self.rest.iter().rev().take(text.chars().count()).copied());
        if is_next {
            self.rest.truncate(self.rest.len() - text.chars().count());
        }
        is_next
    }

    fn any(&mut self) -> Pattern {
        let mut parts = vec![self.seq()];
        while self.takes("|") {
            parts.push(self.seq());
        }
        Pattern::Any(parts)
    }

    fn seq(&mut self) -> Pattern {
        let mut parts = Vec::new();
        while !matches!(self.rest.last(), None | Some('|' | ')')) {
            let one = self.one();
            parts.push(self.repeated(one));
        }
        Pattern::Seq(parts)
    }

    fn one(&mut self) -> Pattern {
        for (opening, is_so) in [("(?=", true), ("(?!", false)] {
            if self.takes(opening) {
                let inner = self.group();
                return Pattern::Ahead(Box::new(inner), is_so);
            }
        }
        if self.takes("(?:") || self.takes("(") {
            return self.group();
        }
        match self.rest.pop().unwrap() {
            '^' => Pattern::Start,
            '$' => Pattern::End,
            '.' => {
                Pattern::Chars(vec![('\n', '\n'), ('\r', '\r'), ('\u{2028}', '\u{2029}')], false)
            }
            '[' => {
                let is_one = !self.takes("^");
                let mut ranges = Vec::new();
                while !self.takes("]") {
                    match self.rest.pop().unwrap() {
                        '\\' => ranges.extend(self.escape().0),
                        low if self.takes("-") => ranges.push((low, self.rest.pop().unwrap())),
                        low => ranges.push((low, low)),
                    }
                }
                Pattern::Chars(ranges, is_one)
            }
            '\\' => {
                let (ranges, is_one) = self.escape();
                Pattern::Chars(ranges, is_one)
            }
            c => Pattern::Chars(vec![(c, c)], true),
        }
    }

    fn group(&mut self) -> Pattern {
        let inner = self.any();
        assert!(self.takes(")"));
        inner
    }

    fn escape(&mut self) -> (Vec<(char, char)>, bool) {
        let word = || vec![('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
        match self.rest.pop().unwrap() {
            'd' => (vec![('0', '9')], true),
            'D' => (vec![('0', '9')], false),
            'w' => (word(), true),
            'W' => (word(), false),
            c => (vec![(c, c)], true),
        }
    }

    fn repeated(&mut self, inner: Pattern) -> Pattern {
        let (min, max) = match self.rest.last() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                self.rest.pop();
                let min = self.number().unwrap();
                let max = if self.takes(",") { self.number() } else { Some(min) };
                assert_eq!(self.rest.last(), Some(&'}'));
                (min, max)
            }
            Some(_) | None => return inner,
        };
        self.rest.pop();
        self.takes("?");
        Pattern::Repeat(Box::new(inner), min, max)
    }

    fn number(&mut self) -> Option<usize> {
        let mut digits = String::new();
        while self.rest.last().is_some_and(char::is_ascii_digit) {
            digits.extend(self.rest.pop());
        }
        digits.parse().ok()
    }
}

#[test]
fn it_finds_what_is_there() {
    for (pattern, text, is_found) in [
        ("a|^b$", "xa", true),
        ("a|^b$", "bb", false),
        ("^(?!a)[a-c]{2}$", "ba", true),
        ("^(?!a)[a-c]{2}$", "ab", false),
        ("^(?=.*\\d)\\w+$", "ab1", true),
        ("^(?=.*\\d)\\w+$", "ab", false),
        ("^(a*)*b{1,}?$", "aabb", true),
        ("^.$", "\n", false),
        ("\\.[^a]$", ".a", false),
    ] {
        assert_eq!(found(pattern, text), is_found, "{pattern} in {text}");
    }
}
