//! The suffix automaton of a text, byte by byte (Blumer et al. 1985), laid out for walks.
//!
//! A piece that occurs once is known by where it ends: from there the text itself says what follows. Only pieces
//! that occur several times have states with edges, at most as many as the text has bytes.

use std::ops::Range;
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
        let mut builder = Builder::new(text.as_bytes());
        let kept = parts.map(|parts| builder.kept(parts));
        let ends = parts.into_iter().flatten().map(|(_, to)| *to).collect();
        builder.finish(Arc::clone(text), kept.as_deref(), ends)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns where a piece that occurs once ends; nothing for one that occurs several times.
    #[inline]
    pub(super) fn end(&self, state: StateId) -> Option<usize> {
        state.checked_sub(self.several()).map(|end| end as usize)
    }

    /// Returns the edges of a piece that occurs several times: bytes in ascending order, and where they lead.
    #[inline]
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
    #[inline]
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

    /// Returns how many states there are of pieces that occur several times.
    pub(super) fn several(&self) -> StateId {
        number(self.starts.len() - 1)
    }
}

/// The automaton while it is made.
struct Builder<'t> {
    text: &'t [u8],
    /// One for each beginning of the text, by its length, which goes on as the text does; behind them those that were
    /// split off.
    nodes: Vec<Node>,
    /// All other edges, each list linked: byte, target, and the next one of the list.
    edges: Vec<(u8, u32, u32)>,
    /// The edges of the start, which is asked most often.
    first: [u32; 256],
}

#[derive(Clone, Copy)]
struct Node {
    /// The length of the longest piece that leads here.
    longest: u32,
    /// The state of the longest proper suffix that occurs elsewhere too.
    link: u32,
    edges: u32,
    /// Where the pieces end, if they occur once.
    end: u32,
}

impl<'t> Builder<'t> {
    fn new(text: &'t [u8]) -> Self {
        let mut nodes = Vec::with_capacity(2 * text.len() + 1);
        nodes.push(Node { longest: 0, link: NONE, edges: NONE, end: NONE });
        let beginning = |end| Node { longest: end, link: 0, edges: NONE, end };
        nodes.extend((1..).take(text.len()).map(beginning));
        let edges = Vec::with_capacity(2 * text.len());
        let mut builder = Self { text, nodes, edges, first: [NONE; 256] };
        if let Some(byte) = text.first() {
            builder.add(0, *byte, 1);
        }
        for (length, byte) in (1..).zip(text).skip(1) {
            builder.extend(length, *byte);
        }
        for at in 1..builder.nodes.len() {
            // The suffix occurs where these pieces do, and elsewhere.
            let suffix = builder.nodes[at].link;
            builder.nodes[suffix as usize].end = NONE;
        }
        builder
    }

    /// Takes note of the last byte of the beginning of this length.
    fn extend(&mut self, length: u32, byte: u8) {
        let mut at = self.nodes[length as usize - 1].link;
        let target = loop {
            match self.target(at, byte) {
                Some(target) => break target,
                None => self.add(at, byte, length),
            }
            at = self.nodes[at as usize].link;
            if at == NONE {
                return;
            }
        };
        let is_next = self.nodes[target as usize].longest == self.nodes[at as usize].longest + 1;
        let link = if is_next { target } else { self.split(at, byte, target) };
        self.nodes[length as usize].link = link;
    }

