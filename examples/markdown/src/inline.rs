//! The structure within a paragraph: emphasis, code spans, links, images, line breaks, escapes.
//!
//! The text becomes a row of pieces. Marks of emphasis and brackets are pieces of their own, which get tags around
//! them once their partner is found. Every search for a partner is bounded, or remembers that there is none, so that
//! no text takes much more time than its length.

use crate::emphasis::{Content, Mark, Piece, pair_marks, without_mark};
use crate::html;
use crate::target::{TARGET_MAX, is_address, target};

/// Longest run of backticks that opens a code span.
const BACKTICKS_MAX: usize = 64;

/// Append `text` as HTML.
pub fn spans(out: &mut String, text: &str) {
    let mut scanner = Scanner::new(text);
    scanner.scan();
    pair_marks(&mut scanner.pieces);
    for piece in &scanner.pieces {
        piece.put(out);
    }
}

/// A `[` or `![` whose partner has not been met.
struct Bracket {
    /// Index of its piece.
    piece: usize,
    image: bool,
    /// Links do not contain links: once a link is complete, the brackets around it are only brackets.
    usable: bool,
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    pieces: Vec<Piece>,
    brackets: Vec<Bracket>,
    /// Lengths of backtick runs that do not occur again.
    no_closing: [bool; BACKTICKS_MAX + 1],
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Scanner { text, at: 0, pieces: Vec::new(), brackets: Vec::new(), no_closing: [false; BACKTICKS_MAX + 1] }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn push_text(&mut self, text: &str) {
        let after_bracket = self.brackets.last().is_some_and(|bracket| bracket.piece + 1 == self.pieces.len());
        match self.pieces.last_mut() {
            Some(Piece { content: Content::Text(last), .. }) if !after_bracket => last.push_str(text),
            _ => self.pieces.push(Piece::new(Content::Text(text.into()))),
        }
    }

    /// Take the next `length` bytes as they are.
    fn take_text(&mut self, length: usize) {
        let text = &self.rest()[..length];
        self.at += length;
        self.push_text(text);
    }

    fn scan(&mut self) {
        while self.at < self.text.len() {
            let rest = self.rest();
            match rest.as_bytes()[0] {
                b'\\' => self.backslash(),
                b'`' => self.code_span(),
                b'*' | b'_' => self.mark(),
                b'\n' => self.line_break(),
                b'<' => self.angle(),
                b'!' if rest.as_bytes().get(1) == Some(&b'[') => self.open_bracket(2),
                b'[' => self.open_bracket(1),
                b']' => self.close_bracket(),
                b'!' => self.take_text(1),
                _ => {
                    let plain = |byte| b"\\`*_\n<![]".contains(&byte);
                    let length = rest.bytes().position(plain).unwrap_or(rest.len());
                    self.take_text(length);
                }
            }
        }
    }

    fn backslash(&mut self) {
        let next = self.rest().as_bytes().get(1).copied();
        match next {
            Some(b'\n') => {
                self.at += 2;
                self.put_break();
            }
            Some(byte) if byte.is_ascii_punctuation() => {
                // As HTML, so that an escaped "&" does not begin a character reference.
                let mut escaped = String::new();
                html::code(&mut escaped, &self.rest()[1..2]);
                self.at += 2;
                self.pieces.push(Piece::html(&escaped, &escaped));
            }
            _ => self.take_text(1),
        }
    }

    fn line_break(&mut self) {
        let mut spaces = 0;
        if let Some(Piece { content: Content::Text(last), .. }) = self.pieces.last_mut() {
            let kept = last.trim_end_matches(' ').len();
            spaces = last.len() - kept;
            last.truncate(kept);
        }
        self.at += 1;
        if spaces >= 2 {
            self.put_break();
        } else {
            self.push_text("\n");
        }
    }

    fn put_break(&mut self) {
        self.pieces.push(Piece::html("<br />\n", "\n"));
    }

    fn code_span(&mut self) {
        let rest = self.rest();
        let length = run(rest, b'`');
        if length > BACKTICKS_MAX || self.no_closing[length] {
            return self.take_text(length);
        }
        let mut at = length;
        while let Some(found) = rest[at..].find('`') {
            at += found;
            let closing = run(&rest[at..], b'`');
            if closing == length {
                let code = rest[length..at].replace('\n', " ");
                let padded = code.len() > 1 && code.starts_with(' ') && code.ends_with(' ') && !code.trim().is_empty();
                let code = if padded { code[1..code.len() - 1].into() } else { code };
                self.at += at + closing;
                self.pieces.push(Piece::new(Content::Code(code)));
                return;
            }
            at += closing;
        }
        self.no_closing[length] = true;
        self.take_text(length);
    }

