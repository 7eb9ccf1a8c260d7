//! The structure within a paragraph: emphasis, code spans, links, images, line breaks, escapes.
//!
//! The text becomes a row of pieces. Marks of emphasis and brackets are pieces of their own, which get tags around
//! them once their partner is found. Every search for a partner is bounded, or remembers that there is none, so that
//! no text takes much more time than its length.

use crate::html;

/// Longest link target and title that are looked for, in bytes.
const TARGET_MAX: usize = 4096;
/// Parentheses within parentheses in a URL.
const PARENTHESES_MAX: usize = 32;
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

/// `text` without the backslashes that escape punctuation.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match characters.peek() {
            Some(&next) if character == '\\' && next.is_ascii_punctuation() => {
                out.push(next);
                characters.next();
            }
            _ => out.push(character),
        }
    }
    out
}

#[derive(Default)]
struct Piece {
    /// Tags that end here, the inner ones first.
    ends: Vec<&'static str>,
    content: Content,
    /// Tags that begin here, the inner ones first.
    begins: Vec<&'static str>,
}

enum Content {
    Text(String),
    /// What a code span holds: text in which no character means anything.
    Code(String),
    Mark(Mark),
    /// HTML that stands alone, and what is left of it in the description of an image.
    Html(String, String),
}

impl Default for Content {
    fn default() -> Self {
        Content::Text(String::new())
    }
}

/// A run of `*` or `_`.
struct Mark {
    character: char,
    /// How many are left, and how many there were.
    count: usize,
    original: usize,
    opens: bool,
    closes: bool,
}

impl Piece {
    fn html(html: &str, plain: &str) -> Self {
        Piece { content: Content::Html(html.into(), plain.into()), ..Piece::default() }
    }

    fn put(&self, out: &mut String) {
        out.extend(self.ends.iter().copied());
        match &self.content {
            Content::Text(text) => html::text(out, text),
            Content::Code(code) => {
                out.push_str("<code>");
                html::code(out, code);
                out.push_str("</code>");
            }
            Content::Mark(mark) => out.extend(std::iter::repeat_n(mark.character, mark.count)),
            Content::Html(html, _) => out.push_str(html),
        }
        out.extend(self.begins.iter().rev().copied());
    }

    /// As HTML without tags.
    fn put_plain(&self, out: &mut String) {
        match &self.content {
            Content::Html(_, plain) => out.push_str(plain),
            Content::Text(text) => html::text(out, text),
            Content::Code(code) => html::code(out, code),
            Content::Mark(mark) => out.extend(std::iter::repeat_n(mark.character, mark.count)),
        }
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
            _ => self.pieces.push(Piece { content: Content::Text(text.into()), ..Piece::default() }),
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
                self.pieces.push(Piece { content: Content::Code(code), ..Piece::default() });
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
        let target = &rest[1..=length.min(rest.len() - 1)];
        let closed = rest.as_bytes().get(length + 1) == Some(&b'>');
        let address = is_address(target);
        let scheme = target.find(':').is_some_and(|colon| {
            colon >= 2 && target[..colon].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
        });
        let url = html::url(&if address { ["mailto:", target].concat() } else { target.into() });
        let (true, Some(url)) = (closed && (address || scheme), url) else {
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
        self.pieces.push(Piece {
            content: Content::Mark(Mark {
                character: character as char,
                count,
                original: count,
                opens: left && (within_words || !right || is_punctuation(before)),
                closes: right && (within_words || !left || is_punctuation(after)),
            }),
            ..Piece::default()
        });
    }

    fn open_bracket(&mut self, length: usize) {
        self.brackets.push(Bracket { piece: self.pieces.len(), image: length == 2, usable: true });
        let text = self.rest()[..length].into();
        self.at += length;
        self.pieces.push(Piece { content: Content::Text(text), ..Piece::default() });
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

/// A mark whose search is over: whatever is left of it is text.
fn without_mark(mut piece: Piece) -> Piece {
    if let Content::Mark(mark) = &piece.content {
        let left: String = std::iter::repeat_n(mark.character, mark.count).collect();
        piece.content = Content::Html(left.clone(), left);
    }
    piece
}

fn run(text: &str, byte: u8) -> usize {
    text.bytes().take_while(|&other| other == byte).count()
}

fn is_address(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else {
        return false;
    };
    let name_ok = |byte: u8| byte.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&byte);
    let label_ok = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    !name.is_empty() && name.bytes().all(name_ok) && host.split('.').all(label_ok)
}

/// Beyond ASCII the blocks of general and ideographic punctuation are enough.
fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation()
        || matches!(character, '\u{a1}'..='\u{bf}' | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' | '\u{20a0}'..='\u{20cf}' | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
}

// Targets of links: (url), (<url>), (url "title")

struct Target {
    url: String,
    title: String,
    length: usize,
}

/// The target that `text` begins with.
fn target(text: &str) -> Option<Target> {
    let inner = text.strip_prefix('(')?;
    let mut rest = inner.trim_start();
    let url = match rest.strip_prefix('<') {
        Some(enclosed) => {
            let end = delimited(enclosed, b'>', b"<\n")?;
            rest = &enclosed[end + 1..];
            &enclosed[..end]
        }
        None => {
            let end = bare_url(rest)?;
            let (url, after) = rest.split_at(end);
            rest = after;
            url
        }
    };
    let spaced = rest.trim_start();
    let mut title = "";
    if let Some(quote @ (b'"' | b'\'' | b'(')) = spaced.bytes().next()
        && spaced.len() < rest.len()
    {
        let closing = if quote == b'(' { b')' } else { quote };
        let forbidden: &[u8] = if quote == b'(' { b"(" } else { b"" };
        let end = delimited(&spaced[1..], closing, forbidden)?;
        title = &spaced[1..=end];
        rest = &spaced[end + 2..];
    }
    let after = rest.trim_start().strip_prefix(')')?;
    Some(Target { url: unescape(url), title: unescape(title), length: text.len() - after.len() })
}

/// Where `closing` stands, unescaped; None if there is a `forbidden` byte before it, or it is too far.
fn delimited(text: &str, closing: u8, forbidden: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().take(TARGET_MAX) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == closing => return Some(at),
            _ if forbidden.contains(&byte) => return None,
            _ => {}
        }
    }
    None
}

