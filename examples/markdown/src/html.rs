//! Where text becomes HTML. Everything that comes from the input passes through one of these functions.

/// Append `text` as HTML text or attribute value. Character references (`&copy;`, `&#8364;`) pass as they are.
pub fn text(out: &mut String, text: &str) {
    for (at, character) in text.char_indices() {
        match character {
            '&' if is_reference(&text[at..]) => out.push('&'),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0' => out.push('\u{fffd}'),
            _ => out.push(character),
        }
    }
}

/// Append `code` as HTML text, where `&` never means anything.
pub fn code(out: &mut String, code: &str) {
    for (index, part) in code.split('&').enumerate() {
        if index > 0 {
            out.push_str("&amp;");
        }
        text(out, part);
    }
}

/// Whether `text` begins with a character reference. What it refers to is the browser's business.
fn is_reference(text: &str) -> bool {
    let Some(end) = text.bytes().take(33).position(|byte| byte == b';') else {
        return false;
    };
    let name = &text[1..end];
    match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(hex) => (1..=6).contains(&hex.len()) && hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
            None => (1..=7).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit()),
        },
        None => {
            name.starts_with(|first: char| first.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        }
    }
}

const SCHEMES: [&str; 5] = ["http", "https", "mailto", "nostr", "tel"];

/// `url` as an attribute value; None for what could do more than lead somewhere (`javascript:`, `data:`, ...).
///
/// A URL without a scheme is relative and allowed. Browsers ignore control characters within a scheme, so a URL
/// that has any is refused; references are not decoded, so that none can hide a colon.
pub fn url(url: &str) -> Option<String> {
    if url.chars().any(char::is_control) {
        return None;
    }
    let trimmed = url.trim();
    if let Some(colon) = trimmed.find([':', '/', '?', '#'])
        && trimmed.as_bytes()[colon] == b':'
        && !SCHEMES.iter().any(|scheme| trimmed[..colon].eq_ignore_ascii_case(scheme))
    {
        return None;
    }
    let mut out = String::new();
    for byte in trimmed.bytes() {
        match byte {
            b'&' => out.push_str("&amp;"),
            b'\'' => out.push_str("%27"),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'*' | b'(' | b')' | b';' | b':' | b'@' | b'=' | b'+' | b'$' | b','
            | b'/' | b'?' | b'#' | b'%' => out.push(byte as char),
            _ if byte.is_ascii_alphanumeric() => out.push(byte as char),
            _ => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                out.push('%');
                out.push(HEX[(byte >> 4) as usize] as char);
                out.push(HEX[(byte & 15) as usize] as char);
            }
        }
    }
    Some(out)
}
