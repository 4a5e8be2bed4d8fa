//! No text makes the reader of manifests crash, and every finding lies in the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use npcheck::manifest;
use npcheck::source::SourceMap;

fuzz_target!(|text: &str| {
    for name in ["text.yaml", "text.json"] {
        let mut sources = SourceMap::default();
        let source = sources.add(name, text);
        let parsed = manifest::read(source, name, text);
        for diagnostic in &parsed.diagnostics {
            assert!(text.get(diagnostic.primary.span.range()).is_some());
        }
    }
});
