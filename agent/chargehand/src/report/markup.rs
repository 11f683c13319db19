//! Builds HTML in which foreign text cannot become markup.
//!
//! Markup is `&'static str`: it stands in our source. Whatever comes from outside is no such thing and has to go
//! through [`Page::text`], so that a forgotten escape does not compile.

use super::visible;
use super::words;

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Page {
    html: String,
    hidden: usize,
}

impl Page {
    /// Writes markup of ours.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.html.push_str(markup);
        self
    }

    /// Writes a number, which is safe as text and as the value of an attribute.
    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.html.push_str(&number.to_string());
        self
    }

    /// Writes foreign text: markup is escaped, what cannot be seen is spelt out and counted.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        let mut inside = false;
        let mut rest = visible::marked(text).peekable();
        while let Some((c, hidden)) = rest.next() {
            let line_end = c == '\r' && matches!(rest.peek(), None | Some(('\n', _)));
            let hidden = hidden && !matches!(c, '\n' | '\t');
            if hidden != inside {
                self.html.push_str(if hidden { "<span class=hid>" } else { "</span>" });
                inside = hidden;
            }
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                c if hidden => self.html.push_str(&visible::spelt(c)),
                c => self.html.push(c),
            }
            // The `\r` of a line end hides nothing; thousands of them would bury what does.
            self.hidden += usize::from(hidden && !line_end);
        }
        if inside {
            self.html.push_str("</span>");
        }
        self
    }

    /// Writes foreign text on one line, cut to `max` characters.
    pub(super) fn short(&mut self, text: &str, max: usize) -> &mut Self {
        let first = text.trim().split(['\n', '\t']).collect::<Vec<_>>().join(" ");
        self.text(&visible::cut(&first, max))
    }

    /// Writes a block of foreign text that shows `max` bytes at most: the beginning and the end.
    pub(super) fn block(&mut self, text: &str, max: usize) -> &mut Self {
        self.raw("<pre>");
        let (head, tail) = head_and_tail(text, max);
        self.text(head);
        if let Some(tail) = tail {
            let left_out = text.len() - head.len() - tail.len();
            self.raw("</pre><p class=gap>").text(&words::count(left_out as u64));
            self.raw(" bytes are left out here</p><pre>").text(tail);
        }
        self.raw("</pre>")
    }

    /// Returns how many characters were spelt out so far.
    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// Writes another page at this place.
    pub(super) fn append(&mut self, page: Self) -> &mut Self {
        self.html.push_str(&page.html);
        self.hidden += page.hidden;
        self
    }

    /// Returns the HTML.
    pub(super) fn into_html(self) -> String {
        self.html
    }
}

/// Returns all of `text`, or about half of `max` from each end, cut at line ends where that is near.
fn head_and_tail(text: &str, max: usize) -> (&str, Option<&str>) {
    if text.len() <= max {
        return (text, None);
    }
    let half = max / 2;
    let head = &text[..text.floor_char_boundary(half)];
    let tail = &text[text.ceil_char_boundary(text.len() - half)..];
    let near = half / 4;
    let head = match head.rfind('\n') {
        Some(at) if head.len() - at < near => &head[..=at],
        _ => head,
    };
    let tail = match tail.find('\n') {
        Some(at) if at < near => &tail[at + 1..],
        _ => tail,
    };
    (head, Some(tail))
}
