//! The suffix automaton of a text, byte by byte (Blumer et al. 1985), laid out for walks.
//!
//! A piece that occurs once is known by where it ends: from there the text itself says what follows. Only pieces
//! that occur several times have states with edges, at most as many as the text has bytes.

use std::sync::Arc;

/// No state.
const NONE: u32 = u32::MAX;

/// A state: below `several` one of the pieces that occur several times, from there on the end of one that
/// occurs once.
pub(super) type StateId = u32;

/// What can be said of a text's pieces.
#[derive(Debug)]
pub(super) struct Suffixes {
    text: Arc<str>,
    /// Where the edges of each state begin, and where the last ones end.
    starts: Vec<u32>,
    labels: Vec<u8>,
    targets: Vec<StateId>,
    /// Where the parts end in which pieces lie.
    ends: Vec<usize>,
}

impl Suffixes {
    /// The state of the empty piece.
    pub(super) const START: StateId = 0;

    /// Returns the pieces of a text, all or those that lie in its `parts`.
    pub(super) fn new(text: &Arc<str>, parts: Option<&[(usize, usize)]>) -> Self {
        let mut builder = Builder::new(text.len(), parts.is_none());
        text.bytes().for_each(|byte| builder.extend(byte));
        for (from, to) in parts.into_iter().flatten() {
            builder.mark(&text.as_bytes()[*from..*to]);
        }
        let ends = parts.into_iter().flatten().map(|(_, to)| *to).collect();
        builder.finish(Arc::clone(text), ends)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns where a piece that occurs once ends; nothing for one that occurs several times.
    pub(super) fn end(&self, state: StateId) -> Option<usize> {
        state.checked_sub(self.several()).map(|end| end as usize)
    }

    /// Returns the edges of a piece that occurs several times: bytes in ascending order, and where they lead.
    pub(super) fn edges(&self, state: StateId) -> (&[u8], &[StateId]) {
        let at = state as usize;
        let range = self.starts[at] as usize..self.starts[at + 1] as usize;
        (&self.labels[range.clone()], &self.targets[range])
    }

    /// Returns the state of the piece with one more byte.
    pub(super) fn next(&self, state: StateId, byte: u8) -> Option<StateId> {
        if let Some(end) = self.end(state) {
            return (self.after(end) == [byte]).then_some(state + 1);
        }
        let (labels, targets) = self.edges(state);
        // A state has one edge or two, but for the first few.
        let at = match labels {
            [only] if *only == byte => 0,
            [_] => return None,
            several => several.binary_search(&byte).ok()?,
        };
        Some(targets[at])
    }

    /// Returns the bytes with which the piece can go on.
    pub(super) fn bytes_after(&self, state: StateId) -> &[u8] {
        match self.end(state) {
            Some(end) => self.after(end),
            None => self.edges(state).0,
        }
    }

    /// Returns the byte of the text behind a piece that occurs once, if it lies in the same part.
    fn after(&self, end: usize) -> &[u8] {
        match self.ends.binary_search(&end) {
            Ok(_) => &[],
            Err(_) => &self.text.as_bytes()[end..(end + 1).min(self.text.len())],
        }
    }

    /// Returns more than any state.
    pub(super) fn states(&self) -> u32 {
        self.several() + number(self.text.len()) + 1
    }

    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.starts)
            + size_of_val(&*self.labels)
            + size_of_val(&*self.targets)
            + self.text.len()
    }

    fn several(&self) -> u32 {
        number(self.starts.len() - 1)
    }
}

/// The automaton while the text is read.
struct Builder {
    nodes: Vec<Node>,
    /// Edges, each list linked: byte, target, and the next one of the list.
    edges: Vec<(u8, u32, u32)>,
    /// The edges of the start, which is asked most often.
    first: [u32; 256],
    last: u32,
    /// Whether a piece matters wherever it lies.
    is_free: bool,
}

