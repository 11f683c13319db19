//! The tree of all texts of a vocabulary, laid out for walks that skip most of it.

use std::ops::Range;

use super::{TokenId, slice};

/// A node of a [`Trie`].
pub(crate) type NodeId = u32;

/// A tree with one byte on each edge.
///
/// The children of a node lie side by side, their bytes in ascending order, so that a walk reads memory forwards
/// and finds one child of many by bisection.
#[derive(Debug, Default)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    /// The byte that leads to each node.
    labels: Vec<u8>,
    tokens: Vec<TokenId>,
}

/// A step of a walk is a miss of the cache or two: a node takes a quarter of a line, and one with a single child,
/// as most are, knows the byte that leads there.
#[derive(Clone, Copy, Debug, Default)]
struct Node {
    first_child: NodeId,
    tokens_at: u32,
    tokens: u32,
    children: u16,
    /// The byte that leads to the first child.
    first_byte: u8,
    /// What texts have below here are whole safe characters.
    safe_below: bool,
}

impl Trie {
    pub(crate) const ROOT: NodeId = 0;

    /// Returns the tree of `texts`. A text of no byte stands at the root.
    pub(crate) fn new(mut texts: Vec<(&[u8], TokenId)>) -> Self {
        texts.sort_unstable();
        let mut trie = Self { nodes: vec![Node::default()], labels: vec![0], tokens: Vec::new() };
        // For each node, how many bytes lead there, and from where on the texts through it are safe characters.
        let mut depths = vec![0];
        let mut safe_from = vec![0];
        // A node, the texts below it, and how many of their bytes lead there.
        let mut open = vec![(0_usize, 0, texts.len(), 0)];
        while let Some((node, start, end, depth)) = open.pop() {
            trie.nodes[node].tokens_at = index(trie.tokens.len());
            let here = texts[start..end].iter().take_while(|(text, _)| text.len() == depth);
            trie.tokens.extend(here.map(|(_, token)| token));
            safe_from[node] = texts.get(start).map_or(0, |(text, _)| {
                if text.len() == depth { slice::safe_from(text) } else { 0 }
            });
            let own = trie.tokens.len() - trie.nodes[node].tokens_at as usize;
            trie.nodes[node].tokens = index(own);
            trie.nodes[node].first_child = index(trie.nodes.len());
            let opened = open.len();
            let mut at = start + own;
            while at < end {
                let byte = texts[at].0[depth];
                let same = texts[at..end].partition_point(|(text, _)| text[depth] == byte);
                if at == start + own {
                    trie.nodes[node].first_byte = byte;
                }
                open.push((trie.nodes.len(), at, at + same, depth + 1));
                trie.nodes.push(Node::default());
                trie.labels.push(byte);
                depths.push(depth + 1);
                safe_from.push(0);
                trie.nodes[node].children += 1;
                at += same;
            }
            // The first child is laid out next.
            open[opened..].reverse();
        }
        trie.sum_up(&depths, safe_from);
        trie.nodes.shrink_to_fit();
        trie.labels.shrink_to_fit();
        trie.tokens.shrink_to_fit();
        trie
    }

