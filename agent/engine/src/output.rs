//! The text that is being generated, byte by byte of its tokens and always valid UTF-8 in the end.

/// The bytes so far; the last character may still lack some.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// How many bytes are complete characters.
    whole: usize,
    /// How many bytes were handed out by [`Output::news`].
    told: usize,
}

impl Output {
    /// Returns whether the text can still become valid UTF-8 with `piece` at its end.
    pub(crate) fn fits(&self, piece: &[u8]) -> bool {
        if self.is_whole() && piece.is_ascii() {
            return true;
        }
        let mut tail = self.bytes[self.whole..].to_vec();
        tail.extend_from_slice(piece);
        match std::str::from_utf8(&tail) {
            Ok(_) => true,
            Err(error) => error.error_len().is_none(),
        }
    }

    /// Appends `piece`, which fits.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.whole = match std::str::from_utf8(&self.bytes[self.whole..]) {
            Ok(_) => self.bytes.len(),
            Err(error) => self.whole + error.valid_up_to(),
        };
    }

    /// Returns whether no character is half written.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole == self.bytes.len()
    }

    /// Returns the last `count` bytes, or as many as there are.
    pub(crate) fn last(&self, count: usize) -> &[u8] {
        &self.bytes[self.bytes.len().saturating_sub(count)..]
    }

    /// Returns the complete characters that were not returned before.
    pub(crate) fn news(&mut self) -> String {
        let news = String::from_utf8_lossy(&self.bytes[self.told..self.whole]).into_owned();
        self.told = self.whole;
        news
    }

    /// Returns the complete characters.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.whole]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Output;

    #[track_caller]
    fn check(before: &[u8], piece: &[u8], fits: bool) {
        let mut output = Output::default();
        output.push(before);
        assert_eq!(output.fits(piece), fits, "{before:x?} + {piece:x?}");
    }

    #[test]
    fn only_what_can_become_utf8_fits() {
        check(b"", b"abc", true);
        check(b"", &[0xc3], true);
        check(&[0xc3], &[0xa9], true);
        check(&[0xc3], b"a", false);
        check(&[0xe2, 0x82], &[0xac, b'!'], true);
        check(b"", &[0xf4, 0x8f, 0xbf, 0xbf], true);
        check(b"", &[0xf4, 0x90], false);
        check(b"", &[0xf5], false);
        check(b"", &[0xff], false);
        check(b"", &[0xc0], false);
        check(b"", &[0xed, 0x9f], true);
        check(b"", &[0xed, 0xa0], false);
    }

    #[test]
    fn half_a_character_is_not_told() {
        let mut output = Output::default();
        output.push(b"a\xc3");
        assert_eq!(output.news(), "a");
        assert!(!output.is_whole());
        output.push(b"\xa9");
        assert_eq!(output.news(), "\u{e9}");
        assert_eq!(output.text(), "a\u{e9}");
        assert_eq!(output.news(), "");
    }
}