#[derive(Clone, Copy)]
struct Node {
    /// The length of the longest piece that leads here.
    longest: u32,
    /// The state of the longest proper suffix that occurs elsewhere too.
    link: u32,
    edges: u32,
    /// Where the first occurrence ends.
    end: u32,
    /// How often the pieces occur, as far as it is known.
    count: u32,
    /// Whether they occur in a part that matters.
    inside: bool,
}

impl Builder {
    fn new(bytes: usize, is_free: bool) -> Self {
        let mut nodes = Vec::with_capacity(2 * bytes + 1);
        nodes.push(Node { longest: 0, link: NONE, edges: NONE, end: 0, count: 0, inside: false });
        let edges = Vec::with_capacity(3 * bytes);
        Self { nodes, edges, first: [NONE; 256], last: 0, is_free }
    }

    /// Takes note that a part of the text matters: pieces that begin before it are told apart from their ends.
    fn mark(&mut self, part: &[u8]) {
        self.last = 0;
        for byte in part {
            // A part of the text is a piece of it, so there is always a way on.
            let Some(target) = self.target(self.last, *byte) else { return };
            let length = self.nodes[self.last as usize].longest + 1;
            let is_next = self.nodes[target as usize].longest == length;
            self.last = if is_next { target } else { self.split(self.last, *byte, target) };
            self.nodes[self.last as usize].inside = true;
        }
    }

    /// Appends a byte to the text.
    fn extend(&mut self, byte: u8) {
        let new = number(self.nodes.len());
        let longest = self.nodes[self.last as usize].longest + 1;
        self.nodes.push(Node {
            longest,
            link: 0,
            edges: NONE,
            end: longest,
            count: 1,
            inside: false,
        });
        let mut at = self.last;
        self.last = new;
        let target = loop {
            if at == NONE {
                return;
            }
            match self.target(at, byte) {
                Some(target) => break target,
                None => self.add(at, byte, new),
            }
            at = self.nodes[at as usize].link;
        };
        let is_next = self.nodes[target as usize].longest == self.nodes[at as usize].longest + 1;
        let link = if is_next { target } else { self.split(at, byte, target) };
        self.nodes[new as usize].link = link;
    }

    /// Splits the shorter pieces off `target`: they now occur where the longer ones do not.
    fn split(&mut self, from: u32, byte: u8, target: u32) -> u32 {
        let copy = number(self.nodes.len());
        let longest = self.nodes[from as usize].longest + 1;
        let old = self.nodes[target as usize];
        self.nodes.push(Node { longest, edges: NONE, count: 0, ..old });
        let mut edge = old.edges;
        while edge != NONE {
            let (byte, to, next) = self.edges[edge as usize];
            self.add(copy, byte, to);
            edge = next;
        }
        let mut at = from;
        while at != NONE && self.redirect(at, byte, target, copy) {
            at = self.nodes[at as usize].link;
        }
        self.nodes[target as usize].link = copy;
        copy
    }

    fn edge(&self, state: u32, byte: u8) -> Option<usize> {
        let mut edge = self.nodes[state as usize].edges;
        while edge != NONE {
            let (label, _, next) = self.edges[edge as usize];
            if label == byte {
                return Some(edge as usize);
            }
            edge = next;
        }
        None
    }

    fn target(&self, state: u32, byte: u8) -> Option<u32> {
        if state == 0 {
            return Some(self.first[usize::from(byte)]).filter(|target| *target != NONE);
        }
        self.edge(state, byte).map(|edge| self.edges[edge].1)
    }

    fn add(&mut self, state: u32, byte: u8, target: u32) {
        if state == 0 {
            self.first[usize::from(byte)] = target;
            return;
        }
        let node = &mut self.nodes[state as usize];
        self.edges.push((byte, target, node.edges));
        node.edges = number(self.edges.len() - 1);
    }

