//! A terminal's output as a picture: text with colours becomes an SVG that needs no font of
//! its own and reads well on dark and light pages.
//!
//! Refuses to know what the text says.

use std::fmt::Write;

/// How a run of characters looks.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    is_bold: bool,
    is_dim: bool,
    colour: Option<u8>,
}

const LINE: usize = 20;
const COLUMN: f64 = 8.4;
const MARGIN: usize = 16;

/// The picture of `command`, typed at a prompt, and of what it printed in ANSI colours.
///
/// # Panics
///
/// On an escape sequence that is none of those that npcheck prints.
pub(crate) fn picture(command: &str, output: &str) -> String {
    let prompt = format!("\u{1b}[2m$\u{1b}[0m \u{1b}[1m{command}\u{1b}[0m");
    let lines: Vec<&str> = std::iter::once(prompt.as_str())
        .chain(output.trim_end().lines())
        .collect();
    let widest = lines.iter().map(|line| plain(line).chars().count()).max();
    let width = (widest.unwrap_or(0) as f64 * COLUMN).ceil() as usize + 2 * MARGIN;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\">\n\
         <title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#1b1f27\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"14\" fill=\"#d6dbe5\">\n",
        escape(command)
    );
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + number * LINE + 14;
        let _ = write!(svg, "<text x=\"{MARGIN}\" y=\"{y}\">");
        for (look, text) in runs(line) {
            let mut style = String::new();
            if let Some(colour) = look.colour {
                let _ = write!(style, " fill=\"{}\"", hex(colour));
            } else if look.is_dim {
                style.push_str(" fill=\"#7d8799\"");
            }
            if look.is_bold {
                style.push_str(" font-weight=\"bold\"");
            }
            // Browsers make one blank of several, wherever a picture asks them not to.
            let text = escape(&text).replace(' ', "\u{a0}");
            let _ = write!(svg, "<tspan{style}>{text}</tspan>");
        }
        svg.push_str("</text>\n");
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

fn hex(colour: u8) -> &'static str {
    match colour {
        31 => "#ff7b86",
        32 => "#8fd18a",
        33 => "#f2c26b",
        34 => "#7fb2ff",
        35 => "#d49bf0",
        36 => "#6fd3dc",
        other => panic!("no picture has the colour {other}"),
    }
}

/// The text in runs of one look.
fn runs(line: &str) -> Vec<(Look, String)> {
    let mut runs: Vec<(Look, String)> = Vec::new();
    let mut look = Look::default();
    let mut parts = line.split('\u{1b}');
    let mut push = |look: Look, text: &str| {
        if !text.is_empty() {
            runs.push((look, text.to_owned()));
        }
    };
    push(look, parts.next().unwrap_or_default());
    for part in parts {
        // A link has no picture.
        if let Some(link) = part.strip_prefix("]8;") {
            let text = link.split_once('\u{7}').map_or("", |(_, text)| text);
            push(look, text);
            continue;
        }
        let Some((codes, text)) = part.strip_prefix('[').and_then(|rest| rest.split_once('m'))
        else {
            push(look, part.trim_start_matches('\\'));
            continue;
        };
        for code in codes.split(';') {
            match code.parse().expect("a code is a number") {
                0 => look = Look::default(),
                1 => look.is_bold = true,
                2 => look.is_dim = true,
                colour => look.colour = Some(colour),
            }
        }
        push(look, text);
    }
    runs
}

fn plain(line: &str) -> String {
    runs(line).into_iter().map(|(_, text)| text).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[test]
fn colours_become_runs() {
    let svg = picture("a < b", "\u{1b}[1;31merror\u{1b}[0m: x & y\n");
    assert!(svg.contains("a &lt; b"), "{svg}");
    assert!(
        svg.contains(
            "<tspan fill=\"#ff7b86\" font-weight=\"bold\">error</tspan><tspan>:\u{a0}x\u{a0}&amp;\u{a0}y</tspan>"
        ),
        "{svg}"
    );
}
