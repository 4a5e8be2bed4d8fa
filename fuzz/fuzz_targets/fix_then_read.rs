//! A fix leaves a text that is read with no more mistakes than before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use npcheck::diagnostic::Severity;
use npcheck::source::SourceMap;
use npcheck::{edit, manifest};

fuzz_target!(|text: &str| {
    let source = SourceMap::default().add("text.yaml", text);
    let parsed = manifest::read(source, "text.yaml", text);
    for fix in parsed.diagnostics.iter().filter_map(|found| found.fix.as_ref()) {
        let Ok(fixed) = edit::apply(text, &fix.edits) else {
            continue;
        };
        let again = manifest::read(source, "text.yaml", &fixed);
        let is_broken = |parsed: &manifest::Parsed| {
            let mut found = parsed.diagnostics.iter();
            found.any(|found| found.rule == "yaml-error" && found.severity == Severity::Error)
        };
        assert!(is_broken(&parsed) || !is_broken(&again), "{fixed}");
    }
});
