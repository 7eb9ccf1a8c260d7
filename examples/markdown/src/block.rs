//! The structure of lines: headings, paragraphs, code, quotes, lists and rules.
//!
//! Quotes and lists hold blocks themselves: their lines are freed of the mark and read by the same function, down
//! to `DEPTH_MAX`, below which everything is a paragraph. The time is linear in the length of the text.

const DEPTH_MAX: usize = 16;

/// A piece of the text. Strings are as in the text: what they mean is for `inline` to find out.
pub enum Block {
    Heading {
        level: usize,
        text: String,
    },
    Paragraph(String),
    Code {
        language: Option<String>,
        lines: Vec<String>,
    },
    Quote(Vec<Block>),
    /// `loose`: with blank lines between items or within one.
    List {
        first: Option<u32>,
        loose: bool,
        items: Vec<Vec<Block>>,
    },
    Rule,
}

/// The whole text as blocks.
pub fn document(text: &str) -> Vec<Block> {
    let spaced: Vec<String> = text.lines().map(expand_tabs).collect();
    let lines: Vec<&str> = spaced.iter().map(String::as_str).collect();
    blocks(&lines, 0).0
}

/// Tabs that indent, as spaces to the next multiple of four.
fn expand_tabs(line: &str) -> String {
    let content = line.trim_start_matches([' ', '\t']);
    let mut out = String::with_capacity(line.len() + 4);
    for character in line[..line.len() - content.len()].chars() {
        out.push(' ');
        while character == '\t' && !out.len().is_multiple_of(4) {
            out.push(' ');
        }
    }
    out + content
}

/// What a line starts, if it starts anything but a paragraph.
enum Start<'a> {
    Heading(usize, &'a str),
    Fence(Fence<'a>),
    Rule,
    Quote,
    Item(Item<'a>),
}

#[derive(Clone, Copy)]
struct Fence<'a> {
    mark: u8,
    length: usize,
    indent: usize,
    info: &'a str,
}

#[derive(Clone, Copy)]
struct Item<'a> {
    /// The bullet, or what follows the number: items of one list agree in it.
    mark: u8,
    number: Option<u32>,
    /// How far the lines of the item are indented.
    width: usize,
    content: &'a str,
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn start(line: &str) -> Option<Start<'_>> {
    let spaces = indent(line);
    if spaces > 3 {
        return None;
    }
    let rest = &line[spaces..];
    match rest.bytes().next()? {
        b'>' => Some(Start::Quote),
        b'#' => heading(rest),
        b'`' | b'~' => fence(rest, spaces).map(Start::Fence),
        b'*' | b'-' | b'_' | b'+' | b'0'..=b'9' => {
            if is_rule(rest) {
                return Some(Start::Rule);
            }
            item(rest, spaces).map(Start::Item)
        }
        _ => None,
    }
}

fn heading(rest: &str) -> Option<Start<'_>> {
    let level = rest.len() - rest.trim_start_matches('#').len();
    let title = &rest[level..];
    if level > 6 || !(title.is_empty() || title.starts_with([' ', '\t'])) {
        return None;
    }
    let title = title.trim();
    let open = title.trim_end_matches('#');
    // Closing marks count only after a space, or alone.
    let closed = open.is_empty() || open.ends_with([' ', '\t']);
    Some(Start::Heading(level, if closed { open.trim_end() } else { title }))
}

fn fence(rest: &str, indent: usize) -> Option<Fence<'_>> {
    let mark = rest.as_bytes()[0];
    let length = rest.bytes().take_while(|&byte| byte == mark).count();
    let info = rest[length..].trim();
    if length < 3 || (mark == b'`' && info.contains('`')) {
        return None;
    }
    Some(Fence { mark, length, indent, info })
}

fn closes(line: &str, open: &Fence) -> bool {
    let spaces = indent(line);
    let rest = line[spaces..].trim_end();
    spaces < 4 && rest.len() >= open.length && rest.bytes().all(|byte| byte == open.mark)
}

