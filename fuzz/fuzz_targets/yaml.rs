//! The two readers of YAML are one.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    assert_eq!(npcheck::yaml::disagreement(text), None);
});
