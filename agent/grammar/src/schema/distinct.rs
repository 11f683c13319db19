//! Alternatives of which each is there once.

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use super::shape::Shape;

/// A list of shapes without equal ones. Shapes are compared only when their fingerprints are equal.
#[derive(Debug, Default)]
pub(super) struct Distinct {
    all: Vec<Shape>,
    places: HashMap<u64, Vec<usize>>,
}

impl Distinct {
    /// Adds a shape, unless it is there.
    pub(super) fn add(&mut self, shape: Shape) {
        let places = self.places.entry(fingerprint(&shape)).or_default();
        if !places.iter().any(|place| self.all[*place] == shape) {
            places.push(self.all.len());
            self.all.push(shape);
        }
    }

    /// Returns how many shapes there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns the shapes in the order in which they came.
    pub(super) fn into_shapes(self) -> Vec<Shape> {
        self.all
    }
}

impl FromIterator<Shape> for Distinct {
    fn from_iter<I: IntoIterator<Item = Shape>>(shapes: I) -> Self {
        let mut distinct = Self::default();
        shapes.into_iter().for_each(|shape| distinct.add(shape));
        distinct
    }
}

/// Returns a number that is equal for equal shapes, from what is cheap to read.
fn fingerprint(shape: &Shape) -> u64 {
    let mut hasher = DefaultHasher::new();
    let (object, array) = (&shape.object, &shape.array);
    shape.kinds.hash(&mut hasher);
    (&object.required, &object.forbidden, &object.names).hash(&mut hasher);
    (shape.length, object.count, array.length).hash(&mut hasher);
    for lang in [&shape.number, &shape.string] {
        let states = lang.dfa.as_ref().map(|dfa| dfa.states.len());
        (lang.words.as_ref().map(|words| words.len()), states).hash(&mut hasher);
    }
    let counts =
        [object.layers.len(), object.exists.len(), array.layers.len(), array.contains.len()];
    counts.hash(&mut hasher);
    for layer in &object.layers {
        (layer.named.iter().next(), layer.named.count(), layer.rest).hash(&mut hasher);
    }
    for layer in &array.layers {
        (&layer.first, layer.rest).hash(&mut hasher);
    }
    hasher.finish()
}
