//! Markdown on standard input, HTML on standard output.
//!
//! `block` finds the structure of lines, `inline` that within a paragraph, `page` writes it down, and `html` is the
//! only place where text becomes HTML. The input may be anybody's: no raw HTML passes, and links go only where
//! `html::url` lets them.

mod block;
mod emphasis;
mod html;
mod inline;
mod page;
mod target;

use std::alloc::{Layout, alloc, realloc};
use std::io::{self, Read, Write};
use std::process::ExitCode;

const INPUT_MAX: u64 = 4 << 20;

fn main() -> ExitCode {
    match convert() {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            let _ = writeln!(io::stderr(), "markdown: {sentence}");
            ExitCode::FAILURE
        }
    }
}

fn convert() -> Result<(), &'static str> {
    if std::env::args_os().count() > 1 {
        return Err("no arguments are taken; usage: markdown < text.md > text.html");
    }
    let mut input = Vec::new();
    io::stdin().lock().take(INPUT_MAX + 1).read_to_end(&mut input).map_err(|_| "standard input cannot be read")?;
    if input.len() as u64 > INPUT_MAX {
        return Err("the text is larger than 4 MiB");
    }
    let text = String::from_utf8(input).map_err(|_| "the text is not UTF-8")?;
    io::stdout()
        .write_all(page::render(&block::document(&text)).as_bytes())
        .map_err(|_| "standard output cannot be written")
}

/// The adapter that turns WASI 0.1 calls into a component's allocates its own state here. Without this it would
/// grow the memory itself, and the malloc of Debian's wasi-libc would take that for its own heap.
///
/// # Safety
/// As the canonical ABI has it: `old` is null or was returned by this function for `old_size` and `align`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cabi_realloc(old: *mut u8, old_size: usize, align: usize, size: usize) -> *mut u8 {
    let memory = match (Layout::from_size_align(size, align), Layout::from_size_align(old_size, align)) {
        _ if size == 0 => return align as *mut u8,
        (Ok(layout), _) if old_size == 0 => unsafe { alloc(layout) },
        (Ok(_), Ok(old_layout)) => unsafe { realloc(old, old_layout, size) },
        _ => std::process::abort(),
    };
    if memory.is_null() {
        std::process::abort();
    }
    memory
}