/// The length of a URL that ends at a space or at the parenthesis that closes the target.
fn bare_url(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0, false);
    for (at, byte) in text.bytes().enumerate().take(TARGET_MAX) {
        match byte {
            _ if escaped && byte.is_ascii_punctuation() => escaped = false,
            b'\\' => escaped = true,
            b'(' if depth == PARENTHESES_MAX => return None,
            b'(' => depth += 1,
            b')' if depth == 0 => return Some(at),
            b')' => depth -= 1,
            b' ' | b'\n' | b'\t' => return (depth == 0).then_some(at),
            _ if byte.is_ascii_control() => return None,
            _ => escaped = false,
        }
    }
    None
}

// Emphasis

/// Marks that wait for their partner, with the depth below which none can be one, for each kind of closing mark.
#[derive(Default)]
struct Waiting {
    stack: Vec<usize>,
    floors: [usize; 12],
}

impl Waiting {
    fn truncate(&mut self, length: usize) {
        self.stack.truncate(length);
        for floor in &mut self.floors {
            *floor = (*floor).min(length);
        }
    }
}

fn mark_of(piece: &mut Piece) -> Option<&mut Mark> {
    match &mut piece.content {
        Content::Mark(mark) => Some(mark),
        _ => None,
    }
}

/// CommonMark 0.31, 6.2, rules 9 and 10: marks of which one could do both do not pair if their lengths add up to a
/// multiple of three, unless each of them is one.
fn can_pair(opening: &Mark, closing: &Mark) -> bool {
    opening.character == closing.character
        && (!(opening.closes || closing.opens)
            || (opening.original + closing.original) % 3 != 0
            || (opening.original % 3 == 0 && closing.original % 3 == 0))
}

/// Put tags around what stands between marks that belong together.
fn pair_marks(pieces: &mut [Piece]) {
    let mut waiting = Waiting::default();
    for at in 0..pieces.len() {
        let Some(mark) = mark_of(&mut pieces[at]) else {
            continue;
        };
        let (closes, opens) = (mark.closes, mark.opens);
        if closes {
            close(pieces, at, &mut waiting);
        }
        if opens && mark_of(&mut pieces[at]).is_some_and(|mark| mark.count > 0) {
            waiting.stack.push(at);
        }
    }
}

/// Use up the closing mark at `at` as far as opening marks wait for it.
fn close(pieces: &mut [Piece], at: usize, waiting: &mut Waiting) {
    let (before, from) = pieces.split_at_mut(at);
    let Piece { ends, content: Content::Mark(closing), .. } = &mut from[0] else {
        return;
    };
    let kind = usize::from(closing.character == '_') * 6 + usize::from(closing.opens) * 3 + closing.original % 3;
    while closing.count > 0 {
        let floor = waiting.floors[kind];
        let partner = waiting.stack[floor..]
            .iter()
            .rposition(|&index| matches!(&before[index].content, Content::Mark(opening) if can_pair(opening, closing)));
        let Some(partner) = partner.map(|above| floor + above) else {
            waiting.floors[kind] = waiting.stack.len();
            return;
        };
        let piece = &mut before[waiting.stack[partner]];
        let Content::Mark(opening) = &mut piece.content else {
            return;
        };
        let strong = opening.count >= 2 && closing.count >= 2;
        let used = if strong { 2 } else { 1 };
        opening.count -= used;
        closing.count -= used;
        piece.begins.push(if strong { "<strong>" } else { "<em>" });
        ends.push(if strong { "</strong>" } else { "</em>" });
        waiting.truncate(if opening.count > 0 { partner + 1 } else { partner });
    }
}
