//! Numbers by chance with a seed, and characters by chance that a person can read.

/// A sequence of numbers that follows from its seed (`SplitMix64`, Steele et al. 2014). It keeps no secret.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Returns the sequence of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number below `count`; 0 where there is none.
    pub fn below(&mut self, count: u64) -> u64 {
        let wide = u128::from(self.next()) * u128::from(count);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

/// Ranges that are tried in this order, each this often out of eight.
const READABLE: [(char, char, u64); 3] = [('a', 'z', 6), ('0', '9', 4), (' ', '~', 7)];

/// Returns a character out of `ranges`, which are sorted and not empty, of at most `room` bytes; the shortest one
/// where none is that short.
pub(super) fn character(ranges: &[(char, char)], room: u64, random: &mut Random) -> char {
    for (low, high, chances) in READABLE {
        let known = within(ranges, low, high);
        if !known.is_empty() && random.below(8) < chances {
            return pick(&known, random);
        }
    }
    let high = match room {
        0 | 1 => '\u{7F}',
        2 => '\u{7FF}',
        3 => '\u{FFFF}',
        _ => char::MAX,
    };
    let known = within(ranges, '\0', high);
    if known.is_empty() {
        return ranges.first().map_or('\0', |(low, _)| *low);
    }
    // By range first: among all characters, those of a few bytes would be one in a hundred.
    let at = random.below(u64::try_from(known.len()).unwrap_or(1));
    let chosen = usize::try_from(at).ok().and_then(|at| known.get(at)).copied();
    pick(&chosen.map_or_else(Vec::new, |range| vec![range]), random)
}

fn within(ranges: &[(char, char)], low: char, high: char) -> Vec<(char, char)> {
    let cut = ranges.iter().map(|(from, to)| ((*from).max(low), (*to).min(high)));
    cut.filter(|(from, to)| from <= to).collect()
}

fn pick(ranges: &[(char, char)], random: &mut Random) -> char {
    let size = |(low, high): &(char, char)| u64::from(u32::from(*high) - u32::from(*low)) + 1;
    let mut at = random.below(ranges.iter().map(size).sum());
    for range in ranges {
        if at < size(range) {
            let code = u32::from(range.0) + u32::try_from(at).unwrap_or(0);
            // The surrogates are no characters.
            return char::from_u32(code).unwrap_or(range.0);
        }
        at -= size(range);
    }
    ranges.first().map_or('\0', |(low, _)| *low)
}