    /// `<https://...>` and `<name@example.org>`; any other `<` is text, so that no raw HTML passes.
    fn angle(&mut self) {
        let rest = self.rest();
        let allowed = |byte: &u8| byte.is_ascii_graphic() && !b"<>\"".contains(byte) || *byte >= 128;
        let length = rest.as_bytes()[1..].iter().take(TARGET_MAX).take_while(|byte| allowed(byte)).count();
        // Not closed, or too long. Only behind an ASCII byte is it sure that no character is cut in two.
        if rest.as_bytes().get(length + 1) != Some(&b'>') {
            return self.take_text(1);
        }
        let target = &rest[1..=length];
        let address = is_address(target);
        let scheme = target.find(':').is_some_and(|colon| {
            colon >= 2 && target[..colon].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
        });
        let url = html::url(&if address { ["mailto:", target].concat() } else { target.into() });
        let (true, Some(url)) = (address || scheme, url) else {
            return self.take_text(1);
        };
        let mut shown = String::new();
        html::code(&mut shown, target);
        self.at += length + 2;
        self.pieces.push(Piece::html(&["<a href=\"", &url, "\">", &shown, "</a>"].concat(), &shown));
    }

    fn mark(&mut self) {
        let rest = self.rest();
        let character = rest.as_bytes()[0];
        let count = run(rest, character);
        let before = self.text[..self.at].chars().next_back().unwrap_or('\n');
        let after = rest[count..].chars().next().unwrap_or('\n');
        // CommonMark 0.31, 6.2: left-flanking and right-flanking runs.
        let left =
            !after.is_whitespace() && (!is_punctuation(after) || before.is_whitespace() || is_punctuation(before));
        let right =
            !before.is_whitespace() && (!is_punctuation(before) || after.is_whitespace() || is_punctuation(after));
        let within_words = character == b'*';
        self.at += count;
        self.pieces.push(Piece::new(Content::Mark(Mark {
            character: character as char,
            count,
            original: count,
            opens: left && (within_words || !right || is_punctuation(before)),
            closes: right && (within_words || !left || is_punctuation(after)),
        })));
    }

    fn open_bracket(&mut self, length: usize) {
        self.brackets.push(Bracket { piece: self.pieces.len(), image: length == 2, usable: true });
        let text = self.rest()[..length].into();
        self.at += length;
        self.pieces.push(Piece::new(Content::Text(text)));
    }

    fn close_bracket(&mut self) {
        let Some(bracket) = self.brackets.pop() else {
            return self.take_text(1);
        };
        let target = if bracket.usable { target(&self.rest()[1..]) } else { None };
        let Some(target) = target else {
            return self.take_text(1);
        };
        self.at += 1 + target.length;
        let mut inner = self.pieces.split_off(bracket.piece + 1);
        self.pieces.pop();
        let url = html::url(&target.url);
        pair_marks(&mut inner);
        if bracket.image {
            self.put_image(url, &target.title, &inner);
        } else {
            self.put_link(url, &target.title, inner);
        }
    }

    /// A link that may not be followed is only its text.
    fn put_link(&mut self, url: Option<String>, title: &str, inner: Vec<Piece>) {
        let Some(url) = url else {
            self.pieces.extend(inner.into_iter().map(without_mark));
            return;
        };
        self.pieces.push(Piece::html(&["<a href=\"", &url, "\"", &title_attribute(title), ">"].concat(), ""));
        self.pieces.extend(inner.into_iter().map(without_mark));
        self.pieces.push(Piece::html("</a>", ""));
        for around in self.brackets.iter_mut().rev() {
            if !around.image {
                // The brackets further out have been made unusable before.
                if !around.usable {
                    break;
                }
                around.usable = false;
            }
        }
    }

    /// An image that may not be fetched is only its description.
    fn put_image(&mut self, url: Option<String>, title: &str, inner: &[Piece]) {
        let mut description = String::new();
        for piece in inner {
            piece.put_plain(&mut description);
        }
        let html = match url {
            Some(url) => {
                ["<img src=\"", &url, "\" alt=\"", &description, "\"", &title_attribute(title), " />"].concat()
            }
            None => description.clone(),
        };
        self.pieces.push(Piece::html(&html, &description));
    }
}

fn title_attribute(title: &str) -> String {
    let mut out = String::new();
    if !title.is_empty() {
        out.push_str(" title=\"");
        html::text(&mut out, title);
        out.push('"');
    }
    out
}

fn run(text: &str, byte: u8) -> usize {
    text.bytes().take_while(|&other| other == byte).count()
}

/// Beyond ASCII the blocks of general and ideographic punctuation are enough.
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(character, '\u{a1}'..='\u{bf}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}')
        || matches!(character, '\u{20a0}'..='\u{20cf}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
}