fn is_rule(rest: &str) -> bool {
    let mark = rest.as_bytes()[0];
    let marks = rest.bytes().filter(|&byte| byte == mark).count();
    b"*-_".contains(&mark) && marks >= 3 && rest.bytes().all(|byte| byte == mark || byte == b' ' || byte == b'\t')
}

fn item(rest: &str, spaces: usize) -> Option<Item<'_>> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mark = *rest.as_bytes().get(digits)?;
    let number = match digits {
        0 if b"-+*".contains(&mark) => None,
        1..=9 if b".)".contains(&mark) => Some(rest[..digits].parse().ok()?),
        _ => return None,
    };
    let after = &rest[digits + 1..];
    let content = after.trim_start_matches([' ', '\t']);
    let gap = after.len() - content.len();
    if gap == 0 && !content.is_empty() {
        return None;
    }
    // Five spaces or more: one belongs to the mark, the others to indented code.
    let own = if content.is_empty() || gap > 4 { gap.min(1) } else { gap };
    Some(Item { mark, number, width: spaces + digits + 1 + own.max(1), content: &after[own..] })
}

/// Whether `line` ends a paragraph that it follows.
fn interrupts(line: &str) -> bool {
    match start(line) {
        None => false,
        Some(Start::Item(item)) => !is_blank(item.content) && item.number.unwrap_or(1) == 1,
        Some(_) => true,
    }
}

/// The blocks of `lines`, and whether a blank line stands between two of them.
fn blocks(lines: &[&str], depth: usize) -> (Vec<Block>, bool) {
    let mut found = Vec::new();
    let (mut at, mut blank, mut gap) = (0, false, false);
    while at < lines.len() {
        let line = lines[at];
        if is_blank(line) {
            blank = true;
            at += 1;
            continue;
        }
        gap |= blank && !found.is_empty();
        blank = false;
        let rest = &lines[at..];
        let (block, taken) = match start(line) {
            Some(Start::Heading(level, title)) => (Block::Heading { level, text: title.into() }, 1),
            Some(Start::Rule) => (Block::Rule, 1),
            Some(Start::Fence(open)) => fenced_code(rest, &open),
            Some(Start::Quote) if depth < DEPTH_MAX => quote(rest, depth),
            Some(Start::Item(first)) if depth < DEPTH_MAX => list(rest, first, depth),
            None if indent(line) > 3 => indented_code(rest),
            _ => paragraph(rest),
        };
        found.push(block);
        at += taken;
    }
    (found, gap)
}

// Each of the following reads the block that `lines` begin with, and says how many of them belong to it.

fn fenced_code(lines: &[&str], open: &Fence) -> (Block, usize) {
    let inner = &lines[1..];
    let end = inner.iter().position(|line| closes(line, open));
    let content = &inner[..end.unwrap_or(inner.len())];
    let lines = content.iter().map(|line| line[indent(line).min(open.indent)..].into()).collect();
    let language = open.info.split_ascii_whitespace().next().map(String::from);
    (Block::Code { language, lines }, 1 + content.len() + usize::from(end.is_some()))
}

fn indented_code(lines: &[&str]) -> (Block, usize) {
    let end = lines.iter().position(|line| !is_blank(line) && indent(line) < 4).unwrap_or(lines.len());
    let taken = lines[..end].iter().rposition(|line| !is_blank(line)).map_or(0, |last| last + 1);
    let lines = lines[..taken].iter().map(|line| line[indent(line).min(4)..].into()).collect();
    (Block::Code { language: None, lines }, taken)
}

fn paragraph(lines: &[&str]) -> (Block, usize) {
    let mut text = String::from(lines[0].trim_start_matches(' '));
    let mut taken = 1;
    for line in &lines[1..] {
        if let Some(level) = underline(line) {
            return (Block::Heading { level, text: text.trim_end().into() }, taken + 1);
        }
        if is_blank(line) || interrupts(line) {
            break;
        }
        text.push('\n');
        text.push_str(line.trim_start_matches(' '));
        taken += 1;
    }
    text.truncate(text.trim_end().len());
    (Block::Paragraph(text), taken)
}

