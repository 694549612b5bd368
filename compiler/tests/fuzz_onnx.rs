//! A million model files with changes: `cargo fuzz-onnx`. Not part of a plain run; `COUNT` and `SEED` are heard.

mod broken;
mod tensors;

use std::time::Duration;

#[test]
fn changed_models_are_refused_or_are_models() {
    let before = broken::peak_memory_bytes();
    let count = std::env::var("COUNT").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let hour = Duration::from_secs(3600);
    let [refused, imported] = broken::fuzz(broken::seed(1 << 32), count, hour);
    println!("refused {refused}, imported {imported}");
    let grown = broken::peak_memory_bytes().saturating_sub(before);
    assert!(grown < 512 << 20, "importing small files took {grown} bytes");
}