    /// Splits the shorter pieces off `target`: they occur where the longer ones do not, or matter where those do not.
    fn split(&mut self, from: u32, byte: u8, target: u32) -> u32 {
        let copy = number(self.nodes.len());
        let longest = self.nodes[from as usize].longest + 1;
        let old = self.nodes[target as usize];
        self.nodes.push(Node { longest, edges: NONE, ..old });
        if let Some((byte, to)) = self.along(target) {
            self.add(copy, byte, to);
        }
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

    /// Returns the edge of a beginning of the text along it.
    fn along(&self, state: u32) -> Option<(u8, u32)> {
        self.text.get(state as usize).map(|byte| (*byte, state + 1))
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
        match self.along(state) {
            Some((label, to)) if label == byte => Some(to),
            Some(_) | None => self.edge(state, byte).map(|edge| self.edges[edge].1),
        }
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

    /// Lets an edge lead to `new` instead of `old`; returns whether it did lead there. One along the text never does:
    /// it leads to the next longer piece.
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

    /// Returns which states lead to a piece that occurs once, in one of the parts.
    fn kept(&mut self, parts: &[(usize, usize)]) -> Vec<bool> {
        let marks: Vec<u32> = parts.iter().flat_map(|(from, to)| self.mark(*from..*to)).collect();
        let mut kept = vec![false; self.nodes.len()];
        for mut at in marks {
            // Each suffix lies in the part too.
            while at != NONE && !kept[at as usize] {
                kept[at as usize] = true;
                at = self.nodes[at as usize].link;
            }
        }
        let mut edges = Vec::new();
        // An edge leads to longer pieces.
        for at in self.several().into_iter().rev() {
            self.edges_of(at, &mut edges);
            kept[at as usize] &= edges.iter().any(|(_, to)| kept[*to as usize]);
        }
        kept
    }

    /// Returns the states of the beginnings of a part: pieces that begin before it are told apart from those.
    fn mark(&mut self, part: Range<usize>) -> Vec<u32> {
        let (mut last, mut marks) = (0, Vec::with_capacity(part.len()));
        for byte in &self.text[part] {
            // A part of the text is a piece of it, so there is always a way on.
            let Some(target) = self.target(last, *byte) else { break };
            let length = self.nodes[last as usize].longest + 1;
            let is_next = self.nodes[target as usize].longest == length;
            last = if is_next { target } else { self.split(last, *byte, target) };
            marks.push(last);
        }
        marks
    }

    fn finish(self, text: Arc<str>, kept: Option<&[bool]>, ends: Vec<usize>) -> Suffixes {
        let is_kept = |at: u32| kept.is_none_or(|kept| kept[at as usize]);
        let mut order = self.several();
        // The start is a state even of a text that has only pieces that occur once.
        order.retain(|at| *at == 0 || is_kept(*at));
        let several = number(order.len());
        let mut names: Vec<StateId> =
            self.nodes.iter().map(|node| several.wrapping_add(node.end)).collect();
        for (name, at) in (0..).zip(&order) {
            names[*at as usize] = name;
        }
        let (labels, targets) = (Vec::new(), Vec::new());
        let mut laid = Suffixes { text, starts: vec![0], labels, targets, ends };
        let mut edges = Vec::new();
        for at in order {
            self.edges_of(at, &mut edges);
            edges.retain(|(_, to)| is_kept(*to));
            laid.labels.extend(edges.iter().map(|(byte, _)| byte));
            laid.targets.extend(edges.iter().map(|(_, to)| names[*to as usize]));
            laid.starts.push(number(laid.labels.len()));
        }
        laid
    }

    fn edges_of(&self, state: u32, edges: &mut Vec<(u8, u32)>) {
        edges.clear();
        if state == 0 {
            // A piece begins where a character does: not with the second byte of one.
            let starts = (0..=u8::MAX).filter(|byte| !matches!(byte, 0x80..=0xBF));
            let first = starts.map(|byte| (byte, self.first[usize::from(byte)]));
            edges.extend(first.filter(|(_, to)| *to != NONE));
            return;
        }
        edges.extend(self.along(state));
        let mut edge = self.nodes[state as usize].edges;
        while edge != NONE {
            let (byte, to, next) = self.edges[edge as usize];
            edges.push((byte, to));
            edge = next;
        }
        edges.sort_unstable();
    }

    /// Returns the states of pieces that occur several times and the start, those of shorter pieces first.
    fn several(&self) -> Vec<u32> {
        let several = || (0..).zip(&self.nodes).filter(|(_, node)| node.end == NONE);
        let longest = several().map(|(_, node)| node.longest).max().unwrap_or(0);
        let mut starts = vec![0_usize; longest as usize + 2];
        several().for_each(|(_, node)| starts[node.longest as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut order = vec![0; several().count()];
        for (at, node) in several() {
            let place = &mut starts[node.longest as usize];
            order[*place] = at;
            *place += 1;
        }
        order
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at).expect("a text has at most 2^20 bytes, and a byte two states and four edges")
}
