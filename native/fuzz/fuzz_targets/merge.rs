//! Cases without end: what refutes a claim is a crash.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| meshmeter_native_fuzz::check(text));