    /// Lets an edge lead to `new` instead of `old`; returns whether it did lead there.
    fn redirect(&mut self, state: u32, byte: u8, old: u32, new: u32) -> bool {
        let target = if state == 0 {
            &mut self.first[usize::from(byte)]
        } else {
            match self.edge(state, byte) {
                Some(edge) => &mut self.edges[edge].1,
                None => return false,
            }
        };
        let is_old = *target == old;
        if is_old {
            *target = new;
        }
        is_old
    }

    fn finish(mut self, text: Arc<str>, ends: Vec<usize>) -> Suffixes {
        let order = self.count();
        let kept = self.kept(&order);
        // The start is a state even of a text that has only pieces that occur once.
        let mut several = 0;
        let mut names = vec![0; self.nodes.len()];
        let is_several = |at: usize| at == 0 || kept[at] && self.nodes[at].count > 1;
        for at in order.iter().copied().filter(|at| is_several(*at)) {
            names[at] = several;
            several += 1;
        }
        for (name, node) in names.iter_mut().zip(&self.nodes).skip(1) {
            if node.count <= 1 {
                *name = several + node.end;
            }
        }
        let (labels, targets) = (Vec::new(), Vec::new());
        let mut laid = Suffixes { text, starts: vec![0], labels, targets, ends };
        let mut edges = Vec::new();
        for at in order.iter().copied().filter(|at| is_several(*at)) {
            self.edges_of(at, &mut edges);
            edges.retain(|(_, to)| kept[*to as usize]);
            laid.labels.extend(edges.iter().map(|(byte, _)| byte));
            laid.targets.extend(edges.iter().map(|(_, to)| names[*to as usize]));
            laid.starts.push(number(laid.labels.len()));
        }
        laid
    }

    /// Returns which states lead to a piece that occurs once, in a part that matters.
    fn kept(&self, order: &[usize]) -> Vec<bool> {
        let mut kept = vec![self.is_free; self.nodes.len()];
        if self.is_free {
            return kept;
        }
        let mut edges = Vec::new();
        // An edge leads to longer pieces.
        for at in order.iter().rev() {
            let Node { inside, count, .. } = self.nodes[*at];
            self.edges_of(*at, &mut edges);
            let leads_on = || edges.iter().any(|(_, to)| kept[*to as usize]);
            kept[*at] = inside && (count <= 1 || leads_on());
        }
        kept
    }

    fn edges_of(&self, state: usize, edges: &mut Vec<(u8, u32)>) {
        edges.clear();
        if state == 0 {
            // A piece begins where a character does: not with the second byte of one.
            let starts = (0..=u8::MAX).filter(|byte| !matches!(byte, 0x80..=0xBF));
            let first = starts.map(|byte| (byte, self.first[usize::from(byte)]));
            edges.extend(first.filter(|(_, to)| *to != NONE));
            return;
        }
        let mut edge = self.nodes[state].edges;
        while edge != NONE {
            let (byte, to, next) = self.edges[edge as usize];
            edges.push((byte, to));
            edge = next;
        }
        edges.sort_unstable();
    }

    /// Finds out how often the pieces of each state occur, and returns the states, those of shorter pieces first.
    fn count(&mut self) -> Vec<usize> {
        let longest = self.nodes.iter().map(|node| node.longest).max().unwrap_or(0) as usize;
        let mut starts = vec![0_usize; longest + 2];
        for node in &self.nodes {
            starts[node.longest as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut order = vec![0_usize; self.nodes.len()];
        for (at, node) in self.nodes.iter().enumerate() {
            let place = &mut starts[node.longest as usize];
            order[*place] = at;
            *place += 1;
        }
        for at in order.iter().rev() {
            let Node { link, count, inside, .. } = self.nodes[*at];
            if link != NONE {
                let shorter = &mut self.nodes[link as usize];
                shorter.count += count;
                shorter.inside |= inside;
            }
        }
        order
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a text has at most 2^20 bytes, and a byte two states and four edges")
}
