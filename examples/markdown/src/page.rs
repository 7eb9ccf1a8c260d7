//! Blocks as HTML, one tag per line.

use crate::block::Block;
use crate::{html, inline, target};

pub fn render(blocks: &[Block]) -> String {
    let mut out = String::new();
    put_all(&mut out, blocks, false);
    out
}

/// In a `tight` list paragraphs have no tags of their own.
fn put_all(out: &mut String, blocks: &[Block], tight: bool) {
    for block in blocks {
        match block {
            Block::Paragraph(text) if tight => inline::spans(out, text),
            _ => {
                begin_line(out);
                put(out, block);
                out.push('\n');
            }
        }
    }
}

fn begin_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

fn put(out: &mut String, block: &Block) {
    match block {
        Block::Heading { level, text } => {
            let tag = ["h1", "h2", "h3", "h4", "h5", "h6"][*level - 1];
            put_spans(out, tag, text);
        }
        Block::Paragraph(text) => put_spans(out, "p", text),
        Block::Code { language, lines } => put_code(out, language.as_deref(), lines),
        Block::Quote(blocks) => {
            out.push_str("<blockquote>\n");
            put_all(out, blocks, false);
            out.push_str("</blockquote>");
        }
        Block::List { first, loose, items } => put_list(out, *first, *loose, items),
        Block::Rule => out.push_str("<hr />"),
    }
}

fn put_spans(out: &mut String, tag: &str, text: &str) {
    out.extend(["<", tag, ">"]);
    inline::spans(out, text);
    out.extend(["</", tag, ">"]);
}

fn put_code(out: &mut String, language: Option<&str>, lines: &[String]) {
    out.push_str("<pre><code");
    if let Some(language) = language {
        out.push_str(" class=\"language-");
        html::text(out, &target::unescape(language));
        out.push('"');
    }
    out.push('>');
    for line in lines {
        html::code(out, line);
        out.push('\n');
    }
    out.push_str("</code></pre>");
}

fn put_list(out: &mut String, first: Option<u32>, loose: bool, items: &[Vec<Block>]) {
    match first {
        None => out.push_str("<ul>\n"),
        Some(1) => out.push_str("<ol>\n"),
        Some(number) => out.extend(["<ol start=\"", &number.to_string(), "\">\n"]),
    }
    for item in items {
        out.push_str("<li>");
        put_all(out, item, !loose);
        out.push_str("</li>\n");
    }
    out.push_str(if first.is_some() { "</ol>" } else { "</ul>" });
}
