//! A choice between texts as a tree of shared prefixes.

use super::Expr;

/// Trees deeper than this go on as flat lists: texts that are each other's beginnings, such as `a`, `aa`, `aaa`,
/// would nest as deep as there are texts.
const MAX_DEPTH: usize = 64;

/// Returns the choice between exactly `texts`; without any, what matches nothing.
pub(super) fn one_of(mut texts: Vec<&str>) -> Expr {
    texts.sort_unstable();
    texts.dedup();
    prefix_tree(&texts, 0, MAX_DEPTH)
}

/// Returns the tree of `texts`, which are sorted and distinct, without their first `skip` bytes.
fn prefix_tree(texts: &[&str], skip: usize, depth: usize) -> Expr {
    let (first, last) = match texts {
        [] => return Expr::Any(Vec::new()),
        [only] => return Expr::literal(&only[skip..]),
        [first, .., last] => (first, last),
    };
    if depth == 0 {
        return Expr::Any(texts.iter().map(|text| Expr::literal(&text[skip..])).collect());
    }
    let shared = shared_prefix(&first[skip..], &last[skip..]);
    let inner = skip + shared;
    let mut branches = Vec::new();
    let mut rest = texts;
    while let Some(head) = rest.first() {
        let next = head[inner..].chars().next();
        let same = rest.iter().take_while(|text| text[inner..].chars().next() == next).count();
        branches.push(prefix_tree(&rest[..same], inner, depth - 1));
        rest = &rest[same..];
    }
    let choice = Expr::Any(branches);
    match shared {
        0 => choice,
        _ => Expr::Seq(vec![Expr::literal(&first[skip..inner]), choice]),
    }
}

/// Returns the length in bytes of the longest common prefix that ends between two characters.
fn shared_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(x, y)| x == y).map(|(c, _)| c.len_utf8()).sum()
}
