//! Where links lead: `(url)`, `(<url>)`, `(url "title")`, `<name@example.org>`.

/// Longest link target and title that are looked for, in bytes.
pub const TARGET_MAX: usize = 4096;
/// Parentheses within parentheses in a URL.
const PARENTHESES_MAX: usize = 32;

pub struct Target {
    pub url: String,
    pub title: String,
    pub length: usize,
}

/// The target that `text` begins with.
pub fn target(text: &str) -> Option<Target> {
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

/// Whether `text` is a mail address.
pub fn is_address(text: &str) -> bool {
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
