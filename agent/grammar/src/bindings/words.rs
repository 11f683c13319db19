//! Words as bytes, in all the cases that count as the same.

/// A word with more letters outside ASCII than this would have too many spellings.
const MAX_FOREIGN: usize = 6;

/// Returns the words as they are.
pub(crate) fn as_they_are(words: &[String]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.clone().into_bytes()).collect()
}

/// Returns the words in all cases of letters outside ASCII; those inside are small, and stand for both. Nothing when
/// a word has too many of the others.
pub(crate) fn in_any_case(words: &[String]) -> Option<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for word in words {
        let mut foreign = 0;
        let mut spellings = vec![String::new()];
        for c in word.chars() {
            let cases = cases(c);
            foreign += usize::from(cases.len() > 1);
            if foreign > MAX_FOREIGN {
                return None;
            }
            let pairs =
                spellings.iter().flat_map(|text| cases.iter().map(move |case| (text, case)));
            spellings = pairs.map(|(text, case)| format!("{text}{case}")).collect();
        }
        all.extend(spellings.into_iter().map(String::into_bytes));
    }
    Some(all)
}

/// Returns how a letter can be written, as far as that is more than the ASCII bit of case.
fn cases(c: char) -> Vec<String> {
    if c.is_ascii() {
        return vec![c.to_ascii_lowercase().to_string()];
    }
    let mut cases = vec![c.to_string(), c.to_lowercase().collect(), c.to_uppercase().collect()];
    cases.sort_unstable();
    cases.dedup();
    cases
}