/// The level of the heading that a line of `=` or `-` below a paragraph makes of it.
fn underline(line: &str) -> Option<usize> {
    let rest = line.trim();
    if indent(line) > 3 || rest.is_empty() {
        return None;
    }
    match rest.as_bytes()[0] {
        b'=' if rest.bytes().all(|byte| byte == b'=') => Some(1),
        b'-' if rest.bytes().all(|byte| byte == b'-') => Some(2),
        _ => None,
    }
}

fn quote(lines: &[&str], depth: usize) -> (Block, usize) {
    let mut inner = Inner::default();
    for line in lines {
        if matches!(start(line), Some(Start::Quote)) {
            inner.push(without_quote_mark(line));
        } else if inner.carries_on(line) {
            inner.push(line);
        } else {
            break;
        }
    }
    (Block::Quote(blocks(&inner.lines, depth + 1).0), inner.lines.len())
}

fn without_quote_mark(line: &str) -> &str {
    let rest = &line[indent(line) + 1..];
    rest.strip_prefix([' ', '\t']).unwrap_or(rest)
}

fn list(lines: &[&str], first: Item, depth: usize) -> (Block, usize) {
    let (mut items, mut loose, mut taken) = (Vec::new(), false, 0);
    let mut next = Some(first);
    while let Some(item) = next {
        let inner = item_lines(&lines[taken..], &item);
        taken += inner.len();
        let (item, gap) = blocks(&inner, depth + 1);
        items.push(item);
        loose |= gap;
        let skipped = lines[taken..].iter().take_while(|line| is_blank(line)).count();
        next = match lines.get(taken + skipped).and_then(|line| start(line)) {
            Some(Start::Item(other))
                if other.mark == first.mark && other.number.is_some() == first.number.is_some() =>
            {
                taken += skipped;
                loose |= skipped > 0;
                Some(other)
            }
            _ => None,
        };
    }
    (Block::List { first: first.number, loose, items }, taken)
}

/// The lines of one item, freed of mark and indentation, without blank lines at the end.
fn item_lines<'a>(lines: &[&'a str], item: &Item<'a>) -> Vec<&'a str> {
    let mut inner = Inner::default();
    inner.push(item.content);
    for line in &lines[1..] {
        if is_blank(line) {
            // An item may begin with one blank line, not with two.
            if inner.lines.len() == 1 && is_blank(item.content) {
                break;
            }
            inner.push("");
        } else if indent(line) >= item.width {
            inner.push(&line[item.width..]);
        } else if inner.carries_on(line) {
            inner.push(line);
        } else {
            break;
        }
    }
    let mut lines = inner.lines;
    while lines.len() > 1 && is_blank(lines[lines.len() - 1]) {
        lines.pop();
    }
    lines
}

/// The lines of a quote or an item, freed of their marks.
#[derive(Default)]
struct Inner<'a> {
    lines: Vec<&'a str>,
    open_fence: Option<Fence<'a>>,
    open_paragraph: bool,
}

impl<'a> Inner<'a> {
    fn push(&mut self, line: &'a str) {
        let start = start(line);
        self.open_paragraph = self.open_fence.is_none() && leaves_paragraph(line, self.open_paragraph);
        self.open_fence = match (self.open_fence, start) {
            (Some(fence), _) => (!closes(line, &fence)).then_some(fence),
            (None, Some(Start::Fence(fence))) => Some(fence),
            _ => None,
        };
        self.lines.push(line);
    }

    /// Whether `line`, which has no mark or indentation, still belongs here because it carries on a paragraph.
    fn carries_on(&self, line: &str) -> bool {
        self.open_paragraph && !is_blank(line) && start(line).is_none()
    }
}

/// Whether a paragraph is open after `line`, given whether one was open before: enough for what people write.
fn leaves_paragraph(mut line: &str, mut open: bool) -> bool {
    for _ in 0..DEPTH_MAX {
        match start(line) {
            Some(Start::Quote) => line = without_quote_mark(line),
            Some(Start::Item(item)) => line = item.content,
            Some(_) => return false,
            None if open => return !is_blank(line) && underline(line).is_none(),
            None => return !is_blank(line) && indent(line) < 4,
        }
        open = false;
    }
    !is_blank(line)
}
