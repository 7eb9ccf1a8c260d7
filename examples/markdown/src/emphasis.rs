//! The pieces of a paragraph, and the pairing of the marks of emphasis among them (CommonMark 0.31, 6.2).

use crate::html;

pub struct Piece {
    /// Tags that end here, the inner ones first.
    ends: Vec<&'static str>,
    pub content: Content,
    /// Tags that begin here, the inner ones first.
    begins: Vec<&'static str>,
}

pub enum Content {
    Text(String),
    /// What a code span holds: text in which no character means anything.
    Code(String),
    Mark(Mark),
    /// HTML that stands alone, and what is left of it in the description of an image.
    Html(String, String),
}

/// A run of `*` or `_`.
pub struct Mark {
    pub character: char,
    /// How many are left, and how many there were.
    pub count: usize,
    pub original: usize,
    pub opens: bool,
    pub closes: bool,
}

impl Piece {
    pub fn new(content: Content) -> Self {
        Piece { ends: Vec::new(), content, begins: Vec::new() }
    }

    pub fn html(html: &str, plain: &str) -> Self {
        Piece::new(Content::Html(html.into(), plain.into()))
    }

    pub fn put(&self, out: &mut String) {
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
    pub fn put_plain(&self, out: &mut String) {
        match &self.content {
            Content::Html(_, plain) => out.push_str(plain),
            Content::Text(text) => html::text(out, text),
            Content::Code(code) => html::code(out, code),
            Content::Mark(mark) => out.extend(std::iter::repeat_n(mark.character, mark.count)),
        }
    }
}

/// A mark whose search is over: whatever is left of it is text.
pub fn without_mark(mut piece: Piece) -> Piece {
    if let Content::Mark(mark) = &piece.content {
        let left: String = std::iter::repeat_n(mark.character, mark.count).collect();
        piece.content = Content::Html(left.clone(), left);
    }
    piece
}

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
            || !(opening.original + closing.original).is_multiple_of(3)
            || (opening.original.is_multiple_of(3) && closing.original.is_multiple_of(3)))
}

/// Put tags around what stands between marks that belong together.
pub fn pair_marks(pieces: &mut [Piece]) {
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