    /// Returns the bytes of memory that it takes.
    pub(super) fn memory_bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.labels.capacity()
            + self.tokens.capacity() * size_of::<TokenId>()
    }

    /// Finds out for each node what is below it. Children have higher numbers than their parents.
    fn sum_up(&mut self, depths: &[usize], mut safe_from: Vec<usize>) {
        for at in (0..self.nodes.len()).rev() {
            let node = self.nodes[at];
            let first = node.first_child as usize;
            let children = first..first + usize::from(node.children);
            let below = safe_from[children].iter().max().copied().unwrap_or(0);
            self.nodes[at].safe_below = below <= depths[at];
            safe_from[at] = safe_from[at].max(below);
        }
    }

    /// Returns the children of a node: the number of the first one, and the bytes that lead to them.
    #[inline]
    pub(crate) fn children(&self, node: NodeId) -> (NodeId, &[u8]) {
        let node = self.nodes[node as usize];
        let start = node.first_child as usize;
        (node.first_child, &self.labels[start..start + usize::from(node.children)])
    }

    /// Returns the children of a node to which the bytes of a span lead.
    #[inline]
    pub(crate) fn between(&self, node: NodeId, low: u8, high: u8) -> Range<NodeId> {
        let (first, labels) = self.children(node);
        let start = labels.partition_point(|label| *label < low);
        let count = labels[start..].partition_point(|label| *label <= high);
        first + index(start)..first + index(start + count)
    }

    /// Appends the tokens whose text ends at some siblings, and calls `goes_on` with those that have children.
    #[inline]
    pub(crate) fn enter(
        &self,
        siblings: Range<NodeId>,
        found: &mut Vec<TokenId>,
        mut goes_on: impl FnMut(NodeId),
    ) {
        let (mut start, mut end) = (0, 0);
        for (at, node) in
            siblings.clone().zip(&self.nodes[siblings.start as usize..siblings.end as usize])
        {
            // Tokens of neighbours without children are neighbours too.
            if node.tokens_at as usize != end {
                found.extend_from_slice(&self.tokens[start..end]);
                start = node.tokens_at as usize;
            }
            end = (node.tokens_at + node.tokens) as usize;
            if node.children > 0 {
                goes_on(at);
            }
        }
        found.extend_from_slice(&self.tokens[start..end]);
    }

    /// Returns the node to which `bytes` lead.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<NodeId> {
        bytes.iter().try_fold(Self::ROOT, |node, byte| self.child(node, *byte))
    }

    /// Returns the child to which `byte` leads.
    #[inline]
    pub(crate) fn child(&self, node: NodeId, byte: u8) -> Option<NodeId> {
        let above = self.nodes[node as usize];
        if above.children < 2 || above.first_byte >= byte {
            return (above.children > 0 && above.first_byte == byte).then_some(above.first_child);
        }
        let (first, labels) = self.children(node);
        let at = labels.binary_search(&byte).ok()?;
        Some(first + index(at))
    }

    /// Returns whether texts go on after a node.
    #[inline]
    pub(crate) fn has_children(&self, node: NodeId) -> bool {
        self.nodes[node as usize].children > 0
    }

    /// Returns the tokens whose text goes on after a node, if all go on with whole safe characters only.
    #[inline]
    pub(crate) fn safe_below(&self, node: NodeId) -> Option<&[TokenId]> {
        let own = self.nodes[node as usize];
        own.safe_below.then(|| &self.all(node)[own.tokens as usize..])
    }

    /// Returns a token of the longest text that `bytes` begins with, and the length of that text.
    pub(crate) fn longest(&self, bytes: &[u8]) -> Option<(TokenId, usize)> {
        let (mut node, mut found) = (Self::ROOT, None);
        for (byte, length) in bytes.iter().zip(1..) {
            let Some(child) = self.child(node, *byte) else { break };
            node = child;
            found = self.tokens(node).first().map(|token| (*token, length)).or(found);
        }
        found
    }

    /// Returns the tokens whose text ends at a node or goes on after it.
    pub(crate) fn all(&self, node: NodeId) -> &[TokenId] {
        let start = self.nodes[node as usize].tokens_at;
        let mut last = self.nodes[node as usize];
        while last.children > 0 {
            last = self.nodes[last.first_child as usize + usize::from(last.children) - 1];
        }
        &self.tokens[start as usize..(last.tokens_at + last.tokens) as usize]
    }

    /// Returns the tokens whose text ends at a node.
    #[inline]
    pub(crate) fn tokens(&self, node: NodeId) -> &[TokenId] {
        let node = self.nodes[node as usize];
        &self.tokens[node.tokens_at as usize..][..node.tokens as usize]
    }
}

/// Returns `at` as the number of a node or of a token.
fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a vocabulary has at most 2^30 bytes, and a node is a byte")
}
